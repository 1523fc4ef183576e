//! A lake of the demonstration shop, made without any store: what an extract of such a shop would write.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use analytics::extract;
use analytics::lake::{Lake, Table, column};
use anyhow::Context;
use demo::assortment::Assortment;
use demo::behaviour::Behaviour;
use demo::customers::Customers;
use demo::shop::{Catalogue, Size};
use demo::trade::{Day, Trade};
use demo::{catalogue, customers, promotions, queries};
use domain::judgment::Judgment;
use domain::order::{OrderKind, SHOP_CHANNEL};
use domain::payment::{Payment, PaymentOutcome};
use domain::refund::Refund;
use domain::shop_order::ShopOrder;
use domain::stock::StockMovement;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use store::pg::facts::FactValues;
use store::pg::sales_extract::SalesLine;

/// Days that wait for their events.
const WAITING_MAX: usize = 4;

/// What is in a lake.
#[derive(Debug, Clone, Copy, Default)]
pub struct Made {
    /// Lines of orders and refunds.
    pub lines: u64,
    /// Behaviour events.
    pub events: u64,
}

/// Makes the lake of a shop. Blocks.
pub fn make(root: &Path, size: &Size, mut tell: impl FnMut(Date)) -> anyhow::Result<Made> {
    let lake = Lake::new(root);
    let catalogue = catalogue::make(size);
    let judgments = queries::judgments(size, &catalogue);
    let (customers, promotions) = (customers::make(size), promotions::make(size));
    write_products(&lake, &catalogue)?;
    write_users(&lake, &customers)?;
    let assortment = Assortment::new(size, &catalogue);
    let (sender, receiver) = sync_channel(WAITING_MAX);
    thread::scope(|scope| {
        let parts = (&catalogue, &customers, judgments.as_slice());
        let watching = scope.spawn(move || watch(root, size, parts, receiver));
        let mut days = Days { lake: &lake, open: BTreeMap::new(), lines: 0 };
        for day in Trade::new(size, &assortment, &customers, &promotions)? {
            let date = day.date;
            days.add(&day);
            days.write_until(Some(date))?;
            tell(date);
            if sender.send(day).is_err() {
                break;
            }
        }
        drop(sender);
        days.write_until(None)?;
        let events = watching.join().map_err(|_| anyhow::anyhow!("the maker of events failed"))??;
        Ok(Made { lines: days.lines, events })
    })
}

fn watch(
    root: &Path,
    size: &Size,
    (catalogue, customers, judgments): (&Catalogue, &Customers, &[Judgment]),
    days: Receiver<Day>,
) -> anyhow::Result<u64> {
    let assortment = Assortment::new(size, catalogue);
    let behaviour = Behaviour::new(size, &assortment, customers, judgments);
    let writer = lake::behaviour::Writer::new(root, SHOP_CHANNEL);
    let mut count = 0;
    for day in days {
        let events = behaviour.of_day(day.date, &day.orders);
        count += events.len() as u64;
        writer.write_day(day.date, &events)?;
    }
    Ok(count)
}

fn write_products(lake: &Lake, catalogue: &Catalogue) -> anyhow::Result<()> {
    let products: Vec<_> = catalogue
        .products
        .iter()
        .map(|product| &product.product)
        .map(|product| (product.id, product.title.clone(), product.category.clone()))
        .collect();
    Ok(lake.write_products(SHOP_CHANNEL, &mut extract::products(&products)?)?)
}

fn write_users(lake: &Lake, customers: &Customers) -> anyhow::Result<()> {
    let users: Vec<_> = customers.all().iter().map(|user| (user.id, user.registered_at())).collect();
    for users in users.chunk_by(|one, next| utc_day(one.1) == utc_day(next.1)) {
        let columns = vec![
            uuids(column::USER_ID, users, |user| Some(user.0.0)),
            times(column::REGISTERED_AT, users, |user| user.1),
            texts(column::STATUS, users, |_| Some("active")),
        ];
        write(lake, Table::Users, utc_day(users[0].1), columns)?;
    }
    Ok(())
}

fn write(lake: &Lake, table: Table, day: Date, columns: Vec<(String, FactValues)>) -> anyhow::Result<()> {
    let mut frame = extract::fact_frame(columns).with_context(|| format!("{table:?} of {day}"))?;
    lake.write_day(table, SHOP_CHANNEL, day, &mut frame)?;
    Ok(())
}

/// An order, or the refund of one.
struct Document<'a> {
    order: &'a ShopOrder,
    refund: Option<&'a Refund>,
}

/// Rows of a day.
#[derive(Default)]
struct OfDay {
    lines: Vec<SalesLine>,
    documents: Vec<(ShopOrder, Option<usize>)>,
    payments: Vec<(ShopOrder, usize)>,
    movements: Vec<StockMovement>,
}

/// The days that are not whole yet: refunds and payments come later than their orders.
struct Days<'a> {
    lake: &'a Lake,
    open: BTreeMap<Date, OfDay>,
    lines: u64,
}

