//! What comes in lands beside the file of its day, `hour=<HH>/<name>.parquet`, an event perhaps twice, and is merged
//! into that file later, each event by its id once. Who reads takes the day's file and what is [`unmerged`], each event
//! once.
//!
//! A merge writes the day's file first, then notes in `.merged` what it has taken: from then on nobody reads those
//! files, and the next merge removes them, five minutes later at least, for those who have read their names before.
//! Where a merge dies its files are merged again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use domain::behaviour::BehaviourEvent;
use domain::ids::{EventId, uuid_v7_time};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::behaviour::{EVENTS, LakeError, UNFINISHED, Writer, at, channel_folder, read};
use crate::ownership;

/// What the folder of an hour's files begins with.
const HOUR: &str = "hour=";
/// Held by who merges a day.
const LOCK: &str = ".merging";
/// When the day was merged, then the files that were.
const MERGED: &str = ".merged";
/// Files that are merged at once: each of them is open.
const FILES_MAX: usize = 250;
/// So long a merged file stays.
const KEPT_FOR: SignedDuration = SignedDuration::from_mins(5);
/// What is unfinished for so long is of a process that has died.
const UNFINISHED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// A day beside whose events others have landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// The channel.
    pub channel: String,
    /// The UTC day.
    pub day: Date,
    /// Files that wait to be merged.
    pub files: usize,
    /// When the first of them was made.
    pub first_at: Option<Timestamp>,
    /// When it was merged last, while the files of that merge are there.
    pub merged_at: Option<Timestamp>,
}

impl Landed {
    /// Whether nobody reads the files of the last merge any more.
    pub fn has_leftovers(&self, now: Timestamp) -> bool {
        self.merged_at.is_some_and(|at| is_forgotten(at, now))
    }
}

impl Writer {
    /// Lands events beside those of their days, in a file for each hour; on disk when it returns. `name` is a UUID of
    /// version 7. The same events landed again, under another name, count once. Blocks.
    pub fn land(&self, name: Uuid, events: &[BehaviourEvent]) -> Result<(), LakeError> {
        let mut by_hour: BTreeMap<(Date, i8), Vec<BehaviourEvent>> = BTreeMap::new();
        for event in events {
            let at = event.occurred_at.to_zoned(TimeZone::UTC);
            by_hour.entry((at.date(), at.hour())).or_default().push(event.clone());
        }
        let mut folders = BTreeSet::new();
        for ((day, hour), mut events) in by_hour {
            events.sort_by_key(order);
            let folder = self.day_folder(day).join(format!("{HOUR}{hour:02}"));
            self.place(&folder.join(format!("{name}.parquet")), events.into_iter().map(Ok))?;
            folders.insert(folder);
        }
        folders.iter().try_for_each(|folder| self.sync(folder))
    }

    /// Merges what has landed of a day into its file, and removes what an earlier merge has taken. How many files were
    /// merged, none within five minutes of the merge before; `None` while another process merges the day. Blocks, and
    /// holds the ids of the day in memory.
    pub fn merge_day(&self, day: Date, now: Timestamp) -> Result<Option<usize>, LakeError> {
        let folder = self.day_folder(day);
        let lock_path = folder.join(LOCK);
        let lock = File::create(&lock_path).map_err(at(&folder))?;
        ownership::inherit(&lock_path).map_err(at(&lock_path))?;
        if lock.try_lock().is_err() {
            return Ok(None);
        }
        if let Some(merged) = Merged::read(&folder)? {
            if !is_forgotten(merged.at, now) {
                return Ok(Some(0));
            }
            merged.remove(&folder)?;
        }
        let landed = Files::of(&folder)?;
        landed.sweep(now)?;
        let files: Vec<PathBuf> = landed.whole.into_iter().map(|(_, path)| path).take(FILES_MAX).collect();
        if files.is_empty() {
            return Ok(Some(0));
        }
        let base = folder.join(EVENTS);
        let mut merge = Merge::new();
        for path in base.exists().then_some(&base).into_iter().chain(&files) {
            merge.add(read(path)?)?;
        }
        self.place(&base, merge)?;
        self.sync(&folder)?;
        Merged { at: now, files: files.clone() }.write(&folder)?;
        Ok(Some(files.len()))
    }
}

