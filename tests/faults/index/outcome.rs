//! What became of a run, as its line keeps it, and sums of many.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::num::NonZeroU32;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One run of one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When it ended.
    pub at: Timestamp,
    /// What its choices were made from.
    pub seed: u64,
    /// Products of the shop.
    pub products: u64,
    /// Its figures.
    pub outcome: Outcome,
    /// What does not hold, in words.
    pub violations: Vec<String>,
}

/// The figures of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "case", rename_all = "snake_case")]
pub enum Outcome {
    /// Of a rebuild.
    Rebuild(Rebuild),
    /// Of damage.
    Damage(Damage),
}

/// A rebuild under changes and searches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rebuild {
    /// How long the program ran; `None`: it was not begun.
    pub seconds: Option<f64>,
    /// Most products that it read in a second; `None`: as many as it could.
    #[serde(default)]
    pub rate: Option<NonZeroU32>,
    /// Changes that were acknowledged.
    pub changes: u64,
    /// Of them in a second.
    pub change_rate: f64,
    /// Changes that were not acknowledged.
    pub failed_changes: u64,
    /// Changes that were not sent, because every probe was being changed.
    pub skipped_changes: u64,
    /// Changes that are not in their store or not in the index.
    pub lost_changes: u64,
    /// Searches that were sent.
    pub searches: u64,
    /// Searches that were not answered, or by an error.
    pub failed_searches: u64,
    /// Searches that found nothing.
    pub empty_searches: u64,
    /// Time of half of the answers, in milliseconds.
    pub search_p50_ms: f64,
    /// Time of 99 answers of 100.
    pub search_p99_ms: f64,
}

/// Documents that were damaged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Damage {
    /// How many.
    pub documents: u64,
    /// Until the last one was right again; `None`: not in time.
    pub seconds: Option<f64>,
}

impl Outcome {
    fn name(&self) -> &'static str {
        match self {
            Self::Rebuild(_) => "rebuild",
            Self::Damage(_) => "damage",
        }
    }

    fn seconds(&self) -> Option<f64> {
        match self {
            Self::Rebuild(rebuild) => rebuild.seconds,
            Self::Damage(damage) => damage.seconds,
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, products, outcome, violations, .. } = self;
        write!(formatter, "seed {seed}: {} of {products} products: {outcome}", outcome.name())?;
        write!(formatter, "; {} violations", violations.len())?;
        violations.iter().try_for_each(|violation| write!(formatter, "\n    {violation}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = text(self.seconds());
        match self {
            Self::Rebuild(rebuild) => {
                let Rebuild { changes, change_rate, failed_changes, skipped_changes, lost_changes, .. } =
                    rebuild;
                write!(
                    formatter,
                    "{seconds}; {changes} changes, {change_rate:.1} a second, {failed_changes} failed, \
                     {skipped_changes} skipped, {lost_changes} lost; "
                )?;
                let Rebuild { searches, failed_searches, empty_searches, .. } = rebuild;
                let Rebuild { search_p50_ms, search_p99_ms, .. } = rebuild;
                write!(
                    formatter,
                    "{searches} searches, {failed_searches} failed, {empty_searches} empty, p50 {search_p50_ms:.0} ms, \
                     p99 {search_p99_ms:.0} ms"
                )
            }
            Self::Damage(Damage { documents, .. }) => {
                write!(formatter, "{documents} documents, all mended after {seconds}")
            }
        }
    }
}

fn text(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"))
}

#[derive(Debug, Default)]
struct Sum {
    runs: u64,
    broken: u64,
    unended: u64,
    products_max: u64,
    worst_seconds: f64,
    bad_searches: u64,
    lost_changes: u64,
}

/// A line per case: runs, runs with a violation, the greatest catalogue, the longest time, searches that failed or
/// were empty, and lost changes.
pub fn table(runs: &[Run]) -> String {
    let mut sums = BTreeMap::<&str, Sum>::new();
    for run in runs {
        let sum = sums.entry(run.outcome.name()).or_default();
        sum.runs += 1;
        sum.broken += u64::from(!run.violations.is_empty());
        sum.unended += u64::from(run.outcome.seconds().is_none());
        sum.products_max = sum.products_max.max(run.products);
        sum.worst_seconds = sum.worst_seconds.max(run.outcome.seconds().unwrap_or(0.0));
        if let Outcome::Rebuild(rebuild) = &run.outcome {
            sum.bad_searches += rebuild.failed_searches + rebuild.empty_searches;
            sum.lost_changes += rebuild.lost_changes;
        }
    }
    let mut table = format!(
        "{:<8} {:>6} {:>11} {:>9} {:>15} {:>13} {:>13}\n",
        "case", "runs", "violations", "products", "longest", "bad searches", "lost changes"
    );
    for (name, sum) in sums {
        let longest = match sum.unended {
            0 => format!("{:.1} s", sum.worst_seconds),
            count => format!("{count} not ended"),
        };
        let Sum { runs, broken, products_max, bad_searches, lost_changes, .. } = sum;
        // Writing to a string cannot fail.
        let _written = writeln!(
            table,
            "{name:<8} {runs:>6} {broken:>11} {products_max:>9} {longest:>15} {bad_searches:>13} {lost_changes:>13}"
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(outcome: Outcome, violations: &[&str]) -> Run {
        Run {
            at: Timestamp::UNIX_EPOCH,
            seed: 7,
            products: 100_000,
            outcome,
            violations: violations.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    fn rebuild(seconds: Option<f64>, empty_searches: u64) -> Outcome {
        Outcome::Rebuild(Rebuild { seconds, empty_searches, failed_searches: 1, ..Rebuild::default() })
    }

    #[test]
    fn both_cases_survive_a_line() {
        let damage = Outcome::Damage(Damage { documents: 1_000, seconds: Some(200.5) });
        for run in [run(damage, &[]), run(rebuild(Some(61.5), 2), &["empty"])] {
            let line = serde_json::to_string(&run).expect("JSON");
            assert_eq!(serde_json::from_str::<Run>(&line).expect("a run"), run);
        }
    }

    #[test]
    fn sums_are_by_case() {
        let damage = |seconds| Outcome::Damage(Damage { documents: 10, seconds });
        let runs = [
            run(rebuild(Some(60.0), 2), &["empty"]),
            run(rebuild(Some(61.5), 0), &["failed"]),
            run(damage(Some(200.0)), &[]),
            run(damage(None), &["late"]),
        ];
        let table = table(&runs);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["damage", "2", "1", "100000", "1", "not", "ended", "0", "0"]);
        assert_eq!(lines[2], ["rebuild", "2", "2", "100000", "61.5", "s", "4", "0"]);
    }

    #[test]
    fn a_violation_is_shown_with_its_run() {
        let shown = run(Outcome::Damage(Damage::default()), &["late"]).to_string();
        assert_eq!(
            shown,
            "seed 7: damage of 100000 products: 0 documents, all mended after -; 1 violations\n    late"
        );
    }
}
