//! The connection to the search engine: one request in, one JSON answer out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use elasticsearch::http::headers::{CONTENT_TYPE, HeaderMap, HeaderValue};
use elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use elasticsearch::http::{Method, Url};
use serde_json::Value;

use crate::error::SearchError;
use crate::rest::Rest;
use crate::settings::SearchSettings;
use crate::snapshot::Snapshots;
use crate::vectors::Vectors;

/// Longest wait for an answer to a small request.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a bulk, a new index or a refresh.
pub(crate) const BULK_TIMEOUT: Duration = Duration::from_secs(30);

/// A client of the engine that knows our index names. Cheap to clone; connects when asked.
#[derive(Debug, Clone)]
pub struct SearchClient {
    transport: Transport,
    alias: String,
    next_rest: Arc<Rest>,
    previous_rest: Arc<Rest>,
    snapshots: Arc<Snapshots>,
    vectors: Option<Arc<Vectors>>,
}

/// A request to the engine.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) body: Body,
    pub(crate) timeout: Duration,
}

/// What a request carries.
pub(crate) enum Body {
    Nothing,
    Json(Value),
    /// Lines of JSON, each with its line end.
    Lines(Vec<u8>),
}

/// An answer whose status is for the caller to judge.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl SearchClient {
    /// A client for those settings. Nothing is sent yet; a model of vectors is loaded.
    pub fn new(settings: &SearchSettings) -> Result<Self, SearchError> {
        let url = Url::parse(&settings.url)
            .map_err(|error| SearchError::Malformed(format!("the address is no URL: {error}")))?;
        let transport = TransportBuilder::new(SingleNodeConnectionPool::new(url))
            .disable_proxy()
            // OpenSearch does not know the header.
            .enable_meta_header(false)
            .timeout(BULK_TIMEOUT)
            .build()
            .map_err(|error| SearchError::Malformed(error.to_string()))?;
        let alias = format!("{}-products", settings.index_prefix);
        let rest = || Arc::new(Rest::new(Instant::now()));
        let snapshots = Arc::default();
        let vectors = settings.vectors.as_ref().map(Vectors::open).transpose()?.map(Arc::new);
        Ok(Self { transport, alias, next_rest: rest(), previous_rest: rest(), snapshots, vectors })
    }

    /// The alias that is searched and written: `{prefix}-products`.
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// The alias of an index that a rebuild is filling: `{prefix}-products-next`.
    pub fn next_alias(&self) -> String {
        format!("{}-next", self.alias)
    }

    /// The alias of the index that was in use before: `{prefix}-products-previous`.
    pub fn previous_alias(&self) -> String {
        format!("{}-previous", self.alias)
    }

    /// Whether the index that a rebuild is filling is left alone.
    pub(crate) fn next_rest(&self) -> &Rest {
        &self.next_rest
    }

    /// Whether the index that was in use before is left alone.
    pub(crate) fn previous_rest(&self) -> &Rest {
        &self.previous_rest
    }

    /// What pages of lists are read from.
    pub(crate) fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// What makes vectors of texts, when they are on.
    pub(crate) fn vectors(&self) -> Option<&Vectors> {
        self.vectors.as_deref()
    }

    /// What tells its ranking by relevance from that of a client with other vectors.
    pub fn ranking(&self) -> String {
        self.vectors().map(Vectors::ranking).unwrap_or_default()
    }

    /// Whether the engine answers and has an index to search.
    pub async fn ping(&self) -> Result<(), SearchError> {
        let answer = self.answer(Request::new(Method::Head, self.alias.clone())).await?;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(SearchError::unavailable(format!("no index {}: {}", self.alias, answer.status)))
        }
    }

    /// Sends a request; any answer but a 2xx is an error.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Value, SearchError> {
        let answer = self.answer(request).await?;
        if (200..300).contains(&answer.status) {
            Ok(answer.body)
        } else {
            Err(SearchError::from_answer(answer.status, &answer.body))
        }
    }

    /// Sends a request and gives back whatever is answered.
    pub(crate) async fn answer(&self, request: Request<'_>) -> Result<Answer, SearchError> {
        let mut headers = HeaderMap::new();
        let body = match request.body {
            Body::Nothing => None,
            Body::Json(value) => Some(value.to_string().into_bytes()),
            Body::Lines(lines) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
                Some(lines)
            }
        };
        let Request { method, path, query, timeout, .. } = request;
        let response = self
            .transport
            .send(method, &path, headers, Some(query), body, Some(timeout))
            .await
            .map_err(SearchError::unavailable)?;
        let status = response.status_code().as_u16();
        let bytes = response.bytes().await.map_err(SearchError::unavailable)?;
        Ok(Answer { status, body: read_body(status, &bytes)? })
    }
}

/// A success must be JSON; a proxy's error page need not be.
fn read_body(status: u16, bytes: &[u8]) -> Result<Value, SearchError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    match serde_json::from_slice(bytes) {
        Ok(body) => Ok(body),
        Err(_) if status >= 400 => Ok(Value::Null),
        Err(error) => Err(SearchError::Malformed(error.to_string())),
    }
}

impl Request<'_> {
    /// A request without a body.
    pub(crate) fn new(method: Method, path: String) -> Self {
        Self { method, path, query: &[], body: Body::Nothing, timeout: REQUEST_TIMEOUT }
    }

    /// A request with a JSON body.
    pub(crate) fn json(method: Method, path: String, body: Value) -> Self {
        Self { body: Body::Json(body), ..Self::new(method, path) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_prefix() {
        let settings =
            SearchSettings { url: "http://127.0.0.1:1".into(), index_prefix: "shop".into(), vectors: None };
        let client = SearchClient::new(&settings).expect("valid");
        assert_eq!(client.alias(), "shop-products");
        assert_eq!(client.next_alias(), "shop-products-next");
        assert_eq!(client.previous_alias(), "shop-products-previous");
        let wrong = SearchSettings { url: "nowhere".into(), ..settings };
        assert!(SearchClient::new(&wrong).is_err());
    }

    #[test]
    fn an_error_page_is_no_malformed_answer() {
        assert_eq!(read_body(502, b"<html>").expect("any"), Value::Null);
        assert!(matches!(read_body(200, b"<html>"), Err(SearchError::Malformed(_))));
    }
}
