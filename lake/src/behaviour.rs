//! `<root>/behaviour/channel=<code>/day=<YYYY-MM-DD>/events.parquet`: the events of a UTC day, oldest first, each once.
//!
//! What comes in lands beside it as `hour=<HH>/<name>.parquet`, an event perhaps twice, until it is merged into the
//! day's file. Who reads takes both, and each event by its id once.
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

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::behaviour::BehaviourEvent;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type};
use uuid::Uuid;

use crate::columns;

/// Most events that are encoded at once: what bounds the memory of whoever reads.
const ROW_GROUP_MAX: usize = 100_000;
const EVENTS: &str = "events.parquet";
/// What the folder of an hour's files begins with.
const HOUR: &str = "hour=";
/// Held by who merges a day.
const LOCK: &str = ".merging";

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
        let folder = self.folder.join(format!("day={day}"));
        self.place(&folder.join(EVENTS), events)
    }

    /// Lands events beside those of their days, in a file for each hour; on disk when it returns. The same events
    /// landed again, under another name, count once. Blocks.
    pub fn land(&self, name: Uuid, events: &[BehaviourEvent]) -> Result<(), LakeError> {
        let mut by_hour: BTreeMap<(Date, i8), Vec<BehaviourEvent>> = BTreeMap::new();
        for event in events {
            let at = event.occurred_at.to_zoned(TimeZone::UTC);
            by_hour.entry((at.date(), at.hour())).or_default().push(event.clone());
        }
        for ((day, hour), mut events) in by_hour {
            events.sort_by_key(|event| (event.occurred_at, event.id));
            let folder = self.folder.join(format!("day={day}")).join(format!("{HOUR}{hour:02}"));
            self.place(&folder.join(format!("{name}.parquet")), &events)?;
        }
        Ok(())
    }

    /// Merges what has landed of a day into its file. What had landed before `until` is taken away: who read the names
    /// of files a moment ago still finds the younger ones, and the next merge takes those. How many files were merged;
    /// `None` while another process merges the day. Blocks, and holds the events of the day in memory.
    pub fn merge_day(&self, day: Date, until: Timestamp) -> Result<Option<usize>, LakeError> {
        let folder = self.folder.join(format!("day={day}"));
        let lock = File::create(folder.join(LOCK)).map_err(at(&folder))?;
        if lock.try_lock().is_err() {
            return Ok(None);
        }
        let landed = landed_files(&folder)?;
        let base = folder.join(EVENTS);
        let mut events = Vec::new();
        for path in base.exists().then_some(&base).into_iter().chain(landed.iter().map(|(path, _)| path)) {
            events.extend(read(path)?);
        }
        events.sort_by_key(|event| (event.occurred_at, event.id));
        let mut known = HashSet::with_capacity(events.len());
        events.retain(|event| known.insert(event.id));
        if !landed.is_empty() {
            self.place(&base, &events)?;
        }
        for (path, _) in landed.iter().filter(|(_, landed_at)| *landed_at < until) {
            fs::remove_file(path).map_err(at(path))?;
        }
        Ok(Some(landed.len()))
    }

    /// A file that appears whole.
    fn place(&self, finished: &Path, events: &[BehaviourEvent]) -> Result<(), LakeError> {
        let folder = finished.parent().unwrap_or(&self.folder);
        let unfinished = finished.with_extension("parquet.unfinished");
        fs::create_dir_all(folder).map_err(at(folder))?;
        let file = File::create(&unfinished).map_err(at(&unfinished))?;
        let file = self
            .write(file, events)
            .map_err(|source| LakeError::Parquet { path: unfinished.clone(), source })?;
        file.sync_all().map_err(at(&unfinished))?;
        fs::rename(&unfinished, finished).map_err(at(finished))?;
        for folder in folder.ancestors().take_while(|folder| folder.starts_with(&self.folder)) {
            sync(folder).map_err(at(folder))?;
        }
        Ok(())
    }

    fn write(&self, file: File, events: &[BehaviourEvent]) -> Result<File, ParquetError> {
        let properties = Arc::clone(&self.properties);
        let mut writer = SerializedFileWriter::new(file, Arc::clone(&self.schema), properties)?;
        for events in events.chunks(ROW_GROUP_MAX) {
            let mut group = writer.next_row_group()?;
            columns::write(&mut group, events)?;
            group.close()?;
        }
        writer.into_inner()
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> LakeError {
    let path = path.to_owned();
    move |source| LakeError::File { path, source }
}

/// The files that have landed in a day's folder, and when each did.
fn landed_files(folder: &Path) -> Result<Vec<(PathBuf, Timestamp)>, LakeError> {
    let mut files = Vec::new();
    for hour in fs::read_dir(folder).map_err(at(folder))? {
        let hour = hour.map_err(at(folder))?;
        if !hour.file_name().to_str().is_some_and(|name| name.starts_with(HOUR)) {
            continue;
        }
        for file in fs::read_dir(hour.path()).map_err(at(&hour.path()))? {
            let path = file.map_err(at(&hour.path()))?.path();
            if path.extension().is_some_and(|extension| extension == "parquet") {
                let changed_at =
                    path.metadata().and_then(|metadata| metadata.modified()).map_err(at(&path))?;
                // A time beyond the calendar is no reason to keep it.
                files.push((path, Timestamp::try_from(changed_at).unwrap_or(Timestamp::MIN)));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The days of every channel beside whose events others have landed, with how many files and when the first did.
/// Blocks.
pub fn landed(root: &Path) -> Result<Vec<Landed>, LakeError> {
    let root = root.join("behaviour");
    let mut landed = Vec::new();
    for (channel, folder) in named_folders(&root, "channel=")? {
        for (day, folder) in named_folders(&folder, "day=")? {
            let files = landed_files(&folder)?;
            let Some(first_at) = files.iter().map(|(_, landed_at)| *landed_at).min() else { continue };
            if let Ok(day) = day.parse() {
                landed.push(Landed { channel: channel.clone(), day, files: files.len(), first_at });
            }
        }
    }
    Ok(landed)
}

/// What waits to be merged into a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// The channel.
    pub channel: String,
    /// The UTC day.
    pub day: Date,
    /// How many files.
    pub files: usize,
    /// When the first of them was written.
    pub first_at: Timestamp,
}

/// The folders whose names begin so, by the rest of their names. None when there is no such folder.
fn named_folders(folder: &Path, prefix: &str) -> Result<Vec<(String, PathBuf)>, LakeError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at(folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at(folder))?;
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(prefix));
        found.extend(rest.map(|rest| (rest.to_owned(), entry.path())));
    }
    found.sort();
    Ok(found)
}

/// What was made in a folder is there after a power cut only when the folder is on disk too.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
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
    read(&channel_folder(root, channel).join(format!("day={day}")).join(EVENTS))
}

