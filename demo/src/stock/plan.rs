//! How much of a product each warehouse keeps.

use rand::RngExt;

use crate::assortment::Assortment;
use crate::random::stream;
use crate::shop::{HISTORY_DAYS, Size};

/// Share of the demand that each warehouse serves: that of the countries nearest to it.
const DEMAND: [f64; 3] = [0.85, 0.05, 0.10];
/// Share of the products that the smaller warehouses keep too, the most wanted ones: assumed.
const KEPT_EVERYWHERE: f64 = 0.4;
/// Pieces in an order: lines by pieces in a line.
const PIECES: f64 = 2.5;
/// The season of a product concentrates its demand: assumed.
const PEAK: f64 = 2.0;
/// Days that a delivery takes, with some for safety, and days that it should last: assumed.
const LEAD_DAYS: f64 = 20.0;
const COVER_DAYS: f64 = 45.0;
/// Share of the products that are not ordered again one day, and after how many days in the history at least and at
/// most: assumed.
const ENDS: f64 = 0.5;
const LIFE_DAYS: (i64, i64) = (240, 1_200);

/// When a shelf is refilled, and up to where.
#[derive(Debug, Clone, Copy)]
pub struct Levels {
    /// At so many pieces or fewer more are ordered.
    pub reorder: i64,
    /// Up to so many.
    pub target: i64,
}

/// The levels of all products.
#[derive(Debug)]
pub struct Plan {
    items: Vec<Of>,
}

#[derive(Debug)]
struct Of {
    levels: [Option<Levels>; 3],
    runs_out_at: i64,
}

impl Plan {
    /// Levels by the demand that the catalogue expects.
    pub fn new(size: &Size, assortment: &Assortment<'_>) -> Self {
        let items = assortment.items();
        let all: f64 = items.iter().map(|item| item.product.popularity).sum();
        let mut popularity: Vec<_> = items.iter().map(|item| item.product.popularity).collect();
        popularity.sort_by(|a, b| b.total_cmp(a));
        let kept = (items.len() as f64 * KEPT_EVERYWHERE) as usize;
        let least = popularity.get(kept).copied().unwrap_or(0.0);
        let pieces_a_day = f64::from(size.orders) * PIECES / f64::from(HISTORY_DAYS);
        let of = |(place, item): (usize, &crate::assortment::Item<'_>)| {
            let share = item.product.popularity / all / item.variants() as f64;
            let is_everywhere = item.product.popularity > least;
            let levels = [0, 1, 2].map(|warehouse| {
                let a_day = pieces_a_day * share * DEMAND[warehouse] * PEAK;
                (warehouse == 0 || is_everywhere).then(|| levels(a_day))
            });
            let mut stream = stream(size.seed, "life", place as u64);
            let life = stream.random_range(LIFE_DAYS.0..LIFE_DAYS.1) * 86_400_000;
            let first = item.sold.start.max(size.start()).as_millisecond();
            Of { levels, runs_out_at: if stream.random_bool(ENDS) { first + life } else { i64::MAX } }
        };
        Self { items: items.iter().enumerate().map(of).collect() }
    }

    /// The levels of a product's variants in a warehouse that keeps it.
    pub fn levels(&self, item: u32, warehouse: u32) -> Option<Levels> {
        self.items[item as usize].levels[warehouse as usize]
    }

    /// Whether the product is not ordered again.
    pub fn runs_out(&self, item: u32, at: i64) -> bool {
        at >= self.items[item as usize].runs_out_at
    }
}

fn levels(pieces_a_day: f64) -> Levels {
    let during_delivery = pieces_a_day * LEAD_DAYS;
    let reorder = (during_delivery + 1.5 * during_delivery.sqrt()).ceil().max(1.0);
    Levels { reorder: reorder as i64, target: (reorder + (pieces_a_day * COVER_DAYS).ceil() + 1.0) as i64 }
}
