//! `kill -9` of one process, or of several one after the other, at seeded moments, while products and stock change:
//! afterwards every acknowledged change is in its store, every event was sent in order, and the index shows what the
//! stores hold.

mod outcome;
mod plan;
mod target;

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use jiff::Timestamp;
use support::running::Client;
use tokio::time::Instant;

use self::outcome::{Kill, Run, table};
use self::plan::{AFTER, Plan};
use self::target::Target;
use crate::check::{self, Before};
use crate::load::{self, Load, Log, Probe};
use crate::recorder::{self, Recorder};
use crate::results;
use crate::shop::Shop;
use crate::stack::{self, Victim, healed};

/// The name of the results.
const NAME: &str = "events";
/// Each target once.
const KILLS_MAX: i64 = Target::ALL.len() as i64;
/// How long before its kill a victim is looked for, less than there is between two kills.
const LOOK_AHEAD: Duration = Duration::from_millis(400);
const QUIET_PAUSE: Duration = Duration::from_millis(500);
/// One look at everything.
const LOOK_TIMEOUT: Duration = Duration::from_secs(15);

/// How often, and what.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many runs
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    runs: u32,
    /// What targets and moments are made from; the next run takes the next number [default: a random one]
    #[arg(long)]
    seed: Option<u64>,
    /// How many targets a run kills, one after the other
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=KILLS_MAX))]
    kills: u8,
    /// Kill this one first in every run
    #[arg(long, value_enum)]
    target: Option<Target>,
    /// Only print the sums of all runs that were recorded
    #[arg(long)]
    summary: bool,
}

impl Options {
    /// The command that does the run of a seed again.
    fn again(&self, seed: u64) -> String {
        let Self { kills, target, .. } = self;
        let target = target.map(|target| format!(" --target {}", target.name())).unwrap_or_default();
        format!("./dev faults events --runs 1 --seed {seed} --kills {kills}{target}")
    }
}

/// Runs until a run has a violation, which is an error, or all are done.
pub async fn run(settings: &Path, options: Options) -> anyhow::Result<()> {
    let file = results::file(NAME);
    // Before anything is killed: no line is added to a file that cannot be read.
    let kept: Vec<Run> = results::read(&file)?;
    if options.summary {
        print!("{}", table(&kept));
        return Ok(());
    }
    let shop = Shop::open(settings).await?;
    let ended = run_all(&shop, &options, &file).await;
    shop.close().await;
    let runs = ended?;
    print!("{}", table(&runs));
    match runs.last().filter(|run| !run.violations.is_empty()) {
        Some(run) => bail!("violations; the same again: {}", options.again(run.seed)),
        None => Ok(()),
    }
}

