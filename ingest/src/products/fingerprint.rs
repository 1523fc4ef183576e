//! Whether a file is the one that an earlier run has read: SHA-256 of every byte, with what it is read with.

use std::fs::File;
use std::io::Read;

use sha2::{Digest, Sha256};

use super::column_map::ColumnMap;
use super::{ImportError, ImportOptions};
use crate::input::{InputError, is_standard_input};

const BUFFER_BYTES: usize = 256 * 1024;

/// `None` for standard input and for pipes: they come once.
pub(super) async fn of(options: &ImportOptions, map: &ColumnMap) -> Result<Option<Vec<u8>>, ImportError> {
    if is_standard_input(&options.file) {
        return Ok(None);
    }
    let (file, read_with) = (options.file.clone(), format!("{:?} {map:?}", options.layout));
    let digest = move || {
        let mut digest = Sha256::new().chain_update(read_with);
        let failed = |source| InputError::File { path: file.clone(), source };
        // To read a pipe here would leave nothing of it to import.
        if !std::fs::metadata(&file).map_err(failed)?.is_file() {
            return Ok(None);
        }
        let mut bytes = File::open(&file).map_err(failed)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match bytes.read(&mut buffer).map_err(failed)? {
                0 => return Ok(Some(digest.finalize().to_vec())),
                length => digest.update(&buffer[..length]),
            }
        }
    };
    tokio::task::spawn_blocking(digest).await.map_err(ImportError::Task)?
}
