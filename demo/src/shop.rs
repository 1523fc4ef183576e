//! How large the shop is, and what the parts of its making tell each other.

use domain::category::Category;
use domain::product::Product;
use jiff::{Timestamp, ToSpan};

/// How much is made. Everything follows from the seed, the numbers and the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Source of all chance.
    pub seed: u64,
    /// Products.
    pub products: u32,
    /// Customers with an account.
    pub customers: u32,
    /// Orders, cancelled ones among them.
    pub orders: u32,
    /// Behaviour events, about.
    pub events: u32,
    /// Reviews, about.
    pub reviews: u32,
    /// Judged queries.
    pub queries: u32,
    /// The moment that the history leads up to; nothing is later.
    pub end: Timestamp,
}

/// Days of history.
pub const HISTORY_DAYS: u32 = 730;
/// Fewest products of a shop: some of them are on sale all the time.
pub const PRODUCTS_MIN: u32 = 200;
/// Most products: all of them are kept in memory.
pub const PRODUCTS_MAX: u32 = 100_000;
/// Most reviews: all of them are kept in memory until the last day.
const REVIEWS_MAX: u32 = 1_000_000;

impl Size {
    /// The size that `orders` ask for: all else in the proportions of the full shop, in which 100,000 orders have
    /// 10,000 products, 20,000 customers, 3 million behaviour events, 40,000 reviews and 200 queries.
    pub fn of_orders(orders: u32, seed: u64, end: Timestamp) -> Self {
        let share = |of_full: u64, least: u64| {
            let count = (u64::from(orders) * of_full / 100_000).max(least);
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        Self {
            seed,
            products: share(10_000, PRODUCTS_MIN.into()).min(PRODUCTS_MAX),
            customers: share(20_000, 50),
            orders,
            events: share(3_000_000, 0),
            reviews: share(40_000, 0).min(REVIEWS_MAX),
            queries: 200,
            end,
        }
    }

    /// When the history begins.
    pub fn start(&self) -> Timestamp {
        self.end - (i64::from(HISTORY_DAYS) * 24).hours()
    }
}

/// From `at` on one piece cost that much, tax included, in pence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceStep {
    /// When it began.
    pub at: Timestamp,
    /// Minor units.
    pub price_minor: i64,
}

/// A product with what only its maker knows.
#[derive(Debug, Clone)]
pub struct DemoProduct {
    /// The product as it stands at the end, but for its rating, which the reviews give.
    pub product: Product,
    /// What its name and its pictures follow from.
    pub traits: Traits,
    /// Its prices, oldest first; the first is from its launch, the last is the price of its variants now.
    pub prices: Vec<PriceStep>,
    /// When it left the shop; `None` while it is sold. A draft left when it was made: it was never sold.
    pub retired_at: Option<Timestamp>,
    /// How often it is wanted, against the others. Sums to no number.
    pub popularity: f64,
    /// How good it is: the mean that its ratings tend to, 1 to 5.
    pub quality: f64,
    /// Chance that a sold piece comes back, in thousandths.
    pub return_permille: u32,
    /// Pictures by the key that the product's image addresses end in.
    pub pictures: Vec<Picture>,
}

impl DemoProduct {
    /// When it came into the shop.
    pub fn launched_at(&self) -> Timestamp {
        self.prices.first().expect("every product has a price from its launch on").at
    }

    /// What one piece cost then, in pence, tax included; `None` when it was not sold.
    pub fn price_at(&self, at: Timestamp) -> Option<i64> {
        let is_sold = self.retired_at.is_none_or(|retired_at| at < retired_at);
        let step = self.prices.iter().rev().find(|step| step.at <= at)?;
        is_sold.then_some(step.price_minor)
    }
}

/// A picture to be served under `/media/<key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// `<hash of the content>.svg`: two equal pictures are one.
    pub key: String,
    /// SVG.
    pub content: String,
}

/// What a product is: words of the maker's lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traits {
    /// `women`, `men`, `kids`.
    pub department: &'static str,
    /// Such as `midi dress`.
    pub garment: &'static str,
    /// Such as `linen`.
    pub material: &'static str,
    /// Such as `striped`; `plain` is not said.
    pub pattern: &'static str,
    /// Such as `relaxed`.
    pub fit: &'static str,
    /// Such as `office`, `beach`.
    pub occasion: &'static str,
    /// When it sells: `spring`, `summer`, `autumn`, `winter`, `all-year`.
    pub season: &'static str,
    /// Colours of its variants, the main one first.
    pub colours: Vec<&'static str>,
    /// Who makes it.
    pub brand: &'static str,
}

/// Categories and products, best seller anywhere.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// The tree, parents before children.
    pub categories: Vec<Category>,
    /// The products in the order of their ids.
    pub products: Vec<DemoProduct>,
}
