//! What became of a run, and sums of runs by target.

use std::collections::BTreeMap;
use std::iter;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A process that was killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    /// What it was.
    pub target: String,
    /// When it was killed, from the start of the load.
    pub moment_ms: u64,
}

/// One run, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When it ended.
    pub at: Timestamp,
    /// What its choices were made from.
    pub seed: u64,
    /// What was killed, each target once, in this order.
    pub kills: Vec<Kill>,
    /// Changes of products that were acknowledged.
    pub changes: u64,
    /// Adjustments of stock that were acknowledged.
    pub adjustments: u64,
    /// Requests without an acknowledgement.
    pub unanswered: u64,
    /// Messages that the run's own queue got.
    pub recorded: u64,
    /// From the last kill until all was quiet, with the load after it in it; `None`: not in time.
    pub recovery_seconds: Option<f64>,
    /// What does not hold, in words.
    pub violations: Vec<String>,
}

#[derive(Debug, Default)]
struct Sum {
    kills: usize,
    broken: u64,
    unrecovered: u64,
    worst_seconds: f64,
}

impl Sum {
    fn add(&mut self, run: &Run, kills: usize) {
        self.kills += kills;
        self.broken += u64::from(!run.violations.is_empty());
        self.unrecovered += u64::from(run.recovery_seconds.is_none());
        self.worst_seconds = self.worst_seconds.max(run.recovery_seconds.unwrap_or(0.0));
    }

    fn line(&self, name: &str) -> String {
        let worst = match self.unrecovered {
            0 => format!("{:.1} s", self.worst_seconds),
            count => format!("{count} not in time"),
        };
        format!("{name:<22} {:>6} {:>11} {worst:>15}\n", self.kills, self.broken)
    }
}

/// A line per target: how often it was killed; of the runs in which it was, those with a violation and the worst
/// recovery. The last line is of all runs.
pub fn table(runs: &[Run]) -> String {
    let mut sums = BTreeMap::<&str, Sum>::new();
    let mut together = Sum::default();
    for run in runs {
        for kill in &run.kills {
            sums.entry(&kill.target).or_default().add(run, 1);
        }
        together.add(run, run.kills.len());
    }
    let heading = format!("{:<22} {:>6} {:>11} {:>15}\n", "target", "kills", "violations", "worst recovery");
    let last = together.line(&format!("together (runs: {})", runs.len()));
    let lines = sums.iter().map(|(name, sum)| sum.line(name));
    iter::once(heading).chain(lines).chain(iter::once(last)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results;

    fn run(targets: &[&str], recovery_seconds: Option<f64>, violations: &[&str]) -> Run {
        let kill = |target: &&str| Kill { target: (*target).to_owned(), moment_ms: 900 };
        Run {
            at: Timestamp::UNIX_EPOCH,
            seed: 7,
            kills: targets.iter().map(kill).collect(),
            changes: 10,
            adjustments: 5,
            unanswered: 1,
            recorded: 15,
            recovery_seconds,
            violations: violations.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    fn words(table: &str) -> Vec<Vec<&str>> {
        table.lines().map(|line| line.split_whitespace().collect()).collect()
    }

    #[test]
    fn a_run_survives_its_file() {
        let folder = support::files::folder("faults-events");
        let file = folder.join("events.ndjson");
        let runs = [run(&["api", "worker"], Some(3.5), &[]), run(&[], None, &["not ended"])];
        runs.iter().for_each(|run| results::append(&file, run).expect("written"));
        assert_eq!(results::read::<Run>(&file).expect("read"), runs);
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn sums_are_by_target() {
        let runs = [
            run(&["api", "rabbitmq"], Some(3.5), &[]),
            run(&["api"], Some(2.0), &["lost"]),
            run(&["worker", "rabbitmq"], None, &["late"]),
        ];
        let table = table(&runs);
        let lines = words(&table);
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[1], ["api", "2", "1", "3.5", "s"]);
        assert_eq!(lines[2], ["rabbitmq", "2", "1", "1", "not", "in", "time"]);
        assert_eq!(lines[3], ["worker", "1", "1", "1", "not", "in", "time"]);
        assert_eq!(lines[4], ["together", "(runs:", "3)", "5", "2", "1", "not", "in", "time"]);
    }

    #[test]
    fn a_run_that_killed_nobody_is_counted_together() {
        let table = table(&[run(&[], None, &["not ended"])]);
        let lines = words(&table);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1], ["together", "(runs:", "1)", "0", "1", "1", "not", "in", "time"]);
    }
}
