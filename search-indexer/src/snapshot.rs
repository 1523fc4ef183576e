//! Snapshots: an index as it was at a moment, which the pages of a list after the first one are read from. What changes
//! meanwhile is neither shown twice nor left out.
//!
//! Lists share them: each client opens one every few seconds at most, and it ends by itself.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use elasticsearch::http::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::client::{Request, SearchClient};
use crate::error::SearchError;
use crate::query::WHOLE;

/// How long lists that begin share one.
const SHARED_FOR: Duration = Duration::from_secs(5);
/// How long one lasts, however often it is read. An engine keeps 300 at most: with five seconds between them that is
/// enough for five clients.
const KEPT_FOR: &str = "5m";
/// How long one is waited for: the page can do without.
const OPEN_TIMEOUT: Duration = Duration::from_millis(500);
/// Longest name: it is a part of cursors.
pub(crate) const LENGTH_MAX: usize = 500;

/// The snapshots of one client.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    latest: Mutex<Option<(Instant, Option<String>)>>,
    dialect: OnceLock<Dialect>,
}

/// How an engine is asked for one.
#[derive(Debug, Clone, Copy)]
enum Dialect {
    Elasticsearch,
    OpenSearch,
}

/// A snapshot for a list that begins; `None` when the engine gives none: then the list goes on as the index changes.
pub(crate) async fn shared(client: &SearchClient) -> Option<String> {
    // Whoever comes meanwhile waits, and shares it.
    let mut latest = client.snapshots().latest.lock().await;
    if let Some((opened_at, name)) = &*latest
        && opened_at.elapsed() < SHARED_FOR
    {
        return name.clone();
    }
    let opened = open(client).await;
    if let Err(error) = &opened {
        tracing::warn!(error = error as &dyn std::error::Error, "no snapshot for the pages of a list");
        metrics::counter!("search_snapshots_refused_total").increment(1);
    }
    let name = opened.ok();
    *latest = Some((Instant::now(), name.clone()));
    name
}

async fn open(client: &SearchClient) -> Result<String, SearchError> {
    let dialect = client.snapshots().dialect.get();
    if let Some(dialect) = dialect {
        return open_as(client, *dialect).await;
    }
    let (dialect, opened) = match open_as(client, Dialect::OpenSearch).await {
        Err(SearchError::Refused { .. }) => {
            (Dialect::Elasticsearch, open_as(client, Dialect::Elasticsearch).await?)
        }
        opened => (Dialect::OpenSearch, opened?),
    };
    let _ = client.snapshots().dialect.set(dialect);
    Ok(opened)
}

async fn open_as(client: &SearchClient, dialect: Dialect) -> Result<String, SearchError> {
    let (path, field) = match dialect {
        Dialect::Elasticsearch => ("_pit", "id"),
        Dialect::OpenSearch => ("_search/point_in_time", "pit_id"),
    };
    let path = format!("{}/{path}", client.alias());
    let query = [("keep_alive", KEPT_FOR)];
    let request = Request { query: &query, timeout: OPEN_TIMEOUT, ..Request::new(Method::Post, path) };
    let body = client.send(request).await?;
    let name = body[field].as_str().filter(|name| name.len() <= LENGTH_MAX).map(str::to_owned);
    name.ok_or_else(|| SearchError::Malformed("a snapshot without a name, or with one too long".to_owned()))
}

/// Searches in a snapshot; `None` when it has ended, or what held it is away.
pub(crate) async fn search(
    client: &SearchClient,
    snapshot: &str,
    mut body: Value,
    timeout: Duration,
) -> Result<Option<Value>, SearchError> {
    body["pit"] = json!({"id": snapshot});
    let sent = Request::json(Method::Post, "_search".to_owned(), body);
    let answer = client.answer(Request { query: &WHOLE, timeout, ..sent }).await?;
    match answer.status {
        200..300 => Ok(Some(answer.body)),
        status @ (400 | 429) => Err(SearchError::from_answer(status, &answer.body)),
        _ => {
            metrics::counter!("search_snapshots_ended_total").increment(1);
            Ok(None)
        }
    }
}
