//! Reports as they are published: keys and sums in one table each; what follows from the sums is made when they are
//! read.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row, Transaction};

use crate::error::StoreError;
use crate::pg::bulk::copy::CopyRows;

mod catalogue;
mod definition;
mod months;

pub use definition::{Column, Derived, Grain, Kind, Report};

/// Most rows that are read at once.
pub const LIMIT_MAX: u32 = 100_000;
/// Rows that are sent at once: what bounds the memory of a publication.
const SENT_AT_ONCE: usize = 100_000;

/// Every report that is served.
pub fn all() -> &'static [Report] {
    catalogue::REPORTS
}

/// The report of that name.
pub fn find(name: &str) -> Option<&'static Report> {
    all().iter().find(|report| report.name == name)
}

/// The values of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// Days.
    Dates(Vec<Date>),
    /// Words.
    Texts(Vec<String>),
    /// Whole numbers.
    Counts(Vec<i64>),
    /// Exact amounts in major units.
    Amounts(Vec<Decimal>),
}

/// Rows to publish: the values of the keys and then of the sums, each of the same length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// Column by column.
    pub columns: Vec<Values>,
    /// How many.
    pub count: usize,
}

/// Which rows are replaced.
#[derive(Debug, Clone, Copy)]
pub enum Replaced<'a> {
    /// All of the channel and the time zone.
    All,
    /// Those of these days, or first days of months.
    Days(&'a [Date]),
}

/// Puts rows in the place of those that are there. Everybody sees the old ones until the transaction is over.
pub async fn replace(
    transaction: &Transaction<'_>,
    report: &Report,
    (channel, time_zone): (&str, &str),
    replaced: Replaced<'_>,
    rows: &Rows,
) -> Result<(), StoreError> {
    let table = report.table;
    match (replaced, report.day()) {
        (Replaced::Days(days), Some(day)) => {
            let sql =
                format!("DELETE FROM {table} WHERE channel = $1 AND time_zone = $2 AND {day} = ANY($3)");
            transaction.execute(&sql, &[&channel, &time_zone, &days]).await?;
        }
        _ => {
            let sql = format!("DELETE FROM {table} WHERE channel = $1 AND time_zone = $2");
            transaction.execute(&sql, &[&channel, &time_zone]).await?;
        }
    }
    let names: Vec<_> = report.keys.iter().chain(report.sums).map(|column| column.name).collect();
    let into = format!("{table} (channel, time_zone, {})", names.join(", "));
    let width = i16::try_from(names.len() + 2).expect("a report has few columns");
    for first in (0..rows.count).step_by(SENT_AT_ONCE) {
        let mut copy = CopyRows::new(width);
        for place in first..rows.count.min(first + SENT_AT_ONCE) {
            copy.row().text(channel).text(time_zone);
            rows.columns.iter().for_each(|values| add(&mut copy, values, place));
        }
        copy.send(transaction, &into, "").await?;
    }
    match replaced {
        Replaced::Days(days) => months::add_up(transaction, report, (channel, time_zone), days).await,
        Replaced::All => Ok(()),
    }
}

/// Removes every row of a report.
pub async fn clear(
    transaction: &Transaction<'_>,
    report: &Report,
    (channel, time_zone): (&str, &str),
) -> Result<(), StoreError> {
    for table in report.tables() {
        let sql = format!("DELETE FROM {table} WHERE channel = $1 AND time_zone = $2");
        transaction.execute(&sql, &[&channel, &time_zone]).await?;
    }
    Ok(())
}

/// Removes the rows of every report in other time zones than these.
pub async fn retain_zones(
    transaction: &Transaction<'_>,
    channel: &str,
    time_zones: &[&str],
) -> Result<(), StoreError> {
    let tables: BTreeSet<_> = all().iter().flat_map(Report::tables).collect();
    for table in tables {
        let sql = format!("DELETE FROM {table} WHERE channel = $1 AND time_zone <> ALL($2)");
        transaction.execute(&sql, &[&channel, &time_zones]).await?;
    }
    Ok(())
}

/// How a channel's report stands beside its order ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The channel.
    pub channel: String,
    /// When it was counted last.
    pub as_of: Timestamp,
    /// Days of a currency and a time zone that were reconciled.
    pub days: i64,
    /// Of those: that differ.
    pub different: i64,
}

