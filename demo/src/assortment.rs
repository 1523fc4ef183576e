//! What is on sale on a day, and how much each product is wanted.

use std::ops::Range;

use domain::product::{ProductStatus, Variant};
use jiff::Timestamp;
use jiff::civil::Date;
use rand::{Rng, RngExt};

use crate::calendar::midnight;
use crate::customers::Taste;
use crate::random::stream;
use crate::shop::{Catalogue, DemoProduct, Size};

/// The departments, in the order of `Taste::department`.
pub const DEPARTMENTS: [&str; 3] = ["women", "men", "kids"];

/// How often somebody looks among the favourite garment first: assumed.
const FAVOURITE: f64 = 0.30;
/// How often somebody stays in the own department otherwise: assumed.
const OWN_DEPARTMENT: f64 = 0.75;
/// How often the next piece goes with the one before: assumed.
const COMPANION: f64 = 0.20;
/// How often a product of a price two steps, or one step, from the customer's own is taken.
const OTHER_TIER: [f64; 3] = [1.0, 0.6, 0.25];
/// How often a customer looks for another product.
const TRIES: u32 = 4;
/// A launch doubles the demand, which halves in so many days: assumed.
const NOVELTY_DAYS: f64 = 45.0;
/// The demand for a product halves in so many days, down to a third: assumed.
const AGEING_DAYS: f64 = 500.0;
/// Ages that differ, in days.
const AGES: i32 = 2_000;
const DAY_MS: i64 = 86_400_000;
/// When products sell; the last one always.
const SEASONS: [&str; 5] = ["spring", "summer", "autumn", "winter", "all-year"];
/// Demand at a reduced price against the full one: assumed.
const REDUCED: f64 = 1.6;

/// A product as the trade sees it.
#[derive(Debug)]
pub struct Item<'a> {
    /// The product with all its facts.
    pub product: &'a DemoProduct,
    /// Place of its first variant among all variants.
    pub first_variant: u32,
    /// Place in `DEPARTMENTS`.
    pub department: u8,
    /// 0 cheap to 2 dear, within its garment.
    pub tier: u8,
    /// First and last moment of its sale.
    pub sold: Range<Timestamp>,
    /// Size and colour of each variant, as places among those of the product.
    options: Vec<(u8, u8)>,
    companions: [u32; 2],
}

/// All products that are ever sold, by department and garment.
#[derive(Debug)]
pub struct Assortment<'a> {
    items: Vec<Item<'a>>,
    /// Products of each department.
    departments: [Range<usize>; 3],
    /// Products of each garment.
    garments: Vec<Range<usize>>,
    /// The product of each variant, as a place in `items`.
    item_of_variant: Vec<u32>,
    /// What the demand for each product follows from, side by side: every day asks for that of all.
    wishes: Vec<Wish>,
    /// When each product is sold at less than its first price, one product after the other.
    reductions: Vec<Range<i64>>,
    /// Demand by days since the launch.
    ages: Vec<f64>,
}

/// What the demand for a product follows from. Times in milliseconds.
#[derive(Debug)]
struct Wish {
    sold: Range<i64>,
    popularity: f64,
    launch_day: i64,
    /// Places in `Assortment::reductions`.
    reductions: Range<u32>,
    /// Place in `SEASONS`.
    season: u8,
}

/// How much each product is wanted on a day, as sums over the products before it.
#[derive(Debug)]
pub struct Demand {
    sums: Vec<f64>,
}

