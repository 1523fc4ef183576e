//! The rows of a CSV file with a header, each with its line number, and the rows that are broken.
//!
//! A stray quote must not swallow the rows after it: when a quoted field does not end as it should, only its
//! first line is refused and reading goes on with the next one.

use std::collections::VecDeque;
use std::io::{BufRead, ErrorKind, Read};

use super::{Input, InputError, ReadBytes};

/// Longest line.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Most lines that one quoted field may span; real descriptions have been seen to span 800.
pub const SPAN_LINES_MAX: usize = 10_000;

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
    /// The gzip file ends before its end.
    #[error("the gzip file is cut off here; what follows is lost")]
    Cut,
    /// The gzip file is damaged.
    #[error("the gzip file is damaged here ({0}); what follows is not read")]
    Damaged(String),
}

impl RowFault {
    /// Whether nothing can be read after it: a person must notice.
    pub fn ends_the_file(&self) -> bool {
        matches!(self, Self::Cut | Self::Damaged(_))
    }

    /// The fault without the row's own values, to count by.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Quoting => "broken quoting",
            Self::FieldCount { .. } => "wrong number of fields",
            Self::Encoding => "not UTF-8",
            Self::TooLong => "line too long",
            Self::Cut => "cut gzip",
            Self::Damaged(_) => "damaged gzip",
        }
    }
}

/// A row of the file.
#[derive(Debug)]
pub enum Record<'a> {
    /// As many fields as the header.
    Row {
        /// Its first line, from 1; the header is line 1.
        line: u64,
        /// The fields without their quotes.
        fields: &'a [String],
        /// The row as it was.
        raw: &'a [u8],
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
    input: Input,
    header: Vec<String>,
    fields: Vec<String>,
    row: Line,
    /// Lines that were read ahead and given back.
    pending: VecDeque<Line>,
    line_count: u64,
    ended: bool,
}

#[derive(Debug, Default)]
struct Line {
    number: u64,
    raw: Vec<u8>,
    fault: Option<RowFault>,
}

enum Split {
    Whole,
    Open,
    Broken,
}

impl Records {
    /// Reads the header.
    pub fn new(input: Input) -> Result<Self, InputError> {
        let mut records = Self {
            input,
            header: Vec::new(),
            fields: Vec::new(),
            row: Line::default(),
            pending: VecDeque::new(),
            line_count: 0,
            ended: false,
        };
        let mut line = records.take_line()?.ok_or(InputError::Empty)?;
        if line.raw.starts_with(b"\xef\xbb\xbf") {
            line.raw.drain(..3);
        }
        if let Some(fault) = line.fault {
            return Err(InputError::Header(fault));
        }
        let text =
            std::str::from_utf8(content(&line.raw)).map_err(|_| InputError::Header(RowFault::Encoding))?;
        let mut header = Vec::new();
        if !matches!(split(text, &mut header), Split::Whole) {
            return Err(InputError::Header(RowFault::Quoting));
        }
        records.header = header;
        Ok(records)
    }

    /// The names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Size of the file as it lies on disk.
    pub fn size_bytes(&self) -> u64 {
        self.input.size_bytes()
    }

    /// How much of it was read.
    pub fn read_bytes(&self) -> ReadBytes {
        self.input.read_bytes()
    }

