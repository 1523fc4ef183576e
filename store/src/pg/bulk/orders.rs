//! Orders of the shop with their numbers, lines, payments and refunds.

use domain::ids::ImportRunId;
use domain::money::exponent;
use domain::order::{OrderKind, SHOP_CHANNEL};
use domain::payment::{Payment, PaymentOutcome};
use domain::refund::Refund;
use domain::shop_order::{ShopOrder, ShopOrderLine};
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::copy::CopyRows;
use super::month::{MonthRows, MonthTable};
use super::seed::Part;

const TO_ORDER: Option<&str> = Some("(created_at, order_id) REFERENCES orders");
const TO_LINE: Option<&str> = Some("(created_at, order_id, line_number) REFERENCES order_lines");

/// Rows of orders of one month.
#[derive(Debug)]
pub struct OrderRows {
    run: ImportRunId,
    orders: CopyRows,
    lines: CopyRows,
    payments: CopyRows,
    refunds: CopyRows,
    refund_lines: CopyRows,
    numbers: CopyRows,
}

impl OrderRows {
    /// No rows yet, of that run.
    pub fn new(run: ImportRunId) -> Self {
        Self {
            run,
            orders: CopyRows::new(17),
            lines: CopyRows::new(13),
            payments: CopyRows::new(8),
            refunds: CopyRows::new(7),
            refund_lines: CopyRows::new(8),
            numbers: CopyRows::new(4),
        }
    }

    /// How many lines of orders there are.
    pub fn line_count(&self) -> u64 {
        self.lines.rows()
    }

    /// How many orders there are.
    pub fn order_count(&self) -> u64 {
        self.orders.rows()
    }

    /// Adds an order.
    pub fn push(&mut self, order: &ShopOrder) {
        let created_at = order.created_at();
        self.push_order(order, created_at);
        for (line, line_number) in order.lines.iter().zip(1..) {
            self.push_line(order, created_at, line, line_number);
        }
        for payment in &order.payments {
            self.push_payment(order, created_at, payment);
        }
        for refund in &order.refunds {
            self.push_refund(order, created_at, refund);
        }
    }

    fn push_order(&mut self, order: &ShopOrder, created_at: Timestamp) {
        let line_count = i32::try_from(order.lines.len()).expect("an order has few lines");
        self.orders
            .row()
            .uuid(order.id.0)
            .time(created_at)
            .text(SHOP_CHANNEL)
            .text(&order.number)
            .text(OrderKind::Sale.name())
            .text(order.status.name())
            .uuid(order.user_id.0)
            .text(&order.country)
            .text(order.currency.code())
            .bigint(order.total_minor())
            .integer(line_count)
            .bigint(order.version)
            .uuid(self.run.0)
            .bigint(order.discount_minor())
            .bigint(order.shipping_minor)
            .bigint(order.tax_minor())
            .optional_text(order.promotion_code.as_deref());
        self.numbers.row().text(SHOP_CHANNEL).text(&order.number).uuid(order.id.0).time(created_at);
    }

    fn push_line(&mut self, order: &ShopOrder, created_at: Timestamp, line: &ShopOrderLine, number: i32) {
        self.lines
            .row()
            .uuid(order.id.0)
            .time(created_at)
            .integer(number)
            .time(created_at)
            .text(&line.sku)
            .text(&line.description)
            .bigint(line.quantity)
            .numeric(Decimal::new(line.unit_net_minor, exponent(order.currency)))
            .bigint(line.amount_minor())
            .uuid(line.product_id.0)
            .uuid(line.variant_id.0)
            .bigint(line.discount_minor)
            .bigint(line.tax_minor);
    }

    fn push_payment(&mut self, order: &ShopOrder, created_at: Timestamp, payment: &Payment) {
        let failure = match &payment.outcome {
            PaymentOutcome::Captured => None,
            PaymentOutcome::Failed(code) => Some(code.as_str()),
        };
        self.payments
            .row()
            .uuid(payment.id.0)
            .uuid(order.id.0)
            .time(created_at)
            .time(payment.occurred_at)
            .text(&payment.provider)
            .text(payment.outcome.name())
            .bigint(payment.amount_minor)
            .optional_text(failure);
    }

    fn push_refund(&mut self, order: &ShopOrder, created_at: Timestamp, refund: &Refund) {
        self.refunds
            .row()
            .uuid(refund.id.0)
            .uuid(order.id.0)
            .time(created_at)
            .time(refund.occurred_at)
            .uuid(refund.payment_id.0)
            .text(&refund.reason)
            .bigint(refund.amount_minor());
        for line in &refund.lines {
            self.refund_lines
                .row()
                .uuid(refund.id.0)
                .uuid(order.id.0)
                .time(created_at)
                .integer(line.line_number)
                .time(refund.occurred_at)
                .bigint(line.quantity)
                .bigint(line.net_minor)
                .bigint(line.tax_minor);
        }
    }
}

impl MonthRows for OrderRows {
    const PART: Part = Part::Orders;
    const TABLES: &'static [MonthTable] = &[
        MonthTable {
            name: "orders",
            foreign_key: None,
            columns: "(id, created_at, channel, number, kind, status, user_id, country, currency, total_minor, \
                      line_count, version, import_run_id, discount_minor, shipping_minor, tax_minor, promotion_code)",
        },
        MonthTable {
            name: "order_lines",
            foreign_key: TO_ORDER,
            columns: "(order_id, created_at, line_number, occurred_at, sku, description, quantity, unit_price, \
                      amount_minor, product_id, variant_id, discount_minor, tax_minor)",
        },
        MonthTable {
            name: "payments",
            foreign_key: TO_ORDER,
            columns: "(id, order_id, created_at, occurred_at, provider, status, amount_minor, failure_code)",
        },
        MonthTable {
            name: "refunds",
            foreign_key: TO_ORDER,
            columns: "(id, order_id, created_at, occurred_at, payment_id, reason, amount_minor)",
        },
        MonthTable {
            name: "refund_lines",
            foreign_key: TO_LINE,
            columns: "(refund_id, order_id, created_at, line_number, occurred_at, quantity, net_minor, tax_minor)",
        },
    ];
    const UNDIVIDED: Option<&'static str> = Some("order_numbers (channel, number, order_id, created_at)");

    fn into_copies(self) -> Vec<CopyRows> {
        vec![self.orders, self.lines, self.payments, self.refunds, self.refund_lines, self.numbers]
    }
}
