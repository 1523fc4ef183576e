//! What shoppers search for, and what comes of it.

use jiff::civil::Date;

use crate::ids::ProductId;

/// Days that a report on search terms counts.
pub const WINDOW_DAYS: i32 = 28;
/// A term of fewer visitors is not shown by itself: what one person types may be a name or an address.
pub const VISITORS_MIN: i64 = 3;
/// A term of fewer visitors is not suggested to others.
pub const SUGGESTED_VISITORS_MIN: i64 = 10;
/// Most terms of a report, those that are searched for most.
pub const TERM_COUNT_MAX: usize = 50_000;
/// Letters of a term that are kept.
pub const TERM_LENGTH_MAX: usize = 200;

/// A search in lower case with single spaces, and what it led to within [`WINDOW_DAYS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchTerm {
    /// The words.
    pub term: String,
    /// How often it was searched for.
    pub searches: i64,
    /// In how many visits.
    pub sessions: i64,
    /// By how many people: accounts, and visits without one.
    pub visitors: i64,
    /// Searches of which it is known how many products they found.
    pub counted: i64,
    /// Of those: that found none.
    pub without_results: i64,
    /// Searches in whose visit a result of it was clicked.
    pub clicked: i64,
    /// Searches without a click that were followed by another search in the same visit.
    pub reformulated: i64,
    /// What most visits searched for instead, [`VISITORS_MIN`] at least: a term, or a word of several.
    pub reformulated_to: Option<String>,
    /// In how many visits.
    pub reformulated_to_sessions: i64,
    /// The product that was clicked most often, in [`VISITORS_MIN`] visits at least, each click counting the more the
    /// further down it was made.
    pub top_product: Option<ProductId>,
    /// Visits that bought after they had put a product into the cart which they had clicked in its results.
    pub sales: i64,
    /// So many milliseconds or less was waited for 95 of 100 searches; `None` when that was not told.
    pub waited_ms_p95: Option<i64>,
}

/// A report on search terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchTerms {
    /// First day, in UTC.
    pub from: Date,
    /// Last day, included.
    pub to: Date,
    /// All searches, those of terms of few visits included.
    pub searches: i64,
    /// Most frequent first.
    pub terms: Vec<SearchTerm>,
}

/// By what terms are put in order, the highest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchTermOrder {
    /// How often they are searched for.
    Searches,
    /// Searches that found nothing.
    WithoutResults,
    /// Searches that found something of which nothing was clicked.
    WithoutClicks,
    /// Searches that were given up for another.
    Reformulated,
    /// Visits that bought what they found.
    Sales,
    /// How long was waited.
    Waits,
}

/// The words as they are counted: in lower case, with single spaces, cut after [`TERM_LENGTH_MAX`] letters; `None` when
/// there are none.
pub fn normal(query: &str) -> Option<String> {
    let lower = query.to_lowercase();
    let is_space = |letter: char| letter.is_whitespace() || letter.is_control();
    let words: Vec<_> = lower.split(is_space).filter(|word| !word.is_empty()).collect();
    let term: String = words.join(" ").chars().take(TERM_LENGTH_MAX).collect();
    let term = term.trim_end();
    (!term.is_empty()).then(|| term.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_spaces_make_no_other_term() {
        assert_eq!(normal("  Navy\t SHIRT\n").as_deref(), Some("navy shirt"));
        assert_eq!(normal(" \u{a0} "), None);
        assert_eq!(normal(&"x ".repeat(300)).map(|term| term.chars().count()), Some(199));
    }

    proptest! {
        #[test]
        fn a_term_is_its_own_term(query in "(?s).{0,300}") {
            if let Some(term) = normal(&query) {
                prop_assert!(term.chars().count() <= TERM_LENGTH_MAX && !term.chars().any(char::is_control));
                prop_assert_eq!(normal(&term), Some(term.clone()));
            }
        }
    }
}
