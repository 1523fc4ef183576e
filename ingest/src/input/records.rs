//! The rows of a CSV file with a header, or of an NDJSON file, each with its line number, and the rows that are
//! broken.
//!
//! A stray quote must not swallow the rows after it: when a quoted field does not end as it should, only its
//! first line is refused and reading goes on with the next one.

use super::csv_row::{Split, split};
use super::json_row;
pub use super::lines::LINE_BYTES_MAX;
use super::lines::{Line, Lines, content};
use super::{Column, Input, InputError, Layout, ReadBytes};

/// Most lines that one quoted field may span; real descriptions have been seen to span 800.
pub const SPAN_LINES_MAX: usize = 1_000;
/// Most bytes that such a row may have: with each line that may close it, it is split anew.
const SPAN_BYTES_MAX: usize = 128 * 1024;
/// Spans that may fail among the lines of one that failed; after them a quote that stays open costs its line.
const FAILED_SPANS_MAX: u32 = 16;

/// Why a row cannot be split into fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// A quote opens and does not close, or closes in the middle of a field.
    #[error("broken quoting")]
    Quoting,
    /// Another number of fields than the header.
    #[error("{found} fields instead of {expected}")]
    FieldCount {
        /// Fields of the row.
        found: usize,
        /// Fields of the header.
        expected: usize,
    },
    /// Another encoding, or damaged.
    #[error("not UTF-8")]
    Encoding,
    /// A line without an end.
    #[error("longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// The line is no JSON object.
    #[error("no JSON object: {0}")]
    Json(String),
    /// An object or a list where a text or a number is asked for.
    #[error("{0:?} is an object or a list")]
    Nested(String),
    /// The compressed file ends before its end.
    #[error("the {0} file is cut off here; what follows is lost")]
    Cut(&'static str),
    /// The compressed file is damaged.
    #[error("the {0} file is damaged here ({1}); what follows is not read")]
    Damaged(&'static str, String),
}

impl RowFault {
    /// Whether nothing can be read after it: a person must notice.
    pub fn ends_the_file(&self) -> bool {
        matches!(self, Self::Cut(_) | Self::Damaged(..))
    }

    /// The fault without the row's own values, to count by.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Quoting => "broken quoting",
            Self::FieldCount { .. } => "wrong number of fields",
            Self::Encoding => "not UTF-8",
            Self::TooLong => "line too long",
            Self::Json(_) => "no JSON object",
            Self::Nested(_) => "nested value",
            Self::Cut("zstd") => "cut zstd",
            Self::Cut(_) => "cut gzip",
            Self::Damaged("zstd", _) => "damaged zstd",
            Self::Damaged("gzip", _) => "damaged gzip",
            Self::Damaged(..) => "too large",
        }
    }
}

/// A row of the file.
#[derive(Debug)]
pub enum Record<'a> {
    /// As many fields as the header, or as there are columns.
    Row {
        /// Its first line, from 1; the header is line 1.
        line: u64,
        /// The fields without their quotes.
        fields: &'a [String],
        /// The row as it was.
        raw: &'a [u8],
        /// Whether a line end follows: a last row without one may be cut short.
        has_end: bool,
    },
    /// No row.
    Broken {
        /// Its line.
        line: u64,
        /// Why.
        fault: RowFault,
        /// The line as it was.
        raw: &'a [u8],
    },
}

/// The rows of a file, one by one.
pub struct Records {
    lines: Lines,
    header: Vec<String>,
    /// Of an NDJSON file.
    columns: Option<Vec<Column>>,
    fields: Vec<String>,
    row: Line,
    /// Last line of the span that failed.
    failed_until: u64,
    failed_spans: u32,
}

impl Records {
    /// The rows of a file; `columns` says what is asked of an NDJSON file.
    pub fn open<E: From<InputError>>(
        mut input: Input,
        layout: Layout,
        columns: impl FnOnce() -> Result<Vec<Column>, E>,
    ) -> Result<Self, E> {
        let is_ndjson = match layout {
            Layout::Csv => false,
            Layout::Ndjson => true,
            Layout::Auto => input.is_ndjson()?,
        };
        if is_ndjson { Ok(Self::ndjson(input, columns()?)) } else { Ok(Self::csv(input)?) }
    }

