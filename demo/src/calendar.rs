//! When things happen in the shop: the curve of its trade over two years, hour by hour.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rand::RngExt;

use crate::chance;
use crate::random::stream;
use crate::shop::{HISTORY_DAYS, Size};

pub mod season;

/// Growth of the shop in a year: assumed.
const YEARLY_GROWTH: f64 = 1.25;
/// Deviation of a day from what is expected of it (weather, advertising): assumed.
const DAY_DEVIATION: f64 = 0.12;
/// Deviation of an hour beyond that of pure chance: assumed.
const HOUR_DEVIATION: f64 = 0.08;
/// An hour's logarithm deviates at most so much, however few orders it has.
const HOUR_DEVIATION_MAX: f64 = 0.8;
/// The first order comes after the opening stock.
const FIRST_ORDER_AFTER_MS: i64 = 1000;

/// The curve of trade: which share of all that happens has happened by when.
#[derive(Debug)]
pub struct Calendar {
    seed: u64,
    orders: u32,
    /// Bounds of the hours in milliseconds, from the start to the end of the history.
    bounds: Vec<i64>,
    /// The share of all trade before each bound, from 0 to 1.
    shares: Vec<f64>,
}

impl Calendar {
    /// The curve of a shop of that size.
    pub fn new(size: &Size) -> Self {
        let bounds = hour_bounds(size);
        let mut shares = Vec::with_capacity(bounds.len());
        shares.push(0.0);
        let mut sum = 0.0;
        for pair in bounds.windows(2) {
            sum += hour_weight(size, pair[0], pair[1]);
            shares.push(sum);
        }
        for share in &mut shares {
            *share /= sum;
        }
        Self { seed: size.seed, orders: size.orders, bounds, shares }
    }

