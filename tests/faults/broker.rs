//! A broker that is down, full, fed with poison, or robbed of its data, while products and stock change: writes do not
//! notice, all events are out soon after it is back, and nothing else dies of the poison.

mod fault;
mod index_watch;
mod judgement;
mod outcome;
mod poison;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use clap::ValueEnum;
use devstack::{Stack, StackKind};
use ingest::events::replay::{EventConsumer, ReplayOptions, Replayed, replay};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::running::Client;

use self::fault::Alarm;
use self::index_watch::{IndexWatch, waits};
use self::judgement::{Episode, judge};
use self::outcome::{Run, table};
use crate::check::{self, Before};
use crate::load::{self, Load, Probe};
use crate::recorder::{self, Recorded, Recorder};
use crate::results;
use crate::shop::Shop;
use crate::stack::{Victim, healed, look};

/// The name of the results.
const NAME: &str = "broker";
/// How long the load runs before the fault.
const BASELINE: Duration = Duration::from_secs(10);
/// How long the broker is away.
const AWAY: Duration = Duration::from_secs(20);
/// How long the load goes on after it is back.
const AFTER: Duration = Duration::from_secs(3);
/// How long nobody consumes before the broker loses its data, so that there is something to lose.
const HELD: Duration = Duration::from_secs(3);
/// Consumers of durable queues with something in them during a run.
const CONSUMERS: [&str; 2] = ["search_indexer", "worker"];
/// Between two looks at the outboxes.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// One look at everything.
const LOOK_TIMEOUT: Duration = Duration::from_secs(15);
/// How long is waited until all events are out, and again until all is quiet.
const QUIET_DEADLINE: Duration = Duration::from_secs(90);
/// A whole run without the healing before it.
const RUN_TIMEOUT: Duration = Duration::from_secs(480);

/// What happens to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// Frozen or killed again and again for 20 s, by the seed
    Down,
    /// Without memory for 20 s, so that it takes nothing from publishers
    Full,
    /// Fed with messages that no consumer can use
    Poison,
    /// Killed and robbed of its data, then brought up to date by a replay; only when it is asked for
    Reset,
}

impl Case {
    /// Its name in results and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Full => "full",
            Self::Poison => "poison",
            Self::Reset => "reset",
        }
    }
}

/// How often, and what.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many runs of each case
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    runs: u32,
    /// What a case chooses by; the next run takes the next number [default: a random one]
    #[arg(long)]
    seed: Option<u64>,
    /// Only this one [default: down, full and poison in turn]
    #[arg(long, value_enum)]
    case: Option<Case>,
    /// Only print the sums of all runs that were recorded
    #[arg(long)]
    summary: bool,
}

impl Options {
    fn cases(&self) -> Vec<Case> {
        self.case.map_or_else(|| vec![Case::Down, Case::Full, Case::Poison], |case| vec![case])
    }
}

/// What every run works with.
struct Bench {
    shop: Shop,
    stack: Arc<Stack>,
}

/// Runs until a run has a violation, which is an error, or all are done. An interrupt undoes what was done to the
/// broker.
pub async fn run(settings: &Path, options: Options) -> anyhow::Result<()> {
    let file = results::file(NAME);
    // Before anything is broken: no line is added to a file that cannot be read.
    let kept: Vec<Run> = results::read(&file)?;
    if options.summary {
        print!("{}", table(&kept));
        return Ok(());
    }
    let checkout = std::env::var_os("ENTREPOT_CHECKOUT").context("run it by ./dev")?;
    let stack = Stack::open(StackKind::Development, Path::new(&checkout), None)?;
    let bench = Bench { shop: Shop::open(settings).await?, stack };
    let stop = process::shutdown::signal();
    let ended = tokio::select! {
        ended = Box::pin(run_all(&bench, &options, &file)) => ended,
        () = stop.cancelled() => Err(anyhow!("interrupted")),
    };
    bench.shop.close().await;
    let runs = ended?;
    print!("{}", table(&runs));
    match runs.last().filter(|run| !run.violations.is_empty()) {
        Some(Run { seed, case, .. }) => {
            bail!("violations; the same again: ./dev faults broker --runs 1 --seed {seed} --case {case}")
        }
        None => Ok(()),
    }
}