impl<'a> Assortment<'a> {
    /// The products of a catalogue that can be bought.
    pub fn new(size: &Size, catalogue: &'a Catalogue) -> Self {
        let department = |product: &DemoProduct| {
            let found = DEPARTMENTS.iter().position(|department| *department == product.traits.department);
            found.unwrap_or(0)
        };
        let mut products: Vec<_> =
            catalogue.products.iter().filter(|product| is_ever_sold(product, size)).collect();
        products.sort_by_key(|product| (department(product), product.traits.garment, product.product.id));
        let mut first_variant = 0;
        let mut items: Vec<_> = products
            .into_iter()
            .map(|product| {
                let item = item(product, department(product) as u8, first_variant, size.end);
                first_variant += item.options.len() as u32;
                item
            })
            .collect();
        let garments = ranges(&items, |item| (item.department, item.product.traits.garment));
        for garment in &garments {
            set_tiers(&mut items[garment.clone()]);
        }
        let mut departments = [0..0, 0..0, 0..0];
        for range in ranges(&items, |item| item.department) {
            let department = usize::from(items[range.start].department);
            departments[department] = range;
        }
        let item_of_variant =
            (0..).zip(&items).flat_map(|(place, item)| vec![place; item.options.len()]).collect();
        let mut reductions = Vec::new();
        let wishes = items.iter().map(|item| wish(item, &mut reductions)).collect();
        let ages = ages();
        let mut assortment = Self { items, departments, garments, item_of_variant, wishes, reductions, ages };
        assortment.set_companions(size.seed);
        assortment
    }

    /// The products.
    pub fn items(&self) -> &[Item<'a>] {
        &self.items
    }

    /// Number of variants of all products.
    pub fn variants(&self) -> u32 {
        self.item_of_variant.len() as u32
    }

    /// The place of a variant's product, by the variant's place among all variants.
    pub fn item_of_variant(&self, variant: u32) -> u32 {
        self.item_of_variant[variant as usize]
    }

    /// The demand of a day, at its beginning or at the start of the history.
    pub fn demand(&self, date: Date, start: Timestamp) -> Demand {
        let at = midnight(date).max(start).as_millisecond();
        let seasons = SEASONS.map(|season| in_season(season, date));
        let mut sum = 0.0;
        let mut sums = Vec::with_capacity(self.items.len() + 1);
        sums.push(0.0);
        for wish in &self.wishes {
            sum += self.wanted(wish, &seasons, at);
            sums.push(sum);
        }
        Demand { sums }
    }

    /// The product that somebody takes next; `None` when nothing is on sale.
    pub fn choose(
        &self,
        demand: &Demand,
        taste: &Taste,
        before: Option<u32>,
        stream: &mut impl Rng,
    ) -> Option<u32> {
        if let Some(before) = before.filter(|_| stream.random_bool(COMPANION)) {
            let companion = self.items[before as usize].companions[stream.random_range(0..2)];
            if demand.of(companion) > 0.0 {
                return Some(companion);
            }
        }
        let mut found = None;
        for _ in 0..TRIES {
            found = demand.choose_in(self.range(demand, taste, stream), stream);
            let item = &self.items[found? as usize];
            let apart = usize::from(item.tier.abs_diff(taste.tier));
            if apart == 0 || stream.random_bool(OTHER_TIER[apart]) {
                break;
            }
        }
        found
    }

    /// The variant of a product that fits somebody, as a place among its variants.
    pub fn variant_for(&self, item: u32, taste: &Taste, stream: &mut impl Rng) -> usize {
        let options = &self.items[item as usize].options;
        let most = |of: fn(&(u8, u8)) -> u8| f64::from(options.iter().map(of).max().unwrap_or(0)) + 1.0;
        // Sizes differ from maker to maker; the first colour is the main one, each next gets half of what is left.
        let unsure = f64::from(taste.fit) + 0.1 * (stream.random::<f64>() - 0.5);
        let size = (unsure.clamp(0.0, 0.999) * most(|option| option.0)) as u8;
        let colour = (-(1.0 - stream.random::<f64>()).log2()) as u8 % most(|option| option.1) as u8;
        let apart = |option: &(u8, u8)| (option.0.abs_diff(size), option.1.abs_diff(colour));
        (0..options.len()).min_by_key(|place| apart(&options[*place])).unwrap_or(0)
    }

    /// A variant one size away in the same colour.
    pub fn next_size(&self, item: u32, variant: usize) -> Option<usize> {
        let options = &self.items[item as usize].options;
        let (size, colour) = options[variant];
        (0..options.len()).find(|place| options[*place].1 == colour && options[*place].0.abs_diff(size) == 1)
    }

