//! `kill -9` of the API, the ingest program or the broker at seeded moments, while batches of behaviour are told:
//! afterwards every event that was answered with 202 is in the lake, each once, and nothing is that nobody told.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use domain::ids::{EventId, SessionId};
use domain::order::SHOP_CHANNEL;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::settings::PostgresSettings;
use support::running::Client;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::results;
use crate::stack::{self, Victim, healed};

/// The name of the results.
const NAME: &str = "behaviour";
/// What an event passes through.
const TARGETS: [&str; 3] = ["api", "ingest", "rabbitmq"];
const BATCH: usize = 50;
/// From one batch to the next.
const PERIOD: Duration = Duration::from_millis(20);
/// Between two kills, in milliseconds, after everybody is back.
const PAUSE_MS: std::ops::Range<u64> = 200..1_500;
const BACK_DEADLINE: Duration = Duration::from_secs(90);
const LANDED_DEADLINE: Duration = Duration::from_secs(120);
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// How often, and when.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many kills
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    kills: u32,
    /// What targets and moments are made from [default: a random one]
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Deserialize)]
struct Settings {
    postgres: PostgresSettings,
    lake: LakeSettings,
}

#[derive(Deserialize)]
struct LakeSettings {
    path: PathBuf,
}

/// What was told, and what became of it.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    seed: u64,
    kills: u32,
    /// Answered with 202.
    accepted: usize,
    /// Refused with a 503, or without an answer: perhaps kept.
    unanswered: usize,
    /// In the lake.
    kept: usize,
    /// Accepted and not in the lake.
    lost: usize,
    /// In the lake and never told.
    strange: usize,
    /// More than once in the file of a day.
    twice: usize,
}

/// What one visit has told.
#[derive(Debug, Default)]
struct Told {
    accepted: HashSet<EventId>,
    unanswered: HashSet<EventId>,
}

/// Kills, waits until all has landed, and counts. An event that is lost, strange or there twice is an error.
pub async fn run(settings: &Path, options: Options) -> anyhow::Result<()> {
    let settings: Settings = process::settings::load(settings)?;
    healed(&settings.postgres).await?;
    let seed = options.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let visit = SessionId::new(Timestamp::now(), rand::random());
    let client = stack::look().await?.client("shopper")?;
    let begun = Timestamp::now();
    let stop = CancellationToken::new();
    let telling = tokio::spawn(tell(client, visit, stop.clone()));
    let killed = kill(seed, options.kills).await;
    stop.cancel();
    let told = telling.await?;
    killed?;
    let days = days(begun, Timestamp::now());
    let outcome = landed(&settings.lake.path, visit, &days, &told).await?;
    let outcome = Outcome { seed, kills: options.kills, ..outcome };
    results::append(&results::file(NAME), &outcome)?;
    let Outcome { kills, accepted, unanswered, kept, lost, strange, twice, .. } = outcome;
    println!(
        "{kills} kills, seed {seed}: {accepted} events accepted, {unanswered} not answered, {kept} kept"
    );
    println!("{lost} lost, {strange} that nobody told, {twice} twice");
    if lost + strange + twice > 0 {
        bail!("violations; the same again: ./dev faults behaviour --kills {kills} --seed {seed}");
    }
    Ok(())
}

async fn tell(client: Client, visit: SessionId, stop: CancellationToken) -> Told {
    let mut told = Told::default();
    while stop.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_some() {
        let now = Timestamp::now();
        let ids: Vec<_> = (0..BATCH).map(|_| EventId::new(now, rand::random())).collect();
        let events: Vec<Value> = ids.iter().map(|id| event(*id, visit, now)).collect();
        match client.post("/events", &Uuid::new_v4().to_string(), &json!({"events": events})).await {
            Ok((202, _)) => told.accepted.extend(ids),
            Ok(_) | Err(_) => told.unanswered.extend(ids),
        }
    }
    told
}

fn event(id: EventId, visit: SessionId, at: Timestamp) -> Value {
    json!({"event_id": id, "session_id": visit, "occurred_at": at, "kind": "search", "query": "fault probe"})
}

async fn kill(seed: u64, kills: u32) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    for number in 1..=kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(PAUSE_MS))).await;
        let target = TARGETS.choose(&mut random).context("a target")?;
        let victim = Victim::find(&stack::look().await?, target)?;
        victim.kill()?;
        let killed_at = Instant::now();
        while !victim.is_back(&stack::look().await?) {
            ensure!(killed_at.elapsed() < BACK_DEADLINE, "{target} is not back within {BACK_DEADLINE:?}");
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        println!("{number}/{kills} {target}, back after {:.1} s", killed_at.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Waits until everything that was accepted is in the lake, and compares.
async fn landed(root: &Path, visit: SessionId, days: &[Date], told: &Told) -> anyhow::Result<Outcome> {
    let until = Instant::now() + LANDED_DEADLINE;
    loop {
        let (root, days) = (root.to_owned(), days.to_owned());
        let (kept, twice) = tokio::task::spawn_blocking(move || kept(&root, visit, &days)).await??;
        let lost = told.accepted.difference(&kept).count();
        if lost > 0 && Instant::now() < until {
            tokio::time::sleep(LOOK_PAUSE).await;
            continue;
        }
        let is_told = |id: &&EventId| told.accepted.contains(*id) || told.unanswered.contains(*id);
        return Ok(Outcome {
            accepted: told.accepted.len(),
            unanswered: told.unanswered.len(),
            kept: kept.len(),
            lost,
            strange: kept.iter().filter(|id| !is_told(id)).count(),
            twice,
            ..Outcome::default()
        });
    }
}

/// The visit's events as whoever reads the lake gets them, and how many ids the files of days have more than once.
fn kept(root: &Path, visit: SessionId, days: &[Date]) -> anyhow::Result<(HashSet<EventId>, usize)> {
    let (mut kept, mut twice) = (HashSet::new(), 0);
    for day in days {
        let merged = match lake::behaviour::days(root, SHOP_CHANNEL)?.contains(day) {
            true => lake::behaviour::read_day(root, SHOP_CHANNEL, *day)?,
            false => Vec::new(),
        };
        let mut ids = HashSet::new();
        twice += merged.iter().filter(|event| !ids.insert(event.id)).count();
        let landed = lake::landing::unmerged_events(root, SHOP_CHANNEL, *day)?;
        let of_visit = merged.iter().chain(&landed).filter(|event| event.session_id == visit);
        kept.extend(of_visit.map(|event| event.id));
    }
    Ok((kept, twice))
}

fn days(from: Timestamp, to: Timestamp) -> Vec<Date> {
    let [from, to] = [from, to].map(|at| at.to_zoned(TimeZone::UTC).date());
    let mut days = vec![from];
    days.extend(Some(to).filter(|to| *to != from));
    days
}
