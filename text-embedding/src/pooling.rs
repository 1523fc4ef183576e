//! From the vectors of tokens to the vector of a text.

/// The mean of the tokens' vectors, of length 1; `None` when it has no direction.
pub(crate) fn mean_direction<'a>(
    tokens: impl Iterator<Item = &'a [f32]>,
    dimension: usize,
) -> Option<Vec<f32>> {
    let mut sum = vec![0.0_f32; dimension];
    for token in tokens {
        for (total, number) in sum.iter_mut().zip(token) {
            *total += number;
        }
    }
    // The mean is the sum divided by a number, so both have the same direction.
    let length = sum.iter().map(|number| number * number).sum::<f32>().sqrt();
    if !length.is_normal() {
        return None;
    }
    for number in &mut sum {
        *number /= length;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_texts_vector_is_the_direction_of_the_mean() {
        let tokens: [&[f32]; 2] = [&[2.0, 0.0], &[4.0, 8.0]];
        let vector = mean_direction(tokens.into_iter(), 2).expect("a direction");
        for (number, expected) in vector.iter().zip([0.6, 0.8]) {
            assert!((number - expected).abs() < 1e-6, "{vector:?}");
        }
    }

    #[test]
    fn what_has_no_direction_has_no_vector() {
        let opposite: [&[f32]; 2] = [&[1.0, 0.0], &[-1.0, 0.0]];
        assert_eq!(mean_direction(opposite.into_iter(), 2), None);
        assert_eq!(mean_direction([&[f32::NAN][..]].into_iter(), 1), None);
        assert_eq!(mean_direction([].into_iter(), 4), None);
    }
}
