//! The lake: order lines as Parquet, one file per channel and UTC day.
//!
//! `<root>/orders/channel=<code>/day=<YYYY-MM-DD>/lines.parquet`. A file appears whole, by a rename.
//! Beside the days lies the watermark of the extract that wrote them, with the version of its columns: another than
//! the database's means that this is not the lake that was published last, and everything is extracted again.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use polars::prelude::*;
use store::pg::daily_sales::Watermark;

const LINES: &str = "lines.parquet";
const LINES_UNFINISHED: &str = "lines.parquet.unfinished";
const WATERMARK: &str = "watermark";
const WATERMARK_UNFINISHED: &str = "watermark.unfinished";
/// Version of the columns and of what is in them; a lake of another one is extracted again.
const COLUMNS_VERSION: &str = "columns-2";

/// Names of the columns of a line.
pub mod column {
    /// UUID of the order.
    pub const ORDER_ID: &str = "order_id";
    /// UUID of the refund that a credit line belongs to; null for every other line.
    pub const REFUND_ID: &str = "refund_id";
    /// Its number.
    pub const NUMBER: &str = "number";
    /// `sale`, `credit` or `adjustment`.
    pub const KIND: &str = "kind";
    /// Status of the order.
    pub const STATUS: &str = "status";
    /// Customer, if known.
    pub const CUSTOMER: &str = "customer";
    /// Country, if known.
    pub const COUNTRY: &str = "country";
    /// ISO 4217 code.
    pub const CURRENCY: &str = "currency";
    /// Position within the order.
    pub const LINE_NUMBER: &str = "line_number";
    /// Time of the line, in microseconds, UTC.
    pub const OCCURRED_AT: &str = "occurred_at";
    /// Product code.
    pub const SKU: &str = "sku";
    /// Pieces.
    pub const QUANTITY: &str = "quantity";
    /// Price of one piece in millionths of the major unit.
    pub const UNIT_PRICE_MICROS: &str = "unit_price_micros";
    /// What is taken off quantity times price, in millionths of the major unit.
    pub const DISCOUNT_MICROS: &str = "discount_micros";
    /// Quantity times price less the discount, in millionths of the major unit.
    pub const AMOUNT_MICROS: &str = "amount_micros";
}

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
}

impl Lake {
    /// The lake in that folder, which is made when something is written.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn channel_folder(&self, channel: &str) -> PathBuf {
        self.root.join("orders").join(format!("channel={channel}"))
    }

    fn day_folder(&self, channel: &str, day: Date) -> PathBuf {
        self.channel_folder(channel).join(format!("day={day}"))
    }

    /// Writes the lines of a day in the place of those that are there.
    pub fn write_day(&self, channel: &str, day: Date, lines: &mut DataFrame) -> Result<(), LakeError> {
        let folder = self.day_folder(channel, day);
        fs::create_dir_all(&folder).map_err(|source| failed(&folder, source))?;
        let unfinished = folder.join(LINES_UNFINISHED);
        let file = fs::File::create(&unfinished).map_err(|source| failed(&unfinished, source))?;
        ParquetWriter::new(&file)
            .finish(lines)
            .map_err(|source| LakeError::Parquet { path: unfinished.clone(), source })?;
        file.sync_all().map_err(|source| failed(&unfinished, source))?;
        fs::rename(&unfinished, folder.join(LINES)).map_err(|source| failed(&unfinished, source))
    }

    /// The days of a channel that have a file, oldest first.
    pub fn days(&self, channel: &str) -> Result<Vec<Date>, LakeError> {
        let folder = self.channel_folder(channel);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|source| failed(&folder, source))?,
        };
        let mut days = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| failed(&folder, source))?;
            let name = entry.file_name();
            let day: Option<Date> = name.to_str().and_then(|name| name.strip_prefix("day=")?.parse().ok());
            days.extend(day.filter(|_| entry.path().join(LINES).is_file()));
        }
        days.sort_unstable();
        Ok(days)
    }

    /// Removes the days of a channel that are not among `days` (sorted).
    pub fn retain(&self, channel: &str, days: &[Date]) -> Result<(), LakeError> {
        for day in self.days(channel)? {
            if days.binary_search(&day).is_err() {
                let folder = self.day_folder(channel, day);
                fs::remove_dir_all(&folder).map_err(|source| failed(&folder, source))?;
            }
        }
        Ok(())
    }

    /// The lines of those days that have a file; `None` when no day has one.
    pub fn scan(&self, channel: &str, days: &[Date]) -> Result<Option<LazyFrame>, LakeError> {
        let mut paths = Vec::new();
        for day in days {
            let path = self.day_folder(channel, *day).join(LINES);
            if path.is_file() {
                let source = |source| LakeError::Parquet { path: path.clone(), source };
                paths.push(PlRefPath::try_from_path(&path).map_err(source)?);
            }
        }
        if paths.is_empty() {
            return Ok(None);
        }
        let args = ScanArgsParquet { glob: false, ..ScanArgsParquet::default() };
        LazyFrame::scan_parquet_files(paths.into(), args)
            .map(Some)
            .map_err(|source| LakeError::Parquet { path: self.channel_folder(channel), source })
    }

    /// The watermark of the extract that the lake holds; `None` when it holds none that ended well, or one with other
    /// columns.
    pub fn watermark(&self, channel: &str) -> Result<Option<Watermark>, LakeError> {
        let path = self.channel_folder(channel).join(WATERMARK);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text
                .strip_prefix(COLUMNS_VERSION)
                .and_then(|number| number.trim().parse().ok())
                .map(Watermark)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(&path, source)),
        }
    }

    /// Notes that the lake holds that extract.
    pub fn save_watermark(&self, channel: &str, watermark: Watermark) -> Result<(), LakeError> {
        let folder = self.channel_folder(channel);
        let unfinished = folder.join(WATERMARK_UNFINISHED);
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&unfinished, format!("{COLUMNS_VERSION} {}\n", watermark.0)))
            .and_then(|()| fs::rename(&unfinished, folder.join(WATERMARK)))
            .map_err(|source| failed(&unfinished, source))
    }
}

fn failed(path: &Path, source: io::Error) -> LakeError {
    LakeError::File { path: path.to_owned(), source }
}
