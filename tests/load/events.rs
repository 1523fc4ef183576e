//! The way of an event: how soon a change can be found, the relay beside a bare publisher, and a rebuild of the index
//! beside the engine's own bulk rate.

mod changes;
mod publisher;
mod rebuild;
mod relay;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use clap::ValueEnum;
use jiff::Timestamp;
use search_indexer::settings::SearchSettings;
use serde::{Deserialize, Serialize};
use store::settings::{MongoSettings, PostgresSettings};

use crate::machine;
use crate::outcome::{self, Machine, Ratio, median};

/// The shape's version.
const SCHEMA: u32 = 1;
/// The least ratio of the relay, and of a rebuild, that is good enough.
const RATIO_GOAL: f64 = 0.5;
/// Most time of 99 changes of 100 until they can be found.
const FRESHNESS_GOAL: Duration = Duration::from_secs(2);

/// What is measured, and how much of it.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only this part; may be given more than once
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// Changes of products in a second
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    rate: u32,
    /// Length of the changes, in seconds
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Events that are relayed
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    events: u32,
    /// Rounds of relay and publisher, and of rebuild and bulk, in turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
}

/// One part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// From a change to the search
    Freshness,
    /// The relay of PostgreSQL's outbox beside a bare publisher
    Relay,
    /// A rebuild beside a bare bulk
    Rebuild,
}

/// Where the stores of the running stack are.
#[derive(Debug, Deserialize)]
pub struct Settings {
    postgres: PostgresSettings,
    mongo: MongoSettings,
    search: SearchSettings,
}

/// The result as it is written.
#[derive(Debug, Serialize)]
struct EventsOutcome {
    schema: u32,
    at: Timestamp,
    commit: Option<String>,
    machine: Machine,
    #[serde(skip_serializing_if = "Option::is_none")]
    freshness: Option<changes::Freshness>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay: Option<Compared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuild: Option<Compared>,
}

/// Something of ours beside the same by hand, in turns.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// Events or documents of a round.
    count: usize,
    /// Ours by bare.
    ratio: Ratio,
    /// The least median that is good enough.
    goal: f64,
    rounds: Vec<Rates>,
}

/// One round, in events or documents per second.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rates {
    ours: f64,
    bare: f64,
}

impl Compared {
    fn new(count: usize, rounds: Vec<Rates>) -> Self {
        let mut ratios: Vec<f64> = rounds.iter().map(|round| round.ours / round.bare).collect();
        ratios.sort_by(f64::total_cmp);
        let ratio = Ratio {
            median: median(&ratios),
            min: ratios.first().copied().unwrap_or(0.0),
            max: ratios.last().copied().unwrap_or(0.0),
        };
        Self { count, ratio, goal: RATIO_GOAL, rounds }
    }

    fn is_missed(&self) -> bool {
        self.ratio.median < self.goal
    }

    fn print(&self, name: &str, bare: &str) {
        println!("{name} of {} beside {bare}:", self.count);
        println!("  {:>5} {:>12} {:>12} {:>7}", "round", "ours /s", "bare /s", "ratio");
        for (number, Rates { ours, bare }) in (1..).zip(&self.rounds) {
            println!("  {number:>5} {ours:>12.0} {bare:>12.0} {:>7.2}", ours / bare);
        }
        let Ratio { median, min, max } = self.ratio;
        println!("  ratio {median:.2} ({min:.2} to {max:.2}), goal {:.2}", self.goal);
    }
}

/// How many in a second; a round takes a measurable time.
fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(f64::EPSILON)
}

/// Measures, prints and writes the result. Fails when a goal is missed.
pub async fn measure(
    settings: &Path,
    options: Options,
    out: Option<PathBuf>,
    checkout: &Path,
) -> anyhow::Result<()> {
    let stores: Settings = process::settings::load(settings)?;
    let wants = |part| options.part.is_empty() || options.part.contains(&part);
    let mut outcome = EventsOutcome {
        schema: SCHEMA,
        at: Timestamp::now(),
        commit: machine::commit(checkout),
        machine: machine::describe(),
        freshness: None,
        relay: None,
        rebuild: None,
    };
    if wants(Part::Freshness) {
        let pace = changes::Pace { rate: options.rate, seconds: options.seconds };
        let freshness = Box::pin(changes::measure(settings, &stores.search, pace)).await?;
        freshness.print();
        outcome.freshness = Some(freshness);
    }
    if wants(Part::Relay) {
        let relay = Box::pin(relay::measure(&stores, checkout, options.events, options.rounds)).await?;
        relay.print("relay", "a bare publisher");
        outcome.relay = Some(relay);
    }
    if wants(Part::Rebuild) {
        let rebuild = Box::pin(rebuild::measure(&stores, options.rounds)).await?;
        rebuild.print("rebuild", "a bare bulk");
        outcome.rebuild = Some(rebuild);
    }
    outcome::write(&outcome, "events", outcome.at, out, checkout)?;
    match missed(&outcome).as_slice() {
        [] => Ok(()),
        missed => bail!("goals missed: {}", missed.join(", ")),
    }
}

fn missed(outcome: &EventsOutcome) -> Vec<&'static str> {
    let is_missed = |compared: &Option<Compared>| compared.as_ref().is_some_and(Compared::is_missed);
    let is_stale = outcome.freshness.as_ref().is_some_and(|freshness| freshness.is_missed(FRESHNESS_GOAL));
    [("freshness", is_stale), ("relay", is_missed(&outcome.relay)), ("rebuild", is_missed(&outcome.rebuild))]
        .into_iter()
        .filter_map(|(name, is_missed)| is_missed.then_some(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_rounds_is_held_against_the_goal() {
        let rates = |ours| Rates { ours, bare: 100.0 };
        let good = Compared::new(1, vec![rates(40.0), rates(60.0), rates(90.0)]);
        assert!(!good.is_missed());
        assert!((good.ratio.median - 0.6).abs() < 1e-9 && (good.ratio.min - 0.4).abs() < 1e-9);
        assert!(Compared::new(1, vec![rates(40.0), rates(45.0), rates(90.0)]).is_missed());
    }
}
