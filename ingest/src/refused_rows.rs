//! The rows that an importer refuses, in a file beside it: nothing is dropped silently.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why the file of refused rows cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("refused rows cannot be written to {path}")]
pub struct RefusedRowsError {
    path: PathBuf,
    #[source]
    source: csv::Error,
}

/// Writer of `line,reason,row`, with the row as it was in one field.
#[derive(Debug)]
pub struct RefusedRows {
    path: PathBuf,
    writer: Option<csv::Writer<File>>,
    by_reason: BTreeMap<&'static str, u64>,
}

/// What was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusedSummary {
    /// The file with the rows; `None` when there is none.
    pub path: Option<PathBuf>,
    /// How many rows by kind of reason.
    pub by_reason: BTreeMap<&'static str, u64>,
}

impl RefusedSummary {
    /// All of them.
    pub fn rows(&self) -> u64 {
        self.by_reason.values().sum()
    }
}

/// Where refused rows go when nobody says: the file's name with `.refused.csv`, in the current folder.
pub fn default_path(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or(file.as_os_str()).to_owned();
    name.push(".refused.csv");
    PathBuf::from(name)
}

impl RefusedRows {
    /// Takes the place of an earlier run's file; the file is made with the first row.
    pub fn new(path: &Path) -> Result<Self, RefusedRowsError> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(path, error.into())),
            _ => Ok(Self { path: path.to_owned(), writer: None, by_reason: BTreeMap::new() }),
        }
    }

    /// Writes a row. `kind` is the reason without the row's own values.
    pub fn refuse(
        &mut self,
        line: u64,
        kind: &'static str,
        reason: &str,
        raw: &[u8],
    ) -> Result<(), RefusedRowsError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(create(&self.path).map_err(|error| failed(&self.path, error))?),
        };
        let line = line.to_string();
        writer
            .write_record([line.as_bytes(), reason.as_bytes(), raw])
            .map_err(|error| failed(&self.path, error))?;
        *self.by_reason.entry(kind).or_default() += 1;
        Ok(())
    }

    /// How many rows were refused so far.
    pub fn rows(&self) -> u64 {
        self.by_reason.values().sum()
    }

    /// Closes the file.
    pub fn finish(self) -> Result<RefusedSummary, RefusedRowsError> {
        let Self { path, writer, by_reason } = self;
        let Some(mut writer) = writer else {
            return Ok(RefusedSummary { path: None, by_reason });
        };
        writer.flush().map_err(|error| failed(&path, error.into()))?;
        Ok(RefusedSummary { path: Some(path), by_reason })
    }
}

fn create(path: &Path) -> Result<csv::Writer<File>, csv::Error> {
    let mut writer = csv::Writer::from_path(path)?;
    writer.write_record(["line", "reason", "row"])?;
    Ok(writer)
}

fn failed(path: &Path, source: csv::Error) -> RefusedRowsError {
    RefusedRowsError { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_kept_as_it_was() {
        let path = std::env::temp_dir().join(format!("{}-refused.csv", std::process::id()));
        std::fs::write(&path, "an earlier run").expect("written");
        let mut refused = RefusedRows::new(&path).expect("removable");
        assert!(!path.exists());
        refused.refuse(7, "broken quoting", "broken quoting", b"1,\"open").expect("written");
        let summary = refused.finish().expect("closed");
        assert_eq!((summary.rows(), summary.by_reason["broken quoting"]), (1, 1));
        let text = std::fs::read_to_string(&path).expect("there");
        assert_eq!(text, "line,reason,row\n7,broken quoting,\"1,\"\"open\"\n");
        std::fs::remove_file(&path).expect("removed");
    }
}
