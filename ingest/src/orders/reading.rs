//! The thread that reads and checks rows, beside the connection that stages them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::imported_order::{ImportedLine, LineRules, RefusedLine};
use domain::money::exponent;
use rust_decimal::Decimal;
use store::pg::order_import::LineChunk;
use tokio::sync::mpsc;

use super::order_map::{Columns, OrderMap};
use super::{ImportError, ImportOptions, OrderFormat};
use crate::input::records::{Record, Records};
use crate::input::{Input, Layout};
use crate::refused_rows::RefusedRows;
use crate::row_report::{Entry, ReportFile};

/// Largest price, quantity and line amount, in major units: reports sum millionths in 64 bits.
const MAGNITUDE_MAX: i64 = 1_000_000_000_000;

/// Entries that are shown at once.
pub(super) const FIRST_MAX: usize = 20;

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
    report: ReportFile,
    refused: RefusedRows,
    refused_by_reason: BTreeMap<String, u64>,
    first_refused: Vec<Entry>,
    rows_read: u64,
    damage: Option<String>,
}

/// What a file was, once it is read.
pub(super) struct Ended {
    pub(super) rows_read: u64,
    /// Takes the documents after the refused rows.
    pub(super) report: ReportFile,
    pub(super) refused: Option<PathBuf>,
    pub(super) refused_by_reason: BTreeMap<String, u64>,
    /// Refused rows to be shown at once.
    pub(super) first: Vec<Entry>,
    /// Why reading ended before the file did.
    pub(super) damage: Option<String>,
}

impl Source {
    pub(super) fn open(options: &ImportOptions) -> Result<Self, ImportError> {
        let (records, columns, rules) = open_records(options)?;
        let report = ReportFile::open(&options.report, 0)?.expect("no file is shorter than 0");
        let refused = RefusedRows::open(&options.refused, 0)?.expect("no file is shorter than 0");
        let (refused_by_reason, first_refused) = (BTreeMap::new(), Vec::new());
        let (rows_read, damage) = (0, None);
        Ok(Self {
            records,
            columns,
            rules,
            report,
            refused,
            refused_by_reason,
            first_refused,
            rows_read,
            damage,
        })
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
        let Self { rows_read, damage, report, refused_by_reason, first_refused: first, .. } = self;
        let refused = self.refused.finish()?;
        Ok(Ended { rows_read, report, refused, refused_by_reason, first, damage })
    }

    fn send(&self, chunk: &mut LineChunk, read_bytes: u64, sender: &mpsc::Sender<Batch>) -> bool {
        let (rows_read, rows_refused) = (self.rows_read, self.refused_by_reason.values().sum());
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
                if fault.ends_the_file() {
                    self.damage = Some(format!("line {line}: {fault}"));
                }
                (line, raw, fault.kind(), fault.to_string())
            }
            Record::Row { line, fields, raw } => {
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
        let entry = Entry::refused(line, None, kind, &reason);
        self.refused.refuse(line, &reason, raw)?;
        self.report.write(&entry)?;
        *self.refused_by_reason.entry(kind.to_owned()).or_default() += 1;
        if self.first_refused.len() < FIRST_MAX {
            self.first_refused.push(entry);
        }
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
