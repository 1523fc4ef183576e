//! `<root>/behaviour/channel=<code>/day=<YYYY-MM-DD>/events.parquet`: the events of a UTC day, oldest first, each once.
//!
//! What comes in lands beside it, and is merged into it later: see [`crate::landing`].
//!
//! | column | type | what |
//! | --- | --- | --- |
//! | `id`, `session_id` | 16 bytes | UUID as bytes: polars reads `Binary`, a third of the size of text |
//! | `user_id`, `product_id`, `variant_id`, `order_id` | 16 bytes or null | as above |
//! | `occurred_at` | timestamp | microseconds, UTC |
//! | `kind` | text | `view`, `search`, `click`, `cart_add`, `cart_remove`, `checkout`, `purchase` |
//! | `query` | text or null | words of a search, or of the one that led to a click |
//! | `position` | 32-bit integer or null | place of a clicked result, from 1 |
//! | `quantity` | 64-bit integer or null | pieces put into or taken out of the cart |
//! | `amount_minor`, `currency` | 64-bit integer and text, or null | price of one piece, or what a purchase cost |
//! | `results`, `waited_ms` | 64-bit integer or null | what a search found, how long it took; older files lack both |

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::behaviour::BehaviourEvent;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type};

use crate::{columns, ownership};

/// Most events that are encoded at once: what bounds the memory of whoever reads.
const ROW_GROUP_MAX: usize = 100_000;
pub(crate) const EVENTS: &str = "events.parquet";
pub(crate) const UNFINISHED: &str = "parquet.unfinished";

/// Why a file of the lake cannot be written or read.
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
    /// Not Parquet, or it cannot be made.
    #[error("{path} in the lake")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the library says.
        #[source]
        source: ParquetError,
    },
    /// A row is no event of ours.
    #[error("{path} in the lake has a row that is no event: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An event is of another day than the file.
    #[error("an event of another day than {0}")]
    OtherDay(Date),
}

/// The events of one channel.
#[derive(Debug, Clone)]
pub struct Writer {
    folder: PathBuf,
    schema: Arc<Type>,
    properties: Arc<WriterProperties>,
}

impl Writer {
    /// The channel's folder within the lake's; it is made with its first day.
    pub fn new(root: &Path, channel: &str) -> Self {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            // Every id is another one.
            .set_column_dictionary_enabled(ColumnPath::from(columns::ID), false)
            .set_column_statistics_enabled(ColumnPath::from(columns::ID), EnabledStatistics::None)
            .build();
        Self {
            folder: channel_folder(root, channel),
            schema: Arc::new(columns::schema()),
            properties: Arc::new(properties),
        }
    }

    /// Puts the events of a day in the place of those that were there; on disk when it returns. Blocks.
    pub fn write_day(&self, day: Date, events: &[BehaviourEvent]) -> Result<(), LakeError> {
        if events.iter().any(|event| utc_day(event) != day) {
            return Err(LakeError::OtherDay(day));
        }
        let folder = self.day_folder(day);
        self.place(&folder.join(EVENTS), events.iter().cloned().map(Ok))?;
        self.sync(&folder)
    }

    pub(crate) fn day_folder(&self, day: Date) -> PathBuf {
        self.folder.join(format!("day={day}"))
    }

    /// A file that appears whole, with what comes in turn.
    pub(crate) fn place(
        &self,
        finished: &Path,
        events: impl Iterator<Item = Result<BehaviourEvent, LakeError>>,
    ) -> Result<(), LakeError> {
        let folder = finished.parent().unwrap_or(&self.folder);
        let unfinished = finished.with_extension(UNFINISHED);
        ownership::make_folder(folder).map_err(at(folder))?;
        let written = self.write(&unfinished, events).and_then(|file| {
            ownership::inherit(&unfinished).map_err(at(&unfinished))?;
            file.sync_all().map_err(at(&unfinished))?;
            fs::rename(&unfinished, finished).map_err(at(finished))
        });
        if written.is_err() {
            // A disk that is full has use for the room.
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    /// Makes sure that a folder and those above it are on disk: what was made in one is there after a power cut only
    /// then.
    pub(crate) fn sync(&self, folder: &Path) -> Result<(), LakeError> {
        let top = self.folder.parent().unwrap_or(&self.folder);
        for folder in folder.ancestors().take_while(|folder| folder.starts_with(top)) {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))?;
        }
        Ok(())
    }

    fn write(
        &self,
        path: &Path,
        events: impl Iterator<Item = Result<BehaviourEvent, LakeError>>,
    ) -> Result<File, LakeError> {
        let failed = |source| LakeError::Parquet { path: path.to_owned(), source };
        let file = File::create(path).map_err(at(path))?;
        let (schema, properties) = (Arc::clone(&self.schema), Arc::clone(&self.properties));
        let mut writer = SerializedFileWriter::new(file, schema, properties).map_err(failed)?;
        let mut events = events.peekable();
        while events.peek().is_some() {
            let some = events.by_ref().take(ROW_GROUP_MAX).collect::<Result<Vec<_>, _>>()?;
            let mut group = writer.next_row_group().map_err(failed)?;
            columns::write(&mut group, &some).map_err(failed)?;
            group.close().map_err(failed)?;
        }
        writer.into_inner().map_err(failed)
    }
}

pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> LakeError {
    let path = path.to_owned();
    move |source| LakeError::File { path, source }
}