/// How every channel that was counted stands.
pub async fn standings(client: &impl GenericClient) -> Result<Vec<Standing>, StoreError> {
    const SQL: &str = "SELECT counted.channel, extracted_at, count(report.date), \
                       count(*) FILTER (WHERE report_net - rounding_difference <> ledger_net) \
                       FROM lake_watermarks counted LEFT JOIN report_reconciliation report USING (channel) \
                       GROUP BY counted.channel, extracted_at ORDER BY counted.channel";
    let rows = client.query_typed(SQL, &[]).await?;
    let standing = |row: &Row| Standing {
        channel: row.get(0),
        as_of: row.get(1),
        days: row.get(2),
        different: row.get(3),
    };
    Ok(rows.iter().map(standing).collect())
}

/// How many customers came first on each day, by currency, as it is published.
pub async fn new_customers(
    client: &impl GenericClient,
    channel: &str,
    time_zone: &str,
) -> Result<Vec<(Date, String, i64)>, StoreError> {
    const SQL: &str = "SELECT date, currency, new_customers FROM report_daily_sales \
                       WHERE channel = $1 AND time_zone = $2";
    let rows = client.query_typed(SQL, &[(&channel, Type::TEXT), (&time_zone, Type::TEXT)]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

fn add(copy: &mut CopyRows, values: &Values, place: usize) {
    match values {
        Values::Dates(values) => copy.date(values[place]),
        Values::Texts(values) => copy.text(&values[place]),
        Values::Counts(values) => copy.bigint(values[place]),
        Values::Amounts(values) => copy.numeric(values[place]),
    };
}

/// What is read of a report.
#[derive(Debug, Clone, Copy)]
pub struct ReportQuery<'a> {
    /// Channel.
    pub channel: &'a str,
    /// IANA name of the zone whose days are counted.
    pub time_zone: &'a str,
    /// First and last day, both included; a report by month has the months of these days. Reports of the whole history
    /// pass it over.
    pub days: (Date, Date),
    /// Only this ISO 4217 code, where rows are by currency.
    pub currency: Option<&'a str>,
    /// Most rows.
    pub limit: u32,
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// A day.
    Date(Date),
    /// Words.
    Text(String),
    /// A whole number.
    Count(i64),
    /// An exact number with the digits that it is shown with.
    Number(Decimal),
}

/// A report as it was published last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// A cell for each of [`Report::columns`].
    pub rows: Vec<Vec<Cell>>,
    /// Whether there are more than the limit.
    pub has_more: bool,
    /// Time of the snapshot that was counted; `None` when the channel was never counted.
    pub as_of: Option<Timestamp>,
}

/// Reads a report. One statement: two could be answered by two standbys.
pub async fn read(
    client: &impl GenericClient,
    report: &Report,
    query: &ReportQuery<'_>,
) -> Result<Published, StoreError> {
    let (from, to) = query.days;
    let from = if report.grain == Grain::Month { from.first_of_month() } else { from };
    let more = i64::from(query.limit) + 1;
    let rows = client
        .query_typed(
            &sql(report),
            &[
                (&query.channel, Type::TEXT),
                (&query.time_zone, Type::TEXT),
                (&from, Type::DATE),
                (&to, Type::DATE),
                (&query.currency, Type::TEXT),
                (&more, Type::INT8),
            ],
        )
        .await?;
    let as_of = rows.first().map(|row| row.get(0));
    let is_there = |row: &&Row| row.get::<_, Option<i64>>(2).is_some();
    let mut read: Vec<_> = rows.iter().filter(is_there).map(|row| cells(report, row)).collect();
    let has_more = read.len() > query.limit as usize;
    read.truncate(query.limit as usize);
    Ok(Published { rows: read, has_more, as_of })
}

