//! The shop's programs inside the test: the API on a free port, both relays, the indexer, signed-in clients.

use std::net::TcpListener;

use ::api::RunningApi;
use cache::settings::CacheSettings;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use search_indexer::client::SearchClient;
use search_indexer::projection::Projection;
use search_indexer::settings::SearchSettings;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Scope, stack};

/// The programs of one test; stopped by [`Shop::stop`].
pub struct Shop {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Shop {
    /// Starts both relays and the indexer.
    pub async fn start(scope: &Scope) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = Vec::new();
        let (pools, amqp, token) = (scope.pools(), scope.amqp.clone(), stop.clone());
        tasks.push(tokio::spawn(async move { ingest::relay::pg_outbox::run(&pools, &amqp, &token).await }));
        let (mongo, amqp, token) = (scope.mongo().await, scope.amqp.clone(), stop.clone());
        tasks
            .push(tokio::spawn(async move { ingest::relay::mongo_outbox::run(&mongo, &amqp, &token).await }));
        let client = SearchClient::new(&search_settings(scope)).expect("valid settings");
        let projection = Projection { client, pools: scope.pools(), mongo: scope.mongo().await };
        let (amqp, token) = (scope.amqp.clone(), stop.clone());
        tasks.push(tokio::spawn(
            async move { search_indexer::consume::run(&projection, &amqp, &token).await },
        ));
        Self { stop, tasks }
    }

    /// Stops them.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            task.await.expect("a program ends without a panic");
        }
    }
}

/// The index of a scope.
pub fn search_settings(scope: &Scope) -> SearchSettings {
    SearchSettings { url: stack().opensearch_url.clone(), index_prefix: scope.prefix.clone(), vectors: None }
}

/// The settings of an API that works in a scope, from the test stack's settings file.
pub fn api_settings(scope: &Scope) -> ::api::settings::Settings {
    let mut settings: ::api::settings::Settings =
        process::settings::load(&stack().settings).expect("settings");
    settings.postgres = scope.postgres.clone();
    settings.mongo = scope.mongo.clone();
    settings.amqp = scope.amqp.clone();
    settings.cache = CacheSettings { prefix: scope.prefix.clone() };
    settings.search = search_settings(scope);
    // What tests wait for they ask for again and again.
    let allotments = &mut settings.api.rate_limit;
    for allotment in [&mut allotments.anonymous, &mut allotments.shopper, &mut allotments.staff] {
        allotment.requests = 1_000_000;
    }
    settings.objects = Some(scope.objects.clone());
    settings
}

/// Starts an API process' worth of API on a free port.
pub async fn start(settings: ::api::settings::Settings) -> RunningApi {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    ::api::serve(settings, listener).await.expect("the API starts")
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Nobody signed in.
    Nobody,
    /// A role's development token.
    Role(&'static str),
    /// A token that nobody has.
    Stranger,
}

/// What the API answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; `Null` when there is none.
    pub body: Value,
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}")).to_str().expect("text")
    }

    /// Whether it is what the search index found: as long as there is none the store answers.
    pub fn is_of_index(&self) -> bool {
        self.status.as_u16() == 200 && self.body["query"]["plainer"].is_null()
    }

    /// The answer, when it has that status.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self
    }

    /// The answer, when it is a problem document with that status and code.
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status, "{:#}", self.body);
        assert_eq!(self.body["code"], code, "{:#}", self.body);
        self.expect(status)
    }
}

/// A client of one API.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    tokens: development_tokens::Tokens,
}

impl Client {
    /// A client of a running API.
    pub fn new(api: &RunningApi) -> Self {
        Self {
            http: reqwest::Client::new(),
            base: format!("http://{}", api.address),
            tokens: development_tokens::read(),
        }
    }

    /// A request under `/api/v1`.
    pub fn request(&self, method: Method, who: Who, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/api/v1{path}", self.base));
        match who {
            Who::Nobody => request,
            Who::Role(role) => request.bearer_auth(&self.tokens[role]),
            Who::Stranger => request.bearer_auth("0123456789abcdef0123456789abcdef0123456789abcdef"),
        }
    }

    /// `GET` under `/api/v1`.
    pub async fn get(&self, who: Who, path: &str) -> Answer {
        send(self.request(Method::GET, who, path)).await
    }

    /// `GET` of a path outside `/api/v1`.
    pub async fn get_root(&self, path: &str) -> Answer {
        send(self.http.get(format!("{}{path}", self.base))).await
    }

    /// `POST` of JSON with an idempotency key.
    pub async fn post(&self, who: Who, path: &str, key: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, who, path).header("idempotency-key", key).json(body)).await
    }

    /// `PATCH` of JSON with `If-Match`.
    pub async fn patch(&self, who: Who, path: &str, etag: &str, body: &Value) -> Answer {
        send(self.request(Method::PATCH, who, path).header("if-match", etag).json(body)).await
    }
}

/// Sends a request and reads the whole answer.
pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("the API answers");
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.expect("a body");
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()))
    };
    Answer { status, headers, body }
}

mod development_tokens {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use crate::stack;

    pub type Tokens = BTreeMap<String, String>;

    #[derive(Deserialize)]
    struct Settings {
        development_tokens: Tokens,
    }

    pub fn read() -> Tokens {
        let settings: Settings = process::settings::load(&stack().settings).expect("settings");
        settings.development_tokens
    }
}