    /// The next row; `None` at the end. Empty lines are no rows.
    pub fn read(&mut self) -> Result<Option<Record<'_>>, InputError> {
        loop {
            let Some(line) = self.take_line()? else {
                return Ok(None);
            };
            self.row = line;
            if self.row.fault.is_none() {
                if content(&self.row.raw).is_empty() {
                    continue;
                }
                self.row.fault = self.split_row()?;
            }
            let Line { number: line, raw, fault } = &self.row;
            let raw = content(raw);
            return Ok(Some(match fault.clone() {
                None => Record::Row { line: *line, fields: &self.fields, raw },
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
                Split::Open if ahead.len() >= SPAN_LINES_MAX || self.row.raw.len() >= LINE_BYTES_MAX => {
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
            ahead.into_iter().rev().for_each(|line| self.pending.push_front(line));
        }
        Ok(fault)
    }

    /// Appends lines up to the next one with a quote: no other closes the field. `false` when there is none.
    fn append_to_next_quote(&mut self, ahead: &mut Vec<Line>) -> Result<bool, InputError> {
        while let Some(line) = self.take_line()? {
            let can_close = line.raw.contains(&b'"');
            let is_whole = line.fault.is_none();
            if is_whole {
                self.row.raw.extend_from_slice(&line.raw);
            }
            ahead.push(line);
            if can_close || !is_whole {
                return Ok(is_whole);
            }
            if ahead.len() >= SPAN_LINES_MAX || self.row.raw.len() >= LINE_BYTES_MAX {
                return Ok(false);
            }
        }
        Ok(false)
    }

    fn take_line(&mut self) -> Result<Option<Line>, InputError> {
        if let Some(line) = self.pending.pop_front() {
            return Ok(Some(line));
        }
        if self.ended {
            return Ok(None);
        }
        let mut raw = Vec::new();
        let limit = LINE_BYTES_MAX as u64;
        let read = (&mut self.input.reader).take(limit).read_until(b'\n', &mut raw);
        self.line_count += 1;
        let number = self.line_count;
        let fault = match read {
            Ok(0) => {
                self.ended = true;
                return Ok(None);
            }
            Ok(_) if raw.len() < LINE_BYTES_MAX || raw.ends_with(b"\n") => None,
            Ok(_) => match self.input.reader.skip_until(b'\n') {
                Ok(_) => Some(RowFault::TooLong),
                Err(error) => Some(self.stop(error)?),
            },
            Err(error) => Some(self.stop(error)?),
        };
        Ok(Some(Line { number, raw, fault }))
    }

    /// What follows a damaged place cannot be read; an error of the disk is no fault of the row.
    fn stop(&mut self, error: std::io::Error) -> Result<RowFault, InputError> {
        self.ended = true;
        match error.kind() {
            ErrorKind::UnexpectedEof if self.input.is_compressed => Ok(RowFault::Cut),
            ErrorKind::InvalidInput | ErrorKind::InvalidData if self.input.is_compressed => {
                Ok(RowFault::Damaged(error.to_string()))
            }
            _ => Err(self.input.failed(error)),
        }
    }
}

/// A line without its end.
fn content(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    raw.strip_suffix(b"\r").unwrap_or(raw)
}

/// Splits a row into `fields`, whose strings are used again.
fn split(row: &str, fields: &mut Vec<String>) -> Split {
    let mut count = 0;
    let mut rest = Some(row);
    while let Some(text) = rest {
        if count == fields.len() {
            fields.push(String::new());
        }
        let field = &mut fields[count];
        field.clear();
        count += 1;
        rest = match text.strip_prefix('"') {
            None => match text.split_once(',') {
                Some((value, after)) => {
                    field.push_str(value);
                    Some(after)
                }
                None => {
                    field.push_str(text);
                    None
                }
            },
            Some(quoted) => match unquote(quoted, field) {
                Ok(after) => after,
                Err(split) => return split,
            },
        };
    }
    fields.truncate(count);
    Split::Whole
}

/// Reads a field after its opening quote. Gives what follows its comma; `None` when it is the last one.
fn unquote<'a>(mut text: &'a str, field: &mut String) -> Result<Option<&'a str>, Split> {
    loop {
        let Some((value, after)) = text.split_once('"') else {
            return Err(Split::Open);
        };
        field.push_str(value);
        match after.as_bytes().first() {
            None => return Ok(None),
            Some(b',') => return Ok(Some(&after[1..])),
            Some(b'"') => {
                field.push('"');
                text = &after[1..];
            }
            Some(_) => return Err(Split::Broken),
        }
    }
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
        let mut records = Records::new(Input::open(&path).expect("opens")).expect("has a header");
        let mut rows = Vec::new();
        while let Some(record) = records.read().expect("no disk error") {
            rows.push(match record {
                Record::Row { line, fields, .. } => format!("{line}: {}", fields.join("|")),
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
        assert_eq!(read("plain", text), ["2: 1|2", "4: x,\"y\"|two\nlines", "6: 5\" nail|", "7: |last"]);
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