async fn run_all(shop: &Shop, options: &Options, file: &Path) -> anyhow::Result<Vec<Run>> {
    healed(&shop.settings.postgres).await?;
    let client = stack::look().await?.client("vendor")?;
    let probes = load::make_probes(&client).await?;
    let first = options.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let mut runs = Vec::new();
    for number in 0..u64::from(options.runs) {
        let plan = Plan::new(first.wrapping_add(number), options.kills.into(), options.target);
        healed(&shop.settings.postgres).await?;
        let run = run_in_time(shop, &client, &probes, &plan).await;
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
async fn run_in_time(shop: &Shop, client: &Client, probes: &[Probe], plan: &Plan) -> Run {
    let mut run = Run {
        at: Timestamp::now(),
        seed: plan.seed,
        kills: Vec::new(),
        changes: 0,
        adjustments: 0,
        unanswered: 0,
        recorded: 0,
        recovery_seconds: None,
        violations: Vec::new(),
    };
    let work = Box::pin(break_once(shop, client, probes, plan, &mut run));
    let ended = tokio::time::timeout(plan.timeout(), work).await;
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => run.violations.push(format!("not ended: {error:#}")),
        Err(_) => run.violations.push(format!("not ended within {:?}", plan.timeout())),
    }
    run.at = Timestamp::now();
    run.violations = results::shortened(run.violations);
    run
}

async fn break_once(
    shop: &Shop,
    client: &Client,
    probes: &[Probe],
    plan: &Plan,
    run: &mut Run,
) -> anyhow::Result<()> {
    let warehouse = shop.warehouse().await?;
    let on_hand = shop.on_hand(probes, &warehouse).await?;
    let dead_letters = shop.dead_letters().await?;
    let recorder = Recorder::declare(&shop.settings.amqp).await?;
    let since = Timestamp::from_millisecond(Timestamp::now().as_millisecond())?;
    let load = Load::start(client, probes, &warehouse, &on_hand);
    let victims = kill_all(shop, plan, &mut run.kills).await?;
    let killed_at = Instant::now();
    tokio::time::sleep(AFTER).await;
    let log = load.end().await?;
    count(run, &log);
    let deadline = plan.quiet_deadline();
    let quiet_at = until_quiet(shop, probes, &victims, deadline).await;
    run.recovery_seconds = quiet_at.map(|at| (at - killed_at).as_secs_f64());
    if quiet_at.is_none() {
        run.violations.push(format!("not quiet within {deadline:?}"));
    }
    let recorded = recorder.take(&shop.settings.amqp).await?;
    run.recorded = results::figure(recorded.len());
    let before = Before { since, dead_letters };
    run.violations.extend(check::check(shop, probes, before, &log, &recorded).await?);
    Ok(())
}

/// Each victim is looked for just before its kill: the kill before may have made another process the primary.
async fn kill_all(shop: &Shop, plan: &Plan, kills: &mut Vec<Kill>) -> anyhow::Result<Vec<Victim>> {
    let began = Instant::now();
    let mut victims = Vec::new();
    for (target, moment) in &plan.kills {
        let at = began + *moment;
        tokio::time::sleep_until(at - LOOK_AHEAD).await;
        let victim = target.victim(&stack::look().await?, &shop.database).await?;
        tokio::time::sleep_until(at).await;
        victim.kill()?;
        let moment_ms = u64::try_from(began.elapsed().as_millis()).expect("some seconds");
        kills.push(Kill { target: target.name().to_owned(), moment_ms });
        victims.push(victim);
    }
    Ok(victims)
}

fn count(run: &mut Run, log: &Log) {
    run.changes = results::figure(log.changes.len());
    run.adjustments = results::figure(log.adjusted.len());
    run.unanswered = log.unanswered;
}

/// When nothing was under way any more; `None`: something still is.
async fn until_quiet(
    shop: &Shop,
    probes: &[Probe],
    victims: &[Victim],
    deadline: Duration,
) -> Option<Instant> {
    let began = Instant::now();
    while began.elapsed() < deadline {
        let look = Box::pin(is_quiet(shop, probes, victims));
        // A store that does not answer yet is not quiet.
        if let Ok(Ok(true)) = tokio::time::timeout(LOOK_TIMEOUT, look).await {
            return Some(Instant::now());
        }
        tokio::time::sleep(QUIET_PAUSE).await;
    }
    None
}

async fn is_quiet(shop: &Shop, probes: &[Probe], victims: &[Victim]) -> anyhow::Result<bool> {
    let running = stack::look().await?;
    if !victims.iter().all(|victim| victim.is_back(&running)) || shop.unsent().await? > 0 {
        return Ok(false);
    }
    let (waiting, _) = recorder::waiting(&shop.settings.amqp).await?;
    let products = shop.products(probes).await?;
    Ok(waiting == 0 && shop.unequal_documents(&products).await?.is_empty())
}

fn print(run: &Run) {
    let Run { seed, changes, adjustments, unanswered, recorded, .. } = run;
    let kills: Vec<_> =
        run.kills.iter().map(|Kill { target, moment_ms }| format!("{target} {moment_ms} ms")).collect();
    let recovery = run.recovery_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"));
    println!(
        "seed {seed}, kills [{}]: {changes} changes, {adjustments} adjustments, {unanswered} unanswered, {recorded} \
         messages; quiet after {recovery}; {} violations",
        kills.join(", "),
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
    fn a_run_is_done_again_by_the_whole_command() {
        let options = |target| Options { runs: 20, seed: None, kills: 3, target, summary: false };
        let any = "./dev faults events --runs 1 --seed 7 --kills 3";
        assert_eq!(options(None).again(7), any);
        assert_eq!(options(Some(Target::MongoPrimary)).again(7), format!("{any} --target mongo-primary"));
    }
}