    fn wanted(&self, wish: &Wish, seasons: &[f64; 5], at: i64) -> f64 {
        if !wish.sold.contains(&at) {
            return 0.0;
        }
        let age = usize::try_from(at / DAY_MS - wish.launch_day).unwrap_or(0).min(self.ages.len() - 1);
        let reductions = &self.reductions[wish.reductions.start as usize..wish.reductions.end as usize];
        let is_reduced = reductions.iter().any(|reduction| reduction.contains(&at));
        let price = if is_reduced { REDUCED } else { 1.0 };
        wish.popularity * seasons[usize::from(wish.season)] * self.ages[age] * price
    }

    fn range(&self, demand: &Demand, taste: &Taste, stream: &mut impl Rng) -> Range<usize> {
        let department = self.departments[usize::from(taste.department)].clone();
        let place: f64 = stream.random();
        let is_sold = |range: &Range<usize>| demand.sum(range) > 0.0;
        let everything = 0..self.items.len();
        if place < FAVOURITE && !department.is_empty() {
            // By number of products and not by demand: a favourite is the same in every season.
            let favourite = department.start + (f64::from(taste.garment) * department.len() as f64) as usize;
            let after = self.garments.partition_point(|garment| garment.start <= favourite);
            return Some(self.garments[after - 1].clone()).filter(is_sold).unwrap_or(everything);
        }
        let own = FAVOURITE + (1.0 - FAVOURITE) * OWN_DEPARTMENT;
        if place < own && is_sold(&department) { department } else { everything }
    }

    /// Two other garments of the department for the same season go well with a product.
    fn set_companions(&mut self, seed: u64) {
        const CANDIDATES: usize = 12;
        for place in 0..self.items.len() {
            let item = &self.items[place];
            let department = self.departments[usize::from(item.department)].clone();
            let mut stream = stream(seed, "companion", place as u64);
            let mut candidates: Vec<_> =
                (0..CANDIDATES).map(|_| stream.random_range(department.clone())).collect();
            let traits = &item.product.traits;
            candidates.sort_by_key(|candidate| {
                let other = &self.items[*candidate].product.traits;
                (
                    other.garment == traits.garment,
                    other.season != traits.season,
                    other.occasion != traits.occasion,
                )
            });
            self.items[place].companions = [candidates[0] as u32, candidates[1] as u32];
        }
    }
}

impl Demand {
    /// The demand for a product.
    pub fn of(&self, item: u32) -> f64 {
        self.sums[item as usize + 1] - self.sums[item as usize]
    }

    /// The demand for the products of a range.
    pub fn sum(&self, range: &Range<usize>) -> f64 {
        self.sums[range.end] - self.sums[range.start]
    }

    /// A product of the range by its demand; `None` when none is on sale.
    fn choose_in(&self, range: Range<usize>, stream: &mut impl Rng) -> Option<u32> {
        let sum = self.sum(&range);
        if sum <= 0.0 {
            return None;
        }
        let place = self.sums[range.start] + stream.random::<f64>() * sum;
        let after = self.sums[range.clone()].partition_point(|before| *before <= place);
        let found = (range.start + after.max(1) - 1) as u32;
        // Rounding may lead to the neighbour of what is on sale.
        if self.of(found) > 0.0 {
            Some(found)
        } else {
            (range.start as u32..range.end as u32).find(|item| self.of(*item) > 0.0)
        }
    }
}

impl Item<'_> {
    /// A variant of the product.
    pub fn variant(&self, place: usize) -> &Variant {
        &self.product.product.variants[place]
    }

    /// Number of variants.
    pub fn variants(&self) -> usize {
        self.options.len()
    }

    /// What a piece cost at that time, tax included, in minor units.
    pub fn price_at(&self, at: Timestamp) -> i64 {
        let steps = &self.product.prices;
        let after = steps.partition_point(|step| step.at <= at);
        steps[after.max(1) - 1].price_minor
    }
}