/// Files that have landed in a day's folder and are not in the day's file. Blocks.
pub fn unmerged(folder: &Path) -> Result<Vec<PathBuf>, LakeError> {
    // First what was merged: what is merged meanwhile is read twice, and counts once.
    let merged = Merged::read(folder)?;
    unmerged_beside(folder, merged.as_ref())
}

fn unmerged_beside(folder: &Path, merged: Option<&Merged>) -> Result<Vec<PathBuf>, LakeError> {
    let is_merged = |path: &PathBuf| merged.is_some_and(|merged| merged.files.contains(path));
    let landed = Files::of(folder)?.whole.into_iter().map(|(_, path)| path);
    Ok(landed.filter(|path| !is_merged(path)).collect())
}

/// The events of a day that have landed and are not in the day's file, an event perhaps twice. Blocks.
pub fn unmerged_events(root: &Path, channel: &str, day: Date) -> Result<Vec<BehaviourEvent>, LakeError> {
    let files = unmerged(&channel_folder(root, channel).join(format!("day={day}")))?;
    let mut events = Vec::new();
    for file in files {
        for event in read(&file)? {
            events.push(event?);
        }
    }
    Ok(events)
}

/// The days of every channel beside whose events others have landed. Blocks.
pub fn landed(root: &Path) -> Result<Vec<Landed>, LakeError> {
    let mut landed = Vec::new();
    for (channel, folder) in named_folders(&root.join("behaviour"), "channel=")? {
        for (day, folder) in named_folders(&folder, "day=")? {
            let Ok(day) = day.parse() else { continue };
            let merged = Merged::read(&folder)?;
            let files = unmerged_beside(&folder, merged.as_ref())?;
            let first_at = files.iter().filter_map(|path| name_of(path).and_then(uuid_v7_time)).min();
            let merged_at = merged.map(|merged| merged.at);
            if !files.is_empty() || merged_at.is_some() {
                landed.push(Landed {
                    channel: channel.clone(),
                    day,
                    files: files.len(),
                    first_at,
                    merged_at,
                });
            }
        }
    }
    Ok(landed)
}

fn is_forgotten(merged_at: Timestamp, now: Timestamp) -> bool {
    // A clock that was put back must not keep them for ever.
    now.duration_since(merged_at).abs() >= KEPT_FOR
}

fn order(event: &BehaviourEvent) -> (Timestamp, EventId) {
    (event.occurred_at, event.id)
}

/// The files of a day's hours, oldest first.
struct Files {
    whole: BTreeSet<(Option<Uuid>, PathBuf)>,
    unfinished: Vec<PathBuf>,
}

impl Files {
    fn of(folder: &Path) -> Result<Self, LakeError> {
        let mut files = Self { whole: BTreeSet::new(), unfinished: Vec::new() };
        for (_, hour) in named_folders(folder, HOUR)? {
            for path in paths(&hour)? {
                match path.file_name().and_then(|name| name.to_str()?.split_once('.')) {
                    Some((_, "parquet")) => drop(files.whole.insert((name_of(&path), path))),
                    Some((_, UNFINISHED)) => files.unfinished.push(path),
                    _ => {}
                }
            }
        }
        Ok(files)
    }

    /// Removes what processes that died have left.
    fn sweep(&self, now: Timestamp) -> Result<(), LakeError> {
        let begun_at = |path: &Path| name_of(path).and_then(uuid_v7_time);
        let is_left =
            |path: &&PathBuf| begun_at(path).is_none_or(|at| now.duration_since(at) > UNFINISHED_FOR);
        self.unfinished.iter().filter(is_left).try_for_each(|path| remove(path))
    }
}

/// What a merge has taken.
struct Merged {
    at: Timestamp,
    files: Vec<PathBuf>,
}

