//! What an endpoint's answer means, and when a delivery that failed is tried again.

use jiff::{SignedDuration, Timestamp};

/// Pauses after the first, the second, … failed try. After one more than these a delivery has failed.
pub const PAUSES: [SignedDuration; 9] = [
    SignedDuration::from_secs(5),
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(30),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(5),
    SignedDuration::from_hours(10),
    SignedDuration::from_hours(14),
    SignedDuration::from_hours(20),
    SignedDuration::from_hours(24),
];
/// Longest wait that an endpoint may ask for.
pub const RETRY_AFTER_MAX: SignedDuration = SignedDuration::from_hours(24);
/// How long an endpoint may fail without any success before it is disabled.
pub const FAILING_MAX: SignedDuration = SignedDuration::from_hours(5 * 24);
/// Greatest jitter either way, in thousandths of a pause.
pub const JITTER_MAX: i64 = 100;

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The endpoint answered.
    Status {
        /// HTTP status.
        code: u16,
        /// The wait that it asks for.
        retry_after: Option<SignedDuration>,
    },
    /// No answer, or the request was not sent.
    Missing,
}

/// What becomes of the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The endpoint has it.
    Delivered,
    /// The endpoint wants nothing any more.
    Gone,
    /// It is tried again after that time.
    Retry(SignedDuration),
    /// It was tried often enough.
    Failed,
}

/// What an answer to the `attempt`th try (from 1) means. `jitter` is a random number from `-JITTER_MAX` to
/// `JITTER_MAX`.
pub fn judge(answer: Answer, attempt: u32, jitter: i64) -> Verdict {
    let retry_after = match answer {
        Answer::Status { code: 200..=299, .. } => return Verdict::Delivered,
        Answer::Status { code: 410, .. } => return Verdict::Gone,
        Answer::Status { retry_after, .. } => retry_after,
        Answer::Missing => None,
    };
    let place = usize::try_from(attempt.saturating_sub(1)).expect("32 bits fit");
    let Some(pause) = PAUSES.get(place) else { return Verdict::Failed };
    let thousandths = 1_000 + jitter.clamp(-JITTER_MAX, JITTER_MAX);
    let pause = SignedDuration::from_millis(pause.as_secs() * thousandths);
    Verdict::Retry(retry_after.map_or(pause, |asked| pause.max(asked.min(RETRY_AFTER_MAX))))
}

impl Verdict {
    /// The same, but no retry once all pauses together are over: a delivery that was held back by others of its
    /// aggregate has no whole schedule of its own behind theirs.
    #[must_use]
    pub fn within_schedule(self, began: Timestamp, now: Timestamp) -> Self {
        let whole = PAUSES.iter().fold(SignedDuration::ZERO, |sum, pause| sum + *pause);
        match self {
            Self::Retry(_) if now.duration_since(began) > whole => Self::Failed,
            verdict => verdict,
        }
    }
}

/// The wait that a `Retry-After` header asks for: seconds, or a date.
pub fn retry_after(text: &str, now: Timestamp) -> Option<SignedDuration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(SignedDuration::from_secs(i64::from(seconds)));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(at.duration_since(now)).filter(SignedDuration::is_positive)
}

/// Whether an endpoint that has failed since then has failed for too long.
pub fn is_given_up(failing_since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(failing_since) >= FAILING_MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failed(attempt: u32, jitter: i64) -> Verdict {
        judge(Answer::Status { code: 500, retry_after: None }, attempt, jitter)
    }

    proptest! {
        #[test]
        fn every_try_but_the_last_has_a_next_one(attempt in 1u32..=20, jitter in -100i64..=100) {
            let verdict = failed(attempt, jitter);
            match PAUSES.get(attempt as usize - 1) {
                None => prop_assert_eq!(verdict, Verdict::Failed),
                Some(planned) => {
                    let Verdict::Retry(pause) = verdict else { panic!("{verdict:?} at {attempt}") };
                    let tenth = planned.as_secs() * 100;
                    prop_assert!((pause - *planned).as_millis().abs() <= i128::from(tenth));
                }
            }
        }

        #[test]
        fn pauses_grow(attempt in 1u32..8, first in -100i64..=100, second in -100i64..=100) {
            let pauses = (failed(attempt, first), failed(attempt + 1, second));
            let (Verdict::Retry(earlier), Verdict::Retry(later)) = pauses else { panic!("{pauses:?}") };
            prop_assert!(earlier < later);
        }

        #[test]
        fn an_asked_wait_is_kept_up_to_a_day(
            seconds in 0i64..10_000_000, attempt in 1u32..=9, jitter in -100i64..=100
        ) {
            let asked = SignedDuration::from_secs(seconds);
            let answer = Answer::Status { code: 503, retry_after: Some(asked) };
            let Verdict::Retry(pause) = judge(answer, attempt, jitter) else { panic!("tried again") };
            prop_assert!(pause >= asked.min(RETRY_AFTER_MAX));
            prop_assert!(pause <= RETRY_AFTER_MAX + SignedDuration::from_secs(8_640));
        }

        #[test]
        fn only_success_delivers(code in 100u16..600, attempt in 1u32..=20) {
            let verdict = judge(Answer::Status { code, retry_after: None }, attempt, 0);
            prop_assert_eq!(verdict == Verdict::Delivered, (200..300).contains(&code));
            prop_assert_eq!(verdict == Verdict::Gone, code == 410);
        }
    }

    #[test]
    fn no_answer_is_a_failed_try() {
        assert_eq!(judge(Answer::Missing, 1, 0), Verdict::Retry(SignedDuration::from_secs(5)));
        assert_eq!(judge(Answer::Missing, 10, 0), Verdict::Failed);
    }

    #[test]
    fn a_schedule_ends_with_its_pauses() {
        let began: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
        let whole = SignedDuration::from_secs(75 * 3_600 + 35 * 60 + 5);
        let retry = Verdict::Retry(SignedDuration::from_secs(5));
        assert_eq!(retry.within_schedule(began, began + whole), retry);
        let late = began + whole + SignedDuration::from_secs(1);
        assert_eq!(retry.within_schedule(began, late), Verdict::Failed);
        for verdict in [Verdict::Delivered, Verdict::Gone, Verdict::Failed] {
            assert_eq!(verdict.within_schedule(began, late), verdict);
        }
    }

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
        assert_eq!(retry_after(" 120 ", now), Some(SignedDuration::from_secs(120)));
        let date = "Sat, 21 Nov 2026 12:01:00 GMT";
        assert_eq!(retry_after(date, now), Some(SignedDuration::from_secs(60)));
        for text in ["", "-5", "soon", "Sat, 21 Nov 2026 11:59:00 GMT"] {
            assert_eq!(retry_after(text, now), None, "{text}");
        }
    }

    #[test]
    fn five_days_are_too_long() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
        assert!(is_given_up(now - FAILING_MAX, now));
        assert!(!is_given_up(now - FAILING_MAX + SignedDuration::from_secs(1), now));
    }
}
