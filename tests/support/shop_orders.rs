//! Orders of the shop for tests, written as whoever sells would write them: row by row.

use domain::ids::{OrderId, PaymentId, ProductId, RefundId, UserId, VariantId};
use domain::money::Currency;
use domain::order::{OrderStatus, SHOP_CHANNEL};
use domain::payment::{Payment, PaymentOutcome};
use domain::refund::{Refund, RefundLine};
use domain::shop_order::{ShopOrder, ShopOrderLine};
use jiff::Timestamp;
use tokio_postgres::Client;
use uuid::Uuid;

/// A completed order of the account `user`, without a discount. `lines`: pieces and net price of one piece; the tax is
/// 20 % of the net.
pub fn order(number: &str, at: &str, user: u128, lines: &[(i64, i64)]) -> ShopOrder {
    let at: Timestamp = at.parse().expect("a time");
    let line = |(quantity, unit_net_minor): &(i64, i64)| ShopOrderLine {
        product_id: ProductId(Uuid::from_u128(1)),
        variant_id: VariantId(Uuid::from_u128(2)),
        sku: "SKU-1".to_owned(),
        description: "Linen shirt, M".to_owned(),
        quantity: *quantity,
        unit_net_minor: *unit_net_minor,
        discount_minor: 0,
        tax_minor: quantity * unit_net_minor / 5,
    };
    let mut order = ShopOrder {
        id: OrderId::new(at, rand::random()),
        number: number.to_owned(),
        status: OrderStatus::Completed,
        user_id: UserId(Uuid::from_u128(user)),
        country: "GB".to_owned(),
        currency: Currency::GBP,
        promotion_code: None,
        shipping_minor: 333,
        shipping_tax_minor: 66,
        lines: lines.iter().map(line).collect(),
        payments: Vec::new(),
        refunds: Vec::new(),
        version: 1,
    };
    order.payments.push(Payment {
        id: PaymentId::new(at, rand::random()),
        occurred_at: at,
        provider: "northpay".to_owned(),
        amount_minor: order.total_minor(),
        outcome: PaymentOutcome::Captured,
    });
    order
}

/// A refund of an order's last payment. `lines`: number of the line, pieces, net; the tax is 20 % of the net.
pub fn refund(order: &ShopOrder, at: &str, lines: &[(i32, i64, i64)]) -> Refund {
    let at: Timestamp = at.parse().expect("a time");
    let line = |(line_number, quantity, net_minor): &(i32, i64, i64)| RefundLine {
        line_number: *line_number,
        quantity: *quantity,
        net_minor: *net_minor,
        tax_minor: net_minor / 5,
    };
    Refund {
        id: RefundId::new(at, rand::random()),
        occurred_at: at,
        payment_id: order.payments.last().expect("a payment").id,
        reason: "too_small".to_owned(),
        lines: lines.iter().map(line).collect(),
    }
}

/// Writes an order with its months, payments and refunds.
pub async fn write(client: &Client, order: &ShopOrder) {
    const ORDER: &str = "INSERT INTO orders (id, created_at, channel, number, kind, status, user_id, country, \
         currency, total_minor, line_count, version, discount_minor, shipping_minor, tax_minor, promotion_code) \
         VALUES ($1, $2, $3, $4, 'sale', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    const NUMBER: &str =
        "INSERT INTO order_numbers (channel, number, order_id, created_at) VALUES ($1, $2, $3, $4)";
    let created_at = order.created_at();
    if let Some(code) = &order.promotion_code {
        promotion(client, code).await;
    }
    execute(client, "SELECT ensure_order_partitions($1, $1)", &[&created_at]).await;
    let line_count = i32::try_from(order.lines.len()).expect("few lines");
    execute(
        client,
        ORDER,
        &[
            &order.id.0,
            &created_at,
            &SHOP_CHANNEL,
            &order.number,
            &order.status.name(),
            &order.user_id.0,
            &order.country,
            &order.currency.code(),
            &order.total_minor(),
            &line_count,
            &order.version,
            &order.discount_minor(),
            &order.shipping_minor,
            &order.tax_minor(),
            &order.promotion_code,
        ],
    )
    .await;
    execute(client, NUMBER, &[&SHOP_CHANNEL, &order.number, &order.id.0, &created_at]).await;
    for (line, number) in order.lines.iter().zip(1..) {
        write_line(client, order, line, number).await;
    }
    for payment in &order.payments {
        write_payment(client, order, payment).await;
    }
    for refund in &order.refunds {
        write_refund(client, order, refund).await;
    }
}

async fn write_line(client: &Client, order: &ShopOrder, line: &ShopOrderLine, number: i32) {
    const LINE: &str = "INSERT INTO order_lines (order_id, created_at, line_number, occurred_at, sku, description, \
         quantity, unit_price, amount_minor, product_id, variant_id, discount_minor, tax_minor) \
         VALUES ($1, $2, $3, $2, $4, $5, $6, $7::bigint * 0.01, $8, $9, $10, $11, $12)";
    execute(
        client,
        LINE,
        &[
            &order.id.0,
            &order.created_at(),
            &number,
            &line.sku,
            &line.description,
            &line.quantity,
            &line.unit_net_minor,
            &line.amount_minor(),
            &line.product_id.0,
            &line.variant_id.0,
            &line.discount_minor,
            &line.tax_minor,
        ],
    )
    .await;
}

async fn write_payment(client: &Client, order: &ShopOrder, payment: &Payment) {
    const PAYMENT: &str = "INSERT INTO payments (id, order_id, created_at, occurred_at, provider, status, \
         amount_minor, failure_code) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let failure_code = match &payment.outcome {
        PaymentOutcome::Captured => None,
        PaymentOutcome::Failed(code) => Some(code),
    };
    execute(
        client,
        PAYMENT,
        &[
            &payment.id.0,
            &order.id.0,
            &order.created_at(),
            &payment.occurred_at,
            &payment.provider,
            &payment.outcome.name(),
            &payment.amount_minor,
            &failure_code,
        ],
    )
    .await;
}

/// Writes a refund of an order that is there. Does not touch the order.
pub async fn write_refund(client: &Client, order: &ShopOrder, refund: &Refund) {
    const REFUND: &str = "INSERT INTO refunds (id, order_id, created_at, occurred_at, payment_id, reason, \
         amount_minor) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    const LINE: &str = "INSERT INTO refund_lines (refund_id, order_id, created_at, line_number, occurred_at, \
         quantity, net_minor, tax_minor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let created_at = order.created_at();
    execute(
        client,
        REFUND,
        &[
            &refund.id.0,
            &order.id.0,
            &created_at,
            &refund.occurred_at,
            &refund.payment_id.0,
            &refund.reason,
            &refund.amount_minor(),
        ],
    )
    .await;
    for line in &refund.lines {
        execute(
            client,
            LINE,
            &[
                &refund.id.0,
                &order.id.0,
                &created_at,
                &line.line_number,
                &refund.occurred_at,
                &line.quantity,
                &line.net_minor,
                &line.tax_minor,
            ],
        )
        .await;
    }
}

async fn promotion(client: &Client, code: &str) {
    const SQL: &str = "INSERT INTO promotions (code, name, percent_off, currency, starts_at, ends_at) \
         VALUES ($1, 'A test', 10, 'GBP', '2000-01-01', '2100-01-01') ON CONFLICT DO NOTHING";
    execute(client, SQL, &[&code]).await;
}

async fn execute(client: &Client, sql: &str, values: &[&(dyn tokio_postgres::types::ToSql + Sync)]) {
    client.execute(sql, values).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}
