//! From a snapshot of a standby to the lake: whole days of each table, one after the other.

use std::collections::VecDeque;

use domain::ids::ProductId;
use domain::money::{self, Currency};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use polars::prelude::*;
use rust_decimal::Decimal;
use store::error::StoreError;
use store::pg::facts::{FactBatch, FactRows, FactValues, Facts};
use store::pg::sales_extract::{SalesLine, SalesLines, Snapshot};
use uuid::Uuid;

use crate::lake::{Lake, LakeError, Manifest, Table, column};

/// Digits after the point of prices and amounts in the lake.
pub const MICROS_SCALE: u32 = domain::imported_order::PRICE_SCALE_MAX;

/// Why a day cannot be extracted.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The standby.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A frame cannot be built.
    #[error("the lines of {0} do not make a frame")]
    Frame(Date, #[source] PolarsError),
    /// Prices are exact: what does not fit is not rounded.
    #[error("line {line_number} of order {number:?} does not fit the lake")]
    Unfit {
        /// The order.
        number: String,
        /// The line.
        line_number: i32,
    },
    /// The writing thread panicked.
    #[error("writing a day failed")]
    Writer(#[source] tokio::task::JoinError),
}

/// What an extract writes into, and what it has written.
#[derive(Debug)]
pub struct Extract<'a> {
    /// The lake.
    pub lake: &'a Lake,
    /// Channel that is extracted.
    pub channel: &'a str,
    /// What the lake holds, kept true with every file.
    pub manifest: &'a mut Manifest,
    /// Files and lines so far.
    pub extracted: Extracted,
}

/// What an extract wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extracted {
    /// UTC days of orders.
    pub days: u64,
    /// Lines in them.
    pub lines: u64,
}

impl Extract<'_> {
    /// Writes those UTC days (sorted) of a table whole, and removes those that have no rows. Holds one day and one
    /// batch in memory.
    pub async fn write_days(
        &mut self,
        snapshot: &Snapshot<'_>,
        table: Table,
        days: &[Date],
    ) -> Result<(), ExtractError> {
        for span in days.chunk_by(|day, next| day.tomorrow().is_ok_and(|tomorrow| tomorrow == *next)) {
            if let (Some(first), Some(last)) = (span.first(), span.last()) {
                let mut rows = Rows::open(snapshot, table, self.channel, (*first, *last)).await?;
                let mut written = Vec::new();
                while let Some((day, frame)) = rows.next_day().await? {
                    self.write(table, day, frame).await?;
                    written.push(day);
                }
                for day in span.iter().filter(|day| written.binary_search(day).is_err()) {
                    self.remove(table, *day)?;
                }
            }
        }
        Ok(())
    }

    /// Removes a day of a table.
    pub fn remove(&mut self, table: Table, day: Date) -> Result<(), ExtractError> {
        self.lake.remove_day(table, self.channel, day)?;
        self.manifest.of(table).remove(&day);
        Ok(())
    }

    async fn write(&mut self, table: Table, day: Date, mut rows: DataFrame) -> Result<(), ExtractError> {
        if table == Table::Lines {
            self.extracted.days += 1;
            self.extracted.lines += rows.height() as u64;
        }
        let (lake, channel) = (self.lake.clone(), self.channel.to_owned());
        let writing = tokio::task::spawn_blocking(move || lake.write_day(table, &channel, day, &mut rows));
        let note = writing.await.map_err(ExtractError::Writer)??;
        self.manifest.of(table).insert(day, note);
        Ok(())
    }
}

/// Rows of a table, day by day.
struct Rows<'a> {
    snapshot: &'a Snapshot<'a>,
    source: Source,
    /// Days that are whole, oldest first, and the one that is not yet.
    days: VecDeque<(Date, DataFrame)>,
    is_over: bool,
}

enum Source {
    Lines(SalesLines),
    Facts(FactRows),
}

