//! The rows that an importer refuses, as they were, in a file beside it: nothing is dropped silently, and they can be
//! repaired and imported again.

use std::path::{Path, PathBuf};

use crate::row_report::{ReportFile, ReportFileError};

/// Writer of `line,reason,row`, with the row as it was in one field. The file is made with the first row.
#[derive(Debug)]
pub struct RefusedRows {
    path: PathBuf,
    file: Option<ReportFile>,
}

impl RefusedRows {
    /// Goes on with an earlier run's file at that length, or takes its place with 0. `None`: the file is shorter, so
    /// it is not the earlier run's.
    pub fn open(path: &Path, length: u64) -> Result<Option<Self>, ReportFileError> {
        if length == 0 && !path.exists() {
            return Ok(Some(Self { path: path.to_owned(), file: None }));
        }
        let file = ReportFile::open(path, length)?;
        // An empty one is left: the next row gives it its header.
        Ok(file.map(|file| Self { path: path.to_owned(), file: (length > 0).then_some(file) }))
    }

    /// Writes a row.
    pub fn refuse(&mut self, line: u64, reason: &str, raw: &[u8]) -> Result<(), ReportFileError> {
        let line = line.to_string();
        match &mut self.file {
            Some(file) => file.write_bytes(&row([line.as_bytes(), reason.as_bytes(), raw])),
            None => {
                let file = ReportFile::open(&self.path, 0)?.expect("no file is shorter than 0");
                let file = self.file.insert(file);
                file.write_bytes(&row([b"line", b"reason", b"row"]))?;
                file.write_bytes(&row([line.as_bytes(), reason.as_bytes(), raw]))
            }
        }
    }

    /// Gives what was written to the system. Returns the file's length.
    pub fn flush(&mut self) -> Result<u64, ReportFileError> {
        self.file.as_mut().map_or(Ok(0), ReportFile::flush)
    }

    /// Closes the file, and removes it when no row was refused. Where it is, if there is one.
    pub fn finish(mut self) -> Result<Option<PathBuf>, ReportFileError> {
        self.flush()?;
        if self.file.is_none() && self.path.is_file() {
            // It is empty: a person should not have to look into it.
            let _ = std::fs::remove_file(&self.path);
        }
        Ok(self.file.map(|file| file.path().to_owned()))
    }
}

fn row(fields: [&[u8]; 3]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields).expect("a row in memory");
    writer.into_inner().expect("a row in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_kept_as_it_was() {
        let path = std::env::temp_dir().join(format!("{}-refused.csv", std::process::id()));
        std::fs::write(&path, "an earlier run").expect("written");
        let mut refused = RefusedRows::open(&path, 0).expect("opens").expect("not shorter");
        refused.refuse(7, "broken quoting", b"1,\"open").expect("written");
        let length = refused.flush().expect("flushed");
        refused.refuse(8, "lost", b"2").expect("written");
        refused.flush().expect("flushed");
        let mut again = RefusedRows::open(&path, length).expect("opens").expect("long enough");
        again.refuse(9, "kept", b"3").expect("written");
        assert_eq!(again.finish().expect("closed"), Some(path.clone()));
        let text = std::fs::read_to_string(&path).expect("there");
        assert_eq!(text, "line,reason,row\n7,broken quoting,\"1,\"\"open\"\n9,kept,3\n");
        let none = RefusedRows::open(&path, 0).expect("opens").expect("not shorter");
        assert_eq!(none.finish().expect("closed"), None);
        assert!(!path.exists());
    }
}
