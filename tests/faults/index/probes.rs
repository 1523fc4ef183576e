//! Products of a run's own that shoppers can find, by a word that no other product has.

use std::time::Duration;

use anyhow::{Context, ensure};
use domain::ids::ProductId;
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use support::running::{Client, Seen};
use uuid::Uuid;

/// So many that each changes once a second.
const COUNT: usize = 200;
/// Products that are made or deleted at once.
const CONCURRENCY: usize = 16;
/// Tries to delete one, and the pause between: what was under way when a run was stopped may still change it.
const REMOVE_TRIES: u32 = 5;
const REMOVE_PAUSE: Duration = Duration::from_millis(300);

/// A product of the run as it was seen last.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Its id.
    pub id: ProductId,
    /// Its body and entity tag.
    pub seen: Seen,
}

/// A word that no product has.
pub fn word() -> String {
    format!("zq{}", Uuid::new_v4().simple())
}

/// Makes the products, each whatever becomes of the others.
pub async fn make(client: &Client, word: &str) -> Vec<anyhow::Result<Probe>> {
    let made = stream::iter(0..COUNT).map(|number| make_one(client, word, number));
    made.buffer_unordered(CONCURRENCY).collect().await
}

async fn make_one(client: &Client, word: &str, number: usize) -> anyhow::Result<Probe> {
    let sku = format!("fault-{}", Uuid::new_v4().simple());
    let draft = json!({
        "title": format!("Fault probe {word} {number}"), "status": "active",
        "variants": [{"sku": sku, "price": {"amount_minor": 100, "currency": "GBP"}}]
    });
    let (status, body) = client.create(&sku, &draft).await?;
    ensure!(status == 201, "a product was not made: {status} {body}");
    let id = body["id"].as_str().context("an id")?;
    Ok(Probe {
        id: ProductId(id.parse::<Uuid>().context("the id of a product")?),
        seen: client.product(id).await?,
    })
}

/// Deletes them, all that can be deleted also after one that cannot.
pub async fn remove(client: &Client, ids: &[ProductId]) -> anyhow::Result<()> {
    let removed = stream::iter(ids).map(|id| remove_one(client, *id));
    let removed: Vec<anyhow::Result<()>> = removed.buffer_unordered(CONCURRENCY).collect().await;
    removed.into_iter().collect::<anyhow::Result<()>>().context("delete the probes")
}

async fn remove_one(client: &Client, id: ProductId) -> anyhow::Result<()> {
    let mut tried = 1;
    loop {
        match delete(client, id).await {
            Err(_) if tried < REMOVE_TRIES => tried += 1,
            ended => return ended,
        }
        tokio::time::sleep(REMOVE_PAUSE).await;
    }
}

async fn delete(client: &Client, id: ProductId) -> anyhow::Result<()> {
    client.delete(&client.product(&id.to_string()).await?).await
}
