//! An error with everything that caused it, for a log line at the boundary where it is handled.

use std::error::Error;

/// The error and its sources, outermost first, joined by colons. Never for a client: sources name hosts and statements.
pub fn text(error: &dyn Error) -> String {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        chain.push_str(": ");
        chain.push_str(&error.to_string());
        source = error.source();
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn every_source_is_shown() {
        assert_eq!(text(&Outer(std::io::Error::other("inner"))), "outer: inner");
    }
}
