//! What an analyst asks for: every report, of the days that a dashboard has to choose from.

use std::collections::HashSet;

use jiff::ToSpan;
use jiff::civil::Date;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use store::pg::reports::{Grain, Report};

/// Lengths of what is looked at: a day, a week, four weeks, a quarter, a year, all of two years.
const LENGTHS: [i32; 6] = [1, 7, 28, 91, 365, 731];
/// Rows of a page that shows the largest.
const TOP_LIMIT: u32 = 20;

/// Rows when nothing else is said, about.
const LIMIT: u32 = 10_000;

/// A question.
#[derive(Debug, Clone)]
pub struct Question {
    /// The report.
    pub report: &'static str,
    /// Path and query.
    pub path: String,
}

/// So many questions, each another one, about `days`: the first and the last that were counted.
pub fn questions(reports: &[&'static Report], days: (Date, Date), count: usize, seed: u64) -> Vec<Question> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut known = HashSet::new();
    let mut asked = Vec::with_capacity(count);
    for (number, report) in reports.iter().cycle().enumerate() {
        if asked.len() == count {
            break;
        }
        // A little more is another question; of a range of days there are many.
        let more = u32::try_from(number / reports.len()).expect("few questions");
        let limit = match (report.sorted_by, report.grain) {
            (None, _) => LIMIT + more,
            (Some(_), Grain::Whole) => TOP_LIMIT + more,
            (Some(_), _) => TOP_LIMIT + more % TOP_LIMIT,
        };
        let mut path = question_path(report, limit, days, &mut random);
        while !known.insert(path.clone()) {
            path = question_path(report, limit, days, &mut random);
        }
        asked.push(Question { report: report.name, path });
    }
    asked
}

fn question_path(report: &Report, limit: u32, days: (Date, Date), random: &mut StdRng) -> String {
    let name = report.name;
    match report.grain {
        Grain::Whole => format!("/api/v1/analytics/{name}?limit={limit}"),
        Grain::Day | Grain::Month => {
            let (from, to) = range(days, random);
            format!("/api/v1/analytics/{name}?from={from}&to={to}&limit={limit}")
        }
    }
}

fn range((first, last): (Date, Date), random: &mut StdRng) -> (Date, Date) {
    let length = LENGTHS[random.random_range(0..LENGTHS.len())];
    let all = last.since(first).map_or(0, |span| span.get_days()) + 1;
    let start = random.random_range(0..=(all - length).max(0));
    let from = first.saturating_add(start.days());
    (from, from.saturating_add((length - 1).days()).min(last))
}

#[cfg(test)]
mod tests {
    use store::pg::reports;

    use super::*;

    #[test]
    fn no_question_comes_twice() {
        let days = (jiff::civil::date(2024, 1, 1), jiff::civil::date(2025, 12, 31));
        let all: Vec<_> = reports::all().iter().collect();
        let asked = questions(&all, days, 10_000, 1);
        let different: HashSet<_> = asked.iter().map(|question| &question.path).collect();
        assert_eq!((different.len(), asked.len()), (10_000, 10_000));
        let reports: HashSet<_> = asked.iter().map(|question| question.report).collect();
        assert_eq!(reports.len(), reports::all().len());
    }
}
