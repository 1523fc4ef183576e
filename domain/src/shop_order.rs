//! Orders of our own shop: what was bought, what it cost, how it was paid, what went back.

use jiff::Timestamp;

use crate::ids::{OrderId, ProductId, UserId, VariantId};
use crate::money::Currency;
use crate::order::OrderStatus;
use crate::payment::Payment;
use crate::refund::Refund;

/// A line of an order of the shop. Amounts are minor units of the order's currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopOrderLine {
    /// What was bought.
    pub product_id: ProductId,
    /// Which size and colour.
    pub variant_id: VariantId,
    /// Its code then.
    pub sku: String,
    /// Title and options then.
    pub description: String,
    /// Pieces, from 1.
    pub quantity: i64,
    /// Net price of one piece, before the discount: quantity times this is the line's amount.
    pub unit_net_minor: i64,
    /// The line's share of the order's discount, net.
    pub discount_minor: i64,
    /// Tax on what is left.
    pub tax_minor: i64,
}

impl ShopOrderLine {
    /// Quantity times unit price, net, before the discount.
    pub fn amount_minor(&self) -> i64 {
        self.quantity * self.unit_net_minor
    }
}

/// An order of the shop with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopOrder {
    /// The id; its millisecond is the time of the order.
    pub id: OrderId,
    /// The number people use.
    pub number: String,
    /// Where it stands.
    pub status: OrderStatus,
    /// Whose it is.
    pub user_id: UserId,
    /// Where it is sent: ISO 3166-1 alpha-2.
    pub country: String,
    /// ISO 4217.
    pub currency: Currency,
    /// The promotion that gave the discount.
    pub promotion_code: Option<String>,
    /// Shipping, net.
    pub shipping_minor: i64,
    /// Tax on shipping; the lines have their own.
    pub shipping_tax_minor: i64,
    /// What was bought, line 1 first; at least one.
    pub lines: Vec<ShopOrderLine>,
    /// Attempts to pay, oldest first; at most one is captured.
    pub payments: Vec<Payment>,
    /// What went back, oldest first.
    pub refunds: Vec<Refund>,
    /// Counts every change, from 1.
    pub version: i64,
}

impl ShopOrder {
    /// When it was placed: the partition key of the order and of all that hangs on it.
    pub fn created_at(&self) -> Timestamp {
        self.id.created_at().expect("order ids are UUIDs of version 7")
    }

    /// Sum of the lines' discounts, net.
    pub fn discount_minor(&self) -> i64 {
        self.lines.iter().map(|line| line.discount_minor).sum()
    }

    /// Tax on lines and shipping.
    pub fn tax_minor(&self) -> i64 {
        self.lines.iter().map(|line| line.tax_minor).sum::<i64>() + self.shipping_tax_minor
    }

    /// Net lines - discount + shipping + tax: what the customer pays.
    pub fn total_minor(&self) -> i64 {
        let lines: i64 = self.lines.iter().map(ShopOrderLine::amount_minor).sum();
        lines - self.discount_minor() + self.shipping_minor + self.tax_minor()
    }
}
