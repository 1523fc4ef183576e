//! How soon an analyst has a report of ten million order lines that nobody asked for before.
//!
//! What `./dev bench analytics` counted is published into a database of its own on the running servers.

mod asked;
mod counted;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::settings::PostgresSettings;

use crate::outcome::{self, Machine};
use crate::scratch::Scratch;
use crate::{child, machine, record};
use asked::Question;

/// The shape's version.
const SCHEMA: u32 = 1;
/// One name: what a bench that was cut off has left, the next one removes.
const DATABASE: &str = "bench_reports";
/// Rows of ten million order lines, about.
const ROWS_MIN: u64 = 3_500_000;
/// Most that 95 of 100 reports may take.
const GOAL: Duration = Duration::from_millis(300);
const TIMEOUT: Duration = Duration::from_secs(30);

/// How much is measured.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Options {
    /// Questions, each another one
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(100..=20_000))]
    requests: u32,
    /// How many are asked at once
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    connections: u16,
    /// What is asked for
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Deserialize)]
struct Settings {
    postgres: PostgresSettings,
}

/// The result as it is written.
#[derive(Debug, Serialize)]
struct ReportsOutcome {
    schema: u32,
    at: Timestamp,
    commit: Option<String>,
    machine: Machine,
    seed: u64,
    rows_published: u64,
    connections: u16,
    all: Latencies,
    by_report: BTreeMap<&'static str, Latencies>,
}

/// Milliseconds, by nearest rank.
#[derive(Debug, Clone, Copy, Serialize)]
struct Latencies {
    requests: usize,
    p50: f64,
    p95: f64,
    max: f64,
}

/// Measures, prints and writes the result. Fails when the goal is missed.
pub async fn measure(
    settings: &Path,
    options: Options,
    out: Option<PathBuf>,
    checkout: &Path,
) -> anyhow::Result<()> {
    let counted = checkout.join("target/bench/analytics/polars");
    ensure!(counted.is_dir(), "nothing is counted yet: ./dev bench analytics");
    let stores: Settings = process::settings::load(settings)?;
    let scratch = Scratch::make(DATABASE, &stores.postgres, checkout).await?;
    let measured = Box::pin(ask(&scratch, settings, options, &counted, checkout)).await;
    let removed = scratch.remove().await;
    let outcome = measured?;
    removed?;
    print(&outcome);
    outcome::write(&outcome, "reports", outcome.at, out, checkout)?;
    if outcome.all.p95 > GOAL.as_secs_f64() * 1_000.0 {
        bail!("95 of 100 reports within {:.0} ms, where {} is the goal", outcome.all.p95, GOAL.as_millis());
    }
    Ok(())
}

async fn ask(
    scratch: &Scratch,
    settings: &Path,
    options: Options,
    counted: &Path,
    checkout: &Path,
) -> anyhow::Result<ReportsOutcome> {
    let began = Instant::now();
    let published = counted::publish(scratch, counted).await?;
    eprintln!("{} rows published in {:.0} s", published.rows, began.elapsed().as_secs_f64());
    ensure!(published.rows >= ROWS_MIN, "a small lake was counted last: ./dev bench analytics");
    let database = [("ENTREPOT__POSTGRES__DATABASE", DATABASE)];
    let api = child::raised_api_with(settings, &database).await?;
    let token = record::token(settings, "analyst")?;
    let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
    let questions = asked::questions(
        &published.reports,
        published.days,
        usize::try_from(options.requests)?,
        options.seed,
    );
    let questions = Arc::new(questions);
    let connections = usize::from(options.connections);
    let askers = (0..connections).map(|asker| {
        let (http, questions, token, url) = (http.clone(), Arc::clone(&questions), token.clone(), api.url());
        async move {
            let mut took = Vec::new();
            for question in questions.iter().skip(asker).step_by(connections) {
                took.push((question.report, answer(&http, &url, &token, question).await?));
            }
            anyhow::Ok(took)
        }
    });
    let took = try_join_all(askers).await?.concat();
    let mut by_report: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    took.iter().for_each(|(report, ms)| by_report.entry(*report).or_default().push(*ms));
    Ok(ReportsOutcome {
        schema: SCHEMA,
        at: Timestamp::now(),
        commit: machine::commit(checkout),
        machine: machine::describe(),
        seed: options.seed,
        rows_published: published.rows,
        connections: options.connections,
        all: Latencies::of(took.iter().map(|(_, ms)| *ms).collect()),
        by_report: by_report.into_iter().map(|(report, ms)| (report, Latencies::of(ms))).collect(),
    })
}

async fn answer(http: &reqwest::Client, url: &str, token: &str, question: &Question) -> anyhow::Result<f64> {
    let began = Instant::now();
    let answer = http.get(format!("{url}{}", question.path)).bearer_auth(token).send().await?;
    let status = answer.status();
    let body = answer.bytes().await?;
    let elapsed = began.elapsed();
    ensure!(status.is_success(), "{}: {status} {}", question.path, String::from_utf8_lossy(&body));
    Ok(elapsed.as_secs_f64() * 1_000.0)
}

impl Latencies {
    /// Of at least one.
    fn of(mut milliseconds: Vec<f64>) -> Self {
        milliseconds.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (milliseconds.len() * percent).div_ceil(100).max(1) - 1;
            milliseconds.get(rank).copied().unwrap_or(f64::NAN)
        };
        Self { requests: milliseconds.len(), p50: at(50), p95: at(95), max: at(100) }
    }
}

fn print(outcome: &ReportsOutcome) {
    let line = |name: &str, Latencies { requests, p50, p95, max }: &Latencies| {
        println!("{name:<20} {requests:>8} {p50:>9.1} {p95:>9.1} {max:>9.1}");
    };
    println!("{:<20} {:>8} {:>9} {:>9} {:>9}", "report", "asked", "p50 ms", "p95 ms", "max ms");
    outcome.by_report.iter().for_each(|(report, latencies)| line(report, latencies));
    line("all", &outcome.all);
}
