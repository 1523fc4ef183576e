//! From a snapshot of a standby to the lake: whole days, one after the other.

use domain::money::{self, Currency};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use polars::prelude::*;
use rust_decimal::Decimal;
use store::error::StoreError;
use store::pg::sales_extract::{SalesLine, Snapshot};

use crate::lake::{Lake, LakeError, column};

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

/// What an extract wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Files.
    pub days: u64,
    /// Lines in them.
    pub lines: u64,
}

/// Writes those UTC days (sorted) whole. Holds one day and one batch in memory.
pub async fn write_days(
    snapshot: &Snapshot<'_>,
    lake: &Lake,
    channel: &str,
    days: &[Date],
) -> Result<Extracted, ExtractError> {
    let mut extracted = Extracted::default();
    for span in days.chunk_by(|day, next| day.tomorrow().is_ok_and(|tomorrow| tomorrow == *next)) {
        if let (Some(first), Some(last)) = (span.first(), span.last()) {
            write_span(snapshot, lake, channel, (*first, *last), &mut extracted).await?;
        }
    }
    Ok(extracted)
}

/// Writes the days from one to another.
async fn write_span(
    snapshot: &Snapshot<'_>,
    lake: &Lake,
    channel: &str,
    (first, last): (Date, Date),
    extracted: &mut Extracted,
) -> Result<(), ExtractError> {
    let lines = snapshot.lines(channel, first, last).await?;
    let mut open: Option<(Date, Vec<SalesLine>)> = None;
    loop {
        let batch = snapshot.next_batch(&lines).await?;
        let is_last = batch.is_empty();
        for line in batch {
            let day = line.occurred_at.to_zoned(TimeZone::UTC).date();
            match &mut open {
                Some((current, lines)) if *current == day => lines.push(line),
                _ => {
                    if let Some((finished, lines)) = open.replace((day, vec![line])) {
                        write(lake, channel, finished, lines, extracted).await?;
                    }
                }
            }
        }
        if is_last {
            break;
        }
    }
    if let Some((finished, lines)) = open {
        write(lake, channel, finished, lines, extracted).await?;
    }
    Ok(())
}

async fn write(
    lake: &Lake,
    channel: &str,
    day: Date,
    lines: Vec<SalesLine>,
    extracted: &mut Extracted,
) -> Result<(), ExtractError> {
    extracted.days += 1;
    extracted.lines += lines.len() as u64;
    let (lake, channel) = (lake.clone(), channel.to_owned());
    tokio::task::spawn_blocking(move || {
        let mut frame = frame(day, &lines)?;
        Ok(lake.write_day(&channel, day, &mut frame)?)
    })
    .await
    .map_err(ExtractError::Writer)?
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
    let micros = |name: &str, of: fn(&Worth) -> i64| {
        Column::new(name.into(), worths.iter().map(of).collect::<Vec<i64>>())
    };
    let ids: Vec<String> = lines.iter().map(|line| line.order_id.to_string()).collect();
    let refunds: Vec<Option<String>> =
        lines.iter().map(|line| line.refund_id.map(|id| id.to_string())).collect();
    let line_numbers: Vec<i32> = lines.iter().map(|line| line.line_number).collect();
    let times: Vec<i64> = lines.iter().map(|line| line.occurred_at.as_microsecond()).collect();
    let quantities: Vec<i64> = lines.iter().map(|line| line.quantity).collect();
    let times = Int64Chunked::from_vec(column::OCCURRED_AT.into(), times);
    DataFrame::new(
        lines.len(),
        vec![
            Column::new(column::ORDER_ID.into(), ids),
            Column::new(column::REFUND_ID.into(), refunds),
            texts(column::NUMBER, lines, |line| Some(&line.number)),
            texts(column::KIND, lines, |line| Some(line.kind.name())),
            texts(column::STATUS, lines, |line| Some(line.status.name())),
            texts(column::CUSTOMER, lines, |line| line.customer.as_deref()),
            texts(column::COUNTRY, lines, |line| line.country.as_deref()),
            texts(column::CURRENCY, lines, |line| Some(&line.currency)),
            Column::new(column::LINE_NUMBER.into(), line_numbers),
            times.into_datetime(TimeUnit::Microseconds, Some(polars::prelude::TimeZone::UTC)).into_column(),
            texts(column::SKU, lines, |line| Some(&line.sku)),
            Column::new(column::QUANTITY.into(), quantities),
            micros(column::UNIT_PRICE_MICROS, |worth| worth.unit_price),
            micros(column::DISCOUNT_MICROS, |worth| worth.discount),
            micros(column::AMOUNT_MICROS, |worth| worth.amount),
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

/// Millionths of a major unit in a minor one: 10,000 for GBP.
fn minor_unit_micros(currency: &str) -> Option<i64> {
    let digits = MICROS_SCALE.checked_sub(money::exponent(Currency::from_code(currency)?))?;
    Some(10i64.pow(digits))
}

fn unfit(line: &SalesLine) -> ExtractError {
    ExtractError::Unfit { number: line.number.clone(), line_number: line.line_number }
}
