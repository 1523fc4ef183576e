//! When a rule is in force.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// From a moment to another; an end that is missing is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// The first moment.
    pub from: Option<Timestamp>,
    /// The first moment after it.
    pub until: Option<Timestamp>,
}

/// Why a schedule is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// It ends before it begins.
    #[error("`until` must be after `from`")]
    Empty,
    /// It can never come into force again.
    #[error("it ended before now")]
    Past,
}

impl Schedule {
    /// Whether it is in force at a moment.
    pub fn holds_at(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    /// Whether there is a moment at which both are in force.
    pub fn meets(&self, other: &Self) -> bool {
        let ends_before = |one: &Self, next: &Self| match (one.until, next.from) {
            (Some(until), Some(from)) => until <= from,
            _ => false,
        };
        !ends_before(self, other) && !ends_before(other, self)
    }

    /// Its beginning and its end.
    pub fn boundaries(&self) -> impl Iterator<Item = Timestamp> {
        self.from.into_iter().chain(self.until)
    }

    pub(super) fn check(&self, now: Timestamp) -> Result<(), ScheduleError> {
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until <= from
        {
            return Err(ScheduleError::Empty);
        }
        if self.until.is_some_and(|until| until <= now) { Err(ScheduleError::Past) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn schedule(from: Option<i64>, until: Option<i64>) -> Schedule {
        Schedule { from: from.map(at), until: until.map(at) }
    }

    #[test]
    fn its_end_is_not_part_of_it() {
        let schedule = schedule(Some(10), Some(20));
        let held: Vec<bool> = [9, 10, 19, 20].map(|second| schedule.holds_at(at(second))).into();
        assert_eq!(held, [false, true, true, false]);
        assert!(Schedule::default().holds_at(at(0)));
    }

    #[test]
    fn two_that_follow_each_other_do_not_meet() {
        let [first, second, open] =
            [schedule(Some(0), Some(10)), schedule(Some(10), Some(20)), schedule(Some(15), None)];
        assert!(!first.meets(&second) && !second.meets(&first) && !first.meets(&open));
        assert!(second.meets(&open) && first.meets(&Schedule::default()));
    }

    #[test]
    fn what_can_never_hold_is_refused() {
        assert_eq!(schedule(Some(20), Some(10)).check(at(0)), Err(ScheduleError::Empty));
        assert_eq!(schedule(None, Some(10)).check(at(10)), Err(ScheduleError::Past));
        assert_eq!(schedule(Some(5), Some(10)).check(at(9)), Ok(()));
    }
}
