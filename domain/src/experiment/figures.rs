//! What shoppers did in an experiment, and what follows from it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::always_valid;
use super::{Arm, Method};

/// Arms that are drawn by a fair coin are called uneven in one of so many experiments at most, however often they are
/// looked at.
const UNEVEN_SIGNIFICANCE: f64 = 0.001;

/// What was done with one arm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmCounts {
    /// Visits that were answered by it; interleaved: all that took part.
    pub visits: u64,
    /// Those in which a result was clicked; interleaved: in which more of its results were than of the other's.
    pub successes: u64,
    /// Those that bought what they had clicked; interleaved: clicked among its results.
    pub sales: u64,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// With what is live.
    pub control: ArmCounts,
    /// With the draft.
    pub treatment: ArmCounts,
    /// Visits that say nothing: answered by both although one was meant to; interleaved: with as many clicks for one as
    /// for the other.
    pub undecided: u64,
}

/// Counts and what follows from them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// What was done.
    #[serde(flatten)]
    pub counts: Counts,
    /// The chance to ever see such a difference if there is none.
    pub p_value: f64,
    /// Whether one arm has more visits than a fair coin gives it: something loses visits, and nothing here can be
    /// trusted (sample ratio mismatch).
    pub is_uneven: bool,
    /// When it was counted.
    pub as_of: Timestamp,
}

impl Figures {
    /// The figures of a look.
    pub fn new(method: Method, counts: Counts, as_of: Timestamp) -> Self {
        let Counts { control, treatment, .. } = counts;
        let successes = (control.successes, treatment.successes);
        let missed = |arm: ArmCounts| arm.visits.saturating_sub(arm.successes);
        // If there is no difference, a fair coin has drawn the arm of each visit that succeeds, and of each that does
        // not.
        let p_value = match method {
            Method::Split => always_valid::p_value(&[successes, (missed(control), missed(treatment))]),
            Method::Interleaved => always_valid::p_value(&[successes]),
        };
        let uneven = || always_valid::p_value(&[(control.visits, treatment.visits)]) <= UNEVEN_SIGNIFICANCE;
        let is_uneven = method == Method::Split && uneven();
        Self { counts, p_value, is_uneven, as_of }
    }

    /// The arm that does better, by however little.
    pub fn better(&self, method: Method) -> Option<Arm> {
        let Counts { control, treatment, .. } = self.counts;
        let (control, treatment) = match method {
            // Of which more visits succeed: each side's successes times the other side's visits.
            Method::Split => {
                let times = |successes: u64, visits: u64| u128::from(successes) * u128::from(visits);
                (times(control.successes, treatment.visits), times(treatment.successes, control.visits))
            }
            Method::Interleaved => (control.successes.into(), treatment.successes.into()),
        };
        match control.cmp(&treatment) {
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Less => Some(Arm::Treatment),
            std::cmp::Ordering::Greater => Some(Arm::Control),
        }
    }
}
