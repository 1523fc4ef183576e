//! The stores of the running shop, past its programs: what is there, what is still to be sent, what the index shows.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use bson::{DateTime, Document, doc};
use domain::ids::ProductId;
use domain::product::Product;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mongodb::Database;
use search_indexer::settings::SearchSettings;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use store::mongo::connection::Mongo;
use store::mongo::products;
use store::pg::direct::{self, DirectClient};
use store::settings::{AmqpSettings, MongoSettings, PostgresSettings};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::load::Probe;
use crate::recorder::{self, Recorded};

/// How long the search engine may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Most events of one run that are read of each outbox.
const EVENT_COUNT_MAX: i64 = 200_000;

/// Where the stores are.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// Stock and its events.
    pub postgres: PostgresSettings,
    /// Products and their events.
    pub mongo: MongoSettings,
    /// The broker.
    pub amqp: AmqpSettings,
    /// The search engine.
    pub search: SearchSettings,
}

/// What lies of a variant in a warehouse, by its version.
#[derive(Debug, Clone)]
pub struct StockVersions {
    /// `<variant id>/<warehouse>`.
    pub level: String,
    /// The version that is stored.
    pub stored: i64,
    /// Version of its newest event that is kept; 0: there is none.
    pub newest_event: i64,
}

/// Connections that outlive the faults: each is made anew or repairs itself.
#[derive(Debug)]
pub struct Shop {
    /// Where the stores are.
    pub settings: Settings,
    /// As the shop reads products.
    pub mongo: Mongo,
    /// For what the shop never asks.
    pub database: Database,
    http: reqwest::Client,
}

impl Shop {
    /// The shop of a settings file.
    pub async fn open(settings: &Path) -> anyhow::Result<Self> {
        let settings: Settings = process::settings::load(settings)?;
        let mongo = Mongo::connect(&settings.mongo).await?;
        let client = mongodb::Client::with_uri_str(settings.mongo.url.expose_secret()).await?;
        let database = client.database(&settings.mongo.database);
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        Ok(Self { settings, mongo, database, http })
    }

    /// Closes what the driver would miss after the runtime's end.
    pub async fn close(self) {
        self.mongo.close().await;
        self.database.client().clone().shutdown().await;
    }

    /// A connection to the primary that it has now.
    pub async fn primary(&self) -> anyhow::Result<DirectClient> {
        Ok(direct::primary(&self.settings.postgres).await?)
    }

    /// What MongoDB holds of the probes.
    pub async fn products(&self, probes: &[Probe]) -> anyhow::Result<Vec<Product>> {
        let ids: Vec<ProductId> = probes.iter().map(|probe| probe.product).collect();
        Ok(products::find_many(&self.mongo, &ids).await?)
    }

    /// Events of both outboxes that are not sent.
    pub async fn unsent(&self) -> anyhow::Result<u64> {
        let (stock, _) = store::pg::outbox::backlog(&self.primary().await?).await?;
        Ok(stock.unsigned_abs() + store::mongo::outbox::backlog(&self.mongo).await?)
    }

    /// Dead letters that are kept, and those that nobody has taken out of the broker yet.
    pub async fn dead_letters(&self) -> anyhow::Result<u64> {
        // The broker first: what is moved between both questions is counted twice at worst, and never missed.
        let (_, dead) = recorder::waiting(&self.settings.amqp).await?;
        let primary = self.primary().await?;
        let kept: i64 = primary.query_one("SELECT count(*) FROM dead_letters", &[]).await?.get(0);
        Ok(dead + kept.unsigned_abs())
    }

    /// Every event of both outboxes since a time, sent or not.
    pub async fn events_since(&self, since: Timestamp) -> anyhow::Result<Vec<Recorded>> {
        const SQL: &str = "SELECT id::text, aggregate_kind || '/' || aggregate_id, aggregate_version \
                           FROM outbox WHERE created_at >= $1 LIMIT $2";
        let rows = self.primary().await?.query(SQL, &[&since, &EVENT_COUNT_MAX]).await?;
        let mut events: Vec<_> = rows
            .iter()
            .map(|row| Recorded { id: row.get(0), subject: row.get(1), version: row.get(2) })
            .collect();
        let filter = doc! {"created_at": {"$gte": DateTime::from_millis(since.as_millisecond())}};
        let outbox = self.database.collection::<Document>("outbox");
        let found: Vec<_> = outbox.find(filter).limit(EVENT_COUNT_MAX).await?.try_collect().await?;
        for document in &found {
            let (kind, id) = (document.get_str("aggregate_kind")?, document.get_str("aggregate_id")?);
            events.push(Recorded {
                id: document.get_str("_id")?.to_owned(),
                subject: format!("{kind}/{id}"),
                version: document.get_i64("aggregate_version")?,
            });
        }
        Ok(events)
    }

