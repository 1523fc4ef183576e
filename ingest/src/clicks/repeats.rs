//! How many equal rows came before a row: a repeat may be real, so each of them is an event of its own.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;
use uuid::Uuid;

/// Rows that are remembered, at 17 to 34 bytes: of a file in the order of time more than the days that are read now.
const ROWS_MAX: usize = 8_000_000;
/// Days that are remembered however many rows they have: the file may go to and fro about midnight.
const DAYS_MIN: usize = 2;
/// From one look at how much is remembered to the next, in rows.
const LOOK_PERIOD: u64 = 50_000;

/// Remembers the rows of the days that a file goes through.
#[derive(Debug)]
pub(super) struct Repeats {
    days: HashMap<Date, Day>,
    forgotten: HashSet<Date>,
    rows: u64,
    rows_max: usize,
}

#[derive(Debug, Default)]
struct Day {
    /// Rows so far by half of their UUID. Two different rows that share it count as equal, and keep different ids.
    counts: HashMap<u64, u32>,
    /// Number of the day's newest row.
    newest: u64,
}

impl Repeats {
    /// Nothing so far.
    pub(super) fn new() -> Self {
        Self { days: HashMap::new(), forgotten: HashSet::new(), rows: 0, rows_max: ROWS_MAX }
    }

    /// How many rows equal to this one came before; `None` when the rows of its day were forgotten.
    pub(super) fn ordinal(&mut self, day: Date, row: Uuid) -> Option<u32> {
        if self.forgotten.contains(&day) {
            return None;
        }
        self.rows += 1;
        let known = self.days.entry(day).or_default();
        known.newest = self.rows;
        let (half, _) = row.as_u64_pair();
        let count = known.counts.entry(half).or_insert(0);
        let ordinal = *count;
        *count += 1;
        if self.rows.is_multiple_of(LOOK_PERIOD) {
            self.forget();
        }
        Some(ordinal)
    }

    /// Forgets days whose last row was long ago. What is forgotten follows from the rows alone: another import of them
    /// forgets the same.
    fn forget(&mut self) {
        let mut held: usize = self.days.values().map(|day| day.counts.len()).sum();
        while held > self.rows_max && self.days.len() > DAYS_MIN {
            let Some((&oldest, _)) = self.days.iter().min_by_key(|(_, day)| day.newest) else { return };
            held -= self.days.remove(&oldest).map_or(0, |day| day.counts.len());
            self.forgotten.insert(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn equal_rows_are_counted() {
        let (mut repeats, day) = (Repeats::new(), date(2019, 10, 1));
        let [first, second] = ["a", "b"].map(|name| Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()));
        let mut ordinal = |row| repeats.ordinal(day, row);
        assert_eq!([ordinal(first), ordinal(second), ordinal(first)], [Some(0), Some(0), Some(1)]);
        assert_eq!([ordinal(first), ordinal(second)], [Some(2), Some(1)]);
    }

    #[test]
    fn days_of_long_ago_are_forgotten_while_there_is_no_room() {
        let mut repeats = Repeats { rows_max: 40_000, ..Repeats::new() };
        let row = |number: u64| Uuid::from_u64_pair(number, 0);
        for number in 0..LOOK_PERIOD {
            let day = date(
                2019,
                10,
                if number < 20_000 {
                    1
                } else if number < 30_000 {
                    2
                } else {
                    3
                },
            );
            assert_eq!(repeats.ordinal(day, row(number)), Some(0));
        }
        assert_eq!(repeats.ordinal(date(2019, 10, 1), row(0)), None, "it may have come before");
        assert_eq!(repeats.ordinal(date(2019, 10, 2), row(25_000)), Some(1));
        assert_eq!(repeats.ordinal(date(2019, 10, 3), row(40_000)), Some(1));
        assert_eq!(repeats.ordinal(date(2019, 9, 30), row(7)), Some(0), "a day that was not there yet");
    }
}