/// A channel that was counted has a row without a place when the report has none.
fn sql(report: &Report) -> String {
    let shown: Vec<_> = report.shown_keys().map(|key| key.name).collect();
    let mut columns = shown.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    columns.extend(report.sums.iter().map(|sum| sum.name.to_owned()));
    columns.extend(
        report.derived.iter().map(|derived| format!("{} AS {}", expression(derived), derived.column.name)),
    );
    let mut sums = String::new();
    for sum in report.sums {
        let name = sum.name;
        let _ = match (report.is_summed(), sum.kind) {
            (false, _) => write!(sums, ", {name}"),
            (true, Kind::Count) => write!(sums, ", sum({name})::bigint AS {name}"),
            (true, _) => write!(sums, ", sum({name}) AS {name}"),
        };
    }
    let keys = shown.join(", ");
    let day = report.day().map_or("$3::date IS NOT NULL AND $4::date IS NOT NULL".to_owned(), |day| {
        format!("{day} BETWEEN $3 AND $4")
    });
    let currency = if report.has_currency() { "currency" } else { "$5" };
    let rows = match report.months.filter(|_| report.is_summed()) {
        Some(months) => format!("{} AS days WHERE", months::rows(report, months)),
        None => format!("{} WHERE channel = $1 AND time_zone = $2 AND {day} AND", report.table),
    };
    let group = if report.is_summed() { format!("GROUP BY {keys}") } else { String::new() };
    let by_bytes = |key: &Column| match key.kind {
        Kind::Text => format!("{} COLLATE \"C\"", key.name),
        _ => key.name.to_owned(),
    };
    let mut order: Vec<_> = report.sorted_by.map(|name| format!("{name} DESC")).into_iter().collect();
    order.extend(report.shown_keys().map(by_bytes));
    format!(
        "SELECT extracted_at, price_scale, place, {names} FROM lake_watermarks counted \
         JOIN channels ON channels.code = counted.channel \
         LEFT JOIN LATERAL (SELECT row_number() OVER (ORDER BY {order}) AS place, {columns} FROM \
         (SELECT {keys}{sums} FROM {rows} ($5::text IS NULL OR {currency} = $5) {group} \
          ORDER BY {order} LIMIT $6) AS sums) AS report ON true \
         WHERE counted.channel = $1 ORDER BY place",
        names = report.columns().map(|column| column.name).collect::<Vec<_>>().join(", "),
        order = order.join(", "),
        columns = columns.join(", "),
    )
}

fn expression(derived: &Derived) -> String {
    match (derived.under, derived.column.kind) {
        (Some(under), Kind::Ratio(scale)) => format!(
            "coalesce(round(({over})::numeric / nullif(({under})::numeric, 0), {scale}), 0)",
            over = derived.over
        ),
        _ => format!("({})", derived.over),
    }
}

fn cells(report: &Report, row: &Row) -> Vec<Cell> {
    let price_scale = u32::from(row.get::<_, i16>(1).unsigned_abs());
    let cell = |(place, column): (usize, &Column)| match column.kind {
        Kind::Date => Cell::Date(row.get(place)),
        Kind::Text => Cell::Text(row.get(place)),
        Kind::Count => Cell::Count(row.get(place)),
        Kind::Amount => Cell::Number(with_digits(row.get(place), price_scale)),
        Kind::Ratio(scale) => Cell::Number(with_digits(row.get(place), scale)),
    };
    (3..).zip(report.columns()).map(cell).collect()
}

/// The same number with zeros after it; a zero loses its digits on the way through the driver.
fn with_digits(mut number: Decimal, scale: u32) -> Decimal {
    if number.scale() < scale {
        number.rescale(scale);
    }
    number
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn zeros_are_added_and_no_digit_is_lost() {
        let text = |number: &str, scale| with_digits(number.parse().expect("a number"), scale).to_string();
        assert_eq!(text("0", 3), "0.000");
        assert_eq!(text("-1.5", 3), "-1.500");
        assert_eq!(text("1.2345", 3), "1.2345");
    }

    #[test]
    fn names_are_taken_once() {
        let names: HashSet<_> = all().iter().map(|report| report.name).collect();
        assert_eq!(names.len(), all().len());
        for report in all() {
            let columns: HashSet<_> = report.columns().map(|column| column.name).collect();
            assert_eq!(columns.len(), report.columns().count(), "{}", report.name);
            assert!(report.sorted_by.is_none_or(|by| columns.contains(by)), "{}", report.name);
        }
    }

    #[test]
    fn what_is_added_up_has_no_day() {
        let names = |name: &str| -> Vec<_> {
            find(name).expect("there").columns().map(|column| column.name).collect()
        };
        assert_eq!(names("top-products")[..2], ["currency", "product"]);
        assert_eq!(names("product-sales")[..3], ["date", "currency", "product"]);
        assert_eq!(names("bought-together"), ["product_a", "product_b", "orders"]);
    }
}
