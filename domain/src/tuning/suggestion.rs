//! What could be set to mend a search term.

use std::num::NonZeroU8;

use serde::Serialize;

use super::Tuning;
use super::condition::{Condition, Matching};
use super::rule::{Action, NAME_LENGTH_MAX, Rule};
use super::schedule::Schedule;
use super::synonym::{Synonym, TERM_LENGTH_MAX, TERM_WORDS_MAX};
use crate::ids::ProductId;
use crate::search_term::SearchTerm;
use crate::search_words::words;

/// Of fewer searches nothing is concluded.
const SEARCHES_MIN: i64 = 20;
/// From which share of visits on, in percent, that give a term up for the same other one they ask for a synonym.
const GIVEN_UP_PERCENT: i64 = 30;
/// Below which share of clicks, in percent, the product that is clicked most is put in front.
const CLICKED_PERCENT: i64 = 20;

/// A synonym or a rule that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Suggestion {
    /// What is searched for next is also found by the term.
    Synonym {
        /// The synonym.
        synonym: Synonym,
    },
    /// The product that is clicked most stands first.
    Rule {
        /// The rule.
        rule: Rule,
    },
}

impl Suggestion {
    /// What could be set for a term; `None` when the figures ask for nothing, or do not say what.
    pub fn of(term: &SearchTerm) -> Option<Self> {
        if term.searches < SEARCHES_MIN {
            return None;
        }
        let is_given_up = term.reformulated_to_sessions * 100 >= term.sessions * GIVEN_UP_PERCENT;
        let synonym =
            term.reformulated_to.as_ref().filter(|_| is_given_up).and_then(|to| synonym(&term.term, to));
        if let Some(synonym) = synonym {
            return Some(Self::Synonym { synonym });
        }
        let is_found = term.without_results * 2 <= term.counted;
        let is_clicked = term.clicked * 100 >= term.searches * CLICKED_PERCENT;
        let product = term.top_product.filter(|_| is_found && !is_clicked)?;
        rule(&term.term, product).map(|rule| Self::Rule { rule })
    }

    /// Adds it to a tuning that does not have it yet.
    pub fn add_to(self, tuning: &mut Tuning) {
        match self {
            Self::Synonym { synonym } if !tuning.synonyms.contains(&synonym) => tuning.synonyms.push(synonym),
            Self::Rule { rule } if tuning.rules.iter().all(|known| known.name != rule.name) => {
                tuning.rules.push(rule);
            }
            _ => {}
        }
    }
}

fn synonym(from: &str, to: &str) -> Option<Synonym> {
    let is_short = |term: &str| {
        (1..=TERM_WORDS_MAX).contains(&words(term).len()) && term.chars().count() <= TERM_LENGTH_MAX
    };
    // The same words otherwise written find the same.
    let is_other = words(from) != words(to);
    (is_other && is_short(from) && is_short(to))
        .then(|| Synonym::OneWay { from: from.to_owned(), to: vec![to.to_owned()] })
}

fn rule(term: &str, product_id: ProductId) -> Option<Rule> {
    let name = format!("most clicked: {term}");
    let is_nameable = !words(term).is_empty() && name.chars().count() <= NAME_LENGTH_MAX;
    is_nameable.then(|| Rule {
        name,
        enabled: true,
        when: Condition::Query { matching: Matching::Is, words: term.to_owned() },
        schedule: Schedule::default(),
        actions: vec![Action::Pin { product_id, position: NonZeroU8::MIN, even_if_unavailable: false }],
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn term() -> SearchTerm {
        SearchTerm {
            term: "sweater".to_owned(),
            searches: 100,
            sessions: 100,
            visitors: 90,
            counted: 100,
            without_results: 100,
            clicked: 0,
            reformulated: 40,
            reformulated_to: Some("jumper".to_owned()),
            reformulated_to_sessions: 30,
            top_product: None,
            sales: 0,
            waited_ms_p95: None,
        }
    }

    #[test]
    fn what_is_given_up_for_another_asks_for_a_synonym() {
        let suggested = Suggestion::of(&term()).expect("a synonym");
        let synonym = Synonym::OneWay { from: "sweater".to_owned(), to: vec!["jumper".to_owned()] };
        assert_eq!(suggested, Suggestion::Synonym { synonym: synonym.clone() });
        let mut tuning = Tuning::default();
        suggested.clone().add_to(&mut tuning);
        suggested.add_to(&mut tuning);
        assert_eq!(tuning.synonyms, [synonym]);
    }

    #[test]
    fn what_is_found_and_hardly_clicked_asks_for_its_best_product() {
        let product = ProductId(Uuid::from_u128(1));
        let term = SearchTerm {
            without_results: 0,
            clicked: 19,
            reformulated_to_sessions: 29,
            top_product: Some(product),
            ..term()
        };
        let Some(Suggestion::Rule { rule }) = Suggestion::of(&term) else { panic!("no rule") };
        let mut tuning = Tuning::default();
        Suggestion::Rule { rule }.add_to(&mut tuning);
        assert_eq!(tuning.check(jiff::Timestamp::UNIX_EPOCH, &[]), Ok(()));
        assert_eq!(Suggestion::of(&SearchTerm { clicked: 20, ..term.clone() }), None);
        assert_eq!(Suggestion::of(&SearchTerm { without_results: 51, ..term }), None);
    }

    #[test]
    fn figures_that_say_nothing_suggest_nothing() {
        assert_eq!(Suggestion::of(&SearchTerm { searches: 19, ..term() }), None);
        assert_eq!(Suggestion::of(&SearchTerm { reformulated_to: None, ..term() }), None);
        assert_eq!(
            Suggestion::of(&SearchTerm { reformulated_to: Some("Sweater!".to_owned()), ..term() }),
            None
        );
        let long = "a b c d e f".to_owned();
        assert_eq!(Suggestion::of(&SearchTerm { reformulated_to: Some(long), ..term() }), None);
    }
}