impl Days<'_> {
    fn add(&mut self, day: &Day) {
        for order in &day.orders {
            self.add_order(order);
        }
        self.open.entry(day.date).or_default().movements.extend(day.movements.iter().cloned());
    }

    fn add_order(&mut self, order: &ShopOrder) {
        // What hangs on an order knows no more of it than this.
        let bare = ShopOrder { lines: Vec::new(), ..order.clone() };
        let ordered = self.open.entry(utc_day(order.created_at())).or_default();
        ordered.lines.extend((1..).zip(&order.lines).map(|(number, line)| SalesLine {
            line_number: number,
            sku: line.sku.clone(),
            product_id: Some(line.product_id),
            quantity: line.quantity,
            unit_price: Decimal::new(line.unit_net_minor, 2),
            discount_minor: line.discount_minor,
            ..sales_line(order, OrderKind::Sale, order.created_at())
        }));
        ordered.documents.push((order.clone(), None));
        for (place, payment) in order.payments.iter().enumerate() {
            let paid = self.open.entry(utc_day(payment.occurred_at)).or_default();
            paid.payments.push((bare.clone(), place));
        }
        for (place, refund) in order.refunds.iter().enumerate() {
            let given_back = self.open.entry(utc_day(refund.occurred_at)).or_default();
            given_back.lines.extend(refund.lines.iter().map(|part| credit_line(order, refund, part)));
            given_back.documents.push((bare.clone(), Some(place)));
        }
    }

    /// Writes the days up to one; all of them without.
    fn write_until(&mut self, last: Option<Date>) -> anyhow::Result<()> {
        while let Some(entry) = self.open.first_entry() {
            if last.is_some_and(|last| *entry.key() > last) {
                break;
            }
            let (day, mut rows) = entry.remove_entry();
            self.lines += rows.lines.len() as u64;
            rows.write(self.lake, day)?;
        }
        Ok(())
    }
}

impl OfDay {
    fn write(&mut self, lake: &Lake, day: Date) -> anyhow::Result<()> {
        if !self.lines.is_empty() {
            self.lines.sort_by(|one, other| {
                (one.occurred_at, &one.number, one.line_number).cmp(&(
                    other.occurred_at,
                    &other.number,
                    other.line_number,
                ))
            });
            lake.write_day(Table::Lines, SHOP_CHANNEL, day, &mut extract::frame(day, &self.lines)?)?;
        }
        let mut documents: Vec<_> = self
            .documents
            .iter()
            .map(|(order, refund)| Document { order, refund: refund.map(|place| &order.refunds[place]) })
            .collect();
        if !documents.is_empty() {
            documents.sort_by_key(|document| (document.occurred_at(), document.order.id));
            write(lake, Table::Documents, day, document_columns(&documents))?;
        }
        let mut payments: Vec<_> =
            self.payments.iter().map(|(order, place)| (order, &order.payments[*place])).collect();
        if !payments.is_empty() {
            payments.sort_by_key(|(_, payment)| (payment.occurred_at, payment.id));
            write(lake, Table::Payments, day, payment_columns(&payments))?;
        }
        if !self.movements.is_empty() {
            write(lake, Table::Movements, day, movement_columns(&self.movements))?;
        }
        Ok(())
    }
}

/// A line without anything of its own.
fn sales_line(order: &ShopOrder, kind: OrderKind, occurred_at: Timestamp) -> SalesLine {
    SalesLine {
        order_id: order.id,
        refund_id: None,
        number: order.number.clone(),
        kind,
        status: order.status,
        customer: Some(order.user_id.to_string()),
        country: Some(order.country.clone()),
        currency: order.currency.code().to_owned(),
        line_number: 0,
        occurred_at,
        sku: String::new(),
        product_id: None,
        quantity: 0,
        unit_price: Decimal::ZERO,
        discount_minor: 0,
    }
}

/// As the extract has it: a credit of minus the net, at the price of the piece.
fn credit_line(order: &ShopOrder, refund: &Refund, part: &domain::refund::RefundLine) -> SalesLine {
    let line = &order.lines[usize::try_from(part.line_number - 1).unwrap_or_default()];
    SalesLine {
        refund_id: Some(refund.id),
        line_number: part.line_number,
        sku: line.sku.clone(),
        product_id: Some(line.product_id),
        quantity: -part.quantity,
        unit_price: Decimal::new(line.unit_net_minor, 2),
        discount_minor: part.net_minor - part.quantity * line.unit_net_minor,
        ..sales_line(order, OrderKind::Credit, refund.occurred_at)
    }
}