impl Merged {
    fn read(folder: &Path) -> Result<Option<Self>, LakeError> {
        let path = folder.join(MERGED);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(at(&path))?,
        };
        let mut lines = text.lines();
        let malformed = || LakeError::Malformed { path: path.clone(), reason: "no time".to_owned() };
        let at = lines.next().and_then(|line| line.parse().ok()).ok_or_else(malformed)?;
        Ok(Some(Self { at, files: lines.map(|line| folder.join(line)).collect() }))
    }

    fn write(&self, folder: &Path) -> Result<(), LakeError> {
        let (path, unfinished) = (folder.join(MERGED), folder.join(".merged.unfinished"));
        let names = self.files.iter().filter_map(|file| file.strip_prefix(folder).ok()?.to_str());
        let text = std::iter::once(self.at.to_string().as_str()).chain(names).collect::<Vec<_>>().join("\n");
        fs::write(&unfinished, text)
            .and_then(|()| ownership::inherit(&unfinished))
            .map_err(at(&unfinished))?;
        fs::rename(&unfinished, &path).map_err(at(&path))
    }

    fn remove(&self, folder: &Path) -> Result<(), LakeError> {
        for path in &self.files {
            remove(path)?;
            // The last one of its hour takes the folder with it; one in which others are stays.
            let _ = path.parent().map(fs::remove_dir);
        }
        remove(&folder.join(MERGED))
    }
}

/// Events of many files in the order of time, each id once.
struct Merge<I> {
    sources: Vec<I>,
    next: BinaryHeap<Reverse<(Timestamp, EventId, usize)>>,
    heads: Vec<Option<BehaviourEvent>>,
    known: HashSet<EventId>,
}

impl<I: Iterator<Item = Result<BehaviourEvent, LakeError>>> Merge<I> {
    fn new() -> Self {
        Self { sources: Vec::new(), next: BinaryHeap::new(), heads: Vec::new(), known: HashSet::new() }
    }

    fn add(&mut self, source: I) -> Result<(), LakeError> {
        self.sources.push(source);
        self.heads.push(None);
        self.advance(self.sources.len() - 1)
    }

    fn advance(&mut self, source: usize) -> Result<(), LakeError> {
        self.heads[source] = self.sources[source].next().transpose()?;
        if let Some(event) = &self.heads[source] {
            let (at, id) = order(event);
            self.next.push(Reverse((at, id, source)));
        }
        Ok(())
    }
}

impl<I: Iterator<Item = Result<BehaviourEvent, LakeError>>> Iterator for Merge<I> {
    type Item = Result<BehaviourEvent, LakeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Reverse((_, _, source)) = self.next.pop()?;
            let event = self.heads[source].take()?;
            if let Err(error) = self.advance(source) {
                return Some(Err(error));
            }
            if self.known.insert(event.id) {
                return Some(Ok(event));
            }
        }
    }
}

fn name_of(path: &Path) -> Option<Uuid> {
    path.file_name()?.to_str()?.split('.').next()?.parse().ok()
}

fn remove(path: &Path) -> Result<(), LakeError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// The folders whose names begin so, by the rest of their names, in order.
fn named_folders(folder: &Path, prefix: &str) -> Result<Vec<(String, PathBuf)>, LakeError> {
    let named = |path: PathBuf| Some((path.file_name()?.to_str()?.strip_prefix(prefix)?.to_owned(), path));
    let mut found: Vec<_> = paths(folder)?.into_iter().filter_map(named).collect();
    found.sort();
    Ok(found)
}

/// What is in a folder; nothing when there is none.
fn paths(folder: &Path) -> Result<Vec<PathBuf>, LakeError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at(folder))?,
    };
    let paths: io::Result<Vec<_>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    paths.map_err(at(folder))
}

#[cfg(test)]
mod tests {
    use domain::behaviour::BehaviourKind;
    use domain::ids::{SessionId, uuid_v7};

    use super::*;
    use crate::behaviour::read_day;

