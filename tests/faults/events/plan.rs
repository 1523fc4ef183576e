//! What a run kills, when, and how long it may take: all of it made from a seed.

use std::iter;
use std::ops::Range;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::target::Target;

/// When the first kill comes, from the start of the load.
const FIRST_MS: Range<u64> = 500..3_000;
/// When each other one comes, from the one before.
const NEXT_MS: Range<u64> = 500..2_500;
/// How long the load goes on after the last one.
pub const AFTER: Duration = Duration::from_secs(2);
/// How long the shop may take to be quiet after one kill.
const QUIET_DEADLINE: Duration = Duration::from_secs(60);
/// And how much longer after each other one: all of them start anew on the same machine, some wait for others.
const QUIET_DEADLINE_MORE: Duration = Duration::from_secs(30);
/// The questions before the load, the load's last answers, and the checks.
const REST: Duration = Duration::from_secs(50);

/// What a run does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What it is made from.
    pub seed: u64,
    /// Each target once, with its moment from the start of the load, in the order of time.
    pub kills: Vec<(Target, Duration)>,
}

impl Plan {
    /// The same for the same seed; fewer kills are the first ones of more. The target that is asked for comes first.
    pub fn new(seed: u64, count: usize, wanted: Option<Target>) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut targets = Target::ALL;
        targets.shuffle(&mut random);
        // Stable: the others stay as they were shuffled.
        targets.sort_by_key(|target| wanted != Some(*target));
        let pauses_ms = iter::once(FIRST_MS).chain(iter::repeat(NEXT_MS));
        let mut moment = Duration::ZERO;
        let kills = targets.into_iter().zip(pauses_ms).take(count).map(|(target, pause_ms)| {
            moment += Duration::from_millis(random.random_range(pause_ms));
            (target, moment)
        });
        Self { seed, kills: kills.collect() }
    }

    /// How long the shop may take to be quiet.
    pub fn quiet_deadline(&self) -> Duration {
        let more: Duration = self.kills.iter().skip(1).map(|_| QUIET_DEADLINE_MORE).sum();
        QUIET_DEADLINE + more
    }

    /// How long the whole run may take, without the healing before it.
    pub fn timeout(&self) -> Duration {
        let last = self.kills.last().map_or(Duration::ZERO, |(_, moment)| *moment);
        last + AFTER + self.quiet_deadline() + REST
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const SEEDS: Range<u64> = 0..200;

    #[test]
    fn a_seed_makes_the_same_run_again() {
        for seed in SEEDS {
            let all = Plan::new(seed, Target::ALL.len(), None);
            assert_eq!(all, Plan::new(seed, Target::ALL.len(), None));
            for count in 1..Target::ALL.len() {
                assert_eq!(Plan::new(seed, count, None).kills, all.kills[..count]);
            }
        }
    }

    #[test]
    fn each_target_is_killed_once_and_after_a_pause() {
        for seed in SEEDS {
            let Plan { kills, .. } = Plan::new(seed, Target::ALL.len(), None);
            let targets: HashSet<&str> = kills.iter().map(|(target, _)| target.name()).collect();
            assert_eq!(targets.len(), Target::ALL.len());
            let moments_ms: Vec<u64> =
                kills.iter().map(|(_, moment)| u64::try_from(moment.as_millis()).unwrap()).collect();
            assert!(FIRST_MS.contains(&moments_ms[0]), "{moments_ms:?}");
            for two in moments_ms.windows(2) {
                assert!(NEXT_MS.contains(&(two[1] - two[0])), "{moments_ms:?}");
            }
        }
    }

    #[test]
    fn every_target_comes_first_by_chance_or_when_it_is_asked_for() {
        let first: HashSet<&str> = SEEDS.map(|seed| Plan::new(seed, 1, None).kills[0].0.name()).collect();
        assert_eq!(first.len(), Target::ALL.len());
        for wanted in Target::ALL {
            let (chosen, any) = (Plan::new(7, 3, Some(wanted)).kills, Plan::new(7, 3, None).kills);
            assert_eq!(chosen[0], (wanted, any[0].1));
            assert!(chosen[1..].iter().all(|(target, _)| *target != wanted));
        }
    }

    #[test]
    fn more_kills_have_more_time() {
        let plans: Vec<Plan> = (1..=Target::ALL.len()).map(|count| Plan::new(7, count, None)).collect();
        assert_eq!(plans[0].quiet_deadline(), QUIET_DEADLINE);
        for two in plans.windows(2) {
            assert_eq!(two[1].quiet_deadline(), two[0].quiet_deadline() + QUIET_DEADLINE_MORE);
            assert!(two[1].timeout() > two[0].timeout() + QUIET_DEADLINE_MORE);
        }
    }
}
