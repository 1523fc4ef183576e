//! A tuning that is worked on, and how it goes live.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rule::Rule;
use super::synonym::Synonym;
use super::weights::Weights;
use super::{Tuning, check_text};
use crate::field_error::FieldError;
use crate::ids::DraftId;
use crate::product_draft::present;

/// Most drafts that are open at a time.
pub const OPEN_COUNT_MAX: i64 = 100;
/// Longest name, in characters.
pub const NAME_LENGTH_MAX: usize = 100;
/// Longest note or reason, in characters.
pub const NOTE_LENGTH_MAX: usize = 1_000;

/// What became of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftState {
    /// It is worked on.
    Open,
    /// It is a release.
    Published,
    /// It was given up.
    Discarded,
}

impl DraftState {
    /// The state's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Published => "published",
            Self::Discarded => "discarded",
        }
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Published, Self::Discarded].into_iter().find(|state| state.name() == name)
    }
}

/// A draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its id.
    pub id: DraftId,
    /// What people call it.
    pub name: String,
    /// What became of it.
    pub state: DraftState,
    /// Number of the release that it began from; 0 before the first.
    pub base_release: i64,
    /// What it would set.
    pub tuning: Tuning,
    /// Counts its changes, from 1.
    pub version: i64,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Who changed it last.
    pub updated_by: String,
    /// When.
    pub updated_at: Timestamp,
}

/// A draft as asked for: it begins as what is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDraft {
    /// What people call it.
    pub name: String,
}

/// A change of a draft: a missing field stays as it is, a list is replaced whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftPatch {
    /// New name.
    #[serde(default, deserialize_with = "present")]
    pub name: Option<String>,
    /// All synonyms anew.
    #[serde(default, deserialize_with = "present")]
    pub synonyms: Option<Vec<Synonym>>,
    /// All rules anew.
    #[serde(default, deserialize_with = "present")]
    pub rules: Option<Vec<Rule>>,
    /// All weights anew; one that is missing is 100.
    #[serde(default, deserialize_with = "present")]
    pub weights: Option<Weights>,
    /// The release that the draft is meant to replace: the live one, when another has gone live since it began.
    #[serde(default, deserialize_with = "present")]
    pub base_release: Option<i64>,
}

impl NewDraft {
    /// A new draft, version 1, that begins as the release `number` with its `tuning`.
    pub fn into_draft(
        self,
        id: DraftId,
        at: Timestamp,
        actor: &str,
        number: i64,
        tuning: Tuning,
    ) -> Result<Draft, Vec<FieldError>> {
        let mut errors = Vec::new();
        check_text(&mut errors, "/name".to_owned(), &self.name, NAME_LENGTH_MAX);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Draft {
            id,
            name: self.name,
            state: DraftState::Open,
            base_release: number,
            tuning,
            version: 1,
            created_by: actor.to_owned(),
            created_at: at,
            updated_by: actor.to_owned(),
            updated_at: at,
        })
    }
}

impl DraftPatch {
    /// The draft after the change, one version later; `None` when nothing changes. A draft may be unfinished, but never
    /// what could not go live.
    pub fn apply(self, draft: &Draft, at: Timestamp, actor: &str) -> Result<Option<Draft>, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut changed = draft.clone();
        if let Some(name) = self.name {
            check_text(&mut errors, "/name".to_owned(), &name, NAME_LENGTH_MAX);
            changed.name = name;
        }
        if let Some(base) = self.base_release {
            if base < 0 {
                errors.push(FieldError::new("/base_release", "out_of_range", "not below 0"));
            }
            changed.base_release = base;
        }
        let Tuning { synonyms, rules, weights } = &mut changed.tuning;
        *synonyms = self.synonyms.unwrap_or_else(|| std::mem::take(synonyms));
        *rules = self.rules.unwrap_or_else(|| std::mem::take(rules));
        *weights = self.weights.unwrap_or(*weights);
        if changed.tuning != draft.tuning {
            errors.extend(changed.tuning.check(at, &draft.tuning.rules).err().into_iter().flatten());
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if changed == *draft {
            return Ok(None);
        }
        changed.version += 1;
        changed.updated_by = actor.to_owned();
        changed.updated_at = at;
        Ok(Some(changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn draft() -> Draft {
        let id = DraftId::new(NOW, [1; 10]);
        let new = NewDraft { name: "summer".to_owned() };
        new.into_draft(id, NOW, "role:merchandiser", 3, Tuning::default()).expect("a name")
    }

    fn patched(patch: &str) -> Result<Option<Draft>, Vec<FieldError>> {
        let patch: DraftPatch = serde_json::from_str(patch).expect("well-formed");
        patch.apply(&draft(), NOW, "role:admin")
    }

    #[test]
    fn a_change_counts_and_says_who() {
        let changed = patched(r#"{"synonyms": [{"kind": "one_way", "from": "a", "to": ["b"]}]}"#);
        let changed = changed.expect("allowed").expect("a change");
        assert_eq!((changed.version, changed.updated_by.as_str()), (2, "role:admin"));
        assert_eq!((changed.tuning.synonyms.len(), changed.base_release), (1, 3));
        assert_eq!(changed.created_by, "role:merchandiser");
        assert_eq!(patched(r#"{"name": "summer", "rules": []}"#), Ok(None));
    }

    #[test]
    fn what_could_not_go_live_is_refused() {
        let refused = |patch: &str| {
            let errors = patched(patch).expect_err("refused");
            errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>()
        };
        assert_eq!(refused(r#"{"name": " ", "weights": {"title": 9999}}"#), ["/name", "/weights/title"]);
        assert_eq!(refused(r#"{"base_release": -1}"#), ["/base_release"]);
        assert!(serde_json::from_str::<DraftPatch>(r#"{"rules": null}"#).is_err());
    }
}
