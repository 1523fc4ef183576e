//! `./dev bench`: what the running shop does in which time.

mod bare;
mod catalogue;
mod chart;
mod child;
mod compare;
mod connection;
mod events;
mod freshness;
mod load;
mod machine;
mod outcome;
mod pace;
mod record;
mod report;
mod reports;
mod scenario;
mod scratch;
mod searches;
mod suite;
mod tally;
mod usage;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};

use crate::outcome::Outcome;
use crate::scenario::Scenario;
use crate::suite::Plan;

/// The same as the API's: a ratio says nothing about allocators.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "bench", about = "Measures the running shop")]
struct Arguments {
    /// Settings of the running stack
    #[arg(long, global = true, default_value = "entrepot.toml")]
    settings: PathBuf,
    /// Compare two results instead: exit code 1 when a ratio fell by more than 10 %
    #[arg(long, num_args = 2, value_names = ["A.json", "B.json"])]
    compare: Option<Vec<PathBuf>>,
    /// Where the result goes, as JSON; the report beside it as HTML [default: target/bench/]
    #[arg(long, global = true)]
    out: Option<PathBuf>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// One scenario beside the bare handler
    Load(LoadArguments),
    /// From a product's change to the search, and to a second API process
    Freshness {
        /// How many changes
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        changes: u32,
    },
    /// From a change to the search, the relay beside a bare publisher, a rebuild beside a bare bulk
    Events(events::Options),
    /// Searches and suggestions that no cache has seen, beside the same sent to the engine
    Search(searches::Options),
    /// Reports of ten million order lines that nobody asked for before
    Reports(reports::Options),
    /// Is the bare handler that the shop is compared with
    #[command(hide = true)]
    Bare {
        /// Recorded answers
        recorded: PathBuf,
    },
}

#[derive(clap::Args)]
struct LoadArguments {
    /// What is asked for
    #[arg(long)]
    scenario: Scenario,
    /// Length of each phase, in seconds
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Open connections
    #[arg(long, default_value_t = CONNECTIONS, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    connections: u16,
    /// Threads of the load [default: as many as there are cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
    /// Phases of each at full speed
    #[arg(long, default_value_t = ROUNDS, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Requests per second of the steady phases [default: 40 % of the greatest throughput]
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// An API that runs already, instead of one that the bench starts
    #[arg(long)]
    api: Option<SocketAddr>,
}

const CONNECTIONS: u16 = 16;
const ROUNDS: u32 = 5;

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().map_err(|error| error.to_string())?;
    if (1.0..=1_000_000.0).contains(&rate) { Ok(rate) } else { Err("1 to 1000000".to_owned()) }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some([before, after]) = arguments.compare.as_deref() {
        return compare::compare(before, after);
    }
    let checkout = std::env::var_os("ENTREPOT_CHECKOUT").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let folder = checkout.join("target/bench");
    let plan = match arguments.verb {
        Some(Verb::Freshness { changes }) => return freshness::measure(&arguments.settings, changes).await,
        Some(Verb::Events(options)) => {
            return Box::pin(events::measure(&arguments.settings, options, arguments.out, &checkout)).await;
        }
        Some(Verb::Search(options)) => {
            return Box::pin(searches::measure(&arguments.settings, options, arguments.out, &checkout)).await;
        }
        Some(Verb::Reports(options)) => {
            return Box::pin(reports::measure(&arguments.settings, options, arguments.out, &checkout)).await;
        }
        Some(Verb::Bare { recorded }) => return bare::serve(&recorded).await,
        Some(Verb::Load(load)) => one(load, arguments.settings, folder.clone()),
        None => whole(arguments.settings, folder.clone()),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let outcome = suite::run(&plan, &checkout).await?;
    write(&outcome, arguments.out, &folder)?;
    match suite::missed(&outcome).as_slice() {
        [] => Ok(()),
        missed => bail!("below the goal: {}", missed.join(", ")),
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Every scenario, about two minutes.
fn whole(settings: PathBuf, folder: PathBuf) -> Plan {
    Plan {
        scenarios: Scenario::ALL.to_vec(),
        rounds: ROUNDS,
        length: Duration::from_millis(1_500),
        steady_length: Duration::from_secs(4),
        connections: usize::from(CONNECTIONS),
        threads: threads(),
        rate: None,
        api: None,
        settings,
        folder,
    }
}

fn one(load: LoadArguments, settings: PathBuf, folder: PathBuf) -> Plan {
    let length = Duration::from_secs(load.seconds.into());
    Plan {
        scenarios: vec![load.scenario],
        rounds: load.rounds,
        length,
        steady_length: length,
        connections: usize::from(load.connections),
        threads: load.threads.map_or_else(threads, usize::from).min(usize::from(load.connections)),
        rate: load.rate,
        api: load.api,
        settings,
        folder,
    }
}

fn write(outcome: &Outcome, out: Option<PathBuf>, folder: &Path) -> anyhow::Result<()> {
    let out =
        out.unwrap_or_else(|| folder.join(format!("bench-{}.json", outcome.at.strftime("%Y%m%d-%H%M%S"))));
    let report = out.with_extension("html");
    let text = serde_json::to_string_pretty(outcome)?;
    std::fs::write(&out, text).with_context(|| format!("write {}", out.display()))?;
    std::fs::write(&report, report::html(outcome)).with_context(|| format!("write {}", report.display()))?;
    println!("{}\n{}", out.display(), report.display());
    Ok(())
}
