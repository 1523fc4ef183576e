//! A file that somebody brings: plain or gzip (also of several members), read as a stream.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

pub mod records;

const BUFFER_BYTES: usize = 256 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

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

/// An open file, decompressed while it is read.
pub struct Input {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    is_compressed: bool,
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
    /// Opens a file; whether it is gzip is told by its first bytes, not by its name.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        let failed = |source| InputError::File { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let size_bytes = file.metadata().map_err(failed)?.len();
        let mut magic = Vec::with_capacity(GZIP_MAGIC.len());
        file.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut magic).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let read_bytes = ReadBytes::default();
        let counted =
            BufReader::with_capacity(BUFFER_BYTES, Counted { file, read_bytes: read_bytes.clone() });
        let is_compressed = magic == GZIP_MAGIC;
        let reader: Box<dyn BufRead + Send> = if is_compressed {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(counted)))
        } else {
            Box::new(counted)
        };
        Ok(Self { path: path.to_owned(), reader, is_compressed, size_bytes, read_bytes })
    }

    /// Size of the file as it lies on disk.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How much of it was read.
    pub fn read_bytes(&self) -> ReadBytes {
        self.read_bytes.clone()
    }

    fn failed(&self, source: std::io::Error) -> InputError {
        InputError::File { path: self.path.clone(), source }
    }
}

struct Counted {
    file: File,
    read_bytes: ReadBytes,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.read_bytes.0.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}