impl<'a> Rows<'a> {
    async fn open(
        snapshot: &'a Snapshot<'a>,
        table: Table,
        channel: &str,
        (first, last): (Date, Date),
    ) -> Result<Self, ExtractError> {
        let facts = match table {
            Table::Lines | Table::Products => None,
            Table::Documents => Some(Facts::Documents),
            Table::Payments => Some(Facts::Payments),
            Table::Movements => Some(Facts::Movements),
            Table::Users => Some(Facts::Users),
        };
        let source = match facts {
            None => Source::Lines(snapshot.lines(channel, first, last).await?),
            Some(facts) => Source::Facts(snapshot.facts(facts, channel, (first, last)).await?),
        };
        Ok(Self { snapshot, source, days: VecDeque::new(), is_over: false })
    }

    async fn next_day(&mut self) -> Result<Option<(Date, DataFrame)>, ExtractError> {
        while !self.is_over && self.days.len() < 2 {
            let batch = self.next_batch().await?;
            self.is_over = batch.is_empty();
            for (day, frame) in batch {
                match self.days.back_mut().filter(|(open, _)| *open == day) {
                    Some((_, open)) => {
                        open.vstack_mut(&frame).map_err(|error| ExtractError::Frame(day, error))?;
                    }
                    None => self.days.push_back((day, frame)),
                }
            }
        }
        Ok(self.days.pop_front())
    }

    /// The next rows, split by day; none at the end.
    async fn next_batch(&mut self) -> Result<Vec<(Date, DataFrame)>, ExtractError> {
        match &self.source {
            Source::Lines(lines) => {
                let batch = self.snapshot.next_batch(lines).await?;
                let day = |line: &SalesLine| line.occurred_at.to_zoned(TimeZone::UTC).date();
                batch
                    .chunk_by(|line, next| day(line) == day(next))
                    .map(|lines| Ok((day(&lines[0]), frame(day(&lines[0]), lines)?)))
                    .collect()
            }
            Source::Facts(rows) => match self.snapshot.next_facts(rows).await? {
                None => Ok(Vec::new()),
                Some(batch) => by_day(batch),
            },
        }
    }
}

fn by_day(batch: FactBatch) -> Result<Vec<(Date, DataFrame)>, ExtractError> {
    let FactBatch { days, columns } = batch;
    let whole = |error| ExtractError::Frame(days[0], error);
    let frame = fact_frame(columns).map_err(whole)?;
    let mut first = 0;
    let parts = days.chunk_by(|day, next| day == next).map(|part| {
        let rows = frame.slice(first as i64, part.len());
        first += part.len();
        (part[0], rows)
    });
    Ok(parts.collect())
}

/// Columns of one length as a frame with the lake's columns.
pub fn fact_frame(columns: Vec<(String, FactValues)>) -> PolarsResult<DataFrame> {
    let columns: Vec<_> = columns.into_iter().map(|(name, values)| fact_column(&name, values)).collect();
    DataFrame::new(columns.first().map_or(0, Column::len), columns)
}

fn fact_column(name: &str, values: FactValues) -> Column {
    match values {
        FactValues::Uuids(ids) => uuids(name, ids.iter().map(Option::as_ref)),
        FactValues::Times(times) => micros(name, times.iter().map(|time| time.as_microsecond()).collect()),
        FactValues::Texts(texts) => Column::new(name.into(), texts),
        FactValues::Bigints(numbers) => Column::new(name.into(), numbers),
    }
}

fn uuids<'a>(name: &str, ids: impl Iterator<Item = Option<&'a Uuid>>) -> Column {
    let bytes: BinaryChunked = ids.map(|id| id.map(|id| id.as_bytes().as_slice())).collect();
    bytes.with_name(name.into()).into_column()
}

fn micros(name: &str, times: Vec<i64>) -> Column {
    let times = Int64Chunked::from_vec(name.into(), times);
    times.into_datetime(TimeUnit::Microseconds, Some(polars::prelude::TimeZone::UTC)).into_column()
}

/// The catalogue as a frame with the lake's columns.
pub fn products(products: &[(ProductId, String, Option<String>)]) -> PolarsResult<DataFrame> {
    let ids: Vec<_> = products.iter().map(|(id, _, _)| id.to_string()).collect();
    let titles: Vec<_> = products.iter().map(|(_, title, _)| title.as_str()).collect();
    let categories: Vec<_> = products.iter().map(|(_, _, category)| category.as_deref()).collect();
    DataFrame::new(
        products.len(),
        vec![
            Column::new(column::PRODUCT_ID.into(), ids),
            Column::new(column::TITLE.into(), titles),
            Column::new(column::CATEGORY.into(), categories),
        ],
    )
}