async fn run_all(bench: &Bench, options: &Options, file: &Path) -> anyhow::Result<Vec<Run>> {
    let postgres = &bench.shop.settings.postgres;
    healed(postgres).await?;
    let client = look().await?.client("vendor")?;
    let probes = load::make_probes(&client).await?;
    let first = options.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let mut runs = Vec::new();
    for number in 0..u64::from(options.runs) {
        for case in options.cases() {
            healed(postgres).await?;
            let plan = Plan { seed: first.wrapping_add(number), case };
            let run = run_in_time(bench, &client, &probes, plan).await;
            results::append(file, &run)?;
            print!("{}", run.text());
            let is_broken = !run.violations.is_empty();
            runs.push(run);
            if is_broken {
                return Ok(runs);
            }
        }
    }
    Ok(runs)
}

/// What a run does.
#[derive(Debug, Clone, Copy)]
struct Plan {
    seed: u64,
    case: Case,
}

impl Plan {
    fn random(self) -> StdRng {
        StdRng::seed_from_u64(self.seed)
    }

    /// Whether a broker that is down is frozen; otherwise it is killed again and again.
    fn is_frozen(self) -> bool {
        self.random().random_bool(0.5)
    }
}

/// A run that cannot be ended is a violation too: nobody knows what holds.
async fn run_in_time(bench: &Bench, client: &Client, probes: &[Probe], plan: Plan) -> Run {
    let mut run = Run { seed: plan.seed, case: plan.case.name().to_owned(), ..Run::default() };
    let work = Box::pin(break_once(bench, client, probes, plan, &mut run));
    let ended = tokio::time::timeout(RUN_TIMEOUT, work).await;
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => run.violations.push(format!("not ended: {error:#}")),
        Err(_) => run.violations.push(format!("not ended within {RUN_TIMEOUT:?}")),
    }
    run.at = Timestamp::now();
    run.violations = results::shortened(run.violations);
    run
}

async fn break_once(
    bench: &Bench,
    client: &Client,
    probes: &[Probe],
    plan: Plan,
    run: &mut Run,
) -> anyhow::Result<()> {
    let shop = &bench.shop;
    let warehouse = shop.warehouse().await?;
    let on_hand = shop.on_hand(probes, &warehouse).await?;
    let mut before = Before {
        dead_letters: shop.dead_letters().await?,
        since: Timestamp::from_millisecond(Timestamp::now().as_millisecond())?,
    };
    // The queue of a recorder would be lost with the others.
    let recorder = match plan.case {
        Case::Reset => None,
        _ => Some(Recorder::declare(&shop.settings.amqp).await?),
    };
    let watch = IndexWatch::start(&shop.settings.search, probes)?;
    let load = Load::start(client, probes, &warehouse, &on_hand);
    tokio::time::sleep(BASELINE).await;
    let episode = Box::pin(break_broker(bench, plan, run)).await?;
    tokio::time::sleep(AFTER).await;
    let log = load.end().await?;
    run.out_after_seconds = until_sent(shop).await.map(|at| (at - episode.returned).as_secs_f64());
    if plan.case == Case::Reset {
        replay_all(shop, before.since).await?;
    }
    run.quiet_after_seconds = until_quiet(shop, probes).await.map(|at| (at - episode.returned).as_secs_f64());
    let waited = waits(&log.writes, &watch.end().await?, Instant::now());
    judge(run, plan.case, &episode, &log, &waited);
    let recorded = match recorder {
        Some(recorder) => recorder.take(&shop.settings.amqp).await?,
        None => in_order(shop.events_since(before.since).await?),
    };
    run.recorded = u64::try_from(recorded.len())?;
    before.dead_letters += run.dead_letters;
    run.violations.extend(check::check(shop, probes, before, &log, &recorded).await?);
    run.violations.extend(poison::wrong(shop, &episode.poison).await?);
    if run.violations.is_empty() {
        // What a person may want to look at waits for them.
        poison::settle(shop, &episode.poison).await?;
    }
    Ok(())
}