    /// Reads the header of a CSV file.
    pub fn csv(input: Input) -> Result<Self, InputError> {
        let mut records = Self::of(input, None);
        let line = records.lines.next()?.ok_or(InputError::Empty)?;
        if let Some(fault) = line.fault {
            return Err(InputError::Header(fault));
        }
        let text =
            std::str::from_utf8(content(&line.raw)).map_err(|_| InputError::Header(RowFault::Encoding))?;
        if !matches!(split(text, &mut records.header), Split::Whole) {
            return Err(InputError::Header(RowFault::Quoting));
        }
        Ok(records)
    }

    /// An NDJSON file, of which these columns are asked for.
    pub fn ndjson(input: Input, columns: Vec<Column>) -> Self {
        Self::of(input, Some(columns))
    }

    fn of(input: Input, columns: Option<Vec<Column>>) -> Self {
        let header = columns.iter().flatten().map(|column| column.name.clone()).collect();
        let (lines, fields, row) = (Lines::new(input), Vec::new(), Line::default());
        Self { lines, header, columns, fields, row, failed_until: 0, failed_spans: 0 }
    }

    /// The names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Size of the file as it lies on disk.
    pub fn size_bytes(&self) -> u64 {
        self.lines.input.size_bytes()
    }

    /// How much of it was read.
    pub fn read_bytes(&self) -> ReadBytes {
        self.lines.input.read_bytes()
    }

    /// The next row; `None` at the end. Empty lines are no rows.
    pub fn read(&mut self) -> Result<Option<Record<'_>>, InputError> {
        loop {
            let Some(line) = self.lines.next()? else {
                return Ok(None);
            };
            self.row = line;
            if self.row.fault.is_none() {
                if content(&self.row.raw).is_empty() {
                    continue;
                }
                self.row.fault = match &self.columns {
                    None => self.split_row()?,
                    Some(columns) => read_object(content(&self.row.raw), columns, &mut self.fields).err(),
                };
            }
            let Line { number: line, raw, fault } = &self.row;
            let (has_end, raw) = (raw.ends_with(b"\n"), content(raw));
            return Ok(Some(match fault.clone() {
                None => Record::Row { line: *line, fields: &self.fields, raw, has_end },
                Some(fault) => Record::Broken { line: *line, fault, raw },
            }));
        }
    }

    /// Splits the current line into fields, with the lines after it while a quoted field is open.
    fn split_row(&mut self) -> Result<Option<RowFault>, InputError> {
        let first_length = self.row.raw.len();
        let mut ahead = Vec::new();
        let fault = loop {
            let Ok(text) = std::str::from_utf8(content(&self.row.raw)) else {
                break Some(RowFault::Encoding);
            };
            match split(text, &mut self.fields) {
                Split::Whole if self.fields.len() == self.header.len() => break None,
                Split::Whole => {
                    let (found, expected) = (self.fields.len(), self.header.len());
                    // A field that swallowed a line is the fault, not the number of fields that came of it.
                    let is_one_line = ahead.is_empty();
                    let fault = RowFault::FieldCount { found, expected };
                    break Some(if is_one_line { fault } else { RowFault::Quoting });
                }
                Split::Broken => break Some(RowFault::Quoting),
                Split::Open if self.is_span_full(ahead.len()) => {
                    break Some(RowFault::Quoting);
                }
                Split::Open => {}
            }
            if !self.append_to_next_quote(&mut ahead)? {
                break Some(RowFault::Quoting);
            }
        };
        if fault.is_some() {
            self.row.raw.truncate(first_length);
            self.note_failed_span(&ahead);
            self.lines.give_back(ahead);
        }
        Ok(fault)
    }

    fn is_span_full(&self, lines: usize) -> bool {
        let is_spent = self.row.number <= self.failed_until && self.failed_spans > FAILED_SPANS_MAX;
        is_spent || lines >= SPAN_LINES_MAX || self.row.raw.len() >= SPAN_BYTES_MAX
    }

    /// The lines are read again: each of them may open a span that fails as this one did.
    fn note_failed_span(&mut self, ahead: &[Line]) {
        let Some(last) = ahead.last() else { return };
        if self.row.number > self.failed_until {
            (self.failed_until, self.failed_spans) = (last.number, 0);
        }
        self.failed_spans += 1;
    }

    /// Appends lines up to the next one with a quote: no other closes the field. `false` when there is none.
    fn append_to_next_quote(&mut self, ahead: &mut Vec<Line>) -> Result<bool, InputError> {
        while let Some(line) = self.lines.next()? {
            let can_close = line.raw.contains(&b'"');
            let is_whole = line.fault.is_none();
            if is_whole {
                self.row.raw.extend_from_slice(&line.raw);
            }
            ahead.push(line);
            if can_close || !is_whole {
                return Ok(is_whole);
            }
            if self.is_span_full(ahead.len()) {
                return Ok(false);
            }
        }
        Ok(false)
    }
}

