//! Lands the events of a history that the lake does not have yet.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use domain::behaviour::BehaviourEvent;
use domain::ids::EventId;
use jiff::civil::Date;
use lake::behaviour::{LakeError, Writer, utc_day};
use lake::event_ids::event_ids;
use uuid::Uuid;

/// Ids that are held of days other than the one that is looked at, at 17 to 34 bytes.
const KNOWN_MAX: usize = 8_000_000;

/// Takes the events of a channel.
#[derive(Debug)]
pub(super) struct Landing {
    root: PathBuf,
    channel: String,
    writer: Writer,
    is_dry: bool,
    /// What the lake had of the days of the newest batch.
    known: BTreeMap<Date, HashSet<EventId>>,
    added_count: u64,
    known_count: u64,
}

impl Landing {
    /// Nothing so far; nothing lands in a dry run.
    pub(super) fn new(root: &Path, channel: &str, is_dry: bool) -> Self {
        Self {
            root: root.to_owned(),
            channel: channel.to_owned(),
            writer: Writer::new(root, channel),
            is_dry,
            known: BTreeMap::new(),
            added_count: 0,
            known_count: 0,
        }
    }

    /// Events that are new in the lake.
    pub(super) fn added(&self) -> u64 {
        self.added_count
    }

    /// Events that it had.
    pub(super) fn known(&self) -> u64 {
        self.known_count
    }

    /// Takes events, no id twice; on disk when it returns. Blocks.
    pub(super) fn take(&mut self, events: Vec<BehaviourEvent>) -> Result<(), LakeError> {
        let mut by_day: BTreeMap<Date, Vec<BehaviourEvent>> = BTreeMap::new();
        for event in events {
            by_day.entry(utc_day(&event)).or_default().push(event);
        }
        let mut new = Vec::new();
        let days: Vec<_> = by_day.keys().copied().collect();
        for (day, events) in by_day {
            let count = events.len();
            let known = self.known_of(day)?;
            let before = new.len();
            new.extend(events.into_iter().filter(|event| !known.contains(&event.id)));
            let added = new.len() - before;
            self.added_count += added as u64;
            self.known_count += (count - added) as u64;
        }
        self.known.retain(|day, _| days.binary_search(day).is_ok());
        if !self.is_dry && !new.is_empty() {
            self.writer.land(Uuid::now_v7(), &new)?;
        }
        Ok(())
    }

    fn known_of(&mut self, day: Date) -> Result<&HashSet<EventId>, LakeError> {
        if !self.known.contains_key(&day) {
            if self.known.values().map(HashSet::len).sum::<usize>() > KNOWN_MAX {
                self.known.clear();
            }
            self.known.insert(day, event_ids(&self.root, &self.channel, day)?);
        }
        Ok(&self.known[&day])
    }
}

#[cfg(test)]
mod tests {
    use domain::behaviour::BehaviourKind;
    use domain::ids::SessionId;
    use jiff::{Timestamp, ToSpan};

    use super::*;

    fn event(number: u8) -> BehaviourEvent {
        let midnight: Timestamp = "2019-10-02T00:00:00Z".parse().expect("a time");
        let at = midnight - 2.hours() + i64::from(number).hours();
        BehaviourEvent::new(
            EventId::new(at, [number; 10]),
            at,
            SessionId::new(at, [1; 10]),
            BehaviourKind::View,
        )
    }

    fn take(root: &Path, is_dry: bool, batches: &[&[u8]]) -> (u64, u64) {
        let mut landing = Landing::new(root, "clicks", is_dry);
        for batch in batches {
            landing.take(batch.iter().map(|number| event(*number)).collect()).expect("landed");
        }
        (landing.added(), landing.known())
    }

    #[test]
    fn what_the_lake_has_does_not_land_again() {
        let root = std::env::temp_dir().join(format!("entrepot-clicks-{}", std::process::id()));
        let batches: [&[u8]; 3] = [&[0, 1], &[], &[2, 3, 4]];
        assert_eq!(take(&root, true, &batches), (5, 0));
        assert!(lake::landing::landed(&root).expect("listed").is_empty());
        assert_eq!(take(&root, false, &batches[..1]), (2, 0));
        assert_eq!(take(&root, true, &batches), (3, 2));
        assert_eq!(take(&root, false, &batches), (3, 2));
        let files =
            || lake::landing::landed(&root).expect("listed").iter().map(|day| day.files).sum::<usize>();
        let before = files();
        assert_eq!(take(&root, false, &batches), (0, 5));
        assert_eq!(files(), before);
        std::fs::remove_dir_all(&root).expect("removed");
    }
}