fn read(path: &Path) -> Result<Vec<BehaviourEvent>, LakeError> {
    let reader = open(path)?;
    let failed = |source| LakeError::Parquet { path: path.to_owned(), source };
    let mut events = Vec::new();
    for row in reader.get_row_iter(None).map_err(failed)? {
        let event = columns::event(&row.map_err(failed)?);
        events.push(event.map_err(|reason| LakeError::Malformed { path: path.to_owned(), reason })?);
    }
    Ok(events)
}

fn open(path: &Path) -> Result<SerializedFileReader<File>, LakeError> {
    let file = File::open(path).map_err(at(path))?;
    SerializedFileReader::new(file).map_err(|source| LakeError::Parquet { path: path.to_owned(), source })
}

fn channel_folder(root: &Path, channel: &str) -> PathBuf {
    root.join("behaviour").join(format!("channel={channel}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::behaviour::{BehaviourKind, SeenExperiment};
    use domain::experiment::Arm;
    use domain::ids::{EventId, ExperimentId, OrderId, ProductId, SessionId, UserId, VariantId};
    use domain::money::{Currency, Money};

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
    fn what_lands_is_merged_once() {
        let root = std::env::temp_dir().join(format!("entrepot-lake-landed-{}", std::process::id()));
        let writer = Writer::new(&root, "shop");
        let day = jiff::civil::date(2023, 11, 14);
        let [base, landed] = [&events()[..2], &events()[1..]];
        writer.write_day(day, base).expect("written");
        // The first one comes twice, and another day with it.
        let next = BehaviourEvent {
            occurred_at: "2023-11-15T00:00:00Z".parse().expect("a time"),
            ..event(9, BehaviourKind::Checkout)
        };
        writer.land(Uuid::from_u128(1), landed).expect("landed");
        writer
            .land(Uuid::from_u128(2), &[&landed[..1], std::slice::from_ref(&next)].concat())
            .expect("landed");
        let days: Vec<_> =
            super::landed(&root).expect("listed").iter().map(|it| (it.day, it.files)).collect();
        assert_eq!(days, [(day, 2), (day.tomorrow().expect("a day"), 1)]);

        let before = Timestamp::UNIX_EPOCH;
        assert_eq!(writer.merge_day(day, before).expect("merged"), Some(2));
        assert_eq!(read_day(&root, "shop", day).expect("read"), events());
        assert_eq!(
            super::landed(&root).expect("listed").len(),
            2,
            "young files stay for those who read them"
        );
        let after = Timestamp::MAX;
        for expected in [Some(2), Some(0)] {
            assert_eq!(writer.merge_day(day, after).expect("merged"), expected);
            assert_eq!(read_day(&root, "shop", day).expect("read"), events(), "each once");
        }
        let tomorrow = day.tomorrow().expect("a day");
        assert_eq!(writer.merge_day(tomorrow, after).expect("merged"), Some(1));
        assert_eq!(read_day(&root, "shop", tomorrow).expect("read"), [next]);
        assert_eq!(super::landed(&root).expect("listed"), []);
        fs::remove_dir_all(&root).expect("removed");
    }

    #[test]
    fn a_merge_has_its_day_alone() {
        let root = std::env::temp_dir().join(format!("entrepot-lake-lock-{}", std::process::id()));
        let writer = Writer::new(&root, "shop");
        let day = jiff::civil::date(2023, 11, 14);
        writer.write_day(day, &events()).expect("written");
        let lock = channel_folder(&root, "shop").join(format!("day={day}")).join(LOCK);
        let held = File::create(lock).expect("a lock");
        held.lock().expect("held");
        assert_eq!(writer.merge_day(day, Timestamp::MAX).expect("asked"), None);
        drop(held);
        assert_eq!(writer.merge_day(day, Timestamp::MAX).expect("merged"), Some(0));
        fs::remove_dir_all(&root).expect("removed");
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
