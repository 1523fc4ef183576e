//! How far judges agree: Krippendorff's alpha for grades whose distances count (the interval metric; K. Krippendorff,
//! "Computing Krippendorff's Alpha-Reliability", 2011). It takes any number of judges and any gaps.

/// Things that so many judges graded in such a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Graded {
    /// Judges of each of the things.
    pub judges: i64,
    /// Sum of their grades.
    pub sum: i64,
    /// Sum of the squares of their grades.
    pub squares: i64,
    /// How many things were graded so.
    pub count: i64,
}

impl Graded {
    /// Sum of the squares of the differences of each two of them, in both orders, for each judge there is.
    fn disagreement(&self) -> f64 {
        let pairs = 2 * (self.judges * self.squares - self.sum * self.sum);
        (self.count * pairs) as f64 / (self.judges - 1) as f64
    }
}

/// 1 when all agree, 0 when they agree as far as chance would have it, less when they contradict each other; `None`
/// when no thing has two judges. From 0.8 on grades are reliable, below 0.67 they are not (Krippendorff).
pub fn alpha(graded: &[Graded]) -> Option<f64> {
    let pairable: Vec<_> = graded.iter().filter(|graded| graded.judges >= 2).collect();
    let total = |of: fn(&Graded) -> i64| pairable.iter().map(|graded| of(graded) * graded.count).sum::<i64>();
    let (grades, sum, squares) =
        (total(|graded| graded.judges), total(|graded| graded.sum), total(|graded| graded.squares));
    if grades == 0 {
        return None;
    }
    let observed = pairable.iter().map(|graded| graded.disagreement()).sum::<f64>() / grades as f64;
    let differences = 2.0 * (grades as f64 * squares as f64 - sum as f64 * sum as f64);
    let expected = differences / (grades as f64 * (grades - 1) as f64);
    // Nobody ever differed from anybody.
    Some(if expected == 0.0 { 1.0 } else { 1.0 - observed / expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graded(things: &[&[i64]]) -> Vec<Graded> {
        let of = |grades: &&[i64]| Graded {
            judges: grades.len().try_into().expect("few"),
            sum: grades.iter().sum(),
            squares: grades.iter().map(|grade| grade * grade).sum(),
            count: 1,
        };
        things.iter().map(of).collect()
    }

    #[test]
    fn the_published_example_comes_out() {
        // Four observers, twelve units, gaps left out: the example of the paper, alpha of interval data 0.849.
        let units: [&[i64]; 12] = [
            &[1, 1, 1],
            &[2, 2, 3, 2],
            &[3, 3, 3, 3],
            &[3, 3, 3, 3],
            &[2, 2, 2, 2],
            &[1, 2, 3, 4],
            &[4, 4, 4, 4],
            &[1, 1, 2, 1],
            &[2, 2, 2, 2],
            &[5, 5, 5],
            &[1, 1],
            &[3],
        ];
        let alpha = alpha(&graded(&units)).expect("judged twice");
        assert!((alpha - 0.849).abs() < 0.0005, "{alpha}");
    }

    #[test]
    fn the_ends_of_the_scale() {
        assert_eq!(alpha(&graded(&[&[3], &[0]])), None);
        assert_eq!(alpha(&[]), None);
        assert_eq!(alpha(&graded(&[&[2, 2], &[2, 2]])), Some(1.0));
        assert_eq!(alpha(&graded(&[&[0, 0], &[3, 3]])), Some(1.0));
        assert!(alpha(&graded(&[&[0, 3], &[3, 0]])).expect("judged twice") < 0.0);
        let one = graded(&[&[0, 1], &[0, 1], &[3, 3]]);
        let counted = [Graded { count: 2, ..one[0] }, one[2]];
        assert_eq!(alpha(&one), alpha(&counted));
    }
}
