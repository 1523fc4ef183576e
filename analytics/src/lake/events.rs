//! Behaviour events, as the crate `lake` lands and merges them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use lake::landing::unmerged;
use polars::prelude::*;

use super::column::event;
use super::{Lake, LakeError, days_where, plain, scan_files};

const EVENTS: &str = "events.parquet";

impl Lake {
    /// The days of a channel that have behaviour events, oldest first.
    pub fn event_days(&self, channel: &str) -> Result<Vec<Date>, LakeError> {
        let folder = self.event_folder(channel);
        let has_events = |day: &Path| Ok(day.join(EVENTS).is_file() || !unmerged(day)?.is_empty());
        days_where(&folder, has_events)
    }

    fn event_folder(&self, channel: &str) -> PathBuf {
        self.root.join("behaviour").join(format!("channel={channel}"))
    }

    /// No events, with the columns that they have.
    pub fn no_events(&self) -> LazyFrame {
        DataFrame::empty_with_schema(&event_schema()).lazy()
    }

    /// A text that is another one when the events of a day may be others: files, bytes and when they were written.
    pub fn event_fingerprint(&self, channel: &str, day: Date) -> Result<String, LakeError> {
        let folder = self.event_folder(channel).join(format!("day={day}"));
        let mut files = unmerged(&folder)?;
        files.extend(Some(folder.join(EVENTS)).filter(|file| file.is_file()));
        let (mut bytes, mut newest) = (0, (0, 0));
        for file in &files {
            // What has landed may be merged meanwhile.
            if let Ok(found) = fs::metadata(file) {
                bytes += found.len();
                newest = newest.max((found.mtime(), found.mtime_nsec()));
            }
        }
        Ok(format!("{} files, {bytes} bytes, {}.{:09}", files.len(), newest.0, newest.1))
    }

    /// The behaviour events of those days, each once; `None` when there are none. A column that an older file lacks is
    /// null.
    pub fn scan_events(&self, channel: &str, days: &[Date]) -> Result<Option<LazyFrame>, LakeError> {
        let args =
            ScanArgsParquet { schema: Some(event_schema().into()), allow_missing_columns: true, ..plain() };
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
        (event::ORDER_ID.into(), DataType::Binary),
        (event::RESULTS.into(), DataType::Int64),
        (event::WAITED_MS.into(), DataType::Int64),
        (event::EXPERIMENT_ID.into(), DataType::Binary),
        (event::ARM.into(), DataType::String),
    ])
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
