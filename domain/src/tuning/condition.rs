//! Which searches a rule is about.

use serde::{Deserialize, Serialize};

use crate::field_error::FieldError;
use crate::product::category_lineage;
use crate::search_words::{position, words};

/// Longest words of a condition, in characters.
pub const WORDS_LENGTH_MAX: usize = 200;

/// A kind of searches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// Every search.
    Always {},
    /// Searches with these words.
    Query {
        /// How the words of the search and these compare.
        matching: Matching,
        /// The words, in any case.
        words: String,
    },
    /// Searches within this category or one below it, with words or without.
    Category {
        /// Its path.
        category: String,
    },
}

/// How words compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matching {
    /// The search is these words and no other.
    Is,
    /// The search begins with them.
    StartsWith,
    /// They are in the search, one after the other.
    Contains,
}

/// A search, as far as conditions look at it.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// Its words: see [`words`].
    pub words: &'a [String],
    /// The category that it is limited to.
    pub category: Option<&'a str>,
}

/// What the searches of two conditions have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Overlap {
    /// No search is of both.
    None,
    /// Some searches are of both.
    Some,
    /// Every search of one of them is also of the other.
    Whole,
}

impl Condition {
    /// Whether a search is of this kind.
    pub fn holds(&self, situation: Situation<'_>) -> bool {
        match self {
            Self::Always {} => true,
            Self::Query { matching, words: own } => {
                let own = words(own);
                match matching {
                    Matching::Is => situation.words == own,
                    Matching::StartsWith => situation.words.starts_with(&own),
                    Matching::Contains => position(situation.words, &own).is_some(),
                }
            }
            Self::Category { category } => situation.category.is_some_and(|asked| is_within(asked, category)),
        }
    }

    /// Its words; none when it is not about words.
    pub(super) fn words(&self) -> Vec<String> {
        if let Self::Query { words: own, .. } = self { words(own) } else { Vec::new() }
    }

    /// What both have in common; each comes with its [`Self::words`].
    pub(super) fn overlap(one: (&Self, &[String]), next: (&Self, &[String])) -> Overlap {
        match (one.0, next.0) {
            (Self::Always {}, _) | (_, Self::Always {}) => Overlap::Whole,
            (Self::Query { .. }, Self::Category { .. }) | (Self::Category { .. }, Self::Query { .. }) => {
                Overlap::Some
            }
            (Self::Category { category: one }, Self::Category { category: next }) => {
                if is_within(one, next) || is_within(next, one) { Overlap::Whole } else { Overlap::None }
            }
            (Self::Query { matching, .. }, Self::Query { matching: other, .. }) => {
                overlap_of_words((*matching, one.1), (*other, next.1))
            }
        }
    }

    pub(super) fn check(&self, pointer: &str, errors: &mut Vec<FieldError>) {
        match self {
            Self::Always {} => {}
            Self::Query { words: own, .. } => {
                let pointer = format!("{pointer}/words");
                if words(own).is_empty() {
                    errors.push(FieldError::new(pointer, "invalid", "at least one word"));
                } else {
                    super::check_text(errors, pointer, own, WORDS_LENGTH_MAX);
                }
            }
            Self::Category { category } => {
                super::check_text(errors, format!("{pointer}/category"), category, 300);
            }
        }
    }
}

/// Whether a category is another one or below it.
pub(crate) fn is_within(category: &str, other: &str) -> bool {
    category_lineage(category).any(|path| path == other)
}

fn overlap_of_words(one: (Matching, &[String]), next: (Matching, &[String])) -> Overlap {
    use Matching::{Contains, Is, StartsWith};
    let whole = |is: bool, otherwise: Overlap| if is { Overlap::Whole } else { otherwise };
    let ((matching, own), (other_matching, other)) = (one, next);
    match (matching, other_matching) {
        (Is, Is) => whole(own == other, Overlap::None),
        (Is, StartsWith) => whole(own.starts_with(other), Overlap::None),
        (Is, Contains) => whole(position(own, other).is_some(), Overlap::None),
        (StartsWith, StartsWith) => whole(own.starts_with(other) || other.starts_with(own), Overlap::None),
        (StartsWith, Contains) => whole(position(own, other).is_some(), Overlap::Some),
        (Contains, Contains) => {
            whole(position(own, other).is_some() || position(other, own).is_some(), Overlap::Some)
        }
        (StartsWith | Contains, _) => overlap_of_words(next, one),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(matching: Matching, words: &str) -> Condition {
        Condition::Query { matching, words: words.to_owned() }
    }

    fn category(category: &str) -> Condition {
        Condition::Category { category: category.to_owned() }
    }

    fn holds(condition: &Condition, text: &str, category: Option<&str>) -> bool {
        condition.holds(Situation { words: &words(text), category })
    }

    fn shared(one: &Condition, next: &Condition) -> Overlap {
        Condition::overlap((one, &one.words()), (next, &next.words()))
    }

    #[test]
    fn words_compare_in_three_ways() {
        let held = |matching| {
            let condition = query(matching, "Summer Dress");
            ["summer dress", "summer dress red", "a summer dress", "dress summer"]
                .map(|text| holds(&condition, text, None))
        };
        assert_eq!(held(Matching::Is), [true, false, false, false]);
        assert_eq!(held(Matching::StartsWith), [true, true, false, false]);
        assert_eq!(held(Matching::Contains), [true, true, true, false]);
    }

    #[test]
    fn a_category_holds_for_those_below() {
        let condition = category("women/dresses");
        assert!(holds(&condition, "", Some("women/dresses/midi")));
        assert!(!holds(&condition, "", Some("women")) && !holds(&condition, "dress", None));
        assert!(!holds(&condition, "", Some("women/dresses-long")));
    }

    #[test]
    fn what_two_conditions_share_is_known() {
        use Matching::{Contains, Is, StartsWith};
        for (one, next, overlap) in [
            (query(Is, "red dress"), query(Is, "Red  dress"), Overlap::Whole),
            (query(Is, "red dress"), query(Is, "dress"), Overlap::None),
            (query(Is, "red dress"), query(Contains, "dress"), Overlap::Whole),
            (query(Contains, "red"), query(Contains, "dress"), Overlap::Some),
            (query(StartsWith, "red"), query(StartsWith, "blue"), Overlap::None),
            (query(StartsWith, "red"), query(Contains, "dress"), Overlap::Some),
            (category("women"), category("women/dresses"), Overlap::Whole),
            (category("women"), category("men"), Overlap::None),
            (category("women"), query(Is, "dress"), Overlap::Some),
            (Condition::Always {}, query(Is, "dress"), Overlap::Whole),
        ] {
            assert_eq!((shared(&one, &next), shared(&next, &one)), (overlap, overlap), "{one:?} {next:?}");
        }
    }

    fn any_query() -> impl Strategy<Value = Condition> {
        let matching = prop_oneof![Just(Matching::Is), Just(Matching::StartsWith), Just(Matching::Contains)];
        (matching, "[ab]( [ab]){0,2}").prop_map(|(matching, words)| query(matching, &words))
    }

    proptest! {
        #[test]
        fn a_search_of_both_means_that_they_overlap(
            one in any_query(),
            next in any_query(),
            text in "[ab]( [ab]){0,4}",
        ) {
            let both = holds(&one, &text, None) && holds(&next, &text, None);
            prop_assert!(!both || shared(&one, &next) > Overlap::None);
        }
    }
}
