//! Orders as clients see them.

use domain::order::{Order, OrderLine, OrderSummary};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::product_json::MoneyJson;

/// What kind of document an order is.
#[derive(Debug, ToSchema)]
#[schema(as = OrderKind, rename_all = "snake_case")]
pub enum OrderKindName {
    /// Goods sold.
    Sale,
    /// Goods or money given back.
    Credit,
    /// A correction of stock or books.
    Adjustment,
}

/// Where an order stands.
#[derive(Debug, ToSchema)]
#[schema(as = OrderStatus, rename_all = "snake_case")]
pub enum OrderStatusName {
    /// The payment is under way.
    PendingPayment,
    /// Paid in full.
    Paid,
    /// Delivered, or of an imported history.
    Completed,
    /// Given up before payment.
    Cancelled,
}

/// An order without its lines.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderSummary)]
pub struct OrderSummaryJson {
    /// Id.
    pub id: Uuid,
    /// When it was placed.
    pub created_at: Timestamp,
    /// `shop`, or the name of an imported history.
    pub channel: String,
    /// The number that people use.
    pub number: String,
    /// What kind of document it is.
    #[schema(value_type = OrderKindName)]
    pub kind: String,
    /// Where it stands.
    #[schema(value_type = OrderStatusName)]
    pub status: String,
    /// The account it belongs to.
    #[schema(required = true)]
    pub user_id: Option<Uuid>,
    /// The customer as an imported history names it.
    #[schema(required = true)]
    pub customer_reference: Option<String>,
    /// Country as written in the source.
    #[schema(required = true)]
    pub country: Option<String>,
    /// Sum of the lines.
    pub total: MoneyJson,
    /// Number of lines.
    pub line_count: i32,
    /// Counts every change, from 1.
    pub version: i64,
}

/// A line.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderLine)]
pub struct OrderLineJson {
    /// Position, from 1.
    pub line_number: i32,
    /// When the line was made.
    pub occurred_at: Timestamp,
    /// Product code as written.
    pub sku: String,
    /// Text as written.
    #[schema(required = true)]
    pub description: Option<String>,
    /// Pieces; negative when given back.
    pub quantity: i64,
    /// Exact price of one piece in major units, as decimal text.
    #[schema(example = "2.55")]
    pub unit_price: String,
    /// Quantity times unit price.
    pub amount: MoneyJson,
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderJson {
    /// All but the lines.
    #[serde(flatten)]
    pub summary: OrderSummaryJson,
    /// The lines by number.
    pub lines: Vec<OrderLineJson>,
}

impl From<OrderSummary> for OrderSummaryJson {
    fn from(order: OrderSummary) -> Self {
        Self {
            id: order.id.0,
            created_at: order.created_at,
            channel: order.channel,
            number: order.number,
            kind: order.kind.name().to_owned(),
            status: order.status.name().to_owned(),
            user_id: order.user_id.map(|user| user.0),
            customer_reference: order.customer_reference,
            country: order.country,
            total: order.total.into(),
            line_count: order.line_count,
            version: order.version,
        }
    }
}

impl From<OrderLine> for OrderLineJson {
    fn from(line: OrderLine) -> Self {
        Self {
            line_number: line.line_number,
            occurred_at: line.occurred_at,
            sku: line.sku,
            description: line.description,
            quantity: line.quantity,
            unit_price: line.unit_price.to_string(),
            amount: line.amount.into(),
        }
    }
}

impl From<Order> for OrderJson {
    fn from(order: Order) -> Self {
        let lines = order.lines.into_iter().map(OrderLineJson::from).collect();
        Self { summary: order.summary.into(), lines }
    }
}
