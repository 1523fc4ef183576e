//! What merchandisers set of the search: synonyms, rules and the weights of fields. It is changed as a draft and goes
//! live as a release, always whole.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::field_error::FieldError;
use conflict::Conflict;
use rule::Rule;
use synonym::Synonym;
use weights::Weights;

pub mod condition;
pub mod conflict;
pub mod draft;
pub mod release;
pub mod rule;
pub mod schedule;
pub mod selector;
pub mod suggestion;
pub mod synonym;
pub mod weights;

/// Most synonyms.
pub const SYNONYM_COUNT_MAX: usize = 1_000;
/// Most rules.
pub const RULE_COUNT_MAX: usize = 1_000;
/// Most actions of all rules together.
pub const ACTION_COUNT_MAX: usize = 5_000;

/// Everything that can be set. Empty, the search is as it ships.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tuning {
    /// Words that stand for others.
    pub synonyms: Vec<Synonym>,
    /// What happens for which searches; a later rule is applied after an earlier one.
    pub rules: Vec<Rule>,
    /// How much each field counts.
    pub weights: Weights,
}

impl Tuning {
    /// Every reason why it must not go live at `now`, each with the place of it. A rule that is among the `known` may
    /// have ended meanwhile.
    pub fn check(&self, now: Timestamp, known: &[Rule]) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        check_count(&mut errors, "/synonyms", self.synonyms.len(), SYNONYM_COUNT_MAX);
        check_count(&mut errors, "/rules", self.rules.len(), RULE_COUNT_MAX);
        let actions = self.rules.iter().map(|rule| rule.actions.len()).sum();
        check_count(&mut errors, "/rules", actions, ACTION_COUNT_MAX);
        if !errors.is_empty() {
            return Err(errors);
        }
        synonym::check(&self.synonyms, &mut errors);
        for (place, rule) in self.rules.iter().enumerate() {
            let may_have_ended = known.contains(rule);
            rule.check(&format!("/rules/{place}"), now, may_have_ended, &mut errors);
        }
        self.weights.check(&mut errors);
        // Of rules that are malformed nothing more can be told.
        if errors.is_empty() {
            errors.extend(self.conflicts().iter().filter_map(Conflict::refusal));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Pairs of rules that want different things of one search.
    pub fn conflicts(&self) -> Vec<Conflict> {
        conflict::between(&self.rules)
    }
}

fn check_count(errors: &mut Vec<FieldError>, pointer: &str, count: usize, most: usize) {
    if count > most {
        errors.push(FieldError::new(pointer, "too_many", format!("at most {most}")));
    }
}

/// A text of 1 to `most` characters without control characters.
pub(crate) fn check_text(errors: &mut Vec<FieldError>, pointer: String, text: &str, most: usize) {
    let length = text.chars().count();
    if text.trim().is_empty() || length > most || text.chars().any(char::is_control) {
        let detail = format!("1 to {most} characters, none of them a control character");
        errors.push(FieldError::new(pointer, "invalid", detail));
    }
}

#[cfg(test)]
mod tests;
