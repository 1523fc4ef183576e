//! What became of one run, and the sums of all by case.

use std::fmt::Write as _;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Case;

/// One run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When it ended.
    pub at: Timestamp,
    /// What its choices were made from.
    pub seed: u64,
    /// Name of its case.
    pub case: String,
    /// What was done to the broker, in words.
    pub fault: String,
    /// Changes of products that were acknowledged.
    pub changes: u64,
    /// Adjustments of stock that were acknowledged.
    pub adjustments: u64,
    /// Requests without an acknowledgement.
    pub unanswered: u64,
    /// Most events that waited in both outboxes while nothing was taken.
    pub unsent_max: u64,
    /// Messages in the durable queues when the broker lost them.
    pub lost: u64,
    /// 99 of 100 writes took no longer, before the fault.
    pub baseline_p99_ms: Option<f64>,
    /// The same while it lasted.
    pub fault_p99_ms: Option<f64>,
    /// From the broker's return until both outboxes were empty, with the load's last seconds in it; `None`: not in
    /// time.
    pub out_after_seconds: Option<f64>,
    /// From the broker's return until nothing was under way any more; `None`: not in time.
    pub quiet_after_seconds: Option<f64>,
    /// The longest that a change waited for the index before there was poison.
    pub baseline_wait_ms: Option<f64>,
    /// The same while poison passed.
    pub poison_wait_ms: Option<f64>,
    /// Dead letters that the poison had to become.
    pub dead_letters: u64,
    /// Messages that the run's own queue got.
    pub recorded: u64,
    /// What does not hold, in words.
    pub violations: Vec<String>,
}

impl Run {
    /// For a person: a few lines.
    pub fn text(&self) -> String {
        let Self { seed, case, fault, changes, adjustments, unanswered, unsent_max, recorded, .. } = self;
        let mut text = format!(
            "seed {seed}: {case}, {fault}; {changes} changes, {adjustments} adjustments, {unanswered} unanswered, \
             {recorded} messages\n"
        );
        let (before, during) = (self.baseline_p99_ms, self.fault_p99_ms);
        let ratio = before.zip(during).map(|(before, during)| during / before);
        let mut line = |words: String| text.extend(["    ", words.as_str(), "\n"]);
        line(format!("p99 of writes: {} before, {} during, {} times", ms(before), ms(during), number(ratio)));
        if *unsent_max > 0 {
            line(format!("at most {unsent_max} events unsent meanwhile"));
        }
        let (out, quiet) = (seconds(self.out_after_seconds), seconds(self.quiet_after_seconds));
        line(format!("all events out after {out}, quiet after {quiet}"));
        if self.poison_wait_ms.is_some() {
            let (before, during) = (ms(self.baseline_wait_ms), ms(self.poison_wait_ms));
            let letters = self.dead_letters;
            line(format!(
                "longest wait for the index: {before} before, {during} with {letters} dead letters"
            ));
        }
        if self.lost > 0 {
            line(format!("{} messages were lost with the broker's data", self.lost));
        }
        line(format!("{} violations", self.violations.len()));
        self.violations.iter().for_each(|violation| line(format!("    {violation}")));
        text
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

fn ms(value: Option<f64>) -> String {
    format!("{} ms", number(value))
}

fn seconds(value: Option<f64>) -> String {
    format!("{} s", number(value))
}

/// A line per case: runs, runs with a violation, the worst time until all events were out, the longest wait.
pub fn table(runs: &[Run]) -> String {
    let mut text = format!(
        "{:<8} {:>6} {:>11} {:>15} {:>12}\n",
        "case", "runs", "violations", "worst out after", "worst wait"
    );
    for case in Case::value_variants() {
        let of_case: Vec<&Run> = runs.iter().filter(|run| run.case == case.name()).collect();
        if of_case.is_empty() {
            continue;
        }
        let broken = of_case.iter().filter(|run| !run.violations.is_empty()).count();
        let late = of_case.iter().filter(|run| run.out_after_seconds.is_none()).count();
        let out_after = match late {
            0 => seconds(worst(of_case.iter().map(|run| run.out_after_seconds))),
            late => format!("{late} not in time"),
        };
        let wait = ms(worst(of_case.iter().map(|run| run.poison_wait_ms)));
        let (name, count) = (case.name(), of_case.len());
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{name:<8} {count:>6} {broken:>11} {out_after:>15} {wait:>12}");
    }
    text
}

fn worst(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    values.flatten().reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(case: Case, out_after_seconds: Option<f64>, poison_wait_ms: Option<f64>, broken: bool) -> Run {
        let violations = if broken { vec!["late".to_owned()] } else { Vec::new() };
        let case = case.name().to_owned();
        Run { case, out_after_seconds, poison_wait_ms, violations, ..Run::default() }
    }

    #[test]
    fn sums_are_by_case() {
        let runs = [
            run(Case::Poison, Some(3.0), Some(120.0), false),
            run(Case::Down, Some(6.5), None, false),
            run(Case::Down, Some(4.0), None, true),
            run(Case::Full, None, None, true),
        ];
        let table = table(&runs);
        let lines: Vec<String> =
            table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[1], "down 2 1 6.5 s - ms");
        assert_eq!(lines[2], "full 1 1 1 not in time - ms");
        assert_eq!(lines[3], "poison 1 0 3.0 s 120.0 ms");
    }

    #[test]
    fn a_run_survives_its_line() {
        let kept = run(Case::Down, Some(6.5), None, true);
        let line = serde_json::to_string(&kept).expect("JSON");
        assert_eq!(serde_json::from_str::<Run>(&line).expect("a run"), kept);
    }

    #[test]
    fn what_was_not_measured_is_not_told() {
        let text = run(Case::Full, None, None, true).text();
        assert!(text.contains("p99 of writes: - ms before"), "{text}");
        assert!(!text.contains("wait for the index") && text.contains("late"), "{text}");
        assert!(run(Case::Poison, None, Some(7.0), false).text().contains("wait for the index"));
    }
}