/// The UTC day that an event belongs to.
pub fn utc_day(event: &BehaviourEvent) -> Date {
    event.occurred_at.to_zoned(TimeZone::UTC).date()
}

/// The days of a channel that have a file, in order. Blocks.
pub fn days(root: &Path, channel: &str) -> Result<Vec<Date>, LakeError> {
    let folder = channel_folder(root, channel);
    let failed = |source| LakeError::File { path: folder.clone(), source };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut days = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let day = name.to_str().and_then(|name| name.strip_prefix("day=")?.parse::<Date>().ok());
        days.extend(day.filter(|_| entry.path().join(EVENTS).exists()));
    }
    days.sort_unstable();
    Ok(days)
}

/// How many events a day has, from the end of its file. Blocks.
pub fn row_count(root: &Path, channel: &str, day: Date) -> Result<u64, LakeError> {
    let path = channel_folder(root, channel).join(format!("day={day}")).join(EVENTS);
    let reader = open(&path)?;
    let rows = reader.metadata().file_metadata().num_rows();
    u64::try_from(rows).map_err(|_| LakeError::Malformed { path, reason: format!("{rows} rows") })
}

/// The events of a day's file, all in memory. Blocks.
pub fn read_day(root: &Path, channel: &str, day: Date) -> Result<Vec<BehaviourEvent>, LakeError> {
    read(&channel_folder(root, channel).join(format!("day={day}")).join(EVENTS))?.collect()
}

/// The events of a file, one after the other.
pub(crate) fn read(
    path: &Path,
) -> Result<impl Iterator<Item = Result<BehaviourEvent, LakeError>> + use<>, LakeError> {
    let rows = open(path)?.into_iter();
    let path = path.to_owned();
    Ok(rows.map(move |row| {
        let row = row.map_err(|source| LakeError::Parquet { path: path.clone(), source })?;
        columns::event(&row).map_err(|reason| LakeError::Malformed { path: path.clone(), reason })
    }))
}

pub(crate) fn open(path: &Path) -> Result<SerializedFileReader<File>, LakeError> {
    let file = File::open(path).map_err(at(path))?;
    SerializedFileReader::new(file).map_err(|source| LakeError::Parquet { path: path.to_owned(), source })
}

pub(crate) fn channel_folder(root: &Path, channel: &str) -> PathBuf {
    root.join("behaviour").join(format!("channel={channel}"))
}

#[cfg(test)]
mod tests {
    use domain::behaviour::{BehaviourKind, SeenExperiment};
    use domain::experiment::Arm;
    use domain::ids::{EventId, ExperimentId, OrderId, ProductId, SessionId, UserId, VariantId};
    use domain::money::{Currency, Money};
    use jiff::Timestamp;

    use super::*;

    fn event(number: u8, kind: BehaviourKind) -> BehaviourEvent {
        let at = Timestamp::from_millisecond(1_700_000_000_000 + i64::from(number)).expect("in range");
        BehaviourEvent::new(EventId::new(at, [number; 10]), at, SessionId::new(at, [7; 10]), kind)
    }

    fn events() -> Vec<BehaviourEvent> {
        let at = Timestamp::from_millisecond(1_700_000_000_000).expect("in range");
        let price = Money { amount_minor: 1999, currency: Currency::GBP };
        vec![
            BehaviourEvent {
                query: Some("rôbe d'été 🎽".to_owned()),
                results: Some(u32::MAX),
                waited_ms: Some(0),
                experiment: Some(SeenExperiment { id: ExperimentId::new(at, [5; 10]), arm: None }),
                ..event(1, BehaviourKind::Search)
            },
            BehaviourEvent {
                product_id: Some(ProductId::new(at, [1; 10])),
                position: Some(u16::MAX),
                experiment: Some(SeenExperiment {
                    id: ExperimentId::new(at, [5; 10]),
                    arm: Some(Arm::Treatment),
                }),
                ..event(2, BehaviourKind::Click)
            },
            BehaviourEvent {
                user_id: Some(UserId::new(at, [2; 10])),
                variant_id: Some(VariantId::new(at, [3; 10])),
                quantity: Some(u32::MAX),
                amount: Some(price),
                ..event(3, BehaviourKind::CartAdd)
            },
            BehaviourEvent {
                order_id: Some(OrderId::new(at, [4; 10])),
                amount: Some(Money { amount_minor: i64::MAX, ..price }),
                ..event(4, BehaviourKind::Purchase)
            },
        ]
    }

    #[test]
    fn events_are_read_as_they_were_written() {
        let root = std::env::temp_dir().join(format!("entrepot-lake-{}", std::process::id()));
        let writer = Writer::new(&root, "shop");
        let day = jiff::civil::date(2023, 11, 14);
        assert!(days(&root, "shop").expect("asked").is_empty());
        writer.write_day(day, &events()).expect("written");
        assert_eq!(read_day(&root, "shop", day).expect("read"), events());
        assert_eq!(row_count(&root, "shop", day).expect("read"), 4);
        writer.write_day(day, &events()[..1]).expect("written again");
        assert_eq!(row_count(&root, "shop", day).expect("read"), 1);
        assert!(matches!(
            writer.write_day(day.tomorrow().expect("a day"), &events()),
            Err(LakeError::OtherDay(_))
        ));
        assert_eq!(days(&root, "shop").expect("asked"), [day]);
        fs::remove_dir_all(&root).expect("removed");
    }
}
