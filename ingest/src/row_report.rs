//! The row-level report of an import: one JSON object a line for each row or document that was not simply the same.
//!
//! Its length is part of a checkpoint, so that a run that goes on after a kill writes no line twice.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::products::difference::Change;

/// Longest id and longest reason of an entry, in characters.
const TEXT_LENGTH_MAX: usize = 500;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is new.
    Added,
    /// It was there and differs.
    Changed,
    /// It cannot be taken.
    Refused,
}

/// A line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Line of the file, from 1; of a document its first.
    pub line: u64,
    /// The product's id in its catalogue, or the document's number; none where a row could not be read so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What became of it, or in a dry run would.
    pub outcome: Outcome,
    /// Why it was refused: stable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Why it was refused: for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What differs, field by field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Lines of a document that are new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines_added: Option<u64>,
    /// Lines of a document that were there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines_known: Option<u64>,
}

impl Entry {
    /// An entry without reasons and changes.
    pub fn new(line: u64, id: Option<String>, outcome: Outcome) -> Self {
        let id = id.map(|id| cut(&id, TEXT_LENGTH_MAX));
        let (code, detail, changes) = (None, None, Vec::new());
        Self { line, id, outcome, code, detail, changes, lines_added: None, lines_known: None }
    }

    /// An entry of a refused row.
    pub fn refused(line: u64, id: Option<String>, code: &'static str, detail: &str) -> Self {
        let detail = Some(cut(detail, TEXT_LENGTH_MAX));
        Self { code: Some(code), detail, ..Self::new(line, id, Outcome::Refused) }
    }
}

/// The beginning of a text from a file, as a report holds it: PostgreSQL keeps no NUL.
pub(crate) fn cut(text: &str, length_max: usize) -> String {
    let shown = |character: char| if character == '\0' { char::REPLACEMENT_CHARACTER } else { character };
    text.chars().take(length_max).map(shown).collect()
}

/// Why a file beside the import cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportFileError {
    /// The disk is full, or the folder is not ours.
    #[error("{path} cannot be written; what is in the stores stays, and the same command goes on")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Two of them are one, or one is what is read.
    #[error("{0} would be overwritten: the input, the report and the refused rows need a file each")]
    Shared(PathBuf),
}

/// A file that grows line by line and can be cut back to an earlier length.
#[derive(Debug)]
pub struct ReportFile {
    path: PathBuf,
    writer: BufWriter<File>,
    length: u64,
}

/// How the name of a report ends: that of a dry run does not take the place of what an import did.
pub fn report_ending(is_dry: bool) -> &'static str {
    if is_dry { ".dry-run.report.ndjson" } else { ".report.ndjson" }
}

/// Where a file goes when nobody says: beside what is read, its name with `ending`; in the current folder when that is
/// standard input or a pipe.
pub fn default_path(file: &Path, ending: &str) -> PathBuf {
    let name = if crate::input::is_standard_input(file) { None } else { file.file_name() };
    let mut name = name.unwrap_or("standard-input".as_ref()).to_owned();
    name.push(ending);
    if file.is_file() { file.with_file_name(name) } else { PathBuf::from(name) }
}

/// Refuses to write over what is read, and to write two things into one file. Devices and pipes take anything.
pub fn check_places(input: &Path, report: &Path, refused: &Path) -> Result<(), ReportFileError> {
    for (one, other) in [(report, input), (refused, input), (refused, report)] {
        let is_plain = one.is_file() || !one.exists();
        if is_plain && place(one) == place(other) {
            return Err(ReportFileError::Shared(one.to_owned()));
        }
    }
    Ok(())
}

/// The same for every way to write the path of one file.
fn place(path: &Path) -> PathBuf {
    let place = path.canonicalize().or_else(|_| std::path::absolute(path));
    place.unwrap_or_else(|_| path.to_owned())
}

