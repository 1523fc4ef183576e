//! Orders as clients see them.

use domain::money::{Currency, Money};
use domain::order::{Order, OrderLine, OrderSummary, ShopDetails};
use domain::payment::{Payment, PaymentOutcome};
use domain::refund::{Refund, RefundLine};
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
    /// What is paid; of an imported history the sum of the lines.
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
    /// What was bought. Not there for an imported history, like the fields below.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub product_id: Option<Uuid>,
    /// Which size and colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub variant_id: Option<Uuid>,
    /// The line's share of the order's discount, net.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub discount: Option<MoneyJson>,
    /// Tax on what is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tax: Option<MoneyJson>,
}

/// How an attempt to pay ended.
#[derive(Debug, ToSchema)]
#[schema(as = PaymentStatus, rename_all = "snake_case")]
pub enum PaymentStatusName {
    /// The money was taken.
    Captured,
    /// It was not.
    Failed,
}

/// An attempt to pay.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Payment)]
pub struct PaymentJson {
    /// Id.
    pub id: Uuid,
    /// When the provider answered.
    pub occurred_at: Timestamp,
    /// Who moves the money.
    pub provider: String,
    /// How it ended.
    #[schema(value_type = PaymentStatusName)]
    pub status: String,
    /// What was asked for.
    pub amount: MoneyJson,
    /// The provider's reason when it failed.
    #[schema(required = true, example = "card_declined")]
    pub failure_code: Option<String>,
}

/// What is given back of a line.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RefundLine)]
pub struct RefundLineJson {
    /// The order's line.
    pub line_number: i32,
    /// Pieces.
    pub quantity: i64,
    /// Net of tax, after the line's discount.
    pub net: MoneyJson,
    /// Tax on it.
    pub tax: MoneyJson,
}

/// Money given back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Refund)]
pub struct RefundJson {
    /// Id.
    pub id: Uuid,
    /// When the money went back.
    pub occurred_at: Timestamp,
    /// The payment that it comes from.
    pub payment_id: Uuid,
    /// Why.
    #[schema(example = "too_small")]
    pub reason: String,
    /// What its lines give back, with their tax.
    pub amount: MoneyJson,
    /// The lines by number.
    pub lines: Vec<RefundLineJson>,
}

/// What an order of the shop has; one of an imported history has none of it. Amounts of lines - discount + shipping +
/// tax = total.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ShopDetails)]
pub struct ShopDetailsJson {
    /// Net discount on the lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub discount: Option<MoneyJson>,
    /// Net shipping.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub shipping: Option<MoneyJson>,
    /// Tax on lines and shipping.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tax: Option<MoneyJson>,
    /// The promotion that gave the discount, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub promotion_code: Option<String>,
    /// Attempts to pay, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payments: Option<Vec<PaymentJson>>,
    /// What went back, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refunds: Option<Vec<RefundJson>>,
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
    /// How it was priced and paid.
    #[serde(flatten)]
    pub shop: ShopDetailsJson,
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
            product_id: line.shop.as_ref().map(|shop| shop.product_id.0),
            variant_id: line.shop.as_ref().map(|shop| shop.variant_id.0),
            discount: line.shop.as_ref().map(|shop| shop.discount.into()),
            tax: line.shop.as_ref().map(|shop| shop.tax.into()),
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
        let currency = order.summary.total.currency;
        let lines = order.lines.into_iter().map(OrderLineJson::from).collect();
        let shop = order.shop.map(|details| shop_details(details, currency)).unwrap_or_default();
        Self { summary: order.summary.into(), lines, shop }
    }
}

fn shop_details(details: ShopDetails, currency: Currency) -> ShopDetailsJson {
    ShopDetailsJson {
        discount: Some(details.discount.into()),
        shipping: Some(details.shipping.into()),
        tax: Some(details.tax.into()),
        promotion_code: details.promotion_code,
        payments: Some(details.payments.into_iter().map(|paid| payment(paid, currency)).collect()),
        refunds: Some(details.refunds.into_iter().map(|back| refund(back, currency)).collect()),
    }
}

fn payment(payment: Payment, currency: Currency) -> PaymentJson {
    PaymentJson {
        id: payment.id.0,
        occurred_at: payment.occurred_at,
        provider: payment.provider,
        status: payment.outcome.name().to_owned(),
        amount: Money { amount_minor: payment.amount_minor, currency }.into(),
        failure_code: match payment.outcome {
            PaymentOutcome::Captured => None,
            PaymentOutcome::Failed(code) => Some(code),
        },
    }
}

fn refund(refund: Refund, currency: Currency) -> RefundJson {
    let money = |amount_minor| MoneyJson::from(Money { amount_minor, currency });
    let line = |line: RefundLine| RefundLineJson {
        line_number: line.line_number,
        quantity: line.quantity,
        net: money(line.net_minor),
        tax: money(line.tax_minor),
    };
    RefundJson {
        id: refund.id.0,
        occurred_at: refund.occurred_at,
        payment_id: refund.payment_id.0,
        amount: money(refund.amount_minor()),
        reason: refund.reason,
        lines: refund.lines.into_iter().map(line).collect(),
    }
}
