//! An error with everything that it came from, in one line: what the log tells.

use std::error::Error;

/// Longest text, in characters.
const LENGTH_MAX: usize = 1_000;

/// The error's words, then those of its causes.
pub fn text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.chars().take(LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_told() {
        let error = store::error::StoreError::unavailable(std::io::Error::other("refused"));
        assert_eq!(text(&error), "the store cannot be reached: refused");
    }
}
