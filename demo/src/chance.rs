//! Draws that more than one maker needs.

use rand::{Rng, RngExt};

/// A draw of the standard normal distribution (Box and Muller).
pub fn normal(stream: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - stream.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * stream.random::<f64>()).cos()
}

/// A factor around 1: log-normal with mean 1 and that deviation of its logarithm.
pub fn factor(deviation: f64, stream: &mut impl Rng) -> f64 {
    (deviation * normal(stream) - deviation * deviation / 2.0).exp()
}

/// A draw of 1, 2, 3 … up to `most`, each as likely to be the last.
pub fn geometric(mean: f64, most: u32, stream: &mut impl Rng) -> u32 {
    let mut count = 1;
    while count < most && stream.random::<f64>() * mean >= 1.0 {
        count += 1;
    }
    count
}

/// One of the choices, as often as its weight says; the weights add up to 1.
pub fn choose<T: Copy>(choices: &[(T, f64)], stream: &mut impl Rng) -> T {
    let mut left = stream.random::<f64>();
    for (choice, weight) in choices {
        left -= weight;
        if left < 0.0 {
            return *choice;
        }
    }
    choices.last().expect("there is a choice").0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;

    #[test]
    fn draws_have_their_means() {
        let mut stream = stream(1, "chance", 0);
        let mean = |sum: f64| sum / 20_000.0;
        let lines: f64 = (0..20_000).map(|_| f64::from(geometric(2.2, 20, &mut stream))).sum();
        assert!((mean(lines) - 2.2).abs() < 0.1, "{}", mean(lines));
        let factors: f64 = (0..20_000).map(|_| factor(0.3, &mut stream)).sum();
        assert!((mean(factors) - 1.0).abs() < 0.02, "{}", mean(factors));
        let normals: f64 = (0..20_000).map(|_| normal(&mut stream)).sum();
        assert!(mean(normals).abs() < 0.03, "{}", mean(normals));
        let heads = (0..20_000).filter(|_| choose(&[(true, 0.3), (false, 0.7)], &mut stream)).count();
        assert!((5_600..6_400).contains(&heads), "{heads}");
    }
}
