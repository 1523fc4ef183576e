//! The thread that reads and checks rows, beside the connection that stages them.

use domain::imported_order::{ImportedLine, LineRules, RefusedLine};
use domain::money::exponent;
use rust_decimal::Decimal;
use store::pg::order_import::LineChunk;
use tokio::sync::mpsc;

use super::order_map::{Columns, OrderMap};
use super::{ImportError, ImportOptions, OrderFormat};
use crate::input::records::{Record, Records};
use crate::input::{Input, Layout};
use crate::refusals::{Refusals, Refused};

/// Largest price, quantity and line amount, in major units: reports sum millionths in 64 bits.
const MAGNITUDE_MAX: i64 = 1_000_000_000_000;

/// Lines for the connection, and how far the file was read when they were sent.
pub(super) struct Batch {
    pub(super) chunk: LineChunk,
    pub(super) read_bytes: u64,
    pub(super) rows_read: u64,
    pub(super) rows_refused: u64,
}

/// An open file whose header holds.
pub(super) struct Source {
    records: Records,
    columns: Columns,
    rules: LineRules,
    refusals: Refusals,
    rows_read: u64,
}

/// What a file was, once it is read.
pub(super) struct Ended {
    pub(super) rows_read: u64,
    /// Its report takes the documents after the refused rows.
    pub(super) refused: Refused,
}

impl Source {
    pub(super) fn open(options: &ImportOptions) -> Result<Self, ImportError> {
        let (records, columns, rules) = open_records(options)?;
        let refusals = Refusals::open(&options.report, &options.refused)?;
        Ok(Self { records, columns, rules, refusals, rows_read: 0 })
    }

    /// What its rows mean.
    pub(super) fn rules(&self) -> &LineRules {
        &self.rules
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.records.size_bytes()
    }

    /// Reads to the end, or until nobody receives any more.
    pub(super) fn read_all(&mut self, sender: &mpsc::Sender<Batch>) -> Result<(), ImportError> {
        let read_bytes = self.records.read_bytes();
        let mut chunk = LineChunk::default();
        while self.read_row(&mut chunk)? {
            if chunk.is_full() && !self.send(&mut chunk, read_bytes.get(), sender) {
                return Ok(());
            }
        }
        if !chunk.is_empty() {
            self.send(&mut chunk, read_bytes.get(), sender);
        }
        Ok(())
    }

    /// Closes the file of refused rows.
    pub(super) fn finish(self) -> Result<Ended, ImportError> {
        Ok(Ended { rows_read: self.rows_read, refused: self.refusals.finish()? })
    }

    fn send(&self, chunk: &mut LineChunk, read_bytes: u64, sender: &mpsc::Sender<Batch>) -> bool {
        let (rows_read, rows_refused) = (self.rows_read, self.refusals.rows());
        let batch = Batch { chunk: std::mem::take(chunk), read_bytes, rows_read, rows_refused };
        sender.blocking_send(batch).is_ok()
    }

    fn read_row(&mut self, chunk: &mut LineChunk) -> Result<bool, ImportError> {
        let Some(record) = self.records.read()? else {
            return Ok(false);
        };
        self.rows_read += 1;
        let (line, raw, kind, reason) = match record {
            Record::Broken { line, fault, raw } => {
                self.refusals.refuse_broken(line, &fault, raw)?;
                return Ok(true);
            }
            Record::Row { line, fields, raw, .. } => {
                match ImportedLine::parse(&self.columns.raw_line(fields), &self.rules) {
                    Ok(parsed) if is_within_bounds(&parsed) => {
                        chunk.push(line, &parsed);
                        return Ok(true);
                    }
                    Ok(_) => (line, raw, "amount out of bounds", out_of_bounds()),
                    Err(refusal) => (line, raw, kind(&refusal), refusal.to_string()),
                }
            }
        };
        self.refusals.refuse(line, kind, &reason, raw)?;
        Ok(true)
    }
}

fn open_records(options: &ImportOptions) -> Result<(Records, Columns, LineRules), ImportError> {
    let input = Input::open(&options.file)?;
    let layout = match options.format {
        OrderFormat::OnlineRetail => {
            let records = Records::csv(input)?;
            let columns = Columns::online_retail(records.header())?;
            return Ok((records, columns, LineRules::online_retail(options.currency)));
        }
        OrderFormat::Csv => Layout::Csv,
        OrderFormat::Ndjson => Layout::Ndjson,
        OrderFormat::Auto => Layout::Auto,
    };
    let map = OrderMap::read(options.map.as_ref().ok_or(ImportError::MapNeeded)?)?;
    let records = Records::open(input, layout, || Ok::<_, ImportError>(map.paths()))?;
    let columns = map.bind(records.header())?;
    Ok((records, columns, map.rules()))
}

fn is_within_bounds(line: &ImportedLine) -> bool {
    let minor_units_per_major = 10u64.pow(exponent(line.amount.currency));
    line.quantity.unsigned_abs() <= MAGNITUDE_MAX.unsigned_abs()
        && line.unit_price.abs() <= Decimal::from(MAGNITUDE_MAX)
        && line.amount.amount_minor.unsigned_abs() / minor_units_per_major < MAGNITUDE_MAX.unsigned_abs()
}

fn out_of_bounds() -> String {
    format!("quantity, unit price or amount is beyond {MAGNITUDE_MAX}")
}

/// The reason without the row's own values.
fn kind(refusal: &RefusedLine) -> &'static str {
    match refusal {
        RefusedLine::Empty(_) => "needed field empty",
        RefusedLine::TooLong(..) => "field too long",
        RefusedLine::Quantity(_) => "quantity",
        RefusedLine::Time { .. } => "time",
        RefusedLine::Kind(_) => "kind",
        RefusedLine::UnitPrice(_) => "unit price",
        RefusedLine::UnknownCurrency(_) => "unknown currency",
        RefusedLine::OtherCurrency { .. } => "other currency",
        RefusedLine::CreditSign(_) => "sign of a credit",
        RefusedLine::Overflow => "amount out of bounds",
        RefusedLine::Nul(_) => "NUL character",
    }
}
