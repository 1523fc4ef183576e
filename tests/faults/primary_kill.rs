//! `kill -9` of the PostgreSQL primary while products are made through the API: how long writes are away, and whether
//! everything that was acknowledged is still there.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::json;
use store::settings::PostgresSettings;
use support::figures::Figures;
use support::running::{Client, Running};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::stack::{Victim, healed};

const PERIOD: Duration = Duration::from_millis(50);
const BEFORE: Duration = Duration::from_secs(1);
const AFTER: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(60);
const GOAL: Duration = Duration::from_secs(15);
/// Most requests under way.
const CONCURRENCY_MAX: usize = 64;

#[derive(Deserialize)]
struct Settings {
    postgres: PostgresSettings,
}

/// Every key that was acknowledged, with the product that it made.
type Acknowledged = Arc<Mutex<Vec<(String, String)>>>;

/// Kills the primary `runs` times, with time to heal between. Fails when something was lost or writes were away for
/// longer than the goal.
pub async fn run(settings: &Path, runs: u32) -> anyhow::Result<()> {
    let settings: Settings = process::settings::load(settings)?;
    let mut away = Vec::new();
    let mut lost_total = 0;
    for run in 1..=runs {
        healed(&settings.postgres).await?;
        let client = Running::find()?.client("vendor")?;
        let (seconds, acknowledged) = kill_under_writes(&client).await?;
        let lost = lost(&client, &settings.postgres, &acknowledged).await?;
        println!(
            "run {run:>3}: writes away {:>6.2} s, {} acknowledged, {lost} lost",
            seconds.as_secs_f64(),
            acknowledged.len()
        );
        away.push(seconds);
        lost_total += lost;
    }
    let away = Figures::new(away);
    println!("writes away: {}", away.line());
    println!("acknowledged writes lost: {lost_total}");
    if lost_total > 0 || away.percentile(100) > GOAL {
        bail!("the goal is none lost, and writes back within {GOAL:?}");
    }
    Ok(())
}

async fn kill_under_writes(client: &Client) -> anyhow::Result<(Duration, Vec<(String, String)>)> {
    let acknowledged = Acknowledged::default();
    let first_after_kill: Arc<Mutex<Option<Instant>>> = Arc::default();
    let mut writes = JoinSet::new();
    let began = Instant::now();
    let mut killed_at = None;
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        if killed_at.is_none() && began.elapsed() > BEFORE {
            Victim::find(&Running::find()?, "postgres_primary")?.kill()?;
            killed_at = Some(Instant::now());
        }
        let recovered_at = *first_after_kill.lock().expect("no holder panics");
        if recovered_at.is_some_and(|at| at.elapsed() > AFTER) {
            break;
        }
        ensure!(began.elapsed() < DEADLINE, "no write was taken for {DEADLINE:?}");
        while writes.try_join_next().is_some() {}
        if writes.len() < CONCURRENCY_MAX {
            let is_after_kill = killed_at.is_some();
            writes.spawn(write(
                client.clone(),
                acknowledged.clone(),
                is_after_kill.then(|| first_after_kill.clone()),
            ));
        }
    }
    while writes.join_next().await.is_some() {}
    let killed_at = killed_at.context("the primary was killed")?;
    let recovered_at = first_after_kill.lock().expect("no holder panics").context("writes came back")?;
    let acknowledged = std::mem::take(&mut *acknowledged.lock().expect("no holder panics"));
    Ok((recovered_at.duration_since(killed_at), acknowledged))
}

async fn write(client: Client, acknowledged: Acknowledged, first: Option<Arc<Mutex<Option<Instant>>>>) {
    let key = Uuid::new_v4().to_string();
    // Any other answer is a refusal or unknown: neither counts as acknowledged.
    if let Ok((201, product)) = client.create(&key, &draft(&key)).await
        && let Some(id) = product["id"].as_str()
    {
        acknowledged.lock().expect("no holder panics").push((key, id.to_owned()));
        if let Some(first) = first {
            first.lock().expect("no holder panics").get_or_insert_with(Instant::now);
        }
    }
}

fn draft(key: &str) -> serde_json::Value {
    json!({"title": "Fault probe", "variants": [{"sku": format!("probe-{key}")}]})
}

/// How many acknowledged writes the primary does not have, or answers otherwise than the first time.
async fn lost(
    client: &Client,
    postgres: &PostgresSettings,
    acknowledged: &[(String, String)],
) -> anyhow::Result<usize> {
    let primary = store::pg::direct::primary(postgres).await?;
    let mut lost = 0;
    for (key, id) in acknowledged {
        let rows = primary.query("SELECT FROM idempotency_keys WHERE key = $1", &[key]).await?;
        let (status, repeated) = client.create(key, &draft(key)).await?;
        if rows.len() != 1 || status != 201 || repeated["id"] != id.as_str() {
            eprintln!("lost: {key} made {id}; now {} rows, status {status}", rows.len());
            lost += 1;
        }
    }
    Ok(lost)
}
