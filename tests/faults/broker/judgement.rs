//! Whether writes noticed that the broker was away, and whether events and changes were late.

use std::time::{Duration, Instant};

use support::figures::Figures;

use super::index_watch::Wait;
use super::outcome::Run;
use super::poison::Message;
use super::{Case, QUIET_DEADLINE};
use crate::load::{Log, Write};
use crate::results::figure;

/// All events have to be out so soon after the broker is back.
const OUT_GOAL: Duration = Duration::from_secs(30);
/// Writes have noticed when they are slower than this and than so many times the baseline.
const P99_GOAL: Duration = Duration::from_secs(1);
const P99_TIMES_MAX: u32 = 5;
/// How much longer a change may wait for the index while poison passes.
const WAIT_GOAL: Duration = Duration::from_secs(1);
/// A broker that was away leaves at least one event unsent for so many writes.
const WRITES_PER_UNSENT: usize = 10;

/// When the broker did not work.
pub struct Episode {
    /// When it stopped, or the first poisoned message came.
    pub began: Instant,
    /// It works again, or every poisoned message was given up.
    pub returned: Instant,
    /// What it was fed with.
    pub poison: Vec<Message>,
}

/// The figures of a run, and which of them miss their goal.
pub fn judge(run: &mut Run, case: Case, episode: &Episode, log: &Log, waited: &[Wait]) {
    run.changes = figure(log.changes.len());
    run.adjustments = figure(log.adjusted.len());
    run.unanswered = log.unanswered;
    let away = episode.began..episode.returned;
    let baseline = took(log, |write| write.sent_at + write.took < away.start);
    let during = took(log, |write| away.contains(&write.sent_at));
    let writes = during.len();
    let (baseline, during) = (p99(baseline), p99(during));
    (run.baseline_p99_ms, run.fault_p99_ms) = (baseline.map(ms), during.map(ms));
    let mut violations = Vec::from_iter(slow_writes(baseline, during));
    if log.unanswered > 0 {
        violations.push(format!("{} writes were not answered", log.unanswered));
    }
    if matches!(case, Case::Down | Case::Full) && is_idle(run.unsent_max, writes) {
        let unsent = run.unsent_max;
        violations.push(format!("the broker was not away: {unsent} events unsent after {writes} writes"));
    }
    if case == Case::Reset && run.lost == 0 {
        violations.push("nothing waited in the queues, so nothing was lost with them".to_owned());
    }
    match run.out_after_seconds {
        Some(seconds) if seconds <= OUT_GOAL.as_secs_f64() => {}
        Some(seconds) => {
            violations.push(format!("all events were out after {seconds:.1} s, not {OUT_GOAL:?}"))
        }
        None => violations.push(format!("not all events were out within {QUIET_DEADLINE:?}")),
    }
    if run.quiet_after_seconds.is_none() {
        violations.push(format!("not quiet within {QUIET_DEADLINE:?}"));
    }
    if case == Case::Poison {
        let (baseline, poisoned) = longest_waits(waited, episode.began);
        (run.baseline_wait_ms, run.poison_wait_ms) = (Some(ms(baseline)), Some(ms(poisoned)));
        if poisoned > baseline + WAIT_GOAL {
            violations
                .push(format!("changes waited {poisoned:?} for the index, {baseline:?} before the poison"));
        }
    }
    run.violations.extend(violations);
}

fn took(log: &Log, counts: impl Fn(&Write) -> bool) -> Vec<Duration> {
    log.writes.iter().filter(|write| counts(write)).map(|write| write.took).collect()
}

fn p99(took: Vec<Duration>) -> Option<Duration> {
    (!took.is_empty()).then(|| Figures::new(took).percentile(99))
}

/// Without a write nothing shows that they did not notice.
fn slow_writes(before: Option<Duration>, during: Option<Duration>) -> Option<String> {
    let (Some(before), Some(during)) = (before, during) else {
        return Some("no write was acknowledged before or during the fault".to_owned());
    };
    let is_slow = during > P99_GOAL && during > before * P99_TIMES_MAX;
    is_slow.then(|| format!("p99 of writes was {during:?}, {before:?} before"))
}

fn is_idle(unsent_max: u64, writes: usize) -> bool {
    unsent_max == 0 || unsent_max < figure(writes / WRITES_PER_UNSENT)
}

/// The longest wait of changes that were in the index before the poison came, and of all others.
fn longest_waits(waited: &[Wait], poisoned_at: Instant) -> (Duration, Duration) {
    let longest = |is_before: bool| {
        let some = waited.iter().filter(|wait| (wait.until < poisoned_at) == is_before);
        some.map(|wait| wait.length).max().unwrap_or_default()
    };
    (longest(true), longest(false))
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_notice_when_they_are_slow_and_slower_than_before() {
        let slow = |before, during| {
            slow_writes(Some(Duration::from_millis(before)), Some(Duration::from_millis(during))).is_some()
        };
        assert!(!slow(20, 900) && !slow(400, 1_500) && slow(20, 1_500));
        assert!(slow_writes(None, Some(WAIT_GOAL)).is_some() && slow_writes(Some(WAIT_GOAL), None).is_some());
    }

    #[test]
    fn a_broker_that_was_away_leaves_events_unsent() {
        assert!(is_idle(0, 0) && is_idle(0, 1_000) && is_idle(99, 1_000));
        assert!(!is_idle(100, 1_000) && !is_idle(1, 5));
    }

    #[test]
    fn what_was_not_in_the_index_when_the_poison_came_counts_as_poisoned() {
        let start = Instant::now();
        let wait = |until, length| Wait {
            until: start + Duration::from_millis(until),
            length: Duration::from_millis(length),
        };
        let waited = [wait(100, 60), wait(900, 80), wait(1_400, 700), wait(2_000, 90)];
        let (before, poisoned) = longest_waits(&waited, start + Duration::from_secs(1));
        assert_eq!((before.as_millis(), poisoned.as_millis()), (80, 700));
        assert_eq!(longest_waits(&[], start), (Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn late_events_are_a_violation() {
        let now = Instant::now();
        let episode = Episode { began: now, returned: now, poison: Vec::new() };
        for (out_after_seconds, violations) in [(Some(29.0), 0), (Some(31.0), 1), (None, 1)] {
            let quiet_after_seconds = Some(29.0);
            let mut run = Run { lost: 1, out_after_seconds, quiet_after_seconds, ..Run::default() };
            judge(&mut run, Case::Reset, &episode, &Log::default(), &[]);
            run.violations.retain(|violation| violation.contains("all events"));
            assert_eq!(run.violations.len(), violations, "{out_after_seconds:?}");
        }
    }
}
