//! How many documents the engine is asked to take at a time: fewer while it has too much to do.

/// Least documents that are sent together.
const LEAST: usize = 10;

/// The size of the next batch. Halved when the engine does not take one, and a tenth larger each time it does.
#[derive(Debug)]
pub(crate) struct BatchSize {
    now: usize,
    most: usize,
}

impl BatchSize {
    /// Begins with the largest.
    pub(crate) fn new(most: usize) -> Self {
        Self { now: most, most }
    }

    /// The size of the next batch; never 0.
    pub(crate) fn get(&self) -> usize {
        self.now
    }

    /// The engine took a batch.
    pub(crate) fn grow(&mut self) {
        self.now = (self.now + (self.now / 10).max(1)).min(self.most);
    }

    /// The engine did not take a batch, or not all of it.
    pub(crate) fn shrink(&mut self) {
        self.now = (self.now / 2).max(LEAST).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_halves_and_grows_within_its_bounds() {
        let mut size = BatchSize::new(500);
        let mut seen = Vec::new();
        for _ in 0..7 {
            size.shrink();
            seen.push(size.get());
        }
        assert_eq!(seen, [250, 125, 62, 31, 15, 10, 10]);
        size.grow();
        assert_eq!(size.get(), 11);
        let mut steps = 1;
        while size.get() < 500 {
            let before = size.get();
            size.grow();
            assert!(size.get() > before && size.get() <= 500);
            steps += 1;
        }
        assert!(steps < 50, "{steps}");
        size.grow();
        assert_eq!(size.get(), 500);
    }

    #[test]
    fn a_small_bound_holds_too() {
        let mut size = BatchSize::new(4);
        size.shrink();
        assert_eq!(size.get(), 4);
        size.grow();
        assert_eq!(size.get(), 4);
    }
}
