//! What is kept of whole months: counted again only when a day of the month was written since.
//!
//! `<root>/kept/<name>/channel=<code>/month=<YYYY-MM>/<stamp>.parquet`. The stamp tells of which files it was counted
//! and how, so one of others is not found. Nothing is lost with the folder, and what cannot be kept is counted each
//! time.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use polars::prelude::*;
use process::error_chain;

use super::{Lake, LakeError, Table, failed, manifest, plain, scan_files, write};

/// Grows when what is counted of a month changes though its columns do not.
const VERSION: u32 = 1;
const FOLDER: &str = "kept";

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// What was bought and given back, by document and time.
    Purchases,
    /// How much stock came and went, by product code.
    Stock,
}

impl Kept {
    const ALL: [Self; 2] = [Self::Purchases, Self::Stock];

    fn table(self) -> Table {
        match self {
            Self::Purchases => Table::Lines,
            Self::Stock => Table::Movements,
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Purchases => "purchases",
            Self::Stock => "stock",
        }
    }
}

impl Lake {
    /// What `count` makes of each UTC month of those days, all in one frame. A month whose files are as they were is
    /// not counted again.
    pub fn kept<E: From<LakeError> + From<PolarsError>>(
        &self,
        kept: Kept,
        channel: &str,
        days: &[Date],
        count: impl Fn(LazyFrame) -> Result<DataFrame, E>,
    ) -> Result<LazyFrame, E> {
        let nothing = count(self.scan(kept.table(), channel, &[])?)?;
        let channel_folder = self.kept_folder(kept, channel);
        let (mut files, mut frames, mut folders) = (Vec::new(), Vec::new(), BTreeSet::new());
        for month in days.chunk_by(|one, next| one.first_of_month() == next.first_of_month()) {
            let stamp = self.stamp(kept, channel, month, nothing.schema())?;
            let folder = channel_folder.join(month[0].strftime("month=%Y-%m").to_string());
            let file = folder.join(format!("{stamp:016x}.parquet"));
            folders.insert(folder.clone());
            if is_whole(&file) {
                files.push(file);
                continue;
            }
            let mut counted = count(self.scan(kept.table(), channel, month)?)?;
            match self.keep(&file, &mut counted) {
                Ok(true) => files.push(file),
                Ok(false) => frames.push(counted.lazy()),
                Err(error) => {
                    tracing::warn!(error = error_chain::text(&error), "a month is not kept");
                    frames.push(counted.lazy());
                }
            }
        }
        if self.keeps {
            leave_only(&channel_folder, &folders);
        }
        let args = ScanArgsParquet { schema: Some(nothing.schema().clone()), ..plain() };
        frames.extend(scan_files(&channel_folder, &files, args)?);
        frames.push(nothing.lazy());
        Ok(concat(frames, UnionArgs::default())?)
    }

    /// Keeps a month in the place of what was kept of it before, unless nothing is kept.
    fn keep(&self, file: &Path, counted: &mut DataFrame) -> Result<bool, LakeError> {
        if !self.keeps {
            return Ok(false);
        }
        write(file, counted)?;
        if let Some(folder) = file.parent() {
            leave_only(folder, &BTreeSet::from([file.to_owned()]));
        }
        Ok(true)
    }

    /// Forgets what is kept of a channel.
    pub(super) fn forget_kept(&self, channel: &str) -> Result<(), LakeError> {
        Kept::ALL.iter().try_for_each(|kept| {
            let folder = self.kept_folder(*kept, channel);
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&folder, error)),
                _ => Ok(()),
            }
        })
    }

    fn kept_folder(&self, kept: Kept, channel: &str) -> PathBuf {
        self.root.join(FOLDER).join(kept.folder()).join(format!("channel={channel}"))
    }

    /// Another one for other files: a day that is written anew is another file.
    fn stamp(&self, kept: Kept, channel: &str, days: &[Date], columns: &SchemaRef) -> Result<u64, LakeError> {
        let mut stamp = DefaultHasher::new();
        let code = (VERSION, manifest::COLUMNS_VERSION, env!("CARGO_PKG_VERSION"));
        (code, format!("{columns:?}")).hash(&mut stamp);
        for day in days {
            let file = self.file(kept.table(), channel, *day);
            let found = fs::metadata(&file).map_err(|source| failed(&file, source))?;
            (day, found.len(), found.ino(), found.mtime(), found.mtime_nsec()).hash(&mut stamp);
        }
        Ok(stamp.finish())
    }
}

/// Whether a file is there and ends as Parquet does: one that is cut short does not.
fn is_whole(file: &Path) -> bool {
    File::open(file).is_ok_and(|opened| ParquetReader::new(opened).num_rows().is_ok())
}

/// Removes what else is in a folder. Nobody misses what stays: it is only room.
fn leave_only(folder: &Path, wanted: &BTreeSet<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for path in entries.map(|entry| entry.path()).filter(|path| !wanted.contains(path)) {
        let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use jiff::civil::date;

    use super::*;
    use crate::count::CountError;
    use crate::lake::column;
    use crate::reports::ReportError;

    const SHOP: &str = "shop";

    fn write(lake: &Lake, day: Date, delta: i64) {
        let empty = DataFrame::empty_with_schema(&Table::Movements.schema());
        let columns = empty.columns().iter().map(|none| match none.name().as_str() {
            column::DELTA => Column::new(column::DELTA.into(), [delta]),
            name => Column::full_null(name.into(), 1, none.dtype()),
        });
        let mut frame = DataFrame::new(1, columns.collect()).expect("a frame");
        lake.write_day(Table::Movements, SHOP, day, &mut frame).expect("written");
    }

    #[test]
    fn a_month_is_counted_again_only_when_its_files_are_others() {
        let root = std::env::temp_dir().join(format!("entrepot-kept-{}", std::process::id()));
        let lake = Lake::new(&root);
        let mut days = vec![date(2026, 1, 1), date(2026, 1, 31), date(2026, 2, 1)];
        days.iter().for_each(|day| write(&lake, *day, 1));
        let counts = Cell::new(0);
        let total = |days: &[Date]| -> Result<i64, ReportError> {
            counts.set(0);
            let sum = |rows: LazyFrame| rows.select([col(column::DELTA).sum()]).collect();
            let kept = lake.kept(Kept::Stock, SHOP, days, |rows| {
                counts.set(counts.get() + 1);
                Ok::<_, CountError>(sum(rows)?)
            });
            let sum = sum(kept.expect("a lake"))?;
            Ok(sum.column(column::DELTA)?.i64()?.get(0).unwrap_or_default())
        };
        // Nothing at all is counted every time: it tells the columns.
        assert_eq!((total(&[]).expect("a lake"), counts.get()), (0, 1));
        assert_eq!((total(&days).expect("a lake"), counts.get()), (3, 3));
        assert_eq!((total(&days).expect("a lake"), counts.get()), (3, 1));
        write(&lake, days[1], 5);
        assert_eq!((total(&days).expect("a lake"), counts.get()), (7, 2));
        let month = lake.kept_folder(Kept::Stock, SHOP).join("month=2026-01");
        let file = fs::read_dir(&month).expect("kept").next().expect("a file").expect("an entry").path();
        fs::write(&file, b"PAR1").expect("cut short");
        assert_eq!((total(&days).expect("a lake"), counts.get()), (7, 2));
        days.remove(0);
        assert_eq!((total(&days).expect("a lake"), counts.get()), (6, 2));
        lake.forget(SHOP).expect("forgotten");
        assert_eq!((total(&days).expect("a lake"), counts.get()), (6, 3));
        fs::remove_dir_all(&root).expect("removed");
    }
}