    /// A warehouse of the shop.
    pub async fn warehouse(&self) -> anyhow::Result<String> {
        const SQL: &str = "SELECT code FROM warehouses ORDER BY code LIMIT 1";
        let found = self.primary().await?.query_opt(SQL, &[]).await?;
        Ok(found.context("the shop has no warehouse: ./dev seed makes the demonstration shop")?.get(0))
    }

    /// What lies of each probe's variant in the warehouse.
    pub async fn on_hand(&self, probes: &[Probe], warehouse: &str) -> anyhow::Result<Vec<i64>> {
        const SQL: &str = "SELECT coalesce(sum(on_hand), 0)::bigint FROM stock \
                           WHERE variant_id = $1 AND warehouse = $2";
        let primary = self.primary().await?;
        let mut on_hand = Vec::new();
        for probe in probes {
            on_hand.push(primary.query_one(SQL, &[&probe.variant.0, &warehouse]).await?.get(0));
        }
        Ok(on_hand)
    }

    /// Version of each stock level of the probes, and of its newest kept event; 0: it has none.
    pub async fn stock_versions(&self, probes: &[Probe]) -> anyhow::Result<Vec<StockVersions>> {
        const SQL: &str = "SELECT level.id, level.version, coalesce(max(outbox.aggregate_version), 0) \
                           FROM (SELECT variant_id::text || '/' || warehouse AS id, version FROM stock \
                                 WHERE variant_id = ANY($1)) AS level \
                           LEFT JOIN outbox ON outbox.aggregate_kind = 'stock' AND outbox.aggregate_id = level.id \
                           GROUP BY level.id, level.version";
        let rows = self.primary().await?.query(SQL, &[&variants(probes)]).await?;
        let versions =
            |row: &Row| StockVersions { level: row.get(0), stored: row.get(1), newest_event: row.get(2) };
        Ok(rows.iter().map(versions).collect())
    }

    /// How often each reason is in the ledger of the probes' variants.
    pub async fn reasons(&self, probes: &[Probe]) -> anyhow::Result<HashMap<String, i64>> {
        const SQL: &str = "SELECT reason, count(*) FROM stock_ledger \
                           WHERE variant_id = ANY($1) AND reason IS NOT NULL GROUP BY reason";
        let rows = self.primary().await?.query(SQL, &[&variants(probes)]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Where the index differs from these products, in words.
    pub async fn unequal_documents(&self, products: &[Product]) -> anyhow::Result<Vec<String>> {
        let SearchSettings { url, index_prefix, .. } = &self.settings.search;
        let address =
            format!("{url}/{index_prefix}-products/_mget?_source_includes=product_version,title,deleted");
        let ids: Vec<_> = products.iter().map(|product| product.id).collect();
        let response = self.http.post(address).json(&json!({"ids": ids})).send().await?;
        let answer: Value = response.error_for_status()?.json().await?;
        let documents = answer["docs"].as_array().context("no documents")?;
        ensure!(documents.len() == products.len(), "{} of {} documents", documents.len(), products.len());
        Ok(products.iter().zip(documents).filter_map(|(product, found)| difference(product, found)).collect())
    }
}

fn variants(probes: &[Probe]) -> Vec<Uuid> {
    probes.iter().map(|probe| probe.variant.0).collect()
}

fn difference(product: &Product, found: &Value) -> Option<String> {
    let Product { id, version, title, .. } = product;
    let document = &found["_source"];
    let is_equal = document["product_version"] == *version
        && document["title"] == title.as_str()
        && document["deleted"] == false;
    (!is_equal).then(|| format!("product {id}: version {version}, the index has {document}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_another_version_differs() {
        let product = support::shop::product("Fault probe");
        let found = |version: i64, title: &str, deleted: bool| {
            let source = json!({"product_version": version, "title": title, "deleted": deleted});
            json!({"_source": source})
        };
        assert_eq!(difference(&product, &found(1, "Fault probe", false)), None);
        let other = [(2, "Fault probe", false), (1, "Probe", false), (1, "Fault probe", true)];
        for (version, title, deleted) in other {
            assert!(difference(&product, &found(version, title, deleted)).is_some(), "{version} {title}");
        }
        assert!(difference(&product, &json!({"found": false})).is_some());
    }
}