    /// The middle of the test's day.
    fn noon() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().expect("a time")
    }

    fn day() -> Date {
        jiff::civil::date(2026, 3, 1)
    }

    fn minutes(count: i64) -> Timestamp {
        noon() + SignedDuration::from_mins(count)
    }

    fn event(number: u8) -> BehaviourEvent {
        let at = minutes(i64::from(number) * 50);
        BehaviourEvent::new(
            EventId::new(noon(), [number; 10]),
            at,
            SessionId::new(at, [7; 10]),
            BehaviourKind::View,
        )
    }

    fn events(numbers: impl IntoIterator<Item = u8>) -> Vec<BehaviourEvent> {
        numbers.into_iter().map(event).collect()
    }

    fn name(number: u8) -> Uuid {
        uuid_v7(minutes(i64::from(number)), [number; 10])
    }

    /// A lake of its own, taken away with the value.
    struct Root(PathBuf);

    impl Root {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("entrepot-landing-{name}-{}", std::process::id())))
        }

        fn folder(&self) -> PathBuf {
            self.0.join("behaviour/channel=shop").join(format!("day={}", day()))
        }

        fn day(&self) -> Vec<BehaviourEvent> {
            read_day(&self.0, "shop", day()).expect("read")
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_lands_is_merged_and_counts_once() {
        let root = Root::new("merged");
        let writer = Writer::new(&root.0, "shop");
        writer.write_day(day(), &events([0, 2, 4])).expect("written");
        writer.land(name(1), &events([3, 1])).expect("landed");
        writer.land(name(2), &events([3, 4, 5])).expect("landed again, with others");
        let waiting = landed(&root.0).expect("listed");
        assert_eq!((waiting.len(), waiting[0].files, waiting[0].first_at), (1, 5, Some(minutes(1))));

        assert_eq!(writer.merge_day(day(), minutes(10)).expect("merged"), Some(5));
        assert_eq!(root.day(), events(0..6));
        assert!(unmerged(&root.folder()).expect("listed").is_empty(), "nobody reads them twice");
        assert_eq!(
            Files::of(&root.folder()).expect("listed").whole.len(),
            5,
            "they stay for who has their names"
        );
        let waiting = landed(&root.0).expect("listed");
        assert!(!waiting[0].has_leftovers(minutes(14)) && waiting[0].has_leftovers(minutes(15)));

        writer.land(name(11), &events([6])).expect("landed");
        assert_eq!(writer.merge_day(day(), minutes(14)).expect("asked"), Some(0), "too soon");
        assert_eq!(writer.merge_day(day(), minutes(15)).expect("merged"), Some(1));
        assert_eq!(root.day(), events(0..7));
        assert_eq!(writer.merge_day(day(), minutes(20)).expect("merged"), Some(0));
        assert_eq!(landed(&root.0).expect("listed"), []);
        assert_eq!(named_folders(&root.folder(), HOUR).expect("listed"), [], "no empty folders");
    }

    #[test]
    fn a_merge_that_dies_before_its_note_is_made_again() {
        let root = Root::new("died");
        let writer = Writer::new(&root.0, "shop");
        writer.land(name(1), &events(0..3)).expect("landed");
        writer.merge_day(day(), minutes(10)).expect("merged");
        fs::remove_file(root.folder().join(MERGED)).expect("there");
        assert_eq!(unmerged(&root.folder()).expect("listed").len(), 2);
        assert_eq!(writer.merge_day(day(), minutes(11)).expect("merged"), Some(2));
        assert_eq!(root.day(), events(0..3));
    }

    #[test]
    fn a_merge_has_its_day_alone_and_an_unreadable_file_stops_it() {
        let root = Root::new("alone");
        let writer = Writer::new(&root.0, "shop");
        writer.land(name(1), &events(0..2)).expect("landed");
        let held = File::create(root.folder().join(LOCK)).expect("a lock");
        held.lock().expect("held");
        assert_eq!(writer.merge_day(day(), minutes(10)).expect("asked"), None);
        drop(held);
        let cut = root.folder().join(format!("{HOUR}12")).join(format!("{}.parquet", name(3)));
        fs::write(&cut, b"PAR1").expect("written");
        let refused = writer.merge_day(day(), minutes(10)).expect_err("no Parquet");
        assert!(matches!(&refused, LakeError::Parquet { path, .. } if *path == cut), "{refused:?}");
        assert_eq!(unmerged(&root.folder()).expect("listed").len(), 2, "nothing is taken away");
        fs::rename(&cut, cut.with_extension(UNFINISHED)).expect("renamed");
        assert_eq!(writer.merge_day(day(), minutes(10)).expect("merged"), Some(1));
        assert_eq!(root.day(), events(0..2));
        assert!(cut.with_extension(UNFINISHED).exists(), "it may be under way");
        writer.merge_day(day(), minutes(100)).expect("merged");
        assert!(!cut.with_extension(UNFINISHED).exists());
    }
}
