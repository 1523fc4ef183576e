//! A rebuild of the whole catalogue into indexes of its own, beside a bare bulk of the same documents: both on one
//! connection, so many documents at a time.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use search_indexer::client::SearchClient;
use search_indexer::index;
use search_indexer::mapping::Analysis;
use search_indexer::projection::Projection;
use search_indexer::rebuild::{self, Plan};
use search_indexer::settings::SearchSettings;
use serde_json::{Value, json};
use store::mongo::connection::Mongo;
use store::pg::pool::PgPools;
use tokio_util::sync::CancellationToken;

use super::{Compared, Rates, Settings, per_second};

/// As many as a rebuild writes at a time.
const BATCH_SIZE: usize = 500;
/// Most documents of the bare bulk: they lie in memory.
const DOCUMENT_COUNT_MAX: usize = 100_000;
const TIMEOUT: Duration = Duration::from_secs(60);
/// What the names of the indexes begin with, so that the shop's own are not touched.
const OURS: &str = "bench-rebuild";
const BARE: &str = "bench-bulk";

/// Both in turns, `rounds` times.
pub async fn measure(stores: &Settings, rounds: u32) -> anyhow::Result<Compared> {
    let engine = Engine::new(&stores.search)?;
    let projection = Projection {
        client: engine.ours.clone(),
        pools: PgPools::new(&stores.postgres)?,
        mongo: Mongo::connect(&stores.mongo).await?,
    };
    let measured = Box::pin(in_turns(stores, &engine, &projection, rounds)).await;
    projection.mongo.close().await;
    let removed = [remove_indexes(&engine.ours).await, remove_indexes(&engine.bare).await];
    let measured = measured?;
    removed.into_iter().collect::<anyhow::Result<()>>()?;
    Ok(measured)
}

async fn in_turns(
    stores: &Settings,
    engine: &Engine,
    projection: &Projection,
    rounds: u32,
) -> anyhow::Result<Compared> {
    let (mut rates, mut bodies, mut count) = (Vec::new(), Vec::new(), 0);
    for round in 1..=rounds {
        remove_indexes(&engine.ours).await?;
        let name = index::new_name(engine.ours.alias(), Timestamp::now(), rand::random());
        let stop = CancellationToken::new();
        let began = Instant::now();
        let plan = Plan { name: &name, analysis: Analysis::English, rate: None, resume: false };
        let work = rebuild::run(projection, &stores.postgres, plan, &stop, |_| {});
        let rebuilt = Box::pin(work).await?;
        let ours = began.elapsed();
        ensure!(rebuilt.products > 0, "the shop has no products: ./dev seed makes some");
        if bodies.is_empty() {
            (bodies, count) = engine.bodies(&rebuilt.index).await?;
            // A bare rate of nothing would make any ratio good enough.
            ensure!(count > 0, "the rebuilt index shows no documents");
        }
        let bare = engine.bulk(&bodies).await?;
        eprintln!("rebuild: round {round} of {rounds}, {} documents", rebuilt.products);
        let products = usize::try_from(rebuilt.products)?;
        rates.push(Rates { ours: per_second(products, ours), bare: per_second(count, bare) });
    }
    Ok(Compared::new(count, rates))
}

async fn remove_indexes(client: &SearchClient) -> anyhow::Result<()> {
    for name in index::aliases(client).await?.all {
        index::delete(client, &name).await?;
    }
    Ok(())
}

/// The search engine, as the rebuild knows it and by hand.
struct Engine {
    url: String,
    http: reqwest::Client,
    ours: SearchClient,
    bare: SearchClient,
}

impl Engine {
    fn new(search: &SearchSettings) -> anyhow::Result<Self> {
        let named = |prefix: &str| {
            SearchClient::new(&SearchSettings { index_prefix: prefix.to_owned(), ..search.clone() })
        };
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        Ok(Self { url: search.url.clone(), http, ours: named(OURS)?, bare: named(BARE)? })
    }

    /// The bodies of bulk requests with the documents of an index, and how many documents these are.
    async fn bodies(&self, name: &str) -> anyhow::Result<(Vec<String>, usize)> {
        let (mut bodies, mut count, mut after) = (Vec::new(), 0, None);
        while count < DOCUMENT_COUNT_MAX {
            let hits = self.page(name, after.as_ref()).await?;
            let Some(last) = hits.last() else { break };
            after = Some(last["sort"].clone());
            count += hits.len();
            bodies.push(body(&hits));
        }
        Ok((bodies, count))
    }

    async fn page(&self, name: &str, after: Option<&Value>) -> anyhow::Result<Vec<Value>> {
        let mut query =
            json!({"size": BATCH_SIZE, "sort": [{"product_id": "asc"}], "query": {"match_all": {}}});
        if let Some(after) = after {
            query["search_after"] = after.clone();
        }
        let mut answer = self.send(&format!("{name}/_search"), "application/json", query.to_string()).await?;
        match answer["hits"]["hits"].take() {
            Value::Array(hits) => Ok(hits),
            other => bail!("no hits: {other}"),
        }
    }

    /// How long the engine takes for the bodies, in a new index, until all can be found.
    async fn bulk(&self, bodies: &[String]) -> anyhow::Result<Duration> {
        remove_indexes(&self.bare).await?;
        let name = index::new_name(self.bare.alias(), Timestamp::now(), rand::random());
        index::create(&self.bare, &name, Analysis::English).await?;
        let path = format!("{name}/_bulk");
        let began = Instant::now();
        for body in bodies {
            let answer = self.send(&path, "application/x-ndjson", body.clone()).await?;
            ensure!(answer["errors"] == false, "the engine refused documents: {}", answer["items"][0]);
        }
        index::refresh(&self.bare, &name).await?;
        Ok(began.elapsed())
    }

    async fn send(&self, path: &str, content_type: &str, body: String) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}/{path}", self.url)).header("content-type", content_type);
        let response = request.body(body).send().await.with_context(|| path.to_owned())?;
        Ok(response.error_for_status()?.json().await?)
    }
}

/// Two lines for each document, with an external version as the shop writes it.
fn body(hits: &[Value]) -> String {
    let mut lines = String::new();
    for hit in hits {
        let action = json!({"index": {"_id": hit["_id"], "version": 1, "version_type": "external"}});
        // Writing to a string cannot fail.
        let _written = writeln!(lines, "{action}\n{}", hit["_source"]);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_two_lines() {
        let hits =
            [json!({"_id": "a", "_source": {"title": "A"}}), json!({"_id": "b", "_source": {"title": "B"}})];
        let body = body(&hits);
        let lines: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!((&lines[2]["index"]["_id"], &lines[3]["title"]), (&json!("b"), &json!("B")));
        assert!(body.ends_with('\n'));
    }
}
