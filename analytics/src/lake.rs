//! The lake: what orders and accounts did, and what shoppers do, as Parquet by channel and UTC day.
//!
//! `<root>/<table>/channel=<code>/day=<YYYY-MM-DD>/<file>`, and what is kept of months in `kept`. A file appears whole,
//! by a rename. Behaviour events are written by the crate `lake` and only read here. A manifest a channel says what the
//! last run wrote: a day that is missing, or cut short, is another than it says, and is extracted anew.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use polars::prelude::*;
use uuid::Uuid;

pub mod column;
mod events;
mod kept;
mod manifest;
mod table;

pub use column::event;
pub use kept::Kept;
pub use manifest::{DayNote, Manifest};
pub use table::Table;

/// Why the lake cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The disk.
    #[error("{path} in the lake")]
    File {
        /// File or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// What has landed of behaviour.
    #[error(transparent)]
    Landed(#[from] lake::behaviour::LakeError),
    /// The manifest is none of ours.
    #[error("{path} in the lake")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A file is no Parquet of ours, or cannot be made.
    #[error("{path} in the lake")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What polars says.
        #[source]
        source: PolarsError,
    },
}

/// A folder with the lake in it.
#[derive(Debug, Clone)]
pub struct Lake {
    root: PathBuf,
    /// Whether what is counted of months is kept.
    keeps: bool,
}

impl Lake {
    /// The lake in that folder, which is made when something is written.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), keeps: true }
    }

    /// The same, and nothing is written beside it: it may be the lake of a running shop.
    pub fn without_keeping(root: &Path) -> Self {
        Self { keeps: false, ..Self::new(root) }
    }

    fn table_folder(&self, table: Table, channel: &str) -> PathBuf {
        self.root.join(table.folder()).join(format!("channel={channel}"))
    }

    fn file(&self, table: Table, channel: &str, day: Date) -> PathBuf {
        self.table_folder(table, channel).join(format!("day={day}")).join(table.file())
    }

    /// Writes a day in the place of what is there; on disk when it returns.
    pub fn write_day(
        &self,
        table: Table,
        channel: &str,
        day: Date,
        rows: &mut DataFrame,
    ) -> Result<DayNote, LakeError> {
        write(&self.file(table, channel, day), rows)
    }

    /// Writes the products of the catalogue in the place of those that are there.
    pub fn write_products(&self, channel: &str, products: &mut DataFrame) -> Result<(), LakeError> {
        let folder = self.table_folder(Table::Products, channel);
        write(&folder.join(Table::Products.file()), products).map(|_| ())
    }

    /// Removes a day that has no rows any more.
    pub fn remove_day(&self, table: Table, channel: &str, day: Date) -> Result<(), LakeError> {
        let file = self.file(table, channel, day);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&file, error)),
            _ => Ok(()),
        }
    }

    /// The days of a channel that have a file, oldest first.
    pub fn days(&self, table: Table, channel: &str) -> Result<Vec<Date>, LakeError> {
        days_where(&self.table_folder(table, channel), |day| Ok(day.join(table.file()).is_file()))
    }

    /// The rows of those days that have a file. A file of another shape is an error.
    pub fn scan(&self, table: Table, channel: &str, days: &[Date]) -> Result<LazyFrame, LakeError> {
        let files = days.iter().map(|day| self.file(table, channel, *day)).filter(|file| file.is_file());
        self.scan_table(table, channel, &files.collect::<Vec<_>>())
    }

    /// The products of the catalogue as of the last run.
    pub fn products(&self, channel: &str) -> Result<LazyFrame, LakeError> {
        let file = self.table_folder(Table::Products, channel).join(Table::Products.file());
        self.scan_table(
            Table::Products,
            channel,
            &Some(file).filter(|file| file.is_file()).into_iter().collect::<Vec<_>>(),
        )
    }

    fn scan_table(&self, table: Table, channel: &str, files: &[PathBuf]) -> Result<LazyFrame, LakeError> {
        let schema = table.schema();
        let args = ScanArgsParquet { schema: Some(schema.clone().into()), ..plain() };
        let folder = self.table_folder(table, channel);
        Ok(scan_files(&folder, files, args)?.unwrap_or_else(|| DataFrame::empty_with_schema(&schema).lazy()))
    }
}

/// Names of folders are no columns.
fn plain() -> ScanArgsParquet {
    let hive_options = HiveOptions { enabled: Some(false), ..HiveOptions::default() };
    ScanArgsParquet { hive_options, glob: false, ..ScanArgsParquet::default() }
}

/// A file that appears whole.
fn write(path: &Path, rows: &mut DataFrame) -> Result<DayNote, LakeError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    // Of this writer alone: one whose run was given up may still be writing.
    let unfinished = path.with_extension(format!("{}.unfinished", Uuid::new_v4().simple()));
    let written = write_unfinished(&unfinished, rows).and_then(|bytes| {
        fs::rename(&unfinished, path).map(|()| bytes).map_err(|source| failed(path, source))
    });
    if written.is_ok() {
        remove_unfinished(folder);
    }
    if written.is_err() {
        // A disk that is full has use for the room.
        let _ = fs::remove_file(&unfinished);
    }
    Ok(DayNote { rows: rows.height() as u64, bytes: written? })
}

/// Removes what those who were killed have left in a folder.
fn remove_unfinished(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let left = entries.map(|entry| entry.path());
    for path in left.filter(|path| path.extension().is_some_and(|extension| extension == "unfinished")) {
        // Only room is lost with it.
        let _ = fs::remove_file(path);
    }
}

fn write_unfinished(path: &Path, rows: &mut DataFrame) -> Result<u64, LakeError> {
    let file = fs::File::create(path).map_err(|source| failed(path, source))?;
    let bytes = ParquetWriter::new(&file)
        .finish(rows)
        .map_err(|source| LakeError::Parquet { path: path.to_owned(), source })?;
    file.sync_all().map_err(|source| failed(path, source))?;
    Ok(bytes)
}

/// The days of a channel's folder that are wanted, oldest first.
fn days_where(
    folder: &Path,
    is_wanted: impl Fn(&Path) -> Result<bool, LakeError>,
) -> Result<Vec<Date>, LakeError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|source| failed(folder, source))?,
    };
    let mut days = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| failed(folder, source))?;
        let name = entry.file_name();
        let day: Option<Date> = name.to_str().and_then(|name| name.strip_prefix("day=")?.parse().ok());
        if let Some(day) = day
            && is_wanted(&entry.path())?
        {
            days.push(day);
        }
    }
    days.sort_unstable();
    Ok(days)
}

fn scan_files(
    folder: &Path,
    files: &[PathBuf],
    args: ScanArgsParquet,
) -> Result<Option<LazyFrame>, LakeError> {
    let mut paths = Vec::with_capacity(files.len());
    for path in files {
        let source = |source| LakeError::Parquet { path: path.clone(), source };
        paths.push(PlRefPath::try_from_path(path).map_err(source)?);
    }
    if paths.is_empty() {
        return Ok(None);
    }
    LazyFrame::scan_parquet_files(paths.into(), args)
        .map(Some)
        .map_err(|source| LakeError::Parquet { path: folder.to_owned(), source })
}

fn failed(path: &Path, source: io::Error) -> LakeError {
    LakeError::File { path: path.to_owned(), source }
}
