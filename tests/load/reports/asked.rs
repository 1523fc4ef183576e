//! What an analyst asks for: every report, of the days that a dashboard has to choose from.

use jiff::ToSpan;
use jiff::civil::Date;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use store::pg::reports::{self, Grain};

/// Lengths of what is looked at: a day, a week, four weeks, a quarter, a year, all of two years.
const LENGTHS: [i32; 6] = [1, 7, 28, 91, 365, 731];
/// Rows of a page that shows the largest.
const TOP_LIMIT: u32 = 20;

/// A question.
#[derive(Debug, Clone)]
pub struct Question {
    /// The report.
    pub report: &'static str,
    /// Path and query.
    pub path: String,
}

/// So many questions, each another one, about `days`: the first and the last that were counted.
pub fn questions(days: (Date, Date), count: usize, seed: u64) -> Vec<Question> {
    let mut random = StdRng::seed_from_u64(seed);
    let reports = reports::all().iter().cycle().enumerate();
    reports
        .map(|(number, report)| {
            let name = report.name;
            // Another limit is another question, and the same work.
            let limit = u32::try_from(number).expect("few questions")
                + if report.sorted_by.is_some() { TOP_LIMIT } else { LIMIT };
            let path = match report.grain {
                Grain::Whole => format!("/api/v1/analytics/{name}?limit={limit}"),
                Grain::Day | Grain::Month => {
                    let (from, to) = range(days, &mut random);
                    format!("/api/v1/analytics/{name}?from={from}&to={to}&limit={limit}")
                }
            };
            Question { report: name, path }
        })
        .take(count)
        .collect()
}

/// Rows when nothing else is said, without the numbers that are added.
const LIMIT: u32 = 8_000;

fn range((first, last): (Date, Date), random: &mut StdRng) -> (Date, Date) {
    let length = LENGTHS[random.random_range(0..LENGTHS.len())];
    let all = last.since(first).map_or(0, |span| span.get_days()) + 1;
    let start = random.random_range(0..=(all - length).max(0));
    let from = first.saturating_add(start.days());
    (from, from.saturating_add((length - 1).days()).min(last))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_question_comes_twice() {
        let days = (jiff::civil::date(2024, 1, 1), jiff::civil::date(2025, 12, 31));
        let asked = questions(days, 2_000, 1);
        let different: HashSet<_> = asked.iter().map(|question| &question.path).collect();
        assert_eq!(different.len(), asked.len());
        let reports: HashSet<_> = asked.iter().map(|question| question.report).collect();
        assert_eq!(reports.len(), reports::all().len());
    }
}
