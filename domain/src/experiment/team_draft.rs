//! Two rankings as one in which both have the same chance: like two captains who choose their teams (Radlinski, Kurup
//! and Joachims: How Does Clickthrough Data Reflect Retrieval Quality?, CIKM 2008).

use std::collections::HashSet;
use std::hash::Hash;

use super::Arm;

/// Coins that fall the same way each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coins([u8; 32]);

impl Coins {
    /// Coins that fall as these bits say.
    pub fn new(bits: [u8; 32]) -> Self {
        Self(bits)
    }

    /// How the coin of that number falls. There are 256; then they are the same again.
    fn heads(&self, number: usize) -> bool {
        let bit = number % 256;
        self.0[bit / 8] >> (bit % 8) & 1 == 1
    }
}

/// Both rankings as one, each entry once, with the one that chose it. In each round both choose what stands highest
/// with them and is not chosen yet, the one that a coin favours first. What only one of them has is chosen by it.
pub fn team_draft<T: Copy + Eq + Hash>(control: &[T], treatment: &[T], coins: &Coins) -> Vec<(T, Arm)> {
    let mut chosen = HashSet::new();
    let mut teams = Vec::with_capacity(control.len() + treatment.len());
    let (mut control, mut treatment) = (control.iter(), treatment.iter());
    for round in 0.. {
        let before = teams.len();
        let mut choose = |arm: Arm| {
            let ranking = if arm == Arm::Control { &mut control } else { &mut treatment };
            let highest = ranking.find(|entry| chosen.insert(**entry));
            teams.extend(highest.map(|entry| (*entry, arm)));
        };
        let first = if coins.heads(round) { Arm::Control } else { Arm::Treatment };
        choose(first);
        choose(if first == Arm::Control { Arm::Treatment } else { Arm::Control });
        if teams.len() == before {
            break;
        }
    }
    teams
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(control: &[u32], treatment: &[u32], coins: &Coins) -> Vec<u32> {
        team_draft(control, treatment, coins).into_iter().map(|(entry, _)| entry).collect()
    }

    #[test]
    fn equal_rankings_stay_as_they_are() {
        let ranking: Vec<u32> = (0..50).collect();
        assert_eq!(of(&ranking, &ranking, &Coins([0b0110_1001; 32])), ranking);
    }

    #[test]
    fn the_coin_says_who_is_first() {
        let teams = |bits| team_draft(&[1, 2, 3], &[3, 2, 4], &Coins([bits; 32]));
        assert_eq!(
            teams(0xff),
            [(1, Arm::Control), (3, Arm::Treatment), (2, Arm::Control), (4, Arm::Treatment)]
        );
        assert_eq!(
            teams(0x00),
            [(3, Arm::Treatment), (1, Arm::Control), (2, Arm::Treatment), (4, Arm::Treatment)]
        );
    }

    #[test]
    fn what_only_one_finds_is_its_own() {
        assert_eq!(
            team_draft::<u32>(&[], &[7, 8], &Coins([1; 32])),
            [(7, Arm::Treatment), (8, Arm::Treatment)]
        );
        assert_eq!(team_draft::<u32>(&[], &[], &Coins([1; 32])), []);
    }

    proptest! {
        #[test]
        fn everything_is_there_once_and_nobody_is_ahead(
            control in proptest::sample::subsequence((0_u32..40).collect::<Vec<_>>(), 0..40).prop_shuffle(),
            treatment in proptest::sample::subsequence((0_u32..40).collect::<Vec<_>>(), 0..40).prop_shuffle(),
            bits: [u8; 32],
        ) {
            let teams = team_draft(&control, &treatment, &Coins(bits));
            let all: HashSet<_> = control.iter().chain(&treatment).copied().collect();
            let there: HashSet<_> = teams.iter().map(|(entry, _)| *entry).collect();
            prop_assert_eq!(teams.len(), there.len());
            prop_assert_eq!(&there, &all);
            // While both have something left, neither has chosen two more than the other.
            let mut ahead = 0_i32;
            for (place, (_, arm)) in teams.iter().enumerate() {
                let rest: HashSet<_> = teams[place..].iter().map(|(entry, _)| *entry).collect();
                if !control.iter().any(|entry| rest.contains(entry))
                    || !treatment.iter().any(|entry| rest.contains(entry))
                {
                    break;
                }
                ahead += if *arm == Arm::Control { 1 } else { -1 };
                prop_assert!(ahead.abs() <= 1);
            }
        }
    }
}
