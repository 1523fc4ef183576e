//! The rows of a history that are refused: counted by reason, kept as they were, and told in the report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::input::records::RowFault;
use crate::refused_rows::RefusedRows;
use crate::row_report::{Entry, ReportFile, ReportFileError};

/// Entries that are shown at once.
pub const FIRST_MAX: usize = 20;

/// Takes refused rows while a file is read.
#[derive(Debug)]
pub struct Refusals {
    report: ReportFile,
    rows: RefusedRows,
    by_reason: BTreeMap<String, u64>,
    first: Vec<Entry>,
    damage: Option<String>,
}

/// What was refused of a file, once it is read.
#[derive(Debug)]
pub struct Refused {
    /// The report with their entries; it takes more.
    pub report: ReportFile,
    /// The file with them as they were; `None` when there is none.
    pub rows: Option<PathBuf>,
    /// How many, by reason.
    pub by_reason: BTreeMap<String, u64>,
    /// The first of them.
    pub first: Vec<Entry>,
    /// Why reading ended before the file did.
    pub damage: Option<String>,
}

impl Refusals {
    /// None so far. Takes the place of what an earlier import left in both files.
    pub fn open(report: &Path, rows: &Path) -> Result<Self, ReportFileError> {
        let report = ReportFile::open(report, 0)?.expect("no file is shorter than 0");
        let rows = RefusedRows::open(rows, 0)?.expect("no file is shorter than 0");
        Ok(Self { report, rows, by_reason: BTreeMap::new(), first: Vec::new(), damage: None })
    }

    /// How many rows were refused.
    pub fn rows(&self) -> u64 {
        self.by_reason.values().sum()
    }

    /// Refuses a row; `kind` is the reason without the row's own values, to count by.
    pub fn refuse(
        &mut self,
        line: u64,
        kind: &'static str,
        reason: &str,
        raw: &[u8],
    ) -> Result<(), ReportFileError> {
        let entry = Entry::refused(line, None, kind, reason);
        self.rows.refuse(line, reason, raw)?;
        self.report.write(&entry)?;
        match self.by_reason.get_mut(kind) {
            Some(count) => *count += 1,
            None => drop(self.by_reason.insert(kind.to_owned(), 1)),
        }
        if self.first.len() < FIRST_MAX {
            self.first.push(entry);
        }
        Ok(())
    }

    /// Refuses what is no row.
    pub fn refuse_broken(&mut self, line: u64, fault: &RowFault, raw: &[u8]) -> Result<(), ReportFileError> {
        if fault.ends_the_file() {
            self.damage = Some(format!("line {line}: {fault}"));
        }
        self.refuse(line, fault.kind(), &fault.to_string(), raw)
    }

    /// Closes the file of refused rows.
    pub fn finish(self) -> Result<Refused, ReportFileError> {
        let Self { report, rows, by_reason, first, damage } = self;
        Ok(Refused { report, rows: rows.finish()?, by_reason, first, damage })
    }
}

impl Refused {
    /// How many rows.
    pub fn rows(&self) -> u64 {
        self.by_reason.values().sum()
    }
}
