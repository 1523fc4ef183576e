//! Whether two rankings of the same queries differ by more than chance: a paired randomisation test.
//!
//! If it made no difference which of the two a query was answered by, each query's difference could as well have the
//! other sign. The p-value is the share of random sign changes whose mean is at least as far from 0 as the one seen
//! (Smucker, Allan and Carterette: A Comparison of Statistical Significance Tests for Information Retrieval
//! Evaluation, CIKM 2007).

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::scores::mean;

/// Random sign changes: the smallest p-value that can be told is 1 in so many.
const ROUNDS: u32 = 10_000;

/// The two-sided p-value of the differences, one a query. 1 when there is none.
pub fn p_value(differences: &[f64], seed: u64) -> f64 {
    let seen = mean(differences.iter().copied()).abs();
    let mut random = StdRng::seed_from_u64(seed);
    let count = (0..ROUNDS).filter(|_| is_as_far(differences, seen, &mut random)).count();
    let count = u32::try_from(count).unwrap_or(ROUNDS);
    // The order seen is one of all orders, so it counts too.
    f64::from(count + 1) / f64::from(ROUNDS + 1)
}

fn is_as_far(differences: &[f64], seen: f64, random: &mut impl Rng) -> bool {
    // Sums in another order differ in the last digits.
    const ROUNDING: f64 = 1e-12;
    let mut bits = 0_u64;
    let signed = differences.iter().enumerate().map(|(index, difference)| {
        if index % 64 == 0 {
            bits = random.next_u64();
        }
        let is_turned = bits & 1 == 1;
        bits >>= 1;
        if is_turned { -difference } else { *difference }
    });
    mean(signed).abs() + ROUNDING >= seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_difference_is_chance() {
        assert!((p_value(&[0.0; 50], 1) - 1.0).abs() < f64::EPSILON);
        assert!((p_value(&[], 1) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn one_sided_differences_are_not() {
        assert!(p_value(&[0.1; 30], 1) < 0.001);
        assert!(p_value(&[-0.1; 30], 1) < 0.001);
    }

    #[test]
    fn few_queries_prove_little() {
        // All four differences on one side: 2 of 16 orders of signs are as far.
        let p = p_value(&[0.3, 0.1, 0.2, 0.4], 7);
        assert!((p - 0.125).abs() < 0.02, "{p}");
        let mixed: Vec<f64> = (0..100).map(|number| if number % 2 == 0 { 0.2 } else { -0.19 }).collect();
        assert!(p_value(&mixed, 7) > 0.5);
    }

    #[test]
    fn a_seed_gives_the_same_figure_again() {
        let differences = [0.1, -0.05, 0.2, 0.0, 0.3, -0.1];
        assert!((p_value(&differences, 3) - p_value(&differences, 3)).abs() < f64::EPSILON);
    }
}