    /// The moment by which that share of all trade has happened; `share` is from 0 to 1.
    pub fn moment(&self, share: f64) -> Timestamp {
        let after = self.shares.partition_point(|before| *before <= share).clamp(1, self.shares.len() - 1);
        let (from, to) = (self.shares[after - 1], self.shares[after]);
        let within = if to > from { ((share - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 };
        let (first, last) = (self.bounds[after - 1], self.bounds[after]);
        at_millisecond((first + ((last - first) as f64 * within) as i64).min(last - 1))
    }

    /// The share of all trade that has happened before that moment.
    pub fn share_before(&self, at: Timestamp) -> f64 {
        let at = at.as_millisecond();
        let after = self.bounds.partition_point(|bound| *bound <= at);
        if after == 0 {
            return 0.0;
        }
        if after == self.bounds.len() {
            return 1.0;
        }
        let (first, last) = (self.bounds[after - 1], self.bounds[after]);
        let within = (at - first) as f64 / (last - first) as f64;
        self.shares[after - 1] + (self.shares[after] - self.shares[after - 1]) * within
    }

    /// When the order of that index, from 0, is placed. A later index is never earlier.
    pub fn order_at(&self, index: u32) -> Timestamp {
        // Each order has an equal part of the curve to itself, so that their number is exact without a second pass.
        let within: f64 = stream(self.seed, "order-time", u64::from(index)).random();
        let at = self.moment((f64::from(index) + within) / f64::from(self.orders));
        let first = at_millisecond(self.bounds[0] + FIRST_ORDER_AFTER_MS);
        at.max(first)
    }
}

/// The moment of that millisecond, which is one within the history.
pub fn at_millisecond(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(millisecond).expect("a moment of the history")
}

/// The time zone of the shop's customers. The rule of London since 1996 is written out, so that the same shop is made
/// where there is no database of time zones.
pub fn london() -> TimeZone {
    TimeZone::posix("GMT0BST,M3.5.0/1,M10.5.0").expect("a POSIX time zone")
}

/// The first millisecond of a day, UTC.
pub fn midnight(date: Date) -> Timestamp {
    date.to_zoned(TimeZone::UTC).expect("UTC has every midnight").timestamp()
}

fn hour_bounds(size: &Size) -> Vec<i64> {
    const HOUR_MS: i64 = 3_600_000;
    let (start, end) = (size.start().as_millisecond(), size.end.as_millisecond());
    let mut bounds = vec![start];
    bounds.extend((start / HOUR_MS + 1..).map(|hour| hour * HOUR_MS).take_while(|bound| *bound < end));
    bounds.push(end);
    bounds
}

fn hour_weight(size: &Size, from: i64, to: i64) -> f64 {
    let local = at_millisecond(from).to_zoned(london());
    let age_days = at_millisecond(from).duration_since(size.start()).as_secs_f64() / 86_400.0;
    let growth = YEARLY_GROWTH.powf(age_days / 365.0);
    let expected = growth * season::of_day(local.date()) * season::of_hour(local.date(), local.hour());
    let day = local.date().duration_since(Date::constant(2000, 1, 1)).as_hours() / 24;
    let of_day = chance::factor(DAY_DEVIATION, &mut stream(size.seed, "calendar-day", day.unsigned_abs()));
    // Equal parts of the curve would make the hours more even than independent orders are.
    let orders_per_hour = f64::from(size.orders.max(1)) / f64::from(HISTORY_DAYS * 24);
    let deviation = ((1.0 + 1.0 / orders_per_hour).ln().sqrt()).min(HOUR_DEVIATION_MAX);
    let deviation = deviation.hypot(HOUR_DEVIATION).min(HOUR_DEVIATION_MAX);
    let of_hour = chance::factor(deviation, &mut stream(size.seed, "calendar-hour", from.unsigned_abs()));
    expected * of_day * of_hour * (to - from) as f64
}

/// The days of the history, first to last, UTC.
pub fn days(size: &Size) -> impl Iterator<Item = Date> {
    let first = size.start().to_zoned(TimeZone::UTC).date();
    let last = size.end.to_zoned(TimeZone::UTC).date();
    first.series(1.day()).take_while(move |date| *date <= last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(orders: u32) -> Size {
        Size::of_orders(orders, 7, "2026-11-21T17:30:00Z".parse().expect("a time"))
    }

    #[test]
    fn orders_are_in_order_and_within_the_history() {
        let size = size(3000);
        let calendar = Calendar::new(&size);
        let times: Vec<_> = (0..size.orders).map(|index| calendar.order_at(index)).collect();
        assert!(times.is_sorted());
        assert!(times[0] > size.start() && *times.last().expect("orders") < size.end);
        assert_eq!(times, (0..size.orders).map(|index| calendar.order_at(index)).collect::<Vec<_>>());
    }

    #[test]
    fn a_share_is_the_moment_by_which_it_happened() {
        let calendar = Calendar::new(&size(3000));
        for share in [0.001, 0.25, 0.5, 0.999] {
            let there_and_back = calendar.share_before(calendar.moment(share));
            assert!((there_and_back - share).abs() < 1e-6, "{share} {there_and_back}");
        }
        assert!(calendar.share_before("2020-01-01T00:00:00Z".parse().expect("a time")) < 1e-9);
        assert!(calendar.share_before("2030-01-01T00:00:00Z".parse().expect("a time")) > 0.999);
    }

    #[test]
    fn the_clock_of_london_has_its_summer() {
        let hour = |text: &str| text.parse::<Timestamp>().expect("a time").to_zoned(london()).hour();
        assert_eq!(hour("2026-03-29T00:59:00Z"), 0);
        assert_eq!(hour("2026-03-29T01:00:00Z"), 2);
        assert_eq!(hour("2026-10-25T00:59:00Z"), 1);
        assert_eq!(hour("2026-10-25T01:00:00Z"), 1);
        assert_eq!(hour("2026-10-25T02:00:00Z"), 2);
    }

    #[test]
    fn trade_has_seasons_weekdays_and_hours() {
        let size = size(50_000);
        let calendar = Calendar::new(&size);
        let local: Vec<_> =
            (0..size.orders).map(|index| calendar.order_at(index).to_zoned(london())).collect();
        let count = |is: &dyn Fn(&jiff::Zoned) -> bool| local.iter().filter(|at| is(at)).count() as f64;
        let evening = count(&|at| at.hour() == 20);
        assert!(evening > 4.0 * count(&|at| at.hour() == 4) && evening / 50_000.0 < 0.12);
        let weekday = |day| count(&move |at| at.weekday() == day);
        assert!(weekday(jiff::civil::Weekday::Monday) > 1.15 * weekday(jiff::civil::Weekday::Saturday));
        let month = |year, month| count(&move |at| at.year() == year && at.month() == month);
        assert!(month(2025, 11) > 1.25 * month(2025, 2) && month(2025, 12) > 1.2 * month(2025, 2));
        let black_friday = count(&|at| at.date() == Date::constant(2025, 11, 28));
        assert!(black_friday > 1.6 * count(&|at| at.date() == Date::constant(2025, 11, 14)));
        let grown = month(2026, 5) / month(2025, 5);
        assert!((1.05..1.5).contains(&grown), "{grown}");
    }

    #[test]
    fn the_history_has_its_days() {
        let days: Vec<_> = days(&size(100)).collect();
        assert_eq!(days.len() as u32, HISTORY_DAYS + 1);
        assert_eq!(days[0], Date::constant(2024, 11, 21));
        assert_eq!(*days.last().expect("days"), Date::constant(2026, 11, 21));
    }
}
