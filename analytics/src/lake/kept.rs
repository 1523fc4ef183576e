//! What is kept of whole months: counted again only when a day of the month was written since.
//!
//! `<root>/kept/<name>/channel=<code>/month=<YYYY-MM>/<stamp>.parquet`. The stamp tells of which files it was counted,
//! so one of others is not found. Nothing is lost with the folder.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use polars::prelude::*;

use super::{Lake, LakeError, Table, failed, plain, scan_files, write};

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
    pub fn kept<E: From<LakeError>>(
        &self,
        kept: Kept,
        channel: &str,
        days: &[Date],
        count: impl Fn(LazyFrame) -> Result<DataFrame, E>,
    ) -> Result<LazyFrame, E> {
        let nothing = count(self.scan(kept.table(), channel, &[])?)?;
        let mut files = Vec::new();
        for month in days.chunk_by(|one, next| one.first_of_month() == next.first_of_month()) {
            let stamp = self.stamp(kept, channel, month, nothing.schema())?;
            let folder = self.kept_folder(kept, channel).join(month[0].strftime("month=%Y-%m").to_string());
            let file = folder.join(format!("{stamp:016x}.parquet"));
            if !file.is_file() {
                let mut counted = count(self.scan(kept.table(), channel, month)?)?;
                empty(&folder)?;
                write(&file, &mut counted)?;
            }
            files.push(file);
        }
        let folder = self.kept_folder(kept, channel);
        let args = ScanArgsParquet { schema: Some(nothing.schema().clone()), ..plain() };
        Ok(scan_files(&folder, &files, args)?.unwrap_or_else(|| nothing.lazy()))
    }

    /// Forgets what is kept of a channel.
    pub(super) fn forget_kept(&self, channel: &str) -> Result<(), LakeError> {
        Kept::ALL.iter().try_for_each(|kept| empty(&self.kept_folder(*kept, channel)))
    }

    fn kept_folder(&self, kept: Kept, channel: &str) -> PathBuf {
        self.root.join(FOLDER).join(kept.folder()).join(format!("channel={channel}"))
    }

    /// Another one for other files: a day that is written anew is another file.
    fn stamp(&self, kept: Kept, channel: &str, days: &[Date], columns: &SchemaRef) -> Result<u64, LakeError> {
        let mut stamp = DefaultHasher::new();
        (VERSION, format!("{columns:?}")).hash(&mut stamp);
        for day in days {
            let file = self.file(kept.table(), channel, *day);
            let found = fs::metadata(&file).map_err(|source| failed(&file, source))?;
            (day, found.len(), found.ino(), found.mtime(), found.mtime_nsec()).hash(&mut stamp);
        }
        Ok(stamp.finish())
    }
}

fn empty(folder: &Path) -> Result<(), LakeError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(folder, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use jiff::civil::date;

    use super::*;
    use crate::lake::column;

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
        let total = |days: &[Date]| -> Result<i64, LakeError> {
            counts.set(0);
            let count = |rows: LazyFrame| {
                counts.set(counts.get() + 1);
                rows.select([col(column::DELTA).sum()]).collect().map_err(damaged)
            };
            let kept = lake.kept(Kept::Stock, SHOP, days, count)?;
            let sum = kept.select([col(column::DELTA).sum()]).collect().map_err(damaged)?;
            Ok(sum.column(column::DELTA).expect("there").i64().expect("numbers").get(0).unwrap_or_default())
        };
        // Nothing at all is counted every time: it tells the columns.
        assert_eq!((total(&[]).expect("a lake"), counts.get()), (0, 1));
        assert_eq!((total(&days).expect("a lake"), counts.get()), (3, 3));
        assert_eq!((total(&days).expect("a lake"), counts.get()), (3, 1));
        write(&lake, days[1], 5);
        assert_eq!((total(&days).expect("a lake"), counts.get()), (7, 2));
        days.remove(0);
        assert_eq!((total(&days).expect("a lake"), counts.get()), (6, 2));
        lake.forget(SHOP).expect("forgotten");
        assert_eq!((total(&days).expect("a lake"), counts.get()), (6, 3));
        fs::remove_dir_all(&root).expect("removed");
    }

    fn damaged(source: PolarsError) -> LakeError {
        LakeError::Parquet { path: PathBuf::new(), source }
    }
}
