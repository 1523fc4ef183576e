//! The promotions of the history: their times and how many customers use them.

use domain::money::{Currency, Money};
use domain::promotion::Promotion;
use jiff::ToSpan;
use jiff::civil::Date;
use rand::{Rng, RngExt};

use crate::calendar::{london, season};
use crate::shop::Size;

/// Code, name, first day, days, percent off, least value.
type Yearly = (&'static str, &'static str, (i8, i8), i64, u8, i64);

/// What happens every year.
const YEARLY: [Yearly; 5] = [
    ("SPRING15", "Spring days", (3, 20), 10, 15, 4_000),
    ("SUMMER20", "Summer sale", (7, 1), 14, 20, 3_000),
    ("AUTUMN15", "New season", (9, 18), 10, 15, 5_000),
    ("XMAS10", "Before Christmas", (12, 8), 11, 10, 3_000),
    ("WINTER25", "Winter sale", (12, 26), 12, 25, 3_000),
];
/// Code of the promotion for a first order, before the year.
const WELCOME: &str = "WELCOME10";

/// Share of orders that use a promotion that is open to them: assumed.
const USED: f64 = 0.45;
/// Share of first orders that use the welcome: assumed.
const WELCOME_USED: f64 = 0.30;

/// Every promotion that runs at some time of the history, by its beginning.
pub fn make(size: &Size) -> Vec<Promotion> {
    let year_of = |at: jiff::Timestamp| at.to_zoned(london()).year();
    let mut all: Vec<_> = (year_of(size.start()) - 1..=year_of(size.end))
        .flat_map(of_year)
        .filter(|promotion| promotion.ends_at > size.start() && promotion.starts_at < size.end)
        .collect();
    all.sort_by_key(|promotion| promotion.starts_at);
    all
}

/// The promotion that an order uses, the best of those that apply. `goods` is shown to the customer, before the
/// discount.
pub fn used<'a>(
    promotions: &'a [Promotion],
    at: jiff::Timestamp,
    goods: Money,
    is_first_order: bool,
    stream: &mut impl Rng,
) -> Option<&'a Promotion> {
    let uses_open = stream.random_bool(USED);
    let uses_welcome = is_first_order && stream.random_bool(WELCOME_USED);
    promotions
        .iter()
        .filter(|promotion| if promotion.code.starts_with(WELCOME) { uses_welcome } else { uses_open })
        .filter(|promotion| promotion.applies(at, goods))
        .max_by_key(|promotion| promotion.percent_off)
}

fn of_year(year: i16) -> Vec<Promotion> {
    let date = |(month, day): (i8, i8)| Date::new(year, month, day).expect("a day of every year");
    let mut promotions: Vec<_> = YEARLY
        .iter()
        .map(|(code, name, first, days, percent, minimum)| {
            promotion(code, name, date(*first), *days, *percent, *minimum)
        })
        .collect();
    // From Black Friday to the Monday after it.
    promotions.push(promotion("BLACK30", "Black Friday", season::black_friday(year), 4, 30, 5_000));
    let days = if date((1, 1)).in_leap_year() { 366 } else { 365 };
    promotions.push(promotion(WELCOME, "First order", date((1, 1)), days, 10, 3_000));
    promotions
}

fn promotion(
    code: &str,
    name: &str,
    first: Date,
    days: i64,
    percent_off: u8,
    minimum_minor: i64,
) -> Promotion {
    let begin = |date: Date| date.to_zoned(london()).expect("midnight in London").timestamp();
    Promotion {
        code: format!("{code}-{}", first.year()),
        name: format!("{name} {}", first.year()),
        percent_off,
        minimum: Money { amount_minor: minimum_minor, currency: Currency::GBP },
        starts_at: begin(first),
        ends_at: begin(first + days.days()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;

    fn at(text: &str) -> jiff::Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn promotions_are_of_the_history_and_have_codes_of_their_own() {
        let size = Size::of_orders(100, 1, at("2026-11-21T12:00:00Z"));
        let all = make(&size);
        let mut codes: Vec<_> = all.iter().map(|promotion| promotion.code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all.len());
        assert!(
            all.iter().all(|promotion| promotion.starts_at < size.end && promotion.ends_at > size.start())
        );
        let summer = all.iter().find(|promotion| promotion.code == "SUMMER20-2025").expect("a summer sale");
        assert_eq!(summer.starts_at, at("2025-06-30T23:00:00Z"), "midnight of London's summer");
        assert!(!codes.contains(&"BLACK30-2026"), "after the end");
    }

    #[test]
    fn the_best_that_applies_is_used() {
        let all = make(&Size::of_orders(100, 1, at("2026-11-21T12:00:00Z")));
        let goods = |amount_minor| Money { amount_minor, currency: Currency::GBP };
        let mut stream = stream(1, "order", 0);
        let mut codes = |goods, is_first| {
            let mut draw = || used(&all, at("2025-07-03T12:00:00Z"), goods, is_first, &mut stream);
            (0..1000).filter_map(|_| draw().map(|promotion| promotion.code.clone())).collect::<Vec<_>>()
        };
        let returning = codes(goods(3_000), false);
        assert!((380..520).contains(&returning.len()), "{}", returning.len());
        assert!(returning.iter().all(|code| code == "SUMMER20-2025"));
        assert!(codes(goods(3_000), true).iter().any(|code| code == "WELCOME10-2025"));
        assert!(codes(goods(2_999), true).is_empty());
    }
}
