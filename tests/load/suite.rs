//! The whole bench: every scenario in rounds of bare handler and shop in turns, so that the noise of the machine
//! meets both, then both at one rate for latencies.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use support::running::{Client, Running};

use crate::bare::Recorded;
use crate::catalogue::Catalogue;
use crate::child::{self, Listening};
use crate::load::{self, Load};
use crate::outcome::{Outcome, Phase, Ratio, Round, SCHEMA, ScenarioOutcome, Steady, median};
use crate::scenario::{Requests, Scenario};
use crate::usage::Watched;
use crate::{machine, record};

/// Share of the shop's greatest throughput at which latencies are measured.
const STEADY_SHARE: f64 = 0.4;
const WARM_UP: Duration = Duration::from_secs(1);
/// Above this share of errors no figure means anything.
const ERROR_SHARE_MAX: f64 = 0.001;

/// How a bench is run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which scenarios.
    pub scenarios: Vec<Scenario>,
    /// Rounds of each.
    pub rounds: u32,
    /// Length of a phase at full speed.
    pub length: Duration,
    /// Length of a phase at one rate; zero: none.
    pub steady_length: Duration,
    /// Open connections.
    pub connections: usize,
    /// Threads of the load.
    pub threads: usize,
    /// Requests per second of the steady phases instead of a share of the greatest throughput.
    pub rate: Option<f64>,
    /// An API that runs already, instead of one that the bench starts.
    pub api: Option<SocketAddr>,
    /// Settings of the running stack.
    pub settings: PathBuf,
    /// Folder for what is written while it runs.
    pub folder: PathBuf,
}

/// The shop's API under test, and what else is watched.
struct Shop {
    address: SocketAddr,
    /// `None` when it was running before.
    own: Option<Listening>,
    watched: Watched,
}

/// Runs the plan.
pub async fn run(plan: &Plan, checkout: &Path) -> anyhow::Result<Outcome> {
    let shop = start(plan).await?;
    let client = Client::new(&format!("http://{}", shop.address), &record::vendor_token(&plan.settings)?)?;
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let analyst = record::token(&plan.settings, "analyst")?;
    let catalogue = Catalogue::read(&client, analyst, today).await?;
    eprintln!("{} products, {} queries", catalogue.ids.len(), catalogue.queries.len());
    let mut outcome = Outcome {
        schema: SCHEMA,
        at: Timestamp::now(),
        commit: machine::commit(checkout),
        machine: machine::describe(),
        connections: plan.connections,
        threads: plan.threads,
        scenarios: Vec::new(),
    };
    for scenario in &plan.scenarios {
        let requests = Arc::new(scenario.requests(&catalogue)?);
        outcome.scenarios.push(measure(plan, &shop, *scenario, &requests).await?);
    }
    Ok(outcome)
}

async fn start(plan: &Plan) -> anyhow::Result<Shop> {
    let mut watched = Watched::default();
    watched.add("load", std::process::id());
    match Running::find() {
        Ok(running) => {
            // The API of the stack itself gets none of the load.
            for (name, server) in running.servers.iter().filter(|(name, _)| *name != "api") {
                if let Some(pid) = server.pid.and_then(|pid| u32::try_from(pid).ok()) {
                    watched.add(name, pid);
                }
            }
        }
        Err(error) => eprintln!("the servers' CPU and memory are left out: {error:#}"),
    }
    let own = match plan.api {
        None => Some(child::raised_api(&plan.settings).await?),
        Some(_) => None,
    };
    let address = own.as_ref().map(|own| own.address).or(plan.api).context("an API")?;
    if let Some(own) = &own {
        watched.add("shop", own.pid());
    }
    Ok(Shop { address, own, watched })
}

