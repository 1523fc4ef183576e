//! One order: its basket, its prices, its number.

use domain::ids::OrderId;
use domain::money::{Currency, Money};
use domain::order::OrderStatus;
use domain::promotion::{Promotion, price_line};
use domain::shop_order::{ShopOrder, ShopOrderLine};
use domain::tax::split_inclusive;
use jiff::Timestamp;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt};

use crate::assortment::{Assortment, Demand, Item};
use crate::chance;
use crate::country::Country;
use crate::customers::Customer;
use crate::promotions;
use crate::random::id;
use crate::stock::Stock;

pub mod payment;

/// Mean number of different products in an order, before a second size. Published baskets of fashion shops have two to
/// three pieces; assumed.
const LINES_MEAN: f64 = 2.2;
const LINES_MAX: u32 = 12;
/// Share of the lines with more than one piece: assumed.
const SEVERAL: f64 = 0.06;
/// How often somebody orders the next size too, to send one back: surveys have half of the customers do so at times;
/// the share of lines is assumed.
const BRACKETED: f64 = 0.07;
/// How often somebody looks again when a product is out of stock.
const TRIES: u32 = 6;
/// Shipping as shown, and the value of the goods from which on there is none: assumed.
const SHIPPING_MINOR: i64 = 399;
const FREE_SHIPPING_MINOR: i64 = 5_000;
/// Place of the children's clothes in `assortment::DEPARTMENTS`.
const KIDS: u8 = 2;

/// A piece of a basket with what was promised for it.
#[derive(Debug, Clone, Copy)]
pub struct Pick {
    /// Place of the product in the assortment.
    pub item: u32,
    /// Place of the variant in the product.
    pub variant: usize,
    /// Where it is reserved.
    pub slot: u32,
    /// Pieces.
    pub quantity: i64,
    /// Whether a second size was ordered with it.
    pub is_bracketed: bool,
}

/// Fills a basket from the stock of the moment; never empty while anything is on sale.
pub fn fill_basket(
    assortment: &Assortment<'_>,
    demand: &Demand,
    stock: &mut Stock<'_>,
    customer: &Customer,
    at: Timestamp,
    stream: &mut SmallRng,
) -> Vec<Pick> {
    let lines = chance::geometric(LINES_MEAN, LINES_MAX, stream);
    let mut basket: Vec<Pick> = Vec::with_capacity(lines as usize + 1);
    for _ in 0..lines {
        let before = basket.last().map(|pick| pick.item);
        let Some(pick) = pick(assortment, demand, stock, customer, before, stream) else { continue };
        if basket.iter().any(|other| other.item == pick.item) {
            stock.take_back(pick.slot, pick.quantity);
            continue;
        }
        basket.push(pick);
        if stream.random_bool(BRACKETED)
            && let Some(second) = second_size(assortment, stock, customer.country, pick)
        {
            basket.last_mut().expect("just added").is_bracketed = true;
            basket.push(second);
        }
    }
    if basket.is_empty() {
        basket.extend(last_resort(assortment, demand, stock, customer, at, stream));
    }
    basket
}

fn pick(
    assortment: &Assortment<'_>,
    demand: &Demand,
    stock: &mut Stock<'_>,
    customer: &Customer,
    before: Option<u32>,
    stream: &mut SmallRng,
) -> Option<Pick> {
    let quantity = if stream.random_bool(SEVERAL) { chance::geometric(1.3, 5, stream) + 1 } else { 1 };
    for _ in 0..TRIES {
        let item = assortment.choose(demand, &customer.taste, before, stream)?;
        let variant = assortment.variant_for(item, &customer.taste, stream);
        let first = assortment.items()[item as usize].first_variant;
        let quantity = i64::from(quantity);
        if let Some(slot) = stock.reserve(customer.country, first + variant as u32, quantity) {
            return Some(Pick { item, variant, slot, quantity, is_bracketed: false });
        }
    }
    None
}

fn second_size(
    assortment: &Assortment<'_>,
    stock: &mut Stock<'_>,
    country: &Country,
    pick: Pick,
) -> Option<Pick> {
    let variant = assortment.next_size(pick.item, pick.variant)?;
    let first = assortment.items()[pick.item as usize].first_variant;
    let slot = stock.reserve(country, first + variant as u32, 1)?;
    Some(Pick { variant, slot, quantity: 1, is_bracketed: true, ..pick })
}

/// A piece that comes in just now, for an order that found nothing.
fn last_resort(
    assortment: &Assortment<'_>,
    demand: &Demand,
    stock: &mut Stock<'_>,
    customer: &Customer,
    at: Timestamp,
    stream: &mut SmallRng,
) -> Option<Pick> {
    let item = assortment.choose(demand, &customer.taste, None, stream)?;
    let variant = assortment.variant_for(item, &customer.taste, stream);
    let place = assortment.items()[item as usize].first_variant + variant as u32;
    stock.deliver_now(at.as_millisecond(), place, 1);
    let slot = stock.reserve(customer.country, place, 1)?;
    Some(Pick { item, variant, slot, quantity: 1, is_bracketed: false })
}

/// The order of a basket, not paid yet.
pub fn place(
    assortment: &Assortment<'_>,
    promotions: &[Promotion],
    basket: &[Pick],
    buyer: (&Customer, bool),
    index: u32,
    at: Timestamp,
    stream: &mut impl Rng,
) -> ShopOrder {
    let (customer, is_first) = buyer;
    let item = |pick: &Pick| &assortment.items()[pick.item as usize];
    let goods = basket.iter().map(|pick| pick.quantity * item(pick).price_at(at)).sum();
    let goods = Money { amount_minor: goods, currency: Currency::GBP };
    let promotion = promotions::used(promotions, at, goods, is_first, stream);
    let percent_off = promotion.map_or(0, |promotion| promotion.percent_off);
    let country = customer.country;
    let lines: Vec<_> = basket
        .iter()
        .map(|pick| line(item(pick), pick, country, item(pick).price_at(at), percent_off))
        .collect();
    let left: i64 = lines.iter().map(|line| line.amount_minor() - line.discount_minor + line.tax_minor).sum();
    let shipping = if left < FREE_SHIPPING_MINOR { SHIPPING_MINOR } else { 0 };
    let (shipping_minor, shipping_tax_minor) = split_inclusive(shipping, country.rate_of(false));
    ShopOrder {
        id: OrderId(id(at, stream)),
        number: format!("S{:07}", index + 1),
        status: OrderStatus::PendingPayment,
        user_id: customer.id,
        country: country.code.to_owned(),
        currency: Currency::GBP,
        promotion_code: promotion.map(|promotion| promotion.code.clone()),
        shipping_minor,
        shipping_tax_minor,
        lines,
        payments: Vec::new(),
        refunds: Vec::new(),
        version: 1,
    }
}

fn line(item: &Item<'_>, pick: &Pick, country: &Country, shown_minor: i64, percent_off: u8) -> ShopOrderLine {
    let variant = item.variant(pick.variant);
    let price = price_line(pick.quantity, shown_minor, country.rate_of(item.department == KIDS), percent_off);
    let product = &item.product.product;
    let mut description = String::with_capacity(product.title.len() + 24);
    description.push_str(&product.title);
    for option in variant.options.values() {
        description.push_str(", ");
        description.push_str(option);
    }
    ShopOrderLine {
        product_id: product.id,
        variant_id: variant.id,
        sku: variant.sku.clone(),
        description,
        quantity: pick.quantity,
        unit_net_minor: price.unit_net_minor,
        discount_minor: price.discount_minor,
        tax_minor: price.tax_minor,
    }
}
