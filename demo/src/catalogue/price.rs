//! Prices: what a product costs, and when that changed.
//!
//! Endings follow what Anderson and Simester ("Mind Your Pricing Cues", Harvard Business Review, 2003) tell of
//! clothing shops: dear brands ask whole pounds and keep `.99` for what is reduced, cheap ones end everything in
//! `.99`. Clothes are marked down at the end of their season (Pashigian, American Economic Review, 1988); how often,
//! how much and on which days is assumed, after the summer and winter sales of British shops.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use rand::{Rng, RngExt};

use super::brand::{Brand, PREMIUM_PERMILLE, VALUE_PERMILLE};
use super::garment::Garment;
use crate::shop::{PriceStep, Size};

/// The least that anything costs, in pence.
const LEAST_MINOR: i64 = 299;
/// Chance that a product takes part in the sale of its season.
const SALE_SHARE: f64 = 0.55;
/// Chance for a product of all seasons, in either sale.
const SALE_SHARE_ALL_YEAR: f64 = 0.2;
/// Chance that it is reduced again in the middle of the sale.
const SECOND_SHARE: f64 = 0.5;
/// Chance that the regular price rises in a year.
const RISE_SHARE: f64 = 0.3;
/// A product is neither reduced nor raised in its first days.
const FRESH_SECONDS: i64 = 45 * 24 * 3_600;

/// What becomes of the regular price.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// It rises by so many thousandths.
    Rise(i64),
    /// It is reduced by so many hundredths.
    Sale(i64),
    /// It is asked again.
    Regular,
}

/// The prices of a product from its launch until it goes, oldest first.
pub fn history(
    size: &Size,
    (garment, brand): (&Garment, &Brand),
    (material, season): (&str, &str),
    (launched_at, until): (Timestamp, Timestamp),
    stream: &mut impl Rng,
) -> Vec<PriceStep> {
    let noise = stream.random_range(850..=1_200);
    let usual = garment.price_pounds * 100 * brand.price_permille / 1_000;
    let mut regular = ending(usual * material_permille(material) / 1_000 * noise / 1_000, brand);
    let mut steps = vec![PriceStep { at: launched_at, price_minor: regular }];
    let from = launched_at.as_second() + FRESH_SECONDS;
    for (at, change) in changes(size, season, stream) {
        if at.as_second() < from || at >= until {
            continue;
        }
        let price_minor = match change {
            Change::Regular => regular,
            Change::Rise(permille) => {
                regular = ending(regular * (1_000 + permille) / 1_000, brand);
                regular
            }
            Change::Sale(percent) => below_pound(regular * (100 - percent) / 100),
        };
        if steps.last().is_some_and(|last| last.price_minor != price_minor) {
            steps.push(PriceStep { at, price_minor });
        }
    }
    steps
}

/// All changes of the years that a product may live in, oldest first.
fn changes(size: &Size, season: &str, stream: &mut impl Rng) -> Vec<(Timestamp, Change)> {
    let year = |at: Timestamp| at.to_zoned(TimeZone::UTC).year();
    let mut changes = Vec::new();
    for year in year(size.start()) - 1..=year(size.end) {
        if matches!(season, "autumn" | "winter" | "all-year") {
            // The winter sale begins in the year before.
            let days = [date(year - 1, 12, 26), date(year, 1, 12), date(year, 2, 3)];
            sale(days, season, &mut changes, stream);
        }
        if stream.random_bool(RISE_SHARE) {
            changes.push((midnight(date(year, 4, 6)), Change::Rise(stream.random_range(30..=80))));
        }
        if matches!(season, "spring" | "summer" | "all-year") {
            let days = [date(year, 6, 20), date(year, 7, 11), date(year, 8, 3)];
            sale(days, season, &mut changes, stream);
        }
    }
    changes
}

