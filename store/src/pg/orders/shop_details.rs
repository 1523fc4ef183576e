//! What only orders of our own shop have, as the database sends it beside an order.

use domain::ids::{PaymentId, ProductId, RefundId, VariantId};
use domain::money::{Currency, Money};
use domain::order::{ShopDetails, ShopLineDetails};
use domain::payment::{Payment, PaymentOutcome};
use domain::refund::{Refund, RefundLine};
use jiff::Timestamp;
use serde::Deserialize;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::error::StoreError;

#[derive(Deserialize)]
struct PaymentRow {
    id: PaymentId,
    occurred_at: Timestamp,
    provider: String,
    status: String,
    amount_minor: i64,
    failure_code: Option<String>,
}

#[derive(Deserialize)]
struct RefundRow {
    id: RefundId,
    occurred_at: Timestamp,
    payment_id: PaymentId,
    reason: String,
    lines: Option<Vec<RefundLineRow>>,
}

#[derive(Deserialize)]
struct RefundLineRow {
    line_number: i32,
    quantity: i64,
    net_minor: i64,
    tax_minor: i64,
}

/// The details of an order, from the columns after its first line's.
pub(super) fn of_order(row: &Row, currency: Currency) -> Result<ShopDetails, StoreError> {
    let money = |column: usize| Money { amount_minor: row.get(column), currency };
    let payments: Option<Json<Vec<PaymentRow>>> = row.try_get(28)?;
    let refunds: Option<Json<Vec<RefundRow>>> = row.try_get(29)?;
    Ok(ShopDetails {
        discount: money(24),
        shipping: money(25),
        tax: money(26),
        promotion_code: row.get(27),
        payments: payments
            .map_or_else(Vec::new, |Json(rows)| rows)
            .into_iter()
            .map(payment)
            .collect::<Result<_, _>>()?,
        refunds: refunds.map_or_else(Vec::new, |Json(rows)| rows).into_iter().map(refund).collect(),
    })
}

/// The details of a line; `None` for a line of an imported history.
pub(super) fn of_line(row: &Row, currency: Currency) -> Option<ShopLineDetails> {
    let money = |column: usize| Money { amount_minor: row.get(column), currency };
    Some(ShopLineDetails {
        product_id: ProductId(row.get::<_, Option<Uuid>>(20)?),
        variant_id: VariantId(row.get::<_, Option<Uuid>>(21)?),
        discount: money(22),
        tax: money(23),
    })
}

fn payment(row: PaymentRow) -> Result<Payment, StoreError> {
    let outcome = match (row.status.as_str(), row.failure_code) {
        ("captured", None) => PaymentOutcome::Captured,
        ("failed", Some(code)) => PaymentOutcome::Failed(code),
        (status, _) => return Err(StoreError::Inconsistent(format!("{status:?} is no status of a payment"))),
    };
    Ok(Payment {
        id: row.id,
        occurred_at: row.occurred_at,
        provider: row.provider,
        amount_minor: row.amount_minor,
        outcome,
    })
}

fn refund(row: RefundRow) -> Refund {
    let line = |line: RefundLineRow| RefundLine {
        line_number: line.line_number,
        quantity: line.quantity,
        net_minor: line.net_minor,
        tax_minor: line.tax_minor,
    };
    Refund {
        id: row.id,
        occurred_at: row.occurred_at,
        payment_id: row.payment_id,
        reason: row.reason,
        lines: row.lines.unwrap_or_default().into_iter().map(line).collect(),
    }
}
