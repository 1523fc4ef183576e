//! The lines of a file, each with its number; a line has a longest length, and a damaged file ends.

use std::collections::VecDeque;
use std::io::{BufRead, ErrorKind, Read};

use super::records::RowFault;
use super::{Input, InputError};

/// Longest line.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

pub(super) struct Lines {
    pub(super) input: Input,
    /// Lines that were read ahead and given back.
    pending: VecDeque<Line>,
    count: u64,
    ended: bool,
}

#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) raw: Vec<u8>,
    pub(super) fault: Option<RowFault>,
}

impl Lines {
    pub(super) fn new(input: Input) -> Self {
        Self { input, pending: VecDeque::new(), count: 0, ended: false }
    }

    /// The next line with its end; `None` after the last one.
    pub(super) fn next(&mut self) -> Result<Option<Line>, InputError> {
        if let Some(line) = self.pending.pop_front() {
            return Ok(Some(line));
        }
        if self.ended {
            return Ok(None);
        }
        let mut raw = Vec::new();
        let limit = LINE_BYTES_MAX as u64;
        let read = (&mut self.input.reader).take(limit).read_until(b'\n', &mut raw);
        self.count += 1;
        let number = self.count;
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
        if number == 1 && raw.starts_with(b"\xef\xbb\xbf") {
            raw.drain(..3);
        }
        Ok(Some(Line { number, raw, fault }))
    }

    /// Lines to be read again, in the order that they came.
    pub(super) fn give_back(&mut self, lines: Vec<Line>) {
        lines.into_iter().rev().for_each(|line| self.pending.push_front(line));
    }

    /// What follows a damaged place cannot be read; an error of the disk is no fault of the row.
    fn stop(&mut self, error: std::io::Error) -> Result<RowFault, InputError> {
        self.ended = true;
        match (self.input.compression, error.kind()) {
            (_, ErrorKind::ConnectionAborted | ErrorKind::NotFound) => Err(self.input.failed(error)),
            _ if error.raw_os_error().is_some() => Err(self.input.failed(error)),
            (Some(compression), ErrorKind::UnexpectedEof) => Ok(RowFault::Cut(compression)),
            (compression, _) => Ok(RowFault::Damaged(compression.unwrap_or("plain"), error.to_string())),
        }
    }
}

/// A line without its end.
pub(super) fn content(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    raw.strip_suffix(b"\r").unwrap_or(raw)
}
