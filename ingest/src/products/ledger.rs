//! What a run has done so far, where it can be read, and from where the run goes on after a kill: files beside the
//! import, or rows of PostgreSQL for one that came over HTTP.
//!
//! The order is: products first, then the report, then the checkpoint that holds the report's length. So after a kill
//! the report is cut back to the checkpoint, and the rows after it are read again; products that are there already are
//! known by their time, and told of as they would have been.

use std::collections::BTreeMap;

use domain::ids::ImportRunId;
use serde::{Deserialize, Serialize};
use store::error::StoreError;
use store::pg::catalogue_imports::{self, ENTRY_COUNT_MAX, LeasedImport, RowCounts};
use store::pg::direct::DirectClient;
use store::pg::import_runs::{self, ImportCounts};
use store::pg::transaction::{self, Transaction};

use super::ImportError;
use super::batch::Told;
use crate::refused_rows::RefusedRows;
use crate::row_report::{Entry, Outcome, ReportFile};

/// Entries that are shown at once.
const FIRST_MAX: usize = 20;
/// Bytes of entries that wait to be saved, beyond which they are.
const PENDING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Rows by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Rows of the file, without the header and empty lines.
    pub rows_read: u64,
    /// Products that are new.
    pub added: u64,
    /// Products that were there and changed.
    pub changed: u64,
    /// Products that were there and are the same.
    pub unchanged: u64,
    /// Refused rows by kind of reason.
    pub refused: BTreeMap<String, u64>,
}

impl Tally {
    /// Refused rows of every kind.
    pub fn rows_refused(&self) -> u64 {
        self.refused.values().sum()
    }

    fn count(&mut self, told: &Told) {
        match told {
            Told::Same => self.unchanged += 1,
            Told::Noted(entry) if entry.outcome == Outcome::Added => self.added += 1,
            Told::Noted(_) => self.changed += 1,
            Told::Refused(entry, _) => {
                *self.refused.entry(entry.code.unwrap_or("invalid").to_owned()).or_default() += 1;
            }
        }
    }

    fn import_counts(&self) -> ImportCounts {
        ImportCounts {
            rows_read: self.rows_read.cast_signed(),
            rows_refused: self.rows_refused().cast_signed(),
            documents_added: self.added.cast_signed(),
            lines_added: 0,
        }
    }

    fn row_counts(&self) -> RowCounts {
        RowCounts {
            rows_read: self.rows_read.cast_signed(),
            added: self.added.cast_signed(),
            changed: self.changed.cast_signed(),
            unchanged: self.unchanged.cast_signed(),
            refused: self.rows_refused().cast_signed(),
        }
    }
}

/// How far a run is, as `import_runs` keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) tally: Tally,
    /// Lengths of the files, or the number of entries.
    pub(super) report_length: u64,
    pub(super) refused_length: u64,
}

/// What was done so far and where it is told.
pub(super) struct Ledger {
    pub(super) tally: Tally,
    /// The run that a checkpoint belongs to; a dry run has none.
    pub(super) run: Option<ImportRunId>,
    pub(super) pages: Pages,
    /// The first entries, to be shown at once.
    pub(super) first: Vec<Entry>,
}

pub(super) enum Pages {
    Files { report: ReportFile, refused: RefusedRows },
    Rows(Box<ReportRows>),
}

/// A report in PostgreSQL, of which only the first entries are kept.
pub(super) struct ReportRows {
    leased: LeasedImport,
    pending: Vec<serde_json::Value>,
    pending_bytes: usize,
    /// All of them.
    entries: u64,
    /// Those that are saved.
    kept: u64,
}

impl Ledger {
    pub(super) fn new(tally: Tally, run: Option<ImportRunId>, pages: Pages) -> Self {
        Self { tally, run, pages, first: Vec::new() }
    }

    /// Notes what became of a row.
    pub(super) fn note(&mut self, told: &Told) -> Result<(), ImportError> {
        self.tally.count(told);
        if let (Told::Noted(entry) | Told::Refused(entry, _), true) = (told, self.first.len() < FIRST_MAX) {
            self.first.push(entry.clone());
        }
        match told {
            Told::Same => Ok(()),
            Told::Noted(entry) => self.pages.write(entry),
            Told::Refused(entry, raw) => {
                if let Pages::Files { refused, .. } = &mut self.pages {
                    refused.refuse(entry.line, entry.detail.as_deref().unwrap_or_default(), raw)?;
                }
                self.pages.write(entry)
            }
        }
    }

