//! The thread that reads and checks rows, beside the connection that stages them.

use domain::imported_order::{ImportedLine, RefusedLine};
use domain::money::{Currency, exponent};
use rust_decimal::Decimal;
use store::pg::order_import::LineChunk;
use tokio::sync::mpsc;

use super::online_retail::Columns;
use super::{ImportError, ImportOptions, OrderFormat};
use crate::input::Input;
use crate::input::records::{Record, Records};
use crate::refused_rows::{RefusedRows, RefusedSummary};

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
    currency: Currency,
    refused: RefusedRows,
    rows_read: u64,
    damage: Option<String>,
}

/// What a file was, once it is read.
pub(super) struct Ended {
    pub(super) rows_read: u64,
    pub(super) refused: RefusedSummary,
    /// Why reading ended before the file did.
    pub(super) damage: Option<String>,
}

impl Source {
    pub(super) fn open(options: &ImportOptions) -> Result<Self, ImportError> {
        let records = Records::new(Input::open(&options.file)?)?;
        let columns = match options.format {
            OrderFormat::OnlineRetail => Columns::find(records.header())?,
        };
        let refused = RefusedRows::new(&options.refused)?;
        Ok(Self { records, columns, currency: options.currency, refused, rows_read: 0, damage: None })
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
        let Self { rows_read, damage, .. } = self;
        Ok(Ended { rows_read, refused: self.refused.finish()?, damage })
    }

    fn send(&self, chunk: &mut LineChunk, read_bytes: u64, sender: &mpsc::Sender<Batch>) -> bool {
        let (rows_read, rows_refused) = (self.rows_read, self.refused.rows());
        let batch = Batch { chunk: std::mem::take(chunk), read_bytes, rows_read, rows_refused };
        sender.blocking_send(batch).is_ok()
    }

    fn read_row(&mut self, chunk: &mut LineChunk) -> Result<bool, ImportError> {
        let Some(record) = self.records.read()? else {
            return Ok(false);
        };
        self.rows_read += 1;
        match record {
            Record::Broken { line, fault, raw } => {
                self.refused.refuse(line, fault.kind(), &fault.to_string(), raw)?;
                if fault.ends_the_file() {
                    self.damage = Some(format!("line {line}: {fault}"));
                }
            }
            Record::Row { line, fields, raw } => {
                match ImportedLine::parse(&self.columns.raw_line(fields), self.currency) {
                    Ok(parsed) if is_within_bounds(&parsed) => chunk.push(line, &parsed),
                    Ok(_) => self.refused.refuse(line, "amount out of bounds", &out_of_bounds(), raw)?,
                    Err(refusal) => self.refused.refuse(line, kind(&refusal), &refusal.to_string(), raw)?,
                }
            }
        }
        Ok(true)
    }
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
        RefusedLine::Time(_) => "time",
        RefusedLine::UnitPrice(_) => "unit price",
        RefusedLine::UnknownCurrency(_) => "unknown currency",
        RefusedLine::OtherCurrency { .. } => "other currency",
        RefusedLine::CreditSign(_) => "sign of a credit",
        RefusedLine::Overflow => "amount out of bounds",
        RefusedLine::Nul(_) => "NUL character",
    }
}