impl Document<'_> {
    fn occurred_at(&self) -> Timestamp {
        self.refund.map_or_else(|| self.order.created_at(), |refund| refund.occurred_at)
    }

    /// What an order has and a refund has not.
    fn of_order(&self, minor: impl Fn(&ShopOrder) -> i64) -> i64 {
        if self.refund.is_some() { 0 } else { minor(self.order) }
    }

    fn tax_minor(&self) -> i64 {
        let refunded = |refund: &Refund| -refund.lines.iter().map(|line| line.tax_minor).sum::<i64>();
        self.refund.map_or_else(|| self.order.tax_minor(), refunded)
    }

    fn total_minor(&self) -> i64 {
        self.refund.map_or_else(|| self.order.total_minor(), |refund| -refund.amount_minor())
    }
}

fn document_columns(rows: &[Document<'_>]) -> Vec<(String, FactValues)> {
    let kind = |row: &Document<'_>| if row.refund.is_some() { OrderKind::Credit } else { OrderKind::Sale };
    vec![
        uuids(column::ORDER_ID, rows, |row| Some(row.order.id.0)),
        uuids(column::REFUND_ID, rows, |row| row.refund.map(|refund| refund.id.0)),
        texts(column::NUMBER, rows, |row| Some(row.order.number.as_str())),
        texts(column::KIND, rows, |row| Some(kind(row).name())),
        texts(column::STATUS, rows, |row| Some(row.order.status.name())),
        texts(column::CUSTOMER, rows, |row| Some(row.order.user_id.to_string())),
        texts(column::COUNTRY, rows, |row| Some(row.order.country.as_str())),
        texts(column::CURRENCY, rows, |row| Some(row.order.currency.code())),
        times(column::OCCURRED_AT, rows, Document::occurred_at),
        texts(column::PROMOTION_CODE, rows, |row| row.order.promotion_code.as_deref()),
        numbers(column::DISCOUNT_MINOR, rows, |row| row.of_order(ShopOrder::discount_minor)),
        numbers(column::SHIPPING_MINOR, rows, |row| row.of_order(|order| order.shipping_minor)),
        numbers(column::TAX_MINOR, rows, Document::tax_minor),
        numbers(column::TOTAL_MINOR, rows, Document::total_minor),
    ]
}

fn payment_columns(rows: &[(&ShopOrder, &Payment)]) -> Vec<(String, FactValues)> {
    let failure = |payment: &Payment| match &payment.outcome {
        PaymentOutcome::Failed(code) => Some(code.clone()),
        PaymentOutcome::Captured => None,
    };
    vec![
        uuids(column::PAYMENT_ID, rows, |(_, payment)| Some(payment.id.0)),
        uuids(column::ORDER_ID, rows, |(order, _)| Some(order.id.0)),
        times(column::OCCURRED_AT, rows, |(_, payment)| payment.occurred_at),
        texts(column::PROVIDER, rows, |(_, payment)| Some(payment.provider.as_str())),
        texts(column::STATUS, rows, |(_, payment)| Some(payment.outcome.name())),
        texts(column::FAILURE_CODE, rows, |(_, payment)| failure(payment)),
        texts(column::CURRENCY, rows, |(order, _)| Some(order.currency.code())),
        numbers(column::AMOUNT_MINOR, rows, |(_, payment)| payment.amount_minor),
    ]
}

fn movement_columns(rows: &[StockMovement]) -> Vec<(String, FactValues)> {
    vec![
        uuids(column::MOVEMENT_ID, rows, |row| Some(row.id.0)),
        times(column::OCCURRED_AT, rows, |row| row.occurred_at),
        uuids(column::VARIANT_ID, rows, |row| Some(row.variant_id.0)),
        // The code of a variant is as good by its id.
        texts(column::SKU, rows, |row| Some(row.variant_id.to_string())),
        texts(column::WAREHOUSE, rows, |row| Some(row.warehouse.as_str())),
        numbers(column::DELTA, rows, |row| row.delta),
        numbers(column::ON_HAND_AFTER, rows, |row| row.on_hand_after),
        texts(column::CAUSE, rows, |row| Some(row.cause.name())),
        uuids(column::ORDER_ID, rows, |row| row.order_id.map(|id| id.0)),
    ]
}

fn uuids<T>(name: &str, rows: &[T], of: impl Fn(&T) -> Option<uuid::Uuid>) -> (String, FactValues) {
    (name.to_owned(), FactValues::Uuids(rows.iter().map(of).collect()))
}

fn times<T>(name: &str, rows: &[T], of: impl Fn(&T) -> Timestamp) -> (String, FactValues) {
    (name.to_owned(), FactValues::Times(rows.iter().map(of).collect()))
}

fn texts<'a, T, S: Into<String>>(
    name: &str,
    rows: &'a [T],
    of: impl Fn(&'a T) -> Option<S>,
) -> (String, FactValues) {
    (name.to_owned(), FactValues::Texts(rows.iter().map(|row| of(row).map(Into::into)).collect()))
}

fn numbers<T>(name: &str, rows: &[T], of: impl Fn(&T) -> i64) -> (String, FactValues) {
    (name.to_owned(), FactValues::Bigints(rows.iter().map(|row| Some(of(row))).collect()))
}

fn utc_day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}
