//! What became of each run: one JSON line per run, kept, and sums of them by target.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Violations of one run that are kept in words; more are only counted.
const VIOLATIONS_MAX: usize = 20;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When it ended.
    pub at: Timestamp,
    /// What its choices were made from.
    pub seed: u64,
    /// What was killed.
    pub target: String,
    /// When it was killed, from the start of the load.
    pub moment_ms: u64,
    /// Changes of products that were acknowledged.
    pub changes: u64,
    /// Adjustments of stock that were acknowledged.
    pub adjustments: u64,
    /// Requests without an acknowledgement.
    pub unanswered: u64,
    /// Messages that the run's own queue got.
    pub recorded: u64,
    /// From the kill until all was quiet, with the load after the kill in it; `None`: not in time.
    pub recovery_seconds: Option<f64>,
    /// What does not hold, in words.
    pub violations: Vec<String>,
}

impl Run {
    /// Keeps as many violations as a line should hold.
    pub fn shortened(mut self) -> Self {
        let more = self.violations.len().saturating_sub(VIOLATIONS_MAX);
        if more > 0 {
            self.violations.truncate(VIOLATIONS_MAX);
            self.violations.push(format!("and {more} more"));
        }
        self
    }
}

/// Where the runs of a kind of fault are kept: `target/faults/<name>.ndjson` of the checkout.
pub fn file(name: &str) -> PathBuf {
    let checkout = std::env::var_os("ENTREPOT_CHECKOUT").map_or_else(|| PathBuf::from("."), PathBuf::from);
    checkout.join("target/faults").join(format!("{name}.ndjson"))
}

/// Adds a run.
pub fn append(file: &Path, run: &Run) -> anyhow::Result<()> {
    let folder = file.parent().context("a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let mut line = serde_json::to_vec(run)?;
    line.push(b'\n');
    let appended = File::options().create(true).append(true).open(file);
    appended.and_then(|mut lines| lines.write_all(&line)).with_context(|| format!("write {}", file.display()))
}

/// Every run that was kept; none without a file.
pub fn read(file: &Path) -> anyhow::Result<Vec<Run>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("read {}", file.display())),
    };
    let line = |(number, line): (usize, &str)| {
        serde_json::from_str::<Run>(line).with_context(|| format!("{}, line {}", file.display(), number + 1))
    };
    text.lines().enumerate().map(line).collect()
}

#[derive(Debug, Default)]
struct Sum {
    runs: u64,
    broken: u64,
    unrecovered: u64,
    worst_seconds: f64,
}

/// A line per target: runs, runs with a violation, the worst recovery.
pub fn table(runs: &[Run]) -> String {
    let mut sums = BTreeMap::<&str, Sum>::new();
    for run in runs {
        for name in [run.target.as_str(), "together"] {
            let sum = sums.entry(name).or_default();
            sum.runs += 1;
            sum.broken += u64::from(!run.violations.is_empty());
            sum.unrecovered += u64::from(run.recovery_seconds.is_none());
            sum.worst_seconds = sum.worst_seconds.max(run.recovery_seconds.unwrap_or(0.0));
        }
    }
    let together = sums.remove("together");
    let mut text = format!("{:<18} {:>6} {:>11} {:>15}\n", "target", "runs", "violations", "worst recovery");
    for (name, sum) in sums.into_iter().chain(together.map(|sum| ("together", sum))) {
        let worst = match sum.unrecovered {
            0 => format!("{:.1} s", sum.worst_seconds),
            count => format!("{count} not in time"),
        };
        let Sum { runs, broken, .. } = sum;
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{name:<18} {runs:>6} {broken:>11} {worst:>15}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(target: &str, recovery_seconds: Option<f64>, violations: &[&str]) -> Run {
        Run {
            at: Timestamp::UNIX_EPOCH,
            seed: 7,
            target: target.to_owned(),
            moment_ms: 900,
            changes: 10,
            adjustments: 5,
            unanswered: 1,
            recorded: 15,
            recovery_seconds,
            violations: violations.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    #[test]
    fn a_run_survives_its_file() {
        let folder = support::files::folder("faults");
        let file = folder.join("deeper/events.ndjson");
        assert!(read(&file).expect("no file is no error").is_empty());
        let runs = [run("api", Some(3.5), &[]), run("worker", None, &["lost"])];
        runs.iter().for_each(|run| append(&file, run).expect("written"));
        assert_eq!(read(&file).expect("read"), runs);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn sums_are_by_target() {
        let runs =
            [run("api", Some(3.5), &[]), run("api", Some(2.0), &["lost"]), run("worker", None, &["late"])];
        let table = table(&runs);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["api", "2", "1", "3.5", "s"]);
        assert_eq!(lines[2], ["worker", "1", "1", "1", "not", "in", "time"]);
        assert_eq!(lines[3], ["together", "3", "2", "1", "not", "in", "time"]);
    }

    #[test]
    fn a_line_holds_so_many_violations() {
        let many: Vec<String> = (0..25).map(|number| number.to_string()).collect();
        let shortened = Run { violations: many, ..run("api", None, &[]) }.shortened();
        assert_eq!(shortened.violations.len(), VIOLATIONS_MAX + 1);
        assert_eq!(shortened.violations.last().map(String::as_str), Some("and 5 more"));
    }
}