    /// Whether more should not be noted before it is saved.
    pub(super) fn is_full(&self) -> bool {
        matches!(&self.pages, Pages::Rows(rows) if rows.pending_bytes >= PENDING_BYTES_MAX)
    }

    /// Makes what was noted outlast the process.
    pub(super) async fn save(&mut self, client: &mut DirectClient) -> Result<(), ImportError> {
        self.write_out(client, None).await
    }

    /// The same, and the run has ended: well, or with a reason for the one who sent it.
    pub(super) async fn finish(
        &mut self,
        client: &mut DirectClient,
        failure: Option<&str>,
    ) -> Result<(), ImportError> {
        self.write_out(client, Some(failure)).await
    }

    async fn write_out(
        &mut self,
        client: &mut DirectClient,
        end: Option<Option<&str>>,
    ) -> Result<(), ImportError> {
        let Self { tally, run, pages, .. } = self;
        let (report_length, refused_length) = pages.flush()?;
        let checkpoint = Checkpoint { tally: tally.clone(), report_length, refused_length };
        let checkpoint = serde_json::to_value(&checkpoint).expect("plain data becomes JSON");
        let saved = transaction::run_direct(client, "save_import", async |transaction| {
            match (*run, end) {
                (Some(run), None) => import_runs::save_checkpoint(transaction, run, &checkpoint).await?,
                (Some(run), Some(_)) => {
                    let now = jiff::Timestamp::now();
                    import_runs::finish(transaction, run, tally.import_counts(), now).await?;
                }
                (None, _) => {}
            }
            match pages {
                Pages::Files { .. } => Ok(()),
                Pages::Rows(rows) => rows.save(transaction, tally.row_counts(), end).await,
            }
        })
        .await;
        match saved {
            Ok(()) => self.pages.saved(),
            Err(StoreError::Conflict { constraint }) if constraint == LOST_LEASE => {
                return Err(ImportError::LostLease);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Stands for the lease that another worker has.
const LOST_LEASE: &str = "lease";

impl Pages {
    fn write(&mut self, entry: &Entry) -> Result<(), ImportError> {
        match self {
            Self::Files { report, .. } => report.write(entry)?,
            Self::Rows(rows) => rows.write(entry),
        }
        Ok(())
    }

    /// Lengths for the checkpoint.
    fn flush(&mut self) -> Result<(u64, u64), ImportError> {
        match self {
            Self::Files { report, refused } => Ok((report.flush()?, refused.flush()?)),
            Self::Rows(rows) => Ok((rows.entries, 0)),
        }
    }

    fn saved(&mut self) {
        if let Self::Rows(rows) = self {
            rows.kept += rows.pending.len() as u64;
            rows.pending.clear();
            rows.pending_bytes = 0;
        }
    }
}

impl ReportRows {
    /// A report that goes on after some entries.
    pub(super) fn new(leased: LeasedImport, entries: u64) -> Self {
        let (pending, pending_bytes) = (Vec::new(), 0);
        Self { leased, pending, pending_bytes, entries, kept: entries.min(ENTRY_COUNT_MAX) }
    }

    fn write(&mut self, entry: &Entry) {
        self.entries += 1;
        if self.entries <= ENTRY_COUNT_MAX {
            let entry = serde_json::to_value(entry).expect("plain data becomes JSON");
            self.pending_bytes += entry.to_string().len();
            self.pending.push(entry);
        }
    }

    async fn save(
        &self,
        transaction: &Transaction<'_>,
        counts: RowCounts,
        end: Option<Option<&str>>,
    ) -> Result<(), StoreError> {
        let (id, fence) = (self.leased.import.id, self.leased.fence);
        let left_out = self.entries.saturating_sub(ENTRY_COUNT_MAX);
        if !catalogue_imports::save_progress(transaction, id, fence, counts, left_out).await? {
            return Err(StoreError::Conflict { constraint: LOST_LEASE.to_owned() });
        }
        catalogue_imports::add_entries(transaction, id, self.kept + 1, &self.pending).await?;
        if let Some(failure) = end {
            catalogue_imports::end(transaction, &self.leased, failure).await?;
        }
        Ok(())
    }
}
