//! What the API adds to the search engine: searches and suggestions that nobody asked for before, beside the same
//! requests sent to the engine by hand, in turns.

mod asked;
mod recorder;
mod sides;

use std::path::{Path, PathBuf};

use anyhow::bail;
use jiff::Timestamp;
use search_indexer::client::SearchClient;
use search_indexer::settings::SearchSettings;
use serde::{Deserialize, Serialize};
use support::running::Client;

use crate::outcome::{self, Machine, median};
use crate::{catalogue, child, machine, record};
use asked::Asked;
use sides::{Latencies, Sides};

/// The shape's version.
const SCHEMA: u32 = 1;
/// The highest 99th percentile, as a multiple of the engine's.
const SEARCH_GOAL: f64 = 1.5;
const SUGGEST_GOAL: f64 = 1.3;
/// Most that half of the searches take longer than the engine itself says that it took.
const ADDED_MS_GOAL: f64 = 2.0;

/// How much is measured.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Options {
    /// Searches, and suggestions
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    requests: u32,
    /// Turns of API and engine
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// What is searched for; another one each time, so that no cache has seen it
    #[arg(long)]
    seed: Option<u64>,
}

/// The result as it is written.
#[derive(Debug, Serialize)]
struct SearchesOutcome {
    schema: u32,
    at: Timestamp,
    commit: Option<String>,
    machine: Machine,
    seed: u64,
    products: u64,
    search: Part,
    suggest: Part,
}

/// The API beside the engine.
#[derive(Debug, Serialize)]
struct Part {
    /// Different requests.
    requests: usize,
    /// Requests to the engine for each of them.
    engine_requests: f64,
    api: Latencies,
    engine: Latencies,
    /// 99th percentile of the API by that of the engine.
    p99_ratio: f64,
    goal: f64,
    /// Median of what the API takes longer than the engine says that it took, in milliseconds.
    added_ms_p50: f64,
}

#[derive(Debug, Deserialize)]
struct Settings {
    search: SearchSettings,
}

/// Measures, prints and writes the result. Fails when a goal is missed.
pub async fn measure(
    settings: &Path,
    options: Options,
    out: Option<PathBuf>,
    checkout: &Path,
) -> anyhow::Result<()> {
    let search: Settings = process::settings::load(settings)?;
    let seed = options.seed.unwrap_or_else(rand::random);
    let api = child::raised_api(settings).await?;
    let client = Client::new(&format!("http://{}", api.address), &record::vendor_token(settings)?)?;
    let titles = catalogue::titles(&client).await?;
    let wanted = usize::try_from(options.requests)?;
    let recorder = recorder::start(&search.search).await?;
    let sides = Sides::new(api.address, &search.search.url)?;
    let products = sides.product_count(SearchClient::new(&search.search)?.alias()).await?;
    eprintln!("{products} products, seed {seed}");
    let searches = asked::searches(&titles, wanted, seed);
    let search = part(&sides, recorder.searches(&searches).await?, options.rounds, SEARCH_GOAL).await?;
    search.print("search");
    let suggestions = asked::suggestions(&titles, wanted, seed);
    let suggest = recorder.suggestions(&suggestions);
    let suggest = part(&sides, suggest, options.rounds, SUGGEST_GOAL).await?;
    suggest.print("suggest");
    let outcome = SearchesOutcome {
        schema: SCHEMA,
        at: Timestamp::now(),
        commit: machine::commit(checkout),
        machine: machine::describe(),
        seed,
        products,
        search,
        suggest,
    };
    outcome::write(&outcome, "search", outcome.at, out, checkout)?;
    match missed(&outcome).as_slice() {
        [] => Ok(()),
        missed => bail!("goals missed: {}", missed.join(", ")),
    }
}

async fn part(sides: &Sides, asked: Vec<Asked>, rounds: u32, goal: f64) -> anyhow::Result<Part> {
    let engine_requests: usize = asked.iter().map(|asked| asked.bodies.len()).sum();
    let requests = asked.len();
    let measured = sides.measure(&asked, usize::try_from(rounds)?).await?;
    let [api, engine] = [Latencies::of(&measured.api), Latencies::of(&measured.engine)];
    let mut added: Vec<f64> =
        measured.api.iter().zip(&measured.took).map(|(answered, took)| answered - took).collect();
    added.sort_by(f64::total_cmp);
    Ok(Part {
        requests,
        engine_requests: engine_requests as f64 / requests as f64,
        p99_ratio: api.p99 / engine.p99,
        api,
        engine,
        goal,
        added_ms_p50: median(&added),
    })
}

impl Part {
    fn print(&self, name: &str) {
        println!(
            "{name}: {} different ones, {:.2} requests to the engine each",
            self.requests, self.engine_requests
        );
        println!("  {:<8} {:>8} {:>8} {:>8}", "", "p50 ms", "p95 ms", "p99 ms");
        for (side, Latencies { p50, p95, p99 }) in [("API", &self.api), ("engine", &self.engine)] {
            println!("  {side:<8} {p50:>8.2} {p95:>8.2} {p99:>8.2}");
        }
        println!(
            "  p99 ratio {:.2}, goal {:.2}; {:.2} ms over what the engine took (p50), goal {ADDED_MS_GOAL:.2}",
            self.p99_ratio, self.goal, self.added_ms_p50
        );
    }
}

fn missed(outcome: &SearchesOutcome) -> Vec<&'static str> {
    let SearchesOutcome { search, suggest, .. } = outcome;
    [
        ("p99 of searches", search.p99_ratio > search.goal),
        ("p50 over the engine", search.added_ms_p50 > ADDED_MS_GOAL),
        ("p99 of suggestions", suggest.p99_ratio > suggest.goal),
    ]
    .into_iter()
    .filter_map(|(name, is_missed)| is_missed.then_some(name))
    .collect()
}