fn read_object(raw: &[u8], columns: &[Column], fields: &mut Vec<String>) -> Result<(), RowFault> {
    json_row::read(std::str::from_utf8(raw).map_err(|_| RowFault::Encoding)?, columns, fields)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("in memory");
        encoder.finish().expect("in memory")
    }

    /// Rows as `line: a|b`, broken ones as `line! kind: raw`.
    fn read(name: &str, bytes: &[u8]) -> Vec<String> {
        let path = std::env::temp_dir().join(format!("{}-records-{name}", std::process::id()));
        std::fs::write(&path, bytes).expect("written");
        let mut records = Records::csv(Input::open(&path).expect("opens")).expect("has a header");
        let mut rows = Vec::new();
        while let Some(record) = records.read().expect("no disk error") {
            rows.push(match record {
                Record::Row { line, fields, has_end, .. } => {
                    format!("{line}: {}{}", fields.join("|"), if has_end { "" } else { "…" })
                }
                Record::Broken { line, fault, raw } => {
                    format!("{line}! {}: {}", fault.kind(), String::from_utf8_lossy(raw))
                }
            });
        }
        std::fs::remove_file(&path).expect("removed");
        rows
    }

    #[test]
    fn rows_are_split_as_rfc_4180_says() {
        let text = b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n\"x,\"\"y\"\"\",\"two\nlines\"\n5\" nail,\n,last";
        assert_eq!(read("plain", text), ["2: 1|2", "4: x,\"y\"|two\nlines", "6: 5\" nail|", "7: |last…"]);
    }

    #[test]
    fn a_stray_quote_costs_one_row() {
        let text = b"a,b\n1,\"open\n2,\"quoted\"\n3,4\n5,\"x\"y\n6,7,8\n9\n";
        let rows = [
            "2! broken quoting: 1,\"open",
            "3: 2|quoted",
            "4: 3|4",
            "5! broken quoting: 5,\"x\"y",
            "6! wrong number of fields: 6,7,8",
            "7! wrong number of fields: 9",
        ];
        assert_eq!(read("stray", text), rows);
        assert_eq!(read("open", b"a,b\n1,\"open\n2,3\n"), ["2! broken quoting: 1,\"open", "3: 2|3"]);
    }

    #[test]
    fn another_encoding_is_named() {
        assert_eq!(read("latin", b"a\nx\n\xe9\ny\n"), ["2: x", "3! not UTF-8: \u{fffd}", "4: y"]);
    }

    #[test]
    fn a_line_without_an_end_is_bounded() {
        let mut text = b"a,b\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', LINE_BYTES_MAX * 2));
        text.extend_from_slice(b"\n1,2\n");
        let rows = read("long", &text);
        assert_eq!((rows.len(), rows[1].as_str()), (2, "3: 1|2"));
        assert!(rows[0].starts_with("2! line too long"));
    }

    #[test]
    fn every_member_of_a_gzip_file_is_read() {
        let file = [gzip(b"a,b\n1,2\n"), gzip(b"3,4\n")].concat();
        assert_eq!(read("members", &file), ["2: 1|2", "3: 3|4"]);
    }

    #[test]
    fn a_cut_gzip_keeps_what_was_read_before() {
        let text: String =
            (0..5_000).map(|number| format!("{number},{}\n", number * 7_919 % 1_000)).collect();
        let file = gzip(format!("a,b\n{text}").as_bytes());
        let rows = read("cut", &file[..file.len() / 2]);
        let (last, before) = rows.split_last().expect("rows");
        assert!(before.len() > 1_000, "{} rows", before.len());
        assert!(last.starts_with(&format!("{}! cut gzip", before.len() + 2)), "{last}");
        let mut damaged = file.clone();
        let end = damaged.len() - 5;
        damaged[end] ^= 1;
        assert!(read("damaged", &damaged).last().expect("rows").starts_with("5002! damaged gzip"));
    }
}
