//! How long a change of a product takes to be found by search, and to be shown by another API process that had the
//! product in its cache.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::json;
use support::figures::Figures;
use support::running::{Client, Running};
use uuid::Uuid;

use crate::child;

const DEADLINE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);
const SEARCH_GOAL: Duration = Duration::from_secs(2);
const SECOND_PROCESS_GOAL: Duration = Duration::from_millis(500);

/// Changes one product again and again, and prints both figures. Fails when a goal is missed.
pub async fn measure(settings: &Path, changes: u32) -> anyhow::Result<()> {
    let running = Running::find()?;
    let first = running.client("vendor")?;
    let second_process = child::raised_api(settings).await?;
    let second = first.at(&second_process.url());
    let draft = json!({
        "title": "Freshness probe", "status": "active",
        "variants": [{"sku": format!("probe-{}", Uuid::new_v4()), "price": {"amount_minor": 100, "currency": "GBP"}}]
    });
    let (status, product) = first.create(&Uuid::new_v4().to_string(), &draft).await?;
    anyhow::ensure!(status == 201, "the probe was not made: {product}");
    let id = product["id"].as_str().context("an id")?.to_owned();
    let mut seen = first.product(&id).await?;
    let (mut searches, mut processes) = (Vec::new(), Vec::new());
    for number in 1..=changes {
        second.product(&id).await?;
        let word = format!("zq{}", Uuid::new_v4().simple());
        let began = Instant::now();
        seen = first.change(&seen, &json!({"title": format!("Freshness probe {word}")})).await?;
        let version = seen.product["version"].as_i64().context("a version")?;
        let (search, process) = tokio::try_join!(
            until_found(&first, &word, &id, began),
            until_shown(&second, &id, version, began)
        )?;
        searches.push(search);
        processes.push(process);
        if number % 50 == 0 {
            eprintln!("{number} of {changes} changes");
        }
    }
    first.change(&seen, &json!({"status": "archived"})).await?;
    let (searches, processes) = (Figures::new(searches), Figures::new(processes));
    println!("change to search:             {}", searches.line());
    println!("change to second API process: {}", processes.line());
    if searches.percentile(99) > SEARCH_GOAL || processes.percentile(99) > SECOND_PROCESS_GOAL {
        bail!(
            "goals missed: p99 of {SEARCH_GOAL:?} to the search, of {SECOND_PROCESS_GOAL:?} to the second process"
        );
    }
    Ok(())
}

async fn until_found(client: &Client, word: &str, id: &str, began: Instant) -> anyhow::Result<Duration> {
    loop {
        let page = client.get(&format!("/search?q={word}")).await?;
        if page["data"][0]["id"] == id && page["query"]["plainer"].is_null() {
            return Ok(began.elapsed());
        }
        anyhow::ensure!(began.elapsed() < DEADLINE, "{word} was not found within {DEADLINE:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn until_shown(client: &Client, id: &str, version: i64, began: Instant) -> anyhow::Result<Duration> {
    loop {
        if client.product(id).await?.product["version"].as_i64() >= Some(version) {
            return Ok(began.elapsed());
        }
        anyhow::ensure!(began.elapsed() < DEADLINE, "version {version} was not shown within {DEADLINE:?}");
        tokio::time::sleep(PAUSE).await;
    }
}
