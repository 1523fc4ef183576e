//! The result of a bench as it is written: one JSON document with a versioned shape.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::tally::{Latency, Tally};
use crate::usage::Usage;

/// The shape's version: another one is not compared.
pub const SCHEMA: u32 = 1;

/// A whole run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// [`SCHEMA`]
    pub schema: u32,
    /// When it began.
    pub at: Timestamp,
    /// Commit of the checkout, when it is known.
    pub commit: Option<String>,
    /// Where it ran.
    pub machine: Machine,
    /// Open connections of each load.
    pub connections: usize,
    /// Threads of each load.
    pub threads: usize,
    /// Results by scenario.
    pub scenarios: Vec<ScenarioOutcome>,
}

/// The machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// CPU cores.
    pub cores: usize,
    /// Model of the CPU.
    pub cpu: String,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Kernel.
    pub kernel: String,
    /// Processes that wanted a CPU in the minute before.
    pub load_average: f64,
}

/// One scenario: the shop and the bare handler, in turns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScenarioOutcome {
    /// Its name.
    pub name: String,
    /// The least ratio that is good enough.
    pub goal: f64,
    /// Throughput of the shop by that of the bare handler.
    pub ratio: Ratio,
    /// CPU time of the bare handler for a request, by that of the shop: the load's own cost is not in it.
    pub cpu_ratio: f64,
    /// As fast as possible, in turns.
    pub rounds: Vec<Round>,
    /// At one rate for both, latency counted from when a request was due.
    pub steady: Option<Steady>,
}

/// A ratio over the rounds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Ratio {
    /// Median of the rounds.
    pub median: f64,
    /// Worst round.
    pub min: f64,
    /// Best round.
    pub max: f64,
}

/// Both, one after the other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Round {
    /// The bare handler.
    pub bare: Phase,
    /// The shop.
    pub shop: Phase,
}

/// Both at the same rate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Steady {
    /// Requests per second that were due.
    pub rate: f64,
    /// The bare handler.
    pub bare: Phase,
    /// The shop.
    pub shop: Phase,
}

/// A phase of load on one of both.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Phase {
    /// How long it took.
    pub seconds: f64,
    /// Requests.
    pub requests: u64,
    /// Answers per second.
    pub throughput: f64,
    /// Broken connections and refusals.
    pub errors: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Bytes of a body, in the mean.
    pub body_bytes: f64,
    /// Latencies.
    pub latency: Latency,
    /// CPU and memory by process.
    pub processes: BTreeMap<String, Usage>,
}

impl Phase {
    /// The figures of a phase.
    pub fn new(tally: &Tally, seconds: f64, processes: BTreeMap<String, Usage>) -> Self {
        let requests = as_float(tally.requests());
        Self {
            seconds,
            requests: tally.requests(),
            throughput: requests / seconds,
            errors: tally.errors(),
            statuses: tally.statuses().clone(),
            body_bytes: as_float(tally.body_bytes()) / requests.max(1.0),
            latency: tally.latency(),
            processes,
        }
    }

    /// Share of requests that failed.
    pub fn error_share(&self) -> f64 {
        as_float(self.errors) / as_float(self.requests).max(1.0)
    }

    /// CPU time of a process for one request, in microseconds.
    pub fn cpu_us(&self, process: &str) -> f64 {
        let used = self.processes.get(process).map_or(0.0, |usage| usage.cpu_seconds);
        used * 1e6 / as_float(self.requests).max(1.0)
    }
}

impl Ratio {
    /// Of at least one round.
    pub fn of(rounds: &[Round]) -> Self {
        let mut ratios: Vec<_> =
            rounds.iter().map(|round| round.shop.throughput / round.bare.throughput).collect();
        ratios.sort_by(f64::total_cmp);
        Self {
            median: median(&ratios),
            min: ratios.first().copied().unwrap_or(0.0),
            max: ratios.last().copied().unwrap_or(0.0),
        }
    }
}

/// The middle one of sorted values; 0 of none.
pub fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// Counts of a run are far below the 2^53 that a float holds exactly.
fn as_float(count: u64) -> f64 {
    count as f64
}

impl Outcome {
    /// A document of this shape.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Shape {
            schema: u32,
        }
        let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
        let Shape { schema } = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is no result of ./dev bench", path.display()))?;
        anyhow::ensure!(schema == SCHEMA, "{} has shape {schema}, this bench reads {SCHEMA}", path.display());
        serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))
    }
}

/// Writes a result as JSON, into `target/bench/<kind>-<time>.json` when nothing else is said, and tells where.
pub fn write(
    outcome: &impl Serialize,
    kind: &str,
    at: Timestamp,
    out: Option<PathBuf>,
    checkout: &Path,
) -> anyhow::Result<()> {
    let name = format!("{kind}-{}.json", at.strftime("%Y%m%d-%H%M%S"));
    let out = out.unwrap_or_else(|| checkout.join("target/bench").join(name));
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    std::fs::write(&out, serde_json::to_string_pretty(outcome)?)
        .with_context(|| format!("write {}", out.display()))?;
    println!("{}", out.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_the_rounds_counts() {
        assert!((median(&[1.0, 2.0, 9.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[1.0, 2.0, 4.0, 9.0]) - 3.0).abs() < 1e-9);
        assert!(median(&[]).abs() < 1e-9);
    }
}
