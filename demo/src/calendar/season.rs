//! The shape of a year, of a week and of a day, as people in London live them.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

/// Trade in the middle of each month against the year's mean, January first. Shape of clothing in the retail sales
/// index of the Office for National Statistics before seasonal adjustment (a peak in November and December, the least
/// in February); the figures are rounded by us.
const MONTHS: [f64; 12] = [0.93, 0.82, 0.90, 0.95, 1.00, 1.02, 1.06, 0.94, 0.98, 1.03, 1.18, 1.22];
/// Share of a week's trade by day, Monday first: 25 fashion merchants of a commerce platform, published in January
/// 2018, had 16 % of revenue on Mondays, 14.6 % of visits on Tuesdays, Sunday second; the rest is evened out by us.
const WEEKDAYS: [f64; 7] = [0.160, 0.147, 0.143, 0.142, 0.134, 0.126, 0.148];
/// Share of a working day's trade by hour, midnight first: SaleCycle's 2020 report on the year before has the least at
/// night, growth from 6, much from 15 on, the peak from 20 to 21 and a drop after 22; the figures are ours.
const HOURS: [f64; 24] = [
    0.014, 0.008, 0.005, 0.004, 0.004, 0.007, 0.016, 0.027, 0.036, 0.047, 0.055, 0.057, 0.058, 0.056, 0.055,
    0.057, 0.055, 0.057, 0.061, 0.071, 0.083, 0.077, 0.058, 0.032,
];
/// The same for Saturdays and Sundays: later to rise, busier at noon. Assumed.
const WEEKEND_HOURS: [f64; 24] = [
    0.018, 0.011, 0.007, 0.005, 0.004, 0.005, 0.010, 0.019, 0.034, 0.050, 0.061, 0.064, 0.062, 0.060, 0.059,
    0.059, 0.058, 0.057, 0.059, 0.066, 0.076, 0.070, 0.053, 0.033,
];

/// How much is traded on a day, against a mean day.
pub fn of_day(date: Date) -> f64 {
    let weekday = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
    of_year(date) * WEEKDAYS[weekday] * 7.0 * payday(date) * feast(date)
}

/// Share of the day's trade in that hour.
pub fn of_hour(date: Date, hour: i8) -> f64 {
    let is_weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
    let hours = if is_weekend { &WEEKEND_HOURS } else { &HOURS };
    hours[usize::from(hour.unsigned_abs())]
}

/// The day after the fourth Thursday of November.
pub fn black_friday(year: i16) -> Date {
    let november = Date::new(year, 11, 1).expect("a year of the calendar");
    november
        .nth_weekday_of_month(4, Weekday::Thursday)
        .expect("every November has four")
        .saturating_add(1.day())
}

/// From the middle of one month to the middle of the next in a straight line.
fn of_year(date: Date) -> f64 {
    let month = usize::from(date.month().unsigned_abs()) - 1;
    let past_middle = (f64::from(date.day()) - 15.0) / 30.0;
    let (other, share) =
        if past_middle < 0.0 { ((month + 11) % 12, -past_middle) } else { ((month + 1) % 12, past_middle) };
    MONTHS[month] * (1.0 - share) + MONTHS[other] * share
}

/// The same report: the 29th is busiest, with a quarter more than the 21st, when the month's money is spent.
fn payday(date: Date) -> f64 {
    match date.day() {
        28..=31 => 1.10,
        1..=3 | 25..=27 => 1.04,
        17..=23 => 0.92,
        _ => 1.0,
    }
}

/// Days that are like no other: height assumed.
fn feast(date: Date) -> f64 {
    let after_black_friday = date.since(black_friday(date.year())).map_or(i32::MAX, |span| span.get_days());
    match (after_black_friday, date.month(), date.day()) {
        (0, ..) => 2.6,
        (3, ..) => 2.1,
        (1 | 2, ..) => 1.7,
        (-4..=-1, ..) => 1.3,
        (_, 12, 10..=18) => 1.2,
        (_, 12, 22..=24) => 0.65,
        (_, 12, 25) => 0.45,
        (_, 12, 26..=31) => 1.3,
        (_, 7, 1..=14) => 1.2,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_shares() {
        for table in [&WEEKDAYS[..], &HOURS, &WEEKEND_HOURS] {
            let sum: f64 = table.iter().sum();
            assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        }
        let mean = MONTHS.iter().sum::<f64>() / 12.0;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
    }

    #[test]
    fn black_friday_follows_the_fourth_thursday() {
        assert_eq!(black_friday(2024), Date::constant(2024, 11, 29));
        assert_eq!(black_friday(2025), Date::constant(2025, 11, 28));
        assert_eq!(black_friday(2026), Date::constant(2026, 11, 27));
        assert!(of_day(black_friday(2025)) > 2.0 * of_day(Date::constant(2025, 11, 21)));
    }
}