async fn measure(
    plan: &Plan,
    shop: &Shop,
    scenario: Scenario,
    requests: &Arc<Requests>,
) -> anyhow::Result<ScenarioOutcome> {
    let recorded: Vec<Recorded> = record::answers(shop.address, requests).await?;
    let file = plan.folder.join(format!("answers-{}.json", scenario.name()));
    std::fs::write(&file, serde_json::to_vec(&recorded)?)
        .with_context(|| format!("write {}", file.display()))?;
    let bare = child::bare(&file)?;
    let mut watched = shop.watched.clone();
    watched.add("bare", bare.pid());
    let phase = async |address, length, rate| {
        let load = Load { connections: plan.connections, threads: plan.threads, length, rate };
        phase(load, address, requests, &watched).await
    };
    phase(bare.address, WARM_UP, None).await?;
    phase(shop.address, WARM_UP, None).await?;
    let mut rounds = Vec::new();
    for number in 0..plan.rounds {
        // Who comes first changes, so that nobody has the better place.
        let (bare, shop) = if number % 2 == 0 {
            let bare = phase(bare.address, plan.length, None).await?;
            (bare, phase(shop.address, plan.length, None).await?)
        } else {
            let shop = phase(shop.address, plan.length, None).await?;
            (phase(bare.address, plan.length, None).await?, shop)
        };
        rounds.push(Round { bare, shop });
    }
    let mut throughputs: Vec<_> = rounds.iter().map(|round| round.shop.throughput).collect();
    throughputs.sort_by(f64::total_cmp);
    let rate = plan.rate.unwrap_or(median(&throughputs) * STEADY_SHARE);
    let steady = if plan.steady_length.is_zero() {
        None
    } else {
        let bare = phase(bare.address, plan.steady_length, Some(rate)).await?;
        Some(Steady { rate, bare, shop: phase(shop.address, plan.steady_length, Some(rate)).await? })
    };
    let outcome = ScenarioOutcome {
        name: scenario.name().to_owned(),
        goal: scenario.goal(),
        ratio: Ratio::of(&rounds),
        cpu_ratio: if shop.own.is_some() { cpu_ratio(&rounds) } else { 0.0 },
        rounds,
        steady,
    };
    println!("{}", line(&outcome));
    Ok(outcome)
}

async fn phase(
    load: Load,
    address: SocketAddr,
    requests: &Arc<Requests>,
    watched: &Watched,
) -> anyhow::Result<Phase> {
    let before = watched.sample();
    let ended = load::run(load, address, requests).await?;
    let phase = Phase::new(&ended.tally, ended.took.as_secs_f64(), watched.since(&before));
    ensure!(
        phase.error_share() <= ERROR_SHARE_MAX,
        "{} of {} requests failed: {:?}",
        phase.errors,
        phase.requests,
        phase.statuses
    );
    Ok(phase)
}

fn cpu_ratio(rounds: &[Round]) -> f64 {
    let mut ratios: Vec<_> =
        rounds.iter().map(|round| round.bare.cpu_us("bare") / round.shop.cpu_us("shop").max(1e-9)).collect();
    ratios.sort_by(f64::total_cmp);
    median(&ratios)
}

/// A scenario in one line.
pub fn line(outcome: &ScenarioOutcome) -> String {
    let mean = |of: &dyn Fn(&Round) -> f64| {
        let mut values: Vec<_> = outcome.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        median(&values)
    };
    let Ratio { median, min, max } = outcome.ratio;
    let (shop, bare) = (mean(&|round| round.shop.throughput), mean(&|round| round.bare.throughput));
    let steady = outcome.steady.as_ref().map_or_else(String::new, |steady| {
        let of = |phase: &Phase| {
            let latency = &phase.latency;
            format!("p50 {:.2} p95 {:.2} p99 {:.2} ms", latency.p50, latency.p95, latency.p99)
        };
        format!("; at {:.0}/s shop {}, bare {}", steady.rate, of(&steady.shop), of(&steady.bare))
    });
    format!(
        "{:8} {shop:.0}/s of {bare:.0}/s bare: {median:.2} ({min:.2} to {max:.2}), goal {:.1}; \
         CPU {:.0} us bare, {:.0} us shop{steady}",
        outcome.name,
        outcome.goal,
        mean(&|round| round.bare.cpu_us("bare")),
        mean(&|round| round.shop.cpu_us("shop")),
    )
}

/// The scenarios below their goal.
pub fn missed(outcome: &Outcome) -> Vec<&str> {
    let below = |scenario: &&ScenarioOutcome| scenario.ratio.median < scenario.goal;
    outcome.scenarios.iter().filter(below).map(|scenario| scenario.name.as_str()).collect()
}
