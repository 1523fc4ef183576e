//! Two results side by side: which ratio changed by more than the noise of the rounds.

use std::path::Path;

use anyhow::bail;

use crate::outcome::{Outcome, ScenarioOutcome};

/// A ratio may fall by this share before it is called a regression.
const REGRESSION_SHARE: f64 = 0.1;

/// What became of a ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The ranges of the rounds overlap.
    Noise,
    Better,
    /// Worse, but not by enough to be a regression.
    Worse,
    Regression,
}

/// Prints the table. Fails on a regression.
pub fn compare(before: &Path, after: &Path) -> anyhow::Result<()> {
    let (before, after) = (Outcome::read(before)?, Outcome::read(after)?);
    println!("{:10} {:>22} {:>22} {:>8}", "scenario", "before", "after", "change");
    let mut regressions = Vec::new();
    for old in &before.scenarios {
        let Some(new) = after.scenarios.iter().find(|new| new.name == old.name) else {
            println!("{:10} {:>22} {:>22}", old.name, range(old), "not measured");
            continue;
        };
        let share = (new.ratio.median / old.ratio.median - 1.0) * 100.0;
        let change = judge(old, new);
        println!("{:10} {:>22} {:>22} {share:>+7.1}% {}", old.name, range(old), range(new), word(change));
        if change == Change::Regression {
            regressions.push(old.name.as_str());
        }
    }
    if regressions.is_empty() {
        return Ok(());
    }
    bail!("more than {:.0} % below: {}", REGRESSION_SHARE * 100.0, regressions.join(", "))
}

fn judge(old: &ScenarioOutcome, new: &ScenarioOutcome) -> Change {
    let (old, new) = (old.ratio, new.ratio);
    if new.median < old.median * (1.0 - REGRESSION_SHARE) {
        Change::Regression
    } else if new.min > old.max {
        Change::Better
    } else if new.max < old.min {
        Change::Worse
    } else {
        Change::Noise
    }
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Noise => "within the noise",
        Change::Better => "better",
        Change::Worse => "worse",
        Change::Regression => "REGRESSION",
    }
}

fn range(scenario: &ScenarioOutcome) -> String {
    let ratio = scenario.ratio;
    format!("{:.2} ({:.2} to {:.2})", ratio.median, ratio.min, ratio.max)
}

#[cfg(test)]
mod tests {
    use crate::outcome::Ratio;

    use super::*;

    fn scenario(min: f64, median: f64, max: f64) -> ScenarioOutcome {
        let ratio = Ratio { median, min, max };
        ScenarioOutcome {
            name: "x".into(),
            goal: 0.5,
            ratio,
            cpu_ratio: 0.5,
            rounds: Vec::new(),
            steady: None,
        }
    }

    #[test]
    fn only_what_leaves_the_noise_is_a_change() {
        let old = scenario(0.60, 0.65, 0.70);
        assert_eq!(judge(&old, &scenario(0.58, 0.62, 0.66)), Change::Noise);
        assert_eq!(judge(&old, &scenario(0.71, 0.75, 0.80)), Change::Better);
        assert_eq!(judge(&old, &scenario(0.585, 0.59, 0.595)), Change::Worse);
        assert_eq!(judge(&old, &scenario(0.40, 0.58, 0.70)), Change::Regression);
    }
}