/// What a line is worth, in millionths of the major unit of its currency.
struct Worth {
    unit_price: i64,
    discount: i64,
    amount: i64,
}

/// The lines as a frame with the lake's columns.
pub fn frame(day: Date, lines: &[SalesLine]) -> Result<DataFrame, ExtractError> {
    fn texts<'a>(
        name: &str,
        lines: &'a [SalesLine],
        text: impl Fn(&'a SalesLine) -> Option<&'a str>,
    ) -> Column {
        let texts: StringChunked = lines.iter().map(text).collect();
        texts.with_name(name.into()).into_column()
    }
    let worths: Vec<Worth> =
        lines.iter().map(|line| worth(line).ok_or_else(|| unfit(line))).collect::<Result<_, _>>()?;
    let worth_of = |name: &str, of: fn(&Worth) -> i64| {
        Column::new(name.into(), worths.iter().map(of).collect::<Vec<i64>>())
    };
    let products: Vec<Option<String>> =
        lines.iter().map(|line| line.product_id.map(|id| id.to_string())).collect();
    let line_numbers: Vec<i32> = lines.iter().map(|line| line.line_number).collect();
    let times: Vec<i64> = lines.iter().map(|line| line.occurred_at.as_microsecond()).collect();
    let quantities: Vec<i64> = lines.iter().map(|line| line.quantity).collect();
    DataFrame::new(
        lines.len(),
        vec![
            uuids(column::ORDER_ID, lines.iter().map(|line| Some(&line.order_id.0))),
            uuids(column::REFUND_ID, lines.iter().map(|line| line.refund_id.as_ref().map(|id| &id.0))),
            texts(column::NUMBER, lines, |line| Some(&line.number)),
            texts(column::KIND, lines, |line| Some(line.kind.name())),
            texts(column::STATUS, lines, |line| Some(line.status.name())),
            texts(column::CUSTOMER, lines, |line| line.customer.as_deref()),
            texts(column::COUNTRY, lines, |line| line.country.as_deref()),
            texts(column::CURRENCY, lines, |line| Some(&line.currency)),
            Column::new(column::LINE_NUMBER.into(), line_numbers),
            micros(column::OCCURRED_AT, times),
            texts(column::SKU, lines, |line| Some(&line.sku)),
            Column::new(column::PRODUCT_ID.into(), products),
            Column::new(column::QUANTITY.into(), quantities),
            worth_of(column::UNIT_PRICE_MICROS, |worth| worth.unit_price),
            worth_of(column::DISCOUNT_MICROS, |worth| worth.discount),
            worth_of(column::AMOUNT_MICROS, |worth| worth.amount),
        ],
    )
    .map_err(|error| ExtractError::Frame(day, error))
}

/// `None` when a number does not fit.
fn worth(line: &SalesLine) -> Option<Worth> {
    let unit_price = line
        .unit_price
        .checked_mul(Decimal::from(10i64.pow(MICROS_SCALE)))
        .filter(Decimal::is_integer)
        .and_then(|micros| i64::try_from(micros).ok())?;
    let discount = line.discount_minor.checked_mul(minor_unit_micros(&line.currency)?)?;
    let amount = line.quantity.checked_mul(unit_price)?.checked_sub(discount)?;
    Some(Worth { unit_price, discount, amount })
}

/// Millionths of a major unit in a minor one: 10,000 for GBP. `None` when it is not a whole number of them.
pub fn minor_unit_micros(currency: &str) -> Option<i64> {
    let digits = MICROS_SCALE.checked_sub(money::exponent(Currency::from_code(currency)?))?;
    Some(10i64.pow(digits))
}

fn unfit(line: &SalesLine) -> ExtractError {
    ExtractError::Unfit { number: line.number.clone(), line_number: line.line_number }
}
