//! The lake: order lines and behaviour events as Parquet, one file per channel and UTC day.
//!
//! `<root>/orders/channel=<code>/day=<YYYY-MM-DD>/lines.parquet`. A file appears whole, by a rename. Behaviour events
//! (`<root>/behaviour/…/events.parquet`) are written by the crate `lake` and only read here.
//! Beside the days lies the watermark of the extract that wrote them, with the version of its columns: another than
//! the database's means that this is not the lake that was published last, and everything is extracted again.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use lake::landing::unmerged;
use polars::prelude::*;
use store::pg::daily_sales::Watermark;

const EVENTS: &str = "events.parquet";
const LINES: &str = "lines.parquet";
const LINES_UNFINISHED: &str = "lines.parquet.unfinished";
const WATERMARK: &str = "watermark";
const WATERMARK_UNFINISHED: &str = "watermark.unfinished";
/// Version of the columns and of what is in them; a lake of another one is extracted again.
const COLUMNS_VERSION: &str = "columns-2";

/// Names of the columns of a behaviour event, as the crate `lake` writes them.
pub mod event {
    /// UUID of the visit, as bytes.
    pub const SESSION_ID: &str = "session_id";
    /// UUID of the account, as bytes; null without one.
    pub const USER_ID: &str = "user_id";
    /// UUID of the event, as bytes.
    pub const ID: &str = "id";
    /// When, in microseconds, UTC.
    pub const OCCURRED_AT: &str = "occurred_at";
    /// `search`, `click` …
    pub const KIND: &str = "kind";
    /// Words searched for.
    pub const QUERY: &str = "query";
    /// Place of a clicked result, from 1.
    pub const POSITION: &str = "position";
    /// UUID of the product, as bytes.
    pub const PRODUCT_ID: &str = "product_id";
    /// Products that a search found; files of before lack it.
    pub const RESULTS: &str = "results";
    /// How long that took, in milliseconds; files of before lack it.
    pub const WAITED_MS: &str = "waited_ms";
    /// UUID of the experiment that a search, or the search of a click, took part in, as bytes; files of before lack it.
    pub const EXPERIMENT_ID: &str = "experiment_id";
    /// `control` or `treatment`: what answered the search, or brought the clicked hit; files of before lack it.
    pub const ARM: &str = "arm";
}

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
    /// What has landed of behaviour.
    #[error(transparent)]
    Landed(#[from] lake::behaviour::LakeError),
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
        days_with(&self.channel_folder(channel), LINES)
    }

    /// The days of a channel that have behaviour events, oldest first.
    pub fn event_days(&self, channel: &str) -> Result<Vec<Date>, LakeError> {
        let folder = self.event_folder(channel);
        let has_events = |day: &Path| Ok(day.join(EVENTS).is_file() || !unmerged(day)?.is_empty());
        days_where(&folder, has_events)
    }

    fn event_folder(&self, channel: &str) -> PathBuf {
        self.root.join("behaviour").join(format!("channel={channel}"))
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
        scan(&self.channel_folder(channel), LINES, days, ScanArgsParquet::default())
    }

    /// The behaviour events of those days, each once; `None` when there are none. A column that an older file lacks is
    /// null.
    pub fn scan_events(&self, channel: &str, days: &[Date]) -> Result<Option<LazyFrame>, LakeError> {
        let args = ScanArgsParquet {
            schema: Some(event_schema().into()),
            allow_missing_columns: true,
            // Names of folders are no columns.
            hive_options: HiveOptions { enabled: Some(false), ..HiveOptions::default() },
            ..ScanArgsParquet::default()
        };
        let folder = self.event_folder(channel);
        let (mut whole, mut others) = (Vec::new(), Vec::new());
        for day in days {
            let day = folder.join(format!("day={day}"));
            let landed = unmerged(&day)?;
            // What has landed may be merged meanwhile.
            let files = if landed.is_empty() { &mut whole } else { &mut others };
            files.extend(landed);
            files.extend(Some(day.join(EVENTS)).filter(|file| file.is_file()));
        }
        let whole = scan_files(&folder, &whole, args.clone())?;
        let others = scan_files(&folder, &others, args)?;
        let others =
            others.map(|events| events.unique_generic(Some(vec![col(event::ID)]), UniqueKeepStrategy::Any));
        match (whole, others) {
            (Some(whole), Some(others)) => {
                let both = concat([whole, others], UnionArgs::default());
                both.map(Some).map_err(|source| LakeError::Parquet { path: folder, source })
            }
            (whole, others) => Ok(whole.or(others)),
        }
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

/// Every column that the crate `lake` writes.
fn event_schema() -> Schema {
    let micros = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
    Schema::from_iter([
        (event::ID.into(), DataType::Binary),
        (event::OCCURRED_AT.into(), micros),
        (event::SESSION_ID.into(), DataType::Binary),
        (event::USER_ID.into(), DataType::Binary),
        (event::KIND.into(), DataType::String),
        (event::PRODUCT_ID.into(), DataType::Binary),
        ("variant_id".into(), DataType::Binary),
        (event::QUERY.into(), DataType::String),
        (event::POSITION.into(), DataType::Int32),
        ("quantity".into(), DataType::Int64),
        ("amount_minor".into(), DataType::Int64),
        ("currency".into(), DataType::String),
        ("order_id".into(), DataType::Binary),
        (event::RESULTS.into(), DataType::Int64),
        (event::WAITED_MS.into(), DataType::Int64),
        (event::EXPERIMENT_ID.into(), DataType::Binary),
        (event::ARM.into(), DataType::String),
    ])
}

/// The days of a channel's folder that have a file of that name, oldest first.
fn days_with(folder: &Path, file: &str) -> Result<Vec<Date>, LakeError> {
    days_where(folder, |day| Ok(day.join(file).is_file()))
}

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

fn scan(
    folder: &Path,
    file: &str,
    days: &[Date],
    args: ScanArgsParquet,
) -> Result<Option<LazyFrame>, LakeError> {
    let of_day = |day: &Date| folder.join(format!("day={day}")).join(file);
    let files: Vec<_> = days.iter().map(of_day).filter(|path| path.is_file()).collect();
    scan_files(folder, &files, args)
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
    LazyFrame::scan_parquet_files(paths.into(), ScanArgsParquet { glob: false, ..args })
        .map(Some)
        .map_err(|source| LakeError::Parquet { path: folder.to_owned(), source })
}

fn failed(path: &Path, source: io::Error) -> LakeError {
    LakeError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one search, with the first so many columns.
    fn write(lake: &Lake, day: Date, column_count: usize) {
        let schema = event_schema();
        let columns = schema.iter().take(column_count).map(|(name, dtype)| {
            let value = match (name.as_str(), dtype) {
                (event::KIND, _) => AnyValue::String("search"),
                (event::OCCURRED_AT, _) => AnyValue::Int64(0),
                (_, DataType::Binary) => AnyValue::Binary(&[7; 16]),
                (_, DataType::String) => AnyValue::String("scarf"),
                _ => AnyValue::Int64(3),
            };
            let value = Series::from_any_values(name.clone(), &[value], false).expect("a value");
            value.cast(dtype).expect("of that type").into_column()
        });
        let mut frame = DataFrame::new(1, columns.collect()).expect("a frame");
        let folder = lake.event_folder("shop").join(format!("day={day}"));
        fs::create_dir_all(&folder).expect("a folder");
        let file = fs::File::create(folder.join(EVENTS)).expect("a file");
        ParquetWriter::new(file).finish(&mut frame).expect("written");
    }

    #[test]
    fn files_of_before_are_read_beside_new_ones() {
        let root = std::env::temp_dir().join(format!("entrepot-analytics-lake-{}", std::process::id()));
        let lake = Lake::new(&root);
        let days = [jiff::civil::date(2026, 1, 1), jiff::civil::date(2026, 1, 2)];
        for (day, column_count) in days.iter().zip([13, 17]) {
            write(&lake, *day, column_count);
        }
        assert_eq!(lake.event_days("shop").expect("a lake"), days);
        let frame = lake.scan_events("shop", &days).expect("a lake").expect("events");
        let frame = frame.collect().expect("read");
        let results: Vec<_> =
            frame.column(event::RESULTS).expect("there").i64().expect("numbers").iter().collect();
        assert_eq!(results, [None, Some(3)]);
        assert!(lake.scan_events("shop", &[]).expect("a lake").is_none());
        fs::remove_dir_all(&root).expect("removed");
    }
}