fn is_ever_sold(product: &DemoProduct, size: &Size) -> bool {
    let sellable = |variant: &Variant| variant.price.is_some();
    let is_over = product.retired_at.is_some_and(|retired_at| retired_at <= size.start());
    product.product.status != ProductStatus::Draft
        && !is_over
        && !product.prices.is_empty()
        && !product.product.variants.is_empty()
        && product.product.variants.iter().all(sellable)
}

fn item(product: &DemoProduct, department: u8, first_variant: u32, end: Timestamp) -> Item<'_> {
    let (mut sizes, mut colours) = (Vec::new(), Vec::new());
    let place = |seen: &mut Vec<_>, value: Option<&String>| {
        let value = value.cloned().unwrap_or_default();
        seen.iter().position(|other| *other == value).unwrap_or_else(|| {
            seen.push(value);
            seen.len() - 1
        }) as u8
    };
    let options = product.product.variants.iter().map(|variant| {
        let size = place(&mut sizes, variant.options.get("size"));
        (size, place(&mut colours, variant.options.get("colour")))
    });
    let options = options.collect();
    let launch = product.prices[0].at.max(product.product.created_at);
    let last = product.retired_at.unwrap_or(end);
    Item {
        product,
        first_variant,
        department,
        tier: 1,
        sold: launch..last.min(end),
        options,
        companions: [0, 0],
    }
}

fn wish(item: &Item<'_>, reductions: &mut Vec<Range<i64>>) -> Wish {
    let steps = &item.product.prices;
    let first = reductions.len() as u32;
    let ends = steps[1..].iter().map(|step| step.at.as_millisecond()).chain([i64::MAX]);
    let reduced = steps.iter().zip(ends).filter(|(step, _)| step.price_minor < steps[0].price_minor);
    reductions.extend(reduced.map(|(step, end)| step.at.as_millisecond()..end));
    let season = SEASONS.iter().position(|season| *season == item.product.traits.season).unwrap_or(4);
    Wish {
        sold: item.sold.start.as_millisecond()..item.sold.end.as_millisecond(),
        popularity: item.product.popularity,
        launch_day: item.sold.start.as_millisecond() / DAY_MS,
        reductions: first..reductions.len() as u32,
        season: season as u8,
    }
}

/// The runs of equal keys.
fn ranges<'i, 'a, K: PartialEq>(items: &'i [Item<'a>], key: impl Fn(&'i Item<'a>) -> K) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    for end in 1..=items.len() {
        if end == items.len() || key(&items[end]) != key(&items[start]) {
            ranges.push(start..end);
            start = end;
        }
    }
    ranges
}

fn set_tiers(garment: &mut [Item<'_>]) {
    let mut prices: Vec<_> = garment.iter().map(|item| item.product.prices[0].price_minor).collect();
    prices.sort_unstable();
    let count = prices.len();
    let (low, high) = (prices[count / 3], prices[count * 2 / 3]);
    for item in garment {
        let price = item.product.prices[0].price_minor;
        item.tier = if price < low { 0 } else { u8::from(price >= high) + 1 };
    }
}

fn ages() -> Vec<f64> {
    let demand = |days: i32| {
        let novelty = 1.0 + (-f64::from(days) / NOVELTY_DAYS).exp2();
        novelty * (-f64::from(days) / AGEING_DAYS).exp2().max(1.0 / 3.0)
    };
    (0..AGES).map(demand).collect()
}

/// How much a product for a season is wanted on a day: most in the season itself, somewhat before and after. Assumed.
fn in_season(season: &str, date: Date) -> f64 {
    let middle = match season {
        "spring" => 4,
        "summer" => 6,
        "autumn" => 9,
        "winter" => 12,
        _ => return 1.0,
    };
    let apart = (date.month() - middle).abs();
    match apart.min(12 - apart) {
        0 => 2.2,
        1 => 1.8,
        2 => 1.1,
        3 => 0.6,
        _ => 0.25,
    }
}
