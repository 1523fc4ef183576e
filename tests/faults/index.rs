//! The search index in trouble: rebuilt while three API processes write and search, and damaged past the shop.

mod changes;
mod damage;
mod engine;
mod outcome;
mod probes;
mod rebuild;
mod searches;

use std::num::NonZeroU32;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use domain::ids::ProductId;
use jiff::Timestamp;
use store::mongo::{catalogue_size, products};
use support::running::Client;
use tokio_util::sync::CancellationToken;

use self::engine::Engine;
use self::outcome::{Outcome, Run, table};
use crate::recorder;
use crate::results;
use crate::shop::Shop;
use crate::stack::{self, healed};

/// The name of the results.
const NAME: &str = "index";
/// How long the shop may take to be quiet, and one look whether it is.
const QUIET_DEADLINE: Duration = Duration::from_secs(120);
const LOOK_TIMEOUT: Duration = Duration::from_secs(15);
const QUIET_PAUSE: Duration = Duration::from_millis(500);

/// How often, and what.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many runs of each case
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    runs: u32,
    /// What the damaged documents are chosen from; the next run takes the next number [default: a random one]
    #[arg(long)]
    seed: Option<u64>,
    /// Only this case [default: both, one after the other]
    #[arg(long, value_enum)]
    case: Option<Case>,
    /// Products that the rebuild reads in a second at most, so that it leaves a small machine time for changes
    /// [default: as many as it can]
    #[arg(long)]
    rate: Option<NonZeroU32>,
    /// Only print the sums of all runs that were recorded
    #[arg(long)]
    summary: bool,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Case {
    /// The index is rebuilt under changes and searches
    Rebuild,
    /// Documents are deleted or overwritten in it
    Damage,
}

impl Case {
    fn name(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::Damage => "damage",
        }
    }
}

/// What a case works on.
struct Stage<'a> {
    shop: &'a Shop,
    engine: Engine,
    /// A client of the stack's own API process.
    client: Client,
    settings: &'a Path,
    /// Most products that a rebuild reads in a second.
    rate: Option<NonZeroU32>,
    /// Somebody does not want to wait any longer.
    stop: CancellationToken,
}

/// Runs until a run has a violation, which is an error, or all are done.
pub async fn run(settings: &Path, options: Options) -> anyhow::Result<()> {
    let file = results::file(NAME);
    // Before anything is broken: no line is added to a file that cannot be read.
    let kept: Vec<Run> = results::read(&file)?;
    if options.summary {
        print!("{}", table(&kept));
        return Ok(());
    }
    let shop = Shop::open(settings).await?;
    let ended = Box::pin(run_all(&shop, settings, &options, &file)).await;
    shop.close().await;
    ended
}

async fn run_all(shop: &Shop, settings: &Path, options: &Options, file: &Path) -> anyhow::Result<()> {
    healed(&shop.settings.postgres).await?;
    let stage = Stage {
        shop,
        engine: Engine::new(&shop.settings.search)?,
        client: stack::look().await?.client("vendor")?,
        settings,
        rate: options.rate,
        stop: process::shutdown::signal(),
    };
    let first = options.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let cases = options.case.map_or_else(|| vec![Case::Rebuild, Case::Damage], |case| vec![case]);
    let mut runs = Vec::new();
    for number in 0..u64::from(options.runs) {
        for case in &cases {
            let seed = first.wrapping_add(number);
            let run = run_case(&stage, *case, seed).await?;
            ensure!(!stage.stop.is_cancelled(), "stopped");
            results::append(file, &run)?;
            println!("{run}");
            let is_broken = !run.violations.is_empty();
            runs.push(run);
            if is_broken {
                print!("{}", table(&runs));
                let case = case.name();
                bail!("violations; the same again: ./dev faults index --runs 1 --seed {seed} --case {case}");
            }
        }
    }
    print!("{}", table(&runs));
    Ok(())
}

/// A run that cannot be ended is a violation too: nobody knows what holds.
async fn run_case(stage: &Stage<'_>, case: Case, seed: u64) -> anyhow::Result<Run> {
    let products = catalogue_size::estimate(&stage.shop.mongo).await?;
    println!("{} of the index of {products} products", case.name());
    let (outcome, ended) = match case {
        Case::Rebuild => {
            let mut figures = outcome::Rebuild { rate: stage.rate, ..outcome::Rebuild::default() };
            let ended = Box::pin(rebuild::run(stage, &mut figures)).await;
            (Outcome::Rebuild(figures), ended)
        }
        Case::Damage => {
            let mut figures = outcome::Damage::default();
            let ended = Box::pin(damage::run(stage, seed, &mut figures)).await;
            (Outcome::Damage(figures), ended)
        }
    };
    let violations = ended.unwrap_or_else(|error| vec![format!("not ended: {error:#}")]);
    let violations = results::shortened(violations);
    Ok(Run { at: Timestamp::now(), seed, products, outcome, violations })
}

/// Waits until every event was consumed and the index holds what the store says of those products.
async fn quiet(shop: &Shop, ids: &[ProductId]) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let look = tokio::time::timeout(LOOK_TIMEOUT, Box::pin(ensure_quiet(shop, ids))).await;
        let Err(reason) = look.context("a store does not answer").flatten() else {
            return Ok(());
        };
        if began.elapsed() >= QUIET_DEADLINE {
            return Err(reason.context(format!("not quiet within {QUIET_DEADLINE:?}")));
        }
        tokio::time::sleep(QUIET_PAUSE).await;
    }
}

async fn ensure_quiet(shop: &Shop, ids: &[ProductId]) -> anyhow::Result<()> {
    let unsent = shop.unsent().await?;
    ensure!(unsent == 0, "{unsent} events are not sent");
    let (waiting, _) = recorder::waiting(&shop.settings.amqp).await?;
    ensure!(waiting == 0, "{waiting} messages wait in the queues");
    if ids.is_empty() {
        return Ok(());
    }
    let found = products::find_many(&shop.mongo, ids).await?;
    let unequal = shop.unequal_documents(&found).await?;
    ensure!(unequal.is_empty(), "{} documents differ: {}", unequal.len(), unequal[0]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_called_as_it_is_asked_for() {
        for case in [Case::Rebuild, Case::Damage] {
            assert_eq!(Case::from_str(case.name(), false), Ok(case));
        }
    }
}
