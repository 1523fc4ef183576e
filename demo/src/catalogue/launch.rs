//! When products came and went. Seasonal drops as clothing shops have them: assumed.

use domain::product::ProductStatus;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt};

use crate::shop::{HISTORY_DAYS, Size};

const HOUR_SECONDS: i64 = 3_600;
const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;
/// Share of the products that were there before the history: assumed.
const OPENING_SHARE: f64 = 0.45;
/// The opening products came within so many days before the history.
const OPENING_DAYS: i64 = 365;
/// The newest product is so old at the end, but for drafts.
const NEWEST_DAYS: i64 = 14;
/// Share of products that are being prepared: assumed.
const DRAFT_SHARE: f64 = 0.02;
/// Share of the products older than this that have gone: assumed.
const RETIRED_SHARE: f64 = 0.14;
const RETIRABLE_DAYS: i64 = 420;
/// Tries to find a day of the season.
const TRIES: usize = 400;

/// The life of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it came.
    pub launched_at: Timestamp,
    /// When it went; a draft went when it came.
    pub retired_at: Option<Timestamp>,
    /// Where it stands at the end.
    pub status: ProductStatus,
}

/// The life of a product of that season.
pub fn life(size: &Size, season: &str, stream: &mut SmallRng) -> Life {
    if stream.random_bool(DRAFT_SHARE) {
        let made_at = size.end - stream.random_range(HOUR_SECONDS..10 * DAY_SECONDS).seconds();
        return Life { launched_at: made_at, retired_at: Some(made_at), status: ProductStatus::Draft };
    }
    let launched_at = launch(size, season, stream);
    let age_days = size.end.duration_since(launched_at).as_secs() / DAY_SECONDS;
    if age_days < RETIRABLE_DAYS || !stream.random_bool(RETIRED_SHARE) {
        return Life { launched_at, retired_at: None, status: ProductStatus::Active };
    }
    let days = stream.random_range(200..=age_days.min(700) - 60);
    let retired_at = launched_at + (days * DAY_SECONDS).seconds();
    Life { launched_at, retired_at: Some(retired_at), status: ProductStatus::Archived }
}

/// A morning within the season.
fn launch(size: &Size, season: &str, stream: &mut impl Rng) -> Timestamp {
    let is_opening = stream.random_bool(OPENING_SHARE);
    let (from, days) = if is_opening {
        (size.start() - (OPENING_DAYS * 24).hours(), OPENING_DAYS)
    } else {
        (size.start(), i64::from(HISTORY_DAYS) - NEWEST_DAYS)
    };
    let mut launched_at = from;
    for _ in 0..TRIES {
        let second = stream.random_range(6 * HOUR_SECONDS..10 * HOUR_SECONDS);
        let midnight = (from + (stream.random_range(0..days) * 24).hours()).to_zoned(TimeZone::UTC).date();
        let midnight = midnight.to_zoned(TimeZone::UTC).expect("a day of the history").timestamp();
        launched_at = midnight + second.seconds() + stream.random_range(0..1_000i64).milliseconds();
        let last = from + (days * 24).hours();
        if is_drop(season, launched_at) && (from..last).contains(&launched_at) {
            break;
        }
    }
    launched_at
}

/// Whether things of a season come on that day.
fn is_drop(season: &str, at: Timestamp) -> bool {
    let date = at.to_zoned(TimeZone::UTC).date();
    let day = (date.month(), date.day());
    match season {
        "spring" => ((1, 20)..=(3, 31)).contains(&day),
        "summer" => ((3, 25)..=(6, 10)).contains(&day),
        "autumn" => ((7, 25)..=(9, 30)).contains(&day),
        "winter" => ((9, 10)..=(11, 25)).contains(&day),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn lives_are_within_the_history() {
        let size = Size::of_orders(1_000, 1, "2026-11-21T10:30:00Z".parse().unwrap());
        let mut count = [0; 3];
        for index in 0..3_000 {
            let mut stream = random::stream(1, "life", index);
            let season = ["spring", "summer", "autumn", "winter", "all-year"][index as usize % 5];
            let life = life(&size, season, &mut stream);
            assert!(life.launched_at >= size.start() - 8_760.hours() && life.launched_at < size.end);
            match life.status {
                ProductStatus::Active => assert_eq!(life.retired_at, None),
                ProductStatus::Draft => assert_eq!(life.retired_at, Some(life.launched_at)),
                ProductStatus::Archived => {
                    let retired_at = life.retired_at.unwrap();
                    assert!(retired_at > life.launched_at && retired_at < size.end - 600.hours());
                }
            }
            assert!(life.status == ProductStatus::Draft || is_drop(season, life.launched_at));
            count[life.status as usize] += 1;
        }
        assert!(count[0] > 20 && count[1] > 2_500 && count[2] > 100, "{count:?}");
    }
}
