//! Counts as metrics and results have them.

/// A length or a count of what is in memory.
pub(crate) fn of(number: usize) -> u64 {
    u64::try_from(number).expect("a count fits 64 bits")
}