fn sale(days: [Date; 3], season: &str, changes: &mut Vec<(Timestamp, Change)>, stream: &mut impl Rng) {
    let share = if season == "all-year" { SALE_SHARE_ALL_YEAR } else { SALE_SHARE };
    if !stream.random_bool(share) {
        return;
    }
    changes.push((midnight(days[0]), Change::Sale([20, 25, 30][stream.random_range(0..3)])));
    if stream.random_bool(SECOND_SHARE) {
        changes.push((midnight(days[1]), Change::Sale([40, 50][stream.random_range(0..2)])));
    }
    changes.push((midnight(days[2]), Change::Regular));
}

fn midnight(date: Date) -> Timestamp {
    date.to_zoned(TimeZone::UTC).expect("a day within the calendar").timestamp()
}

/// What a material adds to the usual price: assumed.
fn material_permille(material: &str) -> i64 {
    match material {
        "cashmere" => 2_200,
        "silk" => 1_700,
        "leather" | "suede" => 1_500,
        "merino wool" | "lambswool" | "wool" | "tweed" => 1_200,
        "linen" | "organic cotton" | "mohair" | "satin" => 1_100,
        "polyester" | "jersey" => 850,
        _ => 1_000,
    }
}

/// A regular price that ends as the brand's prices do.
fn ending(minor: i64, brand: &Brand) -> i64 {
    if brand.price_permille >= PREMIUM_PERMILLE && minor >= 2_000 {
        let step = if minor >= 6_000 { 500 } else { 100 };
        (minor + step / 2) / step * step
    } else if brand.price_permille <= VALUE_PERMILLE || minor < 2_000 {
        below_pound(minor)
    } else {
        // Nineteen, twenty-four, twenty-nine … pounds and ninety-five or ninety-nine pence, or whole pounds.
        let pounds = (minor + 50) / 100;
        if pounds % 2 == 0 { pounds * 100 } else { pounds * 100 - 5 }
    }
}

fn below_pound(minor: i64) -> i64 {
    ((minor + 50) / 100 * 100 - 1).max(LEAST_MINOR)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalogue::{brand, garment};
    use crate::random;

    proptest! {
        #[test]
        fn steps_rise_in_time_and_end_well(seed: u64, kind in 0usize..80, brand in 0usize..brand::BRANDS.len()) {
            let size = Size::of_orders(1_000, seed, "2026-11-21T00:00:00Z".parse().unwrap());
            let garment = &garment::all()[kind];
            let brand = &brand::BRANDS[brand];
            let lived = (size.start(), size.end);
            let mut stream = random::stream(seed, "price", 0);
            let traits = (garment.materials[0], garment.seasons[0]);
            let steps = history(&size, (garment, brand), traits, lived, &mut stream);
            prop_assert_eq!(steps[0].at, lived.0);
            prop_assert!(steps.windows(2).all(|pair| pair[0].at < pair[1].at), "{:?}", steps);
            prop_assert!(steps.windows(2).all(|pair| pair[0].price_minor != pair[1].price_minor), "{:?}", steps);
            for step in &steps {
                prop_assert!((LEAST_MINOR..200_000).contains(&step.price_minor), "{:?}", step);
                prop_assert!([0, 95, 99].contains(&(step.price_minor % 100)), "{:?}", step);
                prop_assert!(step.at < lived.1);
            }
        }
    }

    #[test]
    fn a_summer_dress_is_reduced_in_summer() {
        let size = Size::of_orders(1_000, 1, "2026-11-21T00:00:00Z".parse().unwrap());
        let garment = &garment::all()[0];
        let mut reduced = 0;
        for index in 0..200 {
            let mut stream = random::stream(1, "price", index);
            let lived = (size.start(), size.end);
            let of = (garment, &brand::BRANDS[0]);
            for pair in history(&size, of, ("linen", "summer"), lived, &mut stream).windows(2) {
                if pair[1].price_minor < pair[0].price_minor {
                    let month = pair[1].at.to_zoned(TimeZone::UTC).month();
                    assert!(matches!(month, 6 | 7), "{pair:?}");
                    reduced += 1;
                }
            }
        }
        assert!(reduced > 150, "{reduced}");
    }
}
