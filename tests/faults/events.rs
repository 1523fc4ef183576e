//! `kill -9` of one process at a seeded moment, while products and stock change: afterwards every acknowledged change
//! is in its store, every event was sent in order, and the index shows what the stores hold.

mod check;
mod load;
mod recorder;
mod shop;
mod target;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::running::{Client, Running};

use self::check::Before;
use self::load::{Load, Log, Probe};
use self::recorder::Recorder;
use self::shop::Shop;
use self::target::Target;
use crate::results::{self, Run};
use crate::stack::{Victim, healed};

/// The name of the results.
const NAME: &str = "events";
/// When the kill comes, from the start of the load.
const MOMENT_MS: std::ops::Range<u64> = 500..3_000;
/// How long the load goes on after it.
const AFTER: Duration = Duration::from_secs(2);
/// How long the shop may take to be quiet.
const QUIET_DEADLINE: Duration = Duration::from_secs(60);
const QUIET_PAUSE: Duration = Duration::from_millis(500);
/// One look at everything.
const LOOK_TIMEOUT: Duration = Duration::from_secs(15);
/// A whole run without the healing before it.
const RUN_TIMEOUT: Duration = Duration::from_secs(115);

/// How often, and what.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many runs
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    runs: u32,
    /// What target and moment are made from; the next run takes the next number [default: a random one]
    #[arg(long)]
    seed: Option<u64>,
    /// Kill this one in every run
    #[arg(long, value_enum)]
    target: Option<Target>,
    /// Only print the sums of all runs that were recorded
    #[arg(long)]
    summary: bool,
}

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    seed: u64,
    target: Target,
    moment: Duration,
}

impl Plan {
    /// The same for the same seed; the target that is asked for takes the place of the seed's own.
    fn new(seed: u64, wanted: Option<Target>) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let target = Target::any(&mut random);
        let moment = Duration::from_millis(random.random_range(MOMENT_MS));
        Self { seed, target: wanted.unwrap_or(target), moment }
    }
}

/// Runs until a run has a violation, which is an error, or all are done.
pub async fn run(settings: &Path, options: Options) -> anyhow::Result<()> {
    let file = results::file(NAME);
    if options.summary {
        print!("{}", results::table(&results::read(&file)?));
        return Ok(());
    }
    let shop = Shop::open(settings).await?;
    let ended = run_all(&shop, &options, &file).await;
    shop.close().await;
    let runs = ended?;
    print!("{}", results::table(&runs));
    match runs.last().filter(|run| !run.violations.is_empty()) {
        Some(Run { seed, target, .. }) => {
            bail!("violations; the same again: ./dev faults events --runs 1 --seed {seed} --target {target}")
        }
        None => Ok(()),
    }
}

async fn run_all(shop: &Shop, options: &Options, file: &Path) -> anyhow::Result<Vec<Run>> {
    healed(&shop.settings.postgres).await?;
    let client = look_at_stack().await?.client("vendor")?;
    let probes = load::make_probes(&client).await?;
    let first = options.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let mut runs = Vec::new();
    for number in 0..u64::from(options.runs) {
        let plan = Plan::new(first.wrapping_add(number), options.target);
        healed(&shop.settings.postgres).await?;
        let run = run_in_time(shop, &client, &probes, plan).await.shortened();
        results::append(file, &run)?;
        print(&run);
        let is_broken = !run.violations.is_empty();
        runs.push(run);
        if is_broken {
            break;
        }
    }
    Ok(runs)
}

/// A run that cannot be ended is a violation too: nobody knows what holds.
async fn run_in_time(shop: &Shop, client: &Client, probes: &[Probe], plan: Plan) -> Run {
    let mut run = Run {
        at: Timestamp::now(),
        seed: plan.seed,
        target: plan.target.name().to_owned(),
        moment_ms: u64::try_from(plan.moment.as_millis()).expect("some seconds"),
        changes: 0,
        adjustments: 0,
        unanswered: 0,
        recorded: 0,
        recovery_seconds: None,
        violations: Vec::new(),
    };
    let work = Box::pin(break_once(shop, client, probes, plan, &mut run));
    let ended = tokio::time::timeout(RUN_TIMEOUT, work).await;
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => run.violations.push(format!("not ended: {error:#}")),
        Err(_) => run.violations.push(format!("not ended within {RUN_TIMEOUT:?}")),
    }
    run.at = Timestamp::now();
    run
}

