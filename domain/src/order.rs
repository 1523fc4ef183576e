//! Orders and the documents of an imported history.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::ids::{OrderId, ProductId, UserId, VariantId};
use crate::money::Money;
use crate::payment::Payment;
use crate::refund::Refund;

/// The channel of our own shop; every other channel is an imported history.
pub const SHOP_CHANNEL: &str = "shop";

/// What kind of document an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// Goods sold.
    Sale,
    /// Goods or money given back: every quantity is negative.
    Credit,
    /// A correction of stock or books, neither sale nor credit.
    Adjustment,
}

impl OrderKind {
    /// The kind's name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Credit => "credit",
            Self::Adjustment => "adjustment",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sale, Self::Credit, Self::Adjustment].into_iter().find(|kind| kind.name() == name)
    }
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Placed; the payment is under way.
    PendingPayment,
    /// Paid in full.
    Paid,
    /// Delivered, or a document of an imported history.
    Completed,
    /// Given up before payment.
    Cancelled,
}

impl OrderStatus {
    /// The status' name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::PendingPayment => "pending_payment",
            Self::Paid => "paid",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::PendingPayment, Self::Paid, Self::Completed, Self::Cancelled]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

/// An order without its lines, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSummary {
    /// The id; its millisecond is `created_at`.
    pub id: OrderId,
    /// When the order was placed.
    pub created_at: Timestamp,
    /// `shop`, or the name of an imported history.
    pub channel: String,
    /// The number people use, unique within the channel.
    pub number: String,
    /// Sale, credit or adjustment.
    pub kind: OrderKind,
    /// Where it stands.
    pub status: OrderStatus,
    /// The account it belongs to, if any.
    pub user_id: Option<UserId>,
    /// The customer as an imported history names it.
    pub customer_reference: Option<String>,
    /// Country as written in the source.
    pub country: Option<String>,
    /// What is paid; for an imported history the sum of the lines.
    pub total: Money,
    /// Number of lines.
    pub line_count: i32,
    /// Counts every change of the order.
    pub version: i64,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    /// Position within the order, from 1.
    pub line_number: i32,
    /// When the line was made: an imported document's lines may differ.
    pub occurred_at: Timestamp,
    /// Product code as written.
    pub sku: String,
    /// Text of the line as written.
    pub description: Option<String>,
    /// Pieces; negative when given back.
    pub quantity: i64,
    /// Exact price of one piece, in major units.
    pub unit_price: Decimal,
    /// Quantity times unit price, half up to minor units.
    pub amount: Money,
    /// `None` for a line of an imported history.
    pub shop: Option<ShopLineDetails>,
}

/// What only a line of our own shop has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopLineDetails {
    /// What was bought.
    pub product_id: ProductId,
    /// Which size and colour.
    pub variant_id: VariantId,
    /// The line's share of the order's discount, net.
    pub discount: Money,
    /// Tax on what is left.
    pub tax: Money,
}

/// What only an order of our own shop has. Lines - discount + shipping + tax = total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopDetails {
    /// Net discount on the lines.
    pub discount: Money,
    /// Net shipping.
    pub shipping: Money,
    /// Tax on lines and shipping.
    pub tax: Money,
    /// The promotion that gave the discount.
    pub promotion_code: Option<String>,
    /// Attempts to pay, oldest first.
    pub payments: Vec<Payment>,
    /// What went back, oldest first.
    pub refunds: Vec<Refund>,
}

/// An order with its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What lists show too.
    pub summary: OrderSummary,
    /// The lines by number.
    pub lines: Vec<OrderLine>,
    /// `None` for an imported history.
    pub shop: Option<ShopDetails>,
}