impl ReportFile {
    /// Opens a file of an earlier run at that length, or an empty one with 0. `None`: it is shorter than that, so it
    /// is not the earlier run's.
    pub fn open(path: &Path, length: u64) -> Result<Option<Self>, ReportFileError> {
        let failed = |source| ReportFileError::Write { path: path.to_owned(), source };
        let mut file = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() < length {
            return Ok(None);
        }
        // A pipe or /dev/null cannot be cut, and needs not.
        if file.metadata().map_err(failed)?.is_file() {
            file.set_len(length).map_err(failed)?;
            file.seek(SeekFrom::Start(length)).map_err(failed)?;
        }
        Ok(Some(Self { path: path.to_owned(), writer: BufWriter::new(file), length }))
    }

    /// Adds a line.
    pub fn write(&mut self, entry: &Entry) -> Result<(), ReportFileError> {
        let mut line = serde_json::to_vec(entry).expect("plain data becomes JSON");
        line.push(b'\n');
        self.write_bytes(&line)
    }

    /// Adds bytes as they are.
    pub fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), ReportFileError> {
        self.length += bytes.len() as u64;
        self.writer.write_all(bytes).map_err(|source| self.failed(source))
    }

    /// Gives what was written to the system, which survives the end of the process. Returns the file's length.
    pub fn flush(&mut self) -> Result<u64, ReportFileError> {
        self.writer.flush().map_err(|source| self.failed(source))?;
        Ok(self.length)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, source: std::io::Error) -> ReportFileError {
        ReportFileError::Write { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_goes_on_writes_no_line_twice() {
        let path = std::env::temp_dir().join(format!("{}-report.ndjson", std::process::id()));
        let mut report = ReportFile::open(&path, 0).expect("opens").expect("new");
        report.write(&Entry::new(2, Some("a".into()), Outcome::Added)).expect("written");
        let length = report.flush().expect("flushed");
        report.write(&Entry::refused(3, None, "required", "empty")).expect("written");
        drop(report);
        let mut again = ReportFile::open(&path, length).expect("opens").expect("long enough");
        again.write(&Entry::refused(3, None, "required", "empty")).expect("written");
        again.flush().expect("flushed");
        assert_eq!(
            std::fs::read_to_string(&path).expect("there"),
            "{\"line\":2,\"id\":\"a\",\"outcome\":\"added\"}\n\
             {\"line\":3,\"outcome\":\"refused\",\"code\":\"required\",\"detail\":\"empty\"}\n"
        );
        assert!(ReportFile::open(&path, 10_000).expect("opens").is_none());
        std::fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn what_is_read_is_never_written_over() {
        let folder = std::env::temp_dir().join(format!("{}-places", std::process::id()));
        std::fs::create_dir_all(&folder).expect("made");
        let file = folder.join("a.csv");
        std::fs::write(&file, "a\n").expect("written");
        let report = default_path(&file, ".report.ndjson");
        assert_eq!(report, folder.join("a.csv.report.ndjson"));
        check_places(&file, &report, Path::new("/dev/null")).expect("apart");
        check_places(&file, Path::new("/dev/null"), Path::new("/dev/null")).expect("a device");
        let roundabout = folder.join(".").join("a.csv");
        for (report, refused) in [(&roundabout, &report), (&report, &file), (&report, &report)] {
            assert!(matches!(check_places(&file, report, refused), Err(ReportFileError::Shared(_))));
        }
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn a_text_of_a_report_is_bounded_and_holds_no_nul() {
        let entry = Entry::refused(1, Some("a\0".into()), "invalid", &"x".repeat(1_000));
        assert_eq!(entry.id.as_deref(), Some("a\u{fffd}"));
        assert_eq!(entry.detail.map(|detail| detail.len()), Some(TEXT_LENGTH_MAX));
    }

    #[test]
    fn a_full_disk_is_named() {
        let full = Path::new("/dev/full");
        if full.exists() {
            let mut report = ReportFile::open(full, 0).expect("opens").expect("new");
            report.write(&Entry::new(1, None, Outcome::Added)).expect("buffered");
            assert!(report.flush().expect_err("full").to_string().contains("/dev/full"));
        }
    }
}
