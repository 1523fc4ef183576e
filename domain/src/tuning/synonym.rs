//! Words that stand for others.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::check_text;
use crate::field_error::FieldError;
use crate::search_words::words;

/// Most terms of a synonym.
pub const TERM_COUNT_MAX: usize = 20;
/// Longest term, in characters.
pub const TERM_LENGTH_MAX: usize = 80;
/// Most words of a term.
pub const TERM_WORDS_MAX: usize = 5;

/// A synonym.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Synonym {
    /// Each term also finds what the others find.
    TwoWay {
        /// Two or more.
        terms: Vec<String>,
    },
    /// A term also finds what others find, not the other way round.
    OneWay {
        /// What is searched for.
        from: String,
        /// What else is found.
        to: Vec<String>,
    },
}

impl Synonym {
    /// Each term with what else it finds.
    fn directions(&self) -> Vec<(Vec<String>, Vec<Vec<String>>)> {
        match self {
            Self::TwoWay { terms } => {
                let terms: Vec<_> = terms.iter().map(|term| words(term)).collect();
                let others =
                    |term: &Vec<String>| terms.iter().filter(|other| *other != term).cloned().collect();
                terms.iter().map(|term| (term.clone(), others(term))).collect()
            }
            Self::OneWay { from, to } => vec![(words(from), to.iter().map(|term| words(term)).collect())],
        }
    }
}

/// Synonyms, ready to be looked up.
#[derive(Debug, Clone, Default)]
pub struct Synonyms {
    alternatives: HashMap<Vec<String>, Vec<Vec<String>>>,
}

impl Synonyms {
    /// What each term also finds. A step is one synonym: what is found is not looked up again.
    pub fn of(synonyms: &[Synonym]) -> Self {
        let mut alternatives: HashMap<_, Vec<Vec<String>>> = HashMap::new();
        for (term, others) in synonyms.iter().flat_map(Synonym::directions) {
            let known = alternatives.entry(term).or_default();
            for other in others {
                if !known.contains(&other) {
                    known.push(other);
                }
            }
        }
        Self { alternatives }
    }

    /// The other ways to say it, each with one term replaced; the longest terms first, at most `most`.
    pub fn variants(&self, said: &[String], most: usize) -> Vec<Vec<String>> {
        let mut variants: Vec<Vec<String>> = Vec::new();
        for length in (1..=TERM_WORDS_MAX.min(said.len())).rev() {
            for start in 0..=said.len() - length {
                let end = start + length;
                for other in self.alternatives.get(&said[start..end]).into_iter().flatten() {
                    let variant = [&said[..start], other, &said[end..]].concat();
                    if variants.len() < most && variant != said && !variants.contains(&variant) {
                        variants.push(variant);
                    }
                }
            }
        }
        variants
    }
}

pub(super) fn check(synonyms: &[Synonym], errors: &mut Vec<FieldError>) {
    let before = errors.len();
    for (place, synonym) in synonyms.iter().enumerate() {
        check_terms(synonym, &format!("/synonyms/{place}"), errors);
    }
    if errors.len() == before {
        check_loops(synonyms, errors);
    }
}

fn check_terms(synonym: &Synonym, pointer: &str, errors: &mut Vec<FieldError>) {
    let (list, terms, fewest) = match synonym {
        Synonym::TwoWay { terms } => ("terms", terms, 2),
        Synonym::OneWay { from, to } => {
            check_term(format!("{pointer}/from"), from, errors);
            ("to", to, 1)
        }
    };
    if !(fewest..=TERM_COUNT_MAX).contains(&terms.len()) {
        let detail = format!("{fewest} to {TERM_COUNT_MAX} terms");
        errors.push(FieldError::new(format!("{pointer}/{list}"), "invalid", detail));
        return;
    }
    let mut seen = HashSet::new();
    if let Synonym::OneWay { from, .. } = synonym {
        seen.insert(words(from));
    }
    for (place, term) in terms.iter().enumerate() {
        let pointer = format!("{pointer}/{list}/{place}");
        if !seen.insert(words(term)) {
            errors.push(FieldError::new(pointer.clone(), "duplicate", "name each term once"));
        }
        check_term(pointer, term, errors);
    }
}

fn check_term(pointer: String, term: &str, errors: &mut Vec<FieldError>) {
    if !(1..=TERM_WORDS_MAX).contains(&words(term).len()) {
        let detail = format!("1 to {TERM_WORDS_MAX} words");
        errors.push(FieldError::new(pointer, "invalid", detail));
    } else {
        check_text(errors, pointer, term, TERM_LENGTH_MAX);
    }
}

