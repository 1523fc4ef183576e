//! A file that somebody brings: plain, gzip (also of several members) or zstd (also of several frames), read as a
//! stream.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder;

mod csv_row;
mod json_row;
mod lines;
pub mod records;

pub use json_row::Column;
pub(crate) use json_row::read as read_object;

const BUFFER_BYTES: usize = 256 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The disk, or no such file.
    #[error("{path} cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Nothing is in it.
    #[error("the file is empty: not even a header")]
    Empty,
    /// The first line is no header.
    #[error("the first line is no header: {0}")]
    Header(records::RowFault),
}

/// Where the bytes come from, and what to call it.
pub struct Source {
    /// For messages: the file's path, or `-`.
    pub name: PathBuf,
    /// The bytes as they are stored.
    pub bytes: Box<dyn Read + Send>,
    /// How many there are; 0 when nobody knows.
    pub size_bytes: u64,
    /// Most bytes after decompression; more are a damaged file.
    pub unpacked_bytes_max: u64,
}

impl Source {
    /// A file, or standard input as `-`.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        let failed = |source| InputError::File { path: path.to_owned(), source };
        let (bytes, size_bytes): (Box<dyn Read + Send>, u64) = if is_standard_input(path) {
            (Box::new(std::io::stdin()), 0)
        } else {
            let file = File::open(path).map_err(failed)?;
            let size_bytes = file.metadata().map_err(failed)?.len();
            (Box::new(file), size_bytes)
        };
        Ok(Self { name: path.to_owned(), bytes, size_bytes, unpacked_bytes_max: u64::MAX })
    }
}

/// Whether a path means standard input.
pub fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The shape of a file's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// Comma-separated with a header
    Csv,
    /// One JSON object a line
    Ndjson,
    /// NDJSON when the first character is a brace
    Auto,
}

/// An open file, decompressed while it is read.
pub struct Input {
    name: PathBuf,
    reader: Box<dyn BufRead + Send>,
    compression: Option<&'static str>,
    size_bytes: u64,
    read_bytes: ReadBytes,
}

/// How much of a file as it lies on disk was read so far; cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct ReadBytes(Arc<AtomicU64>);

impl ReadBytes {
    /// Bytes read so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Input {
    /// Opens a file; whether it is compressed is told by its first bytes, not by its name.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        Self::new(Source::open(path)?)
    }

    /// Reads from anywhere.
    pub fn new(source: Source) -> Result<Self, InputError> {
        let Source { name, bytes, size_bytes, unpacked_bytes_max } = source;
        let read_bytes = ReadBytes::default();
        let counted = Counted { bytes, read_bytes: read_bytes.clone() };
        let mut counted = BufReader::with_capacity(BUFFER_BYTES, counted);
        let failed = |source| InputError::File { path: name.clone(), source };
        let magic = first_bytes(&mut counted).map_err(failed)?;
        let compression = [("gzip", &GZIP_MAGIC[..]), ("zstd", &ZSTD_MAGIC[..])]
            .into_iter()
            .find(|(_, begin)| magic.starts_with(begin))
            .map(|(name, _)| name);
        let whole = Cursor::new(magic).chain(counted);
        let reader: Box<dyn Read + Send> = match compression {
            Some("gzip") => Box::new(MultiGzDecoder::new(whole)),
            Some(_) => Box::new(Decoder::with_buffer(whole).map_err(failed)?),
            None => Box::new(whole),
        };
        let bounded = Bounded { bytes: reader, left: unpacked_bytes_max };
        let reader = Box::new(BufReader::with_capacity(BUFFER_BYTES, bounded));
        Ok(Self { name, reader, compression, size_bytes, read_bytes })
    }

    /// Whether it begins as an NDJSON file does.
    pub fn is_ndjson(&mut self) -> Result<bool, InputError> {
        let name = &self.name;
        let failed = |source| InputError::File { path: name.clone(), source };
        let begin = self.reader.fill_buf().map_err(failed)?;
        let begin = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begin);
        Ok(begin.trim_ascii_start().starts_with(b"{"))
    }

    /// Size of the file as it lies on disk; 0 when nobody knows.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How much of it was read.
    pub fn read_bytes(&self) -> ReadBytes {
        self.read_bytes.clone()
    }

    fn failed(&self, source: std::io::Error) -> InputError {
        InputError::File { path: self.name.clone(), source }
    }
}

/// Up to four bytes; a pipe may give them one by one.
fn first_bytes(bytes: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut magic = Vec::with_capacity(ZSTD_MAGIC.len());
    bytes.take(ZSTD_MAGIC.len() as u64).read_to_end(&mut magic)?;
    Ok(magic)
}

struct Counted {
    bytes: Box<dyn Read + Send>,
    read_bytes: ReadBytes,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.bytes.read(buffer)?;
        self.read_bytes.0.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

struct Bounded {
    bytes: Box<dyn Read + Send>,
    left: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.bytes.read(buffer)?;
        self.left = self.left.checked_sub(length as u64).ok_or_else(|| {
            std::io::Error::new(ErrorKind::InvalidData, "it holds more than is taken at once")
        })?;
        Ok(length)
    }
}
