//! The search engine past the shop: what the index in use holds, and how it is damaged.

use std::time::Duration;

use anyhow::{Context, ensure};
use domain::ids::ProductId;
use search_indexer::client::SearchClient;
use search_indexer::index;
use search_indexer::settings::SearchSettings;
use serde_json::{Value, json};

/// How long the engine may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Documents that are asked for or damaged in one request.
const BATCH_SIZE: usize = 500;

/// A document as the index holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Its external version: the ticket that it was written with.
    pub version: i64,
    /// Its fields.
    pub source: Value,
}

/// What is done to a document at the version that it has.
#[derive(Debug, Clone, PartialEq)]
pub enum Damage {
    /// It is deleted.
    Deleted,
    /// It gets other fields.
    Overwritten(Value),
}

/// The engine of the running stack.
#[derive(Debug)]
pub struct Engine {
    client: SearchClient,
    http: reqwest::Client,
    url: String,
}

impl Engine {
    /// Of those settings. Nothing is sent yet.
    pub fn new(search: &SearchSettings) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        Ok(Self { client: SearchClient::new(search)?, http, url: search.url.clone() })
    }

    /// The name of the index that is searched.
    pub async fn in_use(&self) -> anyhow::Result<String> {
        index::aliases(&self.client).await?.current.context("no index is in use")
    }

    /// Makes everything written so far visible to searches.
    pub async fn refresh(&self) -> anyhow::Result<()> {
        Ok(index::refresh(&self.client, self.client.alias()).await?)
    }

    /// Documents of the index in use that are not marks of deleted products.
    pub async fn count(&self) -> anyhow::Result<u64> {
        self.refresh().await?;
        let query = json!({"query": {"bool": {"must_not": {"term": {"deleted": true}}}}});
        let path = format!("{}/_count", self.client.alias());
        let answer = self.send(&path, "application/json", query.to_string()).await?;
        answer["count"].as_u64().with_context(|| format!("no count: {answer}"))
    }

    /// What the index in use holds of those products, in their order, also what was written a moment ago.
    pub async fn held(&self, ids: &[ProductId]) -> anyhow::Result<Vec<Option<Held>>> {
        let path = format!("{}/_mget", self.client.alias());
        let mut held = Vec::with_capacity(ids.len());
        for some in ids.chunks(BATCH_SIZE) {
            let mut answer = self.send(&path, "application/json", json!({"ids": some}).to_string()).await?;
            let documents = answer["docs"].as_array_mut().context("no documents")?;
            ensure!(documents.len() == some.len(), "{} of {} documents", documents.len(), some.len());
            for document in documents {
                held.push(read(document)?);
            }
        }
        Ok(held)
    }

    /// Damages documents of an index, each at the version that it has, so that any later ticket mends it.
    pub async fn damage(&self, index: &str, damages: &[(ProductId, i64, Damage)]) -> anyhow::Result<()> {
        for some in damages.chunks(BATCH_SIZE) {
            let lines: String =
                some.iter().map(|(id, version, damage)| lines(*id, *version, damage)).collect();
            let path = format!("{index}/_bulk?refresh=true");
            let answer = self.send(&path, "application/x-ndjson", lines).await?;
            ensure!(answer["errors"] == false, "the engine refused damage: {}", first_error(&answer));
        }
        Ok(())
    }

    async fn send(&self, path: &str, content_type: &str, body: String) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}/{path}", self.url)).header("content-type", content_type);
        let response = request.body(body).send().await.with_context(|| path.to_owned())?;
        Ok(response.error_for_status()?.json().await?)
    }
}

fn read(document: &mut Value) -> anyhow::Result<Option<Held>> {
    ensure!(document.get("error").is_none(), "a document cannot be read: {document}");
    if document["found"] != true {
        return Ok(None);
    }
    let version = document["_version"].as_i64().context("a document without a version")?;
    Ok(Some(Held { version, source: document["_source"].take() }))
}

fn lines(id: ProductId, version: i64, damage: &Damage) -> String {
    let at = json!({"_id": id, "version": version, "version_type": "external_gte"});
    match damage {
        Damage::Deleted => format!("{}\n", json!({"delete": at})),
        Damage::Overwritten(source) => format!("{}\n{source}\n", json!({"index": at})),
    }
}

fn first_error(answer: &Value) -> String {
    let mut items = answer["items"].as_array().into_iter().flatten();
    let error = |item: &Value| item.as_object()?.values().find_map(|result| result.get("error")).cloned();
    items.find_map(error).map(|error| error.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn damage_keeps_the_version() {
        let id = ProductId::new(Timestamp::UNIX_EPOCH, [1; 10]);
        let parsed = |text: &str| -> Vec<Value> {
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
        };
        let deleted = parsed(&lines(id, 7, &Damage::Deleted));
        let at = json!({"_id": id, "version": 7, "version_type": "external_gte"});
        assert_eq!(deleted, [json!({"delete": at})]);
        let overwritten = parsed(&lines(id, 7, &Damage::Overwritten(json!({"title": "A"}))));
        assert_eq!(overwritten, [json!({"index": at}), json!({"title": "A"})]);
    }

    #[test]
    fn what_is_missing_is_no_error() {
        assert_eq!(read(&mut json!({"_id": "a", "found": false})).expect("an answer"), None);
        let mut found = json!({"_id": "a", "_version": 3, "found": true, "_source": {"title": "A"}});
        let held = Held { version: 3, source: json!({"title": "A"}) };
        assert_eq!(read(&mut found).expect("an answer"), Some(held));
        assert!(read(&mut json!({"_id": "a", "error": {"reason": "why"}})).is_err());
    }

    #[test]
    fn the_first_refusal_is_shown() {
        let refused = json!({"index": {"error": {"reason": "why"}}});
        let answer = json!({"errors": true, "items": [{"delete": {"status": 200}}, refused]});
        assert_eq!(first_error(&answer), json!({"reason": "why"}).to_string());
    }
}
