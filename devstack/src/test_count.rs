//! How many tests passed, summed over the test programs that cargo runs.

use std::fmt::{Display, Formatter};

/// The sum of every `test result:` line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TestCount {
    passed: u64,
    failed: u64,
}

impl TestCount {
    /// Adds a line of output, if it is the summary of a test program.
    pub fn add(&mut self, line: &str) {
        if let Some(summary) = line.strip_prefix("test result: ") {
            self.passed += count(summary, " passed");
            self.failed += count(summary, " failed");
        }
    }

    /// Whether no test ran.
    pub fn is_empty(self) -> bool {
        self.passed + self.failed == 0
    }
}

/// The number before a word.
fn count(summary: &str, word: &str) -> u64 {
    let before = summary.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

impl Display for TestCount {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_summed() {
        let mut sum = TestCount::default();
        sum.add(
            "test result: ok. 51 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 48.42s",
        );
        sum.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        sum.add("test tidy::a_name ... ok");
        assert_eq!(sum.to_string(), "54 passed, 2 failed");
        assert!(TestCount::default().is_empty());
    }
}
