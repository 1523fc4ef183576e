//! The reports that `./dev bench analytics` wrote as CSV, published as a run would.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::path::Path;

use anyhow::{Context, ensure};
use csv::StringRecord;
use domain::order::SHOP_CHANNEL;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use store::pg::direct::{self, DirectClient};
use store::pg::lake_watermarks::{self, Watermark};
use store::pg::reports::{self, Column, Kind, Replaced, Report, Rows, Values};
use store::pg::transaction;

use crate::scratch::Scratch;

const TIME_ZONE: &str = "UTC";
/// Rows in memory.
const ROWS_AT_ONCE_MAX: usize = 1_000_000;
/// Of a day's text.
const MONTH_LENGTH: usize = "2026-01".len();
/// Amounts in the files are millionths.
const MICROS_SCALE: u32 = 6;

/// What was published.
pub struct Published {
    /// Rows of all reports.
    pub rows: u64,
    /// The first and the last day of sales.
    pub days: (Date, Date),
    /// Those that have rows.
    pub reports: Vec<&'static Report>,
}

/// Publishes every report that has a file.
pub async fn publish(scratch: &Scratch, folder: &Path) -> anyhow::Result<Published> {
    let mut client = direct::primary(&scratch.postgres).await?;
    let (mut rows, mut days) = (0, None);
    let (mut looked_at, mut filled) = (BTreeSet::new(), BTreeSet::new());
    for report in reports::all().iter().filter(|report| looked_at.insert(report.table)) {
        let file = folder.join(format!("{}.csv", report.name.replace('-', "_")));
        if file.is_file() {
            let (count, of_report) = publish_file(&mut client, report, &file).await?;
            rows += count;
            if count > 0 {
                filled.insert(report.table);
            }
            if report.name == "daily-sales" {
                days = of_report;
            }
        }
    }
    transaction::run_direct(&mut client, "bench_watermark", async |transaction| {
        lake_watermarks::save(transaction, SHOP_CHANNEL, Watermark(1), Timestamp::now()).await
    })
    .await?;
    // As it is after some minutes anyway.
    let tables: BTreeSet<_> = reports::all().iter().flat_map(Report::tables).collect();
    let tables = tables.into_iter().collect::<Vec<_>>().join(", ");
    client.batch_execute(&format!("VACUUM (ANALYZE) {tables}")).await?;
    let reports = reports::all().iter().filter(|report| filled.contains(report.table)).collect();
    Ok(Published { rows, days: days.context("no daily sales were counted")?, reports })
}

async fn publish_file(
    client: &mut DirectClient,
    report: &'static Report,
    file: &Path,
) -> anyhow::Result<(u64, Option<(Date, Date)>)> {
    let mut reader = csv::Reader::from_path(file).with_context(|| file.display().to_string())?;
    let columns: Vec<_> = report.keys.iter().chain(report.sums).collect();
    let named: Vec<_> = columns.iter().map(|column| column.name).collect();
    ensure!(reader.headers()? == &StringRecord::from(named), "{} has other columns", file.display());
    let (mut sent, mut days): (u64, Option<(Date, Date)>) = (0, None);
    let mut records = reader.records().peekable();
    while records.peek().is_some() {
        let some = next_rows(report, &mut records)?;
        let values = columns.iter().enumerate();
        let values = values.map(|(place, column)| values_of(column, place, &some));
        let rows = Rows { columns: values.collect::<anyhow::Result<_>>()?, count: some.len() };
        let of_rows = days_of(report, &some)?;
        if let (Some(first), Some(last)) = (of_rows.first(), of_rows.last()) {
            days = Some((days.map_or(*first, |(before, _)| before.min(*first)), *last));
        }
        let replaced = if report.day().is_some() { Replaced::Days(&of_rows) } else { Replaced::All };
        transaction::run_direct(client, "bench_reports", async |transaction| {
            reports::replace(transaction, report, (SHOP_CHANNEL, TIME_ZONE), replaced, &rows).await
        })
        .await?;
        sent += u64::try_from(rows.count)?;
    }
    Ok((sent, days))
}

/// Rows that are published together: those of a month, as a run counts them; all of a report that is of no day.
fn next_rows(
    report: &Report,
    records: &mut Peekable<impl Iterator<Item = csv::Result<StringRecord>>>,
) -> anyhow::Result<Vec<StringRecord>> {
    let month =
        |record: &StringRecord| record.get(0).and_then(|day| day.get(..MONTH_LENGTH)).map(str::to_owned);
    let mut rows: Vec<StringRecord> = Vec::new();
    while let Some(next) = records.peek() {
        let is_other = match (rows.last(), next) {
            (Some(last), Ok(next)) if report.day().is_some() => month(last) != month(next),
            _ => false,
        };
        if is_other {
            break;
        }
        ensure!(rows.len() < ROWS_AT_ONCE_MAX, "more than {ROWS_AT_ONCE_MAX} rows in one go");
        rows.extend(records.next().transpose()?);
    }
    Ok(rows)
}

/// The days of the rows, rising, if they are by day or month.
fn days_of(report: &Report, records: &[StringRecord]) -> anyhow::Result<Vec<Date>> {
    if report.day().is_none() {
        return Ok(Vec::new());
    }
    let days = records.iter().map(|record| record.get(0).unwrap_or_default().parse());
    let days: BTreeSet<Date> = days.collect::<Result<_, _>>()?;
    Ok(days.into_iter().collect())
}

fn values_of(column: &Column, place: usize, records: &[StringRecord]) -> anyhow::Result<Values> {
    let texts = records.iter().map(|record| record.get(place).unwrap_or_default());
    Ok(match column.kind {
        Kind::Date => Values::Dates(texts.map(str::parse).collect::<Result<_, _>>()?),
        Kind::Text => Values::Texts(texts.map(str::to_owned).collect()),
        Kind::Count => Values::Counts(texts.map(str::parse).collect::<Result<_, _>>()?),
        Kind::Amount | Kind::Ratio(_) => {
            let amount = |text: &str| {
                let amount = Decimal::try_from_i128_with_scale(text.parse()?, MICROS_SCALE)?;
                anyhow::Ok(amount.normalize())
            };
            Values::Amounts(texts.map(amount).collect::<Result<_, _>>()?)
        }
    })
}