/// One-way synonyms that lead back to where they began say that the words mean the same: that is a two-way synonym.
fn check_loops(synonyms: &[Synonym], errors: &mut Vec<FieldError>) {
    let mut leads: HashMap<Vec<String>, Vec<Vec<String>>> = HashMap::new();
    let one_way = |synonym: &&Synonym| matches!(synonym, Synonym::OneWay { .. });
    for (term, others) in synonyms.iter().filter(one_way).flat_map(Synonym::directions) {
        leads.entry(term).or_default().extend(others);
    }
    for (place, synonym) in synonyms.iter().enumerate() {
        let Synonym::OneWay { from, to } = synonym else { continue };
        let from = words(from);
        for (index, term) in to.iter().enumerate() {
            if leads_to(&leads, words(term), &from) {
                let detail = format!(
                    "{term:?} leads back to {from:?}: make it one two-way synonym",
                    from = from.join(" ")
                );
                errors.push(FieldError::new(format!("/synonyms/{place}/to/{index}"), "loop", detail));
            }
        }
    }
}

fn leads_to(leads: &HashMap<Vec<String>, Vec<Vec<String>>>, start: Vec<String>, goal: &[String]) -> bool {
    let mut seen = HashSet::new();
    let mut open = vec![start];
    while let Some(term) = open.pop() {
        if term == goal {
            return true;
        }
        let next = leads.get(&term).into_iter().flatten().cloned();
        if seen.insert(term) {
            open.extend(next);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_way(terms: &[&str]) -> Synonym {
        Synonym::TwoWay { terms: terms.iter().map(ToString::to_string).collect() }
    }

    fn one_way(from: &str, to: &[&str]) -> Synonym {
        Synonym::OneWay { from: from.to_owned(), to: to.iter().map(ToString::to_string).collect() }
    }

    fn variants(synonyms: &[Synonym], said: &str) -> Vec<String> {
        let variants = Synonyms::of(synonyms).variants(&words(said), 8);
        variants.iter().map(|variant| variant.join(" ")).collect()
    }

    fn codes(synonyms: &[Synonym]) -> Vec<(String, &'static str)> {
        let mut errors = Vec::new();
        check(synonyms, &mut errors);
        errors.into_iter().map(|error| (error.pointer, error.code)).collect()
    }

    #[test]
    fn terms_of_a_two_way_synonym_stand_for_each_other() {
        let synonyms = [two_way(&["Jumper", "sweater", "pull over"])];
        assert_eq!(variants(&synonyms, "red jumper"), ["red sweater", "red pull over"]);
        assert_eq!(variants(&synonyms, "pull over men"), ["jumper men", "sweater men"]);
        assert!(variants(&synonyms, "pull red over").is_empty());
    }

    #[test]
    fn a_one_way_synonym_has_one_way() {
        let synonyms = [one_way("tablet", &["ipad"])];
        assert_eq!(variants(&synonyms, "tablet case"), ["ipad case"]);
        assert!(variants(&synonyms, "ipad case").is_empty());
    }

    #[test]
    fn variants_are_one_step_and_limited() {
        let chain = [one_way("a", &["b"]), one_way("b", &["c"])];
        assert_eq!(variants(&chain, "a"), ["b"]);
        let many: Vec<String> = (0..20).map(|number| format!("t{number}")).collect();
        let many = [Synonym::TwoWay { terms: many }];
        assert_eq!(variants(&many, "t0 t1").len(), 8);
        assert!(variants(&many, "").is_empty());
    }

    #[test]
    fn loops_of_one_way_synonyms_are_refused() {
        let chain = [one_way("a", &["b"]), one_way("b", &["c"])];
        assert!(codes(&chain).is_empty());
        let looped = [one_way("a", &["b"]), one_way("b", &["c"]), one_way("C", &["x", "A"])];
        let expected: Vec<_> = ["/synonyms/0/to/0", "/synonyms/1/to/0", "/synonyms/2/to/1"]
            .map(|at| (at.to_owned(), "loop"))
            .into();
        assert_eq!(codes(&looped), expected);
        assert_eq!(codes(&[one_way("a", &["a"])]), [("/synonyms/0/to/0".to_owned(), "duplicate")]);
    }

    #[test]
    fn malformed_terms_are_refused() {
        let long = "x".repeat(TERM_LENGTH_MAX + 1);
        for (synonym, pointer, code) in [
            (two_way(&["one"]), "/synonyms/0/terms", "invalid"),
            (two_way(&["one", "ONE"]), "/synonyms/0/terms/1", "duplicate"),
            (two_way(&["one", "!!"]), "/synonyms/0/terms/1", "invalid"),
            (two_way(&["one", "a b c d e f"]), "/synonyms/0/terms/1", "invalid"),
            (two_way(&["one", &long]), "/synonyms/0/terms/1", "invalid"),
            (one_way("", &["one"]), "/synonyms/0/from", "invalid"),
            (one_way("one", &[]), "/synonyms/0/to", "invalid"),
        ] {
            assert_eq!(codes(std::slice::from_ref(&synonym)), [(pointer.to_owned(), code)], "{synonym:?}");
        }
    }
}
