//! What a rebuild says of itself on standard output.

use std::time::Instant;

use search_indexer::rebuild::Progress;

/// Products between two lines.
const REPORT_EVERY: u64 = 5_000;

/// Prints a line every 5,000 products: how many, of how many, and how fast.
pub(crate) struct Lines {
    began: Instant,
    of: u64,
    /// Products that were there when the phase began.
    before: u64,
    /// Products of the next line.
    next: u64,
}

impl Lines {
    /// Nothing is known yet.
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), of: 0, before: 0, next: REPORT_EVERY }
    }

    /// Prints it, when it is time for a line.
    pub(crate) fn print(&mut self, progress: Progress) {
        match progress {
            Progress::Begun { index, filled, of } => {
                self.of = of;
                self.begin(filled);
                match filled {
                    0 => println!("rebuild: filling {index}"),
                    _ => println!("rebuild: going on with {index}, which has {filled} products"),
                }
            }
            Progress::Filled(products) => self.line(products, "written"),
            Progress::Verified(products) => self.line(products, "verified"),
        }
    }

    fn begin(&mut self, before: u64) {
        self.began = Instant::now();
        self.before = before;
        self.next = before + REPORT_EVERY;
    }

    fn line(&mut self, products: u64, done: &str) {
        // Fewer than before: another phase has begun.
        if products + REPORT_EVERY < self.next {
            self.begin(0);
        }
        if products < self.next {
            return;
        }
        self.next = products + REPORT_EVERY;
        let milliseconds = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = products.saturating_sub(self.before) * 1_000 / milliseconds;
        println!("rebuild: {products} products ({} %) {done}, {rate} a second", percent(products, self.of));
    }
}

/// About: the catalogue may have grown since it was counted.
fn percent(products: u64, of: u64) -> u64 {
    (products * 100).checked_div(of).map_or(100, |percent| percent.min(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_at_most_the_whole() {
        assert_eq!(percent(5_000, 20_000), 25);
        assert_eq!(percent(20_001, 20_000), 100);
        assert_eq!(percent(1, 0), 100);
    }

    #[test]
    fn each_phase_counts_from_its_own_beginning() {
        let mut lines = Lines::new();
        lines.print(Progress::Begun { index: "index".to_owned(), filled: 7_000, of: 20_000 });
        lines.print(Progress::Filled(7_500));
        assert_eq!((lines.before, lines.next), (7_000, 12_000));
        lines.print(Progress::Filled(12_000));
        assert_eq!(lines.next, 17_000);
        lines.print(Progress::Verified(500));
        assert_eq!((lines.before, lines.next), (0, 5_000));
    }
}
