//! An error in a log line with all that led to it: the JSON log prints only the outermost.

use std::error::Error;

/// The error and its sources, outermost first.
pub fn error_chain(error: &dyn Error) -> String {
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
    use store::error::StoreError;

    use super::*;

    #[test]
    fn the_cause_is_named() {
        let error = StoreError::unavailable("connection refused");
        assert_eq!(
            error_chain(&error),
            "the store cannot be reached: connection refused"
        );
    }
}
