//! Experiments: some visits are answered with the live tuning of the search, others, or the same ones at once, with
//! that of a draft, until what shoppers do tells which is better, or that nobody can tell.

use std::ops::RangeInclusive;

use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::field_error::FieldError;
use crate::ids::{DraftId, ExperimentId, SessionId};
use crate::product_draft::present;
use crate::tuning::draft::{NAME_LENGTH_MAX, NOTE_LENGTH_MAX};
use crate::tuning::release::SetFigures;
use crate::tuning::{Tuning, check_text};

pub mod always_valid;
pub mod figures;
pub mod team_draft;

pub use figures::{ArmCounts, Counts, Figures};
pub use team_draft::Coins;

/// Days that an experiment runs at least and at most. What is better is better on every weekday: nothing is called so
/// before a week has passed.
pub const DAYS: RangeInclusive<u8> = 7..=90;
/// Days that it runs when not said otherwise.
pub const DAYS_DEFAULT: u8 = 28;
/// Chance of calling two equal rankings different, over the whole experiment, however often it is looked at.
pub const SIGNIFICANCE: f64 = 0.05;
/// How long after its first search a visit is watched, in minutes. It counts when that is over, so that what is counted
/// once never changes.
pub const WATCHED_MINUTES: i64 = 60;

/// How two tunings are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Each visit is answered by one of them (A/B).
    Split,
    /// Each search is answered by both, whose hits take turns; a click is for the one that brought the hit.
    Interleaved,
}

impl Method {
    /// The method's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Interleaved => "interleaved",
        }
    }

    /// The method of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Split, Self::Interleaved].into_iter().find(|method| method.name() == name)
    }
}

/// One of the two that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// What is live.
    Control,
    /// The draft.
    Treatment,
}

impl Arm {
    /// The arm's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Treatment => "treatment",
        }
    }

    /// The arm of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Control, Self::Treatment].into_iter().find(|arm| arm.name() == name)
    }
}

/// How an experiment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The draft is better: publish it.
    TreatmentBetter,
    /// What is live is better.
    ControlBetter,
    /// Its days are over, and chance may be all there is.
    Undecided,
    /// Somebody ended it.
    Stopped,
}

impl Outcome {
    /// The outcome's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TreatmentBetter => "treatment_better",
            Self::ControlBetter => "control_better",
            Self::Undecided => "undecided",
            Self::Stopped => "stopped",
        }
    }

    /// The outcome of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::TreatmentBetter, Self::ControlBetter, Self::Undecided, Self::Stopped]
            .into_iter()
            .find(|outcome| outcome.name() == name)
    }
}

/// How an experiment ended, when and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// Who ended it: a caller, or the stop rule.
    pub by: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// An experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// Its id.
    pub id: ExperimentId,
    /// What people call it.
    pub name: String,
    /// How it compares.
    pub method: Method,
    /// So many of 100 visits take part, 1 to 100.
    pub share_percent: u8,
    /// Days after which it ends in any case: one of [`DAYS`].
    pub days_max: u8,
    /// Number of the release that the draft is compared with; 0: of before the first.
    pub control_release: i64,
    /// The draft.
    pub draft_id: DraftId,
    /// Its version that is compared.
    pub draft_version: i64,
    /// What that version sets.
    pub tuning: Tuning,
    /// What the judged queries said of it, by set.
    pub evaluation: Vec<SetFigures>,
    /// Why it was begun although they said no.
    pub override_reason: Option<String>,
    /// Who began it.
    pub started_by: String,
    /// When.
    pub started_at: Timestamp,
    /// What shoppers did, as of the last count.
    pub figures: Option<Figures>,
    /// How it ended; `None` while it runs.
    pub end: Option<End>,
}

/// An experiment as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewExperiment {
    /// The draft that is compared with what is live.
    pub draft_id: DraftId,
    /// What people call it.
    pub name: String,
    /// How it compares.
    pub method: Method,
    /// So many of 100 visits take part; all when missing.
    #[serde(default, deserialize_with = "present")]
    pub share_percent: Option<u8>,
    /// Days after which it ends in any case; [`DAYS_DEFAULT`] when missing.
    #[serde(default, deserialize_with = "present")]
    pub days_max: Option<u8>,
    /// Why it is begun although the judged queries say no.
    #[serde(default)]
    pub override_reason: Option<String>,
}

impl NewExperiment {
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        check_text(&mut errors, "/name".to_owned(), &self.name, NAME_LENGTH_MAX);
        if let Some(reason) = &self.override_reason {
            check_text(&mut errors, "/override_reason".to_owned(), reason, NOTE_LENGTH_MAX);
        }
        for (pointer, number, allowed) in
            [("/share_percent", self.share_percent, 1..=100), ("/days_max", self.days_max, DAYS)]
        {
            if number.is_some_and(|number| !allowed.contains(&number)) {
                let detail = format!("{} to {}", allowed.start(), allowed.end());
                errors.push(FieldError::new(pointer, "out_of_range", detail));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// How the searches of a visit that takes part are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignment {
    /// By one of the two, the same through the whole visit.
    Split(Arm),
    /// By both.
    Interleaved,
}

impl Experiment {
    /// How a visit's searches are answered: the same each time. `None`: the visit does not take part.
    pub fn assignment(&self, session: SessionId) -> Option<Assignment> {
        let drawn = self.draw("arm", session, "");
        let lot = u32::from_be_bytes([drawn[0], drawn[1], drawn[2], drawn[3]]) % 100;
        (lot < u32::from(self.share_percent)).then_some(match self.method {
            Method::Split if drawn[4] & 1 == 0 => Assignment::Split(Arm::Control),
            Method::Split => Assignment::Split(Arm::Treatment),
            Method::Interleaved => Assignment::Interleaved,
        })
    }

    /// Whose turn it is in a visit's search for `text`: the same each time.
    pub fn coins(&self, session: SessionId, text: &str) -> Coins {
        Coins::new(self.draw("turn", session, text))
    }

    /// 256 bits that look random and are the same for the same purpose, visit and text.
    fn draw(&self, purpose: &str, session: SessionId, text: &str) -> [u8; 32] {
        let parts = [purpose.as_bytes(), self.id.0.as_bytes(), session.0.as_bytes(), text.as_bytes()];
        parts.into_iter().fold(Sha256::new(), Sha256::chain_update).finalize().into()
    }

    /// Whether its days are over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.has_run(self.days_max, now)
    }

    fn has_run(&self, days: u8, now: Timestamp) -> bool {
        now >= self.started_at + (24 * i64::from(days)).hours()
    }

    /// Whether the figures end the experiment, and how. What harms ends it at once; what is better has to be so for a
    /// week, and still be so then; while the arms are unevenly filled something is wrong, and nothing but time ends it.
    pub fn verdict(&self, figures: &Figures, now: Timestamp) -> Option<Outcome> {
        if figures.p_value <= SIGNIFICANCE && !figures.is_uneven {
            match figures.better(self.method) {
                Some(Arm::Control) => return Some(Outcome::ControlBetter),
                Some(Arm::Treatment) if self.has_run(*DAYS.start(), now) => {
                    return Some(Outcome::TreatmentBetter);
                }
                _ => {}
            }
        }
        self.is_over(now).then_some(Outcome::Undecided)
    }
}

#[cfg(test)]
mod tests;