async fn break_once(
    shop: &Shop,
    client: &Client,
    probes: &[Probe],
    plan: Plan,
    run: &mut Run,
) -> anyhow::Result<()> {
    let victim = plan.target.victim(&look_at_stack().await?, &shop.database).await?;
    let warehouse = shop.warehouse().await?;
    let on_hand = shop.on_hand(probes, &warehouse).await?;
    let dead_letters = shop.dead_letters().await?;
    let recorder = Recorder::declare(&shop.settings.amqp).await?;
    let since = Timestamp::from_millisecond(Timestamp::now().as_millisecond())?;
    let load = Load::start(client, probes, &warehouse, &on_hand);
    tokio::time::sleep(plan.moment).await;
    victim.kill()?;
    let killed_at = Instant::now();
    tokio::time::sleep(AFTER).await;
    let log = load.end().await?;
    count(run, &log);
    run.recovery_seconds = until_quiet(shop, probes, &victim).await.map(|at| (at - killed_at).as_secs_f64());
    if run.recovery_seconds.is_none() {
        run.violations.push(format!("not quiet within {QUIET_DEADLINE:?}"));
    }
    let recorded = recorder.take(&shop.settings.amqp).await?;
    run.recorded = length(&recorded);
    let before = Before { since, dead_letters };
    run.violations.extend(check::check(shop, probes, before, &log, &recorded).await?);
    Ok(())
}

fn count(run: &mut Run, log: &Log) {
    run.changes = length(&log.changes);
    run.adjustments = length(&log.adjusted);
    run.unanswered = log.unanswered;
}

fn length<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).expect("a list's length fits 64 bits")
}

/// When nothing was under way any more; `None`: something still is.
async fn until_quiet(shop: &Shop, probes: &[Probe], victim: &Victim) -> Option<Instant> {
    let began = Instant::now();
    while began.elapsed() < QUIET_DEADLINE {
        let look = Box::pin(is_quiet(shop, probes, victim));
        // A store that does not answer yet is not quiet.
        if let Ok(Ok(true)) = tokio::time::timeout(LOOK_TIMEOUT, look).await {
            return Some(Instant::now());
        }
        tokio::time::sleep(QUIET_PAUSE).await;
    }
    None
}

async fn is_quiet(shop: &Shop, probes: &[Probe], victim: &Victim) -> anyhow::Result<bool> {
    if !victim.is_back(&look_at_stack().await?) || shop.unsent().await? > 0 {
        return Ok(false);
    }
    let (waiting, _) = recorder::waiting(&shop.settings.amqp).await?;
    let products = shop.products(probes).await?;
    Ok(waiting == 0 && shop.unequal_documents(&products).await?.is_empty())
}

/// Away from the threads that send the load: it runs a program.
async fn look_at_stack() -> anyhow::Result<Running> {
    tokio::task::spawn_blocking(Running::find).await.context("look at the stack")?
}

fn print(run: &Run) {
    let Run { seed, target, moment_ms, changes, adjustments, unanswered, recorded, .. } = run;
    let recovery = run.recovery_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"));
    println!(
        "seed {seed}: {target} killed after {moment_ms} ms; {changes} changes, {adjustments} adjustments, {unanswered} \
         unanswered, {recorded} messages; quiet after {recovery}; {} violations",
        run.violations.len()
    );
    for violation in &run.violations {
        println!("    {violation}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_run_again() {
        let plans: Vec<Plan> = (0..100).map(|seed| Plan::new(seed, None)).collect();
        for (seed, plan) in (0..).zip(&plans) {
            assert_eq!(*plan, Plan::new(seed, None));
            let chosen = Plan::new(seed, Some(Target::Worker));
            assert_eq!((chosen.target, chosen.moment), (Target::Worker, plan.moment));
            assert!(MOMENT_MS.contains(&u64::try_from(plan.moment.as_millis()).unwrap()));
        }
        assert!(plans.iter().any(|plan| plan.target != plans[0].target));
    }
}