async fn break_broker(bench: &Bench, plan: Plan, run: &mut Run) -> anyhow::Result<Episode> {
    let Bench { shop, stack } = bench;
    let (began, amqp) = (Instant::now(), &shop.settings.amqp);
    let mut poison = Vec::new();
    match plan.case {
        Case::Down if plan.is_frozen() => {
            let frozen = Victim::find(&look().await?, devstack::servers::rabbitmq::NAME)?.freeze()?;
            run.fault = format!("stopped for {AWAY:?}");
            run.unsent_max = unsent_max(shop, AWAY).await;
            drop(frozen);
        }
        Case::Down => {
            let (kills, unsent) = tokio::join!(fault::kill_again_and_again(AWAY), unsent_max(shop, AWAY));
            run.fault = format!("killed again and again for {AWAY:?}: {} times", kills?);
            run.unsent_max = unsent;
        }
        Case::Full => {
            let alarm = Alarm::raise(stack).await?;
            run.fault = format!("without memory for {AWAY:?}");
            run.unsent_max = unsent_max(shop, AWAY).await;
            alarm.lift().await?;
        }
        Case::Poison => {
            poison = poison::messages(Timestamp::now(), &mut plan.random());
            run.fault = format!("{} poisoned messages", poison.len());
            run.dead_letters = u64::try_from(poison::death_count(&poison))?;
            poison::publish(amqp, &poison).await?;
            let kept_at = poison::until_kept(shop, &poison).await;
            // Which ones are not is said in the end.
            let returned = kept_at.unwrap_or_else(Instant::now);
            return Ok(Episode { began, returned, poison });
        }
        Case::Reset => {
            let running = look().await?;
            let _held = CONSUMERS
                .iter()
                .map(|name| Victim::find(&running, name)?.freeze())
                .collect::<anyhow::Result<Vec<_>>>()?;
            run.unsent_max = unsent_max(shop, HELD).await;
            (run.lost, _) = recorder::waiting(amqp).await?;
            fault::wipe(stack).await?;
            "killed, its data removed".clone_into(&mut run.fault);
        }
    }
    Ok(Episode { began, returned: fault::returned(amqp).await?, poison })
}

/// Most events that were unsent at a time, in so long.
async fn unsent_max(shop: &Shop, length: Duration) -> u64 {
    let until = Instant::now() + length;
    let mut most = 0;
    while Instant::now() < until {
        tokio::time::sleep(LOOK_PAUSE.min(until.saturating_duration_since(Instant::now()))).await;
        // A look that failed is one of many.
        if let Ok(unsent) = shop.unsent().await {
            most = most.max(unsent);
        }
    }
    most
}

/// When both outboxes were empty; `None`: not in time.
async fn until_sent(shop: &Shop) -> Option<Instant> {
    until(async || anyhow::Ok(shop.unsent().await? == 0)).await
}

/// When nothing was under way any more; `None`: something still is.
async fn until_quiet(shop: &Shop, probes: &[Probe]) -> Option<Instant> {
    until(async || is_quiet(shop, probes).await).await
}

async fn until(holds: impl AsyncFn() -> anyhow::Result<bool>) -> Option<Instant> {
    let began = Instant::now();
    while began.elapsed() < QUIET_DEADLINE {
        // A store that does not answer yet is not quiet.
        if let Ok(Ok(true)) = tokio::time::timeout(LOOK_TIMEOUT, Box::pin(holds())).await {
            return Some(Instant::now());
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    None
}

async fn is_quiet(shop: &Shop, probes: &[Probe]) -> anyhow::Result<bool> {
    if shop.unsent().await? > 0 || look().await?.servers.values().any(|server| !server.ready) {
        return Ok(false);
    }
    let (waiting, dead) = recorder::waiting(&shop.settings.amqp).await?;
    let products = shop.products(probes).await?;
    Ok(waiting + dead == 0 && shop.unequal_documents(&products).await?.is_empty())
}

/// What `./dev events replay` does, for every consumer of a durable queue.
async fn replay_all(shop: &Shop, from: Timestamp) -> anyhow::Result<()> {
    let settings = &shop.settings;
    for consumer in EventConsumer::value_variants() {
        let options =
            ReplayOptions { consumer: *consumer, from, to: Timestamp::now(), event_type: None, rate: None };
        let Replayed { unreadable, .. } =
            Box::pin(replay(&settings.postgres, &shop.mongo, &settings.amqp, &options, |_| {})).await?;
        ensure!(unreadable == 0, "{unreadable} events are unreadable");
    }
    Ok(())
}

/// A reset leaves no queue that would know an order: only what the stores and the index hold is compared.
fn in_order(mut events: Vec<Recorded>) -> Vec<Recorded> {
    events.sort_by(|one, other| (&one.subject, one.version).cmp(&(&other.subject, other.version)));
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_has_its_name_on_the_command_line() {
        for case in Case::value_variants() {
            assert_eq!(Case::from_str(case.name(), false), Ok(*case));
        }
    }

    #[test]
    fn a_seed_chooses_how_the_broker_goes_down() {
        let plan = |seed| Plan { seed, case: Case::Down };
        let ways: Vec<bool> = (0..50).map(|seed| plan(seed).is_frozen()).collect();
        assert_eq!(ways, (0..50).map(|seed| plan(seed).is_frozen()).collect::<Vec<_>>());
        assert!(ways.contains(&true) && ways.contains(&false));
    }
}
