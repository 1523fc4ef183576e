//! Listens between the shop's search and the engine once, to learn which requests a search becomes.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use search_indexer::client::SearchClient;
use search_indexer::query::{self, SearchRequest};
use search_indexer::settings::SearchSettings;
use search_indexer::suggest;
use search_indexer::tuned::Tuned;

use super::asked::{Asked, EngineRequest};

/// Hits of a page, and products that are suggested, as the API gives them when it is not told.
const LIMIT: u16 = 20;
const SUGGESTED: u16 = 6;

/// A client of the engine whose requests are written down.
pub struct Recorder {
    client: SearchClient,
    heard: Heard,
}

type Heard = Arc<Mutex<Vec<EngineRequest>>>;

struct Proxy {
    engine: String,
    http: reqwest::Client,
    heard: Heard,
}

/// Starts to listen; ends with the program.
pub async fn start(settings: &SearchSettings) -> anyhow::Result<Recorder> {
    let heard = Heard::default();
    let engine = settings.url.trim_end_matches('/').to_owned();
    let proxy = Proxy { engine, http: reqwest::Client::new(), heard: Arc::clone(&heard) };
    let proxy = web::Data::new(proxy);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let server =
        HttpServer::new(move || App::new().app_data(proxy.clone()).default_service(web::to(forward)));
    tokio::spawn(server.workers(1).disable_signals().listen(listener)?.run());
    Ok(Recorder { client: SearchClient::new(&SearchSettings { url, ..settings.clone() })?, heard })
}

async fn forward(request: HttpRequest, body: web::Bytes, proxy: web::Data<Proxy>) -> HttpResponse {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let sent = proxy.http.post(format!("{}{path}", proxy.engine)).header("content-type", "application/json");
    let answered = sent.body(body.clone()).send().await;
    if let Ok(body) = serde_json::from_slice(&body) {
        proxy.heard.lock().unwrap_or_else(PoisonError::into_inner).push(EngineRequest { path, body });
    }
    let Ok(answered) = answered else { return HttpResponse::BadGateway().finish() };
    let status = StatusCode::from_u16(answered.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    match answered.bytes().await {
        Ok(bytes) => HttpResponse::build(status).content_type("application/json").body(bytes),
        Err(_) => HttpResponse::BadGateway().finish(),
    }
}

impl Recorder {
    /// What each search becomes.
    pub async fn searches(&self, texts: &[String]) -> anyhow::Result<Vec<Asked>> {
        let mut asked = Vec::with_capacity(texts.len());
        for text in texts {
            let request =
                SearchRequest { text: Some(text.clone()), limit: LIMIT, ..SearchRequest::default() };
            query::search(&self.client, &request).await?;
            let bodies = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
            let path = format!("/api/v1/search?q={}&limit={LIMIT}", encoded(text));
            asked.push(Asked { path, bodies });
        }
        Ok(asked)
    }

    /// What each thing typed becomes.
    pub fn suggestions(&self, typed: &[String]) -> Vec<Asked> {
        let of = |typed: &String| {
            let path = format!("/{}/_search?allow_partial_search_results=false", self.client.alias());
            let body = suggest::body(typed, &Tuned::default(), SUGGESTED);
            let bodies = vec![EngineRequest { path, body }];
            Asked { path: format!("/api/v1/search/suggest?q={}", encoded(typed)), bodies }
        };
        typed.iter().map(of).collect()
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
