//! A p-value that may be looked at as often as one likes.
//!
//! A usual test is right once, at an end that was fixed before. Who looks every hour and stops at the first p below
//! 0.05 is wrong far more often than in 5 of 100 cases. Here a bet is kept against the claim that coins are fair: its
//! expected value is 1 at every moment if they are, so that it ever reaches 1/p has a chance of at most p (Ville's
//! inequality; Robbins, Statistical Methods Related to the Law of the Iterated Logarithm, 1970; Johari, Pekelis and
//! Walsh, Always Valid Inference, 2015).

/// The bet is on coins about this close to fair: a beta distribution with both parameters this. Its standard deviation
/// is 0.02: about what a tenth more clicks make of them.
const CONCENTRATION: f64 = 300.0;

/// The p-value of the claim that each of these coins is fair, from how often it fell on either side. If they are fair,
/// the chance that it is ever p or less is p at most. What is counted at a look must not change until the next.
pub fn p_value(coins: &[(u64, u64)]) -> f64 {
    let ln_bet: f64 = coins.iter().map(|(one, other)| ln_bet(*one, *other)).sum();
    (-ln_bet).exp().min(1.0)
}

/// Logarithm of how much more likely the falls are under the bet than with a fair coin.
fn ln_bet(one: u64, other: u64) -> f64 {
    let ln_sum = |count: u64, from: f64| (0..count).map(|done| (from + as_f64(done)).ln()).sum::<f64>();
    let all = one + other;
    ln_sum(one, CONCENTRATION) + ln_sum(other, CONCENTRATION) - ln_sum(all, 2.0 * CONCENTRATION)
        + as_f64(all) * std::f64::consts::LN_2
}

#[expect(clippy::cast_precision_loss, reason = "counts of visits are far below 2^52")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Looks at an experiment of two equal or different arms once a day, and says whether it ever seemed decided.
    struct Looks {
        always_valid: bool,
        usual: bool,
    }

    fn looks(random: &mut StdRng, rates: (f64, f64)) -> Looks {
        let (mut visits, mut clicked) = ([0_u64; 2], [0_u64; 2]);
        let (mut least, mut usual) = (1.0_f64, false);
        for _day in 0..28 {
            for _visit in 0..300 {
                let arm = usize::from(random.random::<bool>());
                let rate = if arm == 0 { rates.0 } else { rates.1 };
                visits[arm] += 1;
                clicked[arm] += u64::from(random.random_bool(rate));
            }
            let missed = (visits[0] - clicked[0], visits[1] - clicked[1]);
            least = least.min(p_value(&[(clicked[0], clicked[1]), missed]));
            let rate = |arm: usize| as_f64(clicked[arm]) / as_f64(visits[arm]);
            let all = as_f64(clicked[0] + clicked[1]) / as_f64(visits[0] + visits[1]);
            let spread = (all * (1.0 - all) * (1.0 / as_f64(visits[0]) + 1.0 / as_f64(visits[1]))).sqrt();
            usual |= (rate(0) - rate(1)).abs() / spread > 1.96;
        }
        Looks { always_valid: least <= 0.05, usual }
    }

    /// In how many of 300 experiments either test calls the arms different.
    fn called(seed: u64, rates: (f64, f64)) -> (usize, usize) {
        let mut random = StdRng::seed_from_u64(seed);
        let all: Vec<_> = (0..300).map(|_| looks(&mut random, rates)).collect();
        let count = |of: fn(&Looks) -> bool| all.iter().filter(|looks| of(looks)).count();
        (count(|looks| looks.always_valid), count(|looks| looks.usual))
    }

    #[test]
    fn looking_every_day_calls_equal_arms_different_as_seldom_as_promised() {
        let (always_valid, usual) = called(1, (0.4, 0.4));
        println!("equal arms called different: {always_valid} of 300, by the usual test {usual}");
        assert!(always_valid <= 15, "{always_valid} of 300, at most 5 in 100");
        assert!(usual > 45, "the usual test is wrong in {usual} of 300: what this is for");
    }

    #[test]
    fn a_difference_is_found() {
        let (found, _) = called(2, (0.4, 0.44));
        println!("a tenth more clicks found: {found} of 300");
        assert!(found > 220, "{found} of 300");
    }

    #[test]
    fn known_values() {
        assert!((p_value(&[]) - 1.0).abs() < f64::EPSILON);
        assert!((p_value(&[(10, 10)]) - 1.0).abs() < f64::EPSILON);
        // By hand: 2 · 300 / 600 = 1, then 2 · 301 / 601.
        assert!((p_value(&[(2, 0)]) - 601.0 / 602.0).abs() < 1e-12);
        assert!(p_value(&[(400, 300)]) < 0.05 && p_value(&[(360, 340)]) > 0.5);
    }

    proptest! {
        #[test]
        fn sides_do_not_matter_and_it_is_a_probability(one in 0_u64..5_000, other in 0_u64..5_000) {
            let p = p_value(&[(one, other)]);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert!((p - p_value(&[(other, one)])).abs() < 1e-9);
        }
    }
}
