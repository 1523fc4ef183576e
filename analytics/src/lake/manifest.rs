//! What the last run that ended well wrote for a channel.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use store::pg::lake_watermarks::Watermark;

use super::{Lake, LakeError, Table, failed};

/// Version of the columns and of what is in them; a lake of another one is extracted again.
pub(super) const COLUMNS_VERSION: u32 = 4;

/// The days of a channel as the last run left them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    columns_version: u32,
    watermark: u64,
    /// By table.
    days: BTreeMap<String, BTreeMap<Date, DayNote>>,
    /// Behaviour events by UTC day, as they were counted.
    #[serde(default)]
    pub events: BTreeMap<Date, String>,
}

/// A file of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayNote {
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

impl Manifest {
    /// Every transaction below it is in the lake.
    pub fn watermark(&self) -> Watermark {
        Watermark(self.watermark)
    }

    /// Notes what a run wrote.
    pub fn ends_at(&mut self, watermark: Watermark) {
        self.watermark = watermark.0;
        self.columns_version = COLUMNS_VERSION;
    }

    /// The days of a table.
    pub fn of(&mut self, table: Table) -> &mut BTreeMap<Date, DayNote> {
        self.days.entry(table.folder().to_owned()).or_default()
    }
}

impl Lake {
    fn manifest_file(&self, channel: &str) -> PathBuf {
        self.root.join("manifests").join(format!("{channel}.json"))
    }

    /// What the lake holds of a channel; `None` when no run ended well, or one with other columns.
    pub fn manifest(&self, channel: &str) -> Result<Option<Manifest>, LakeError> {
        let path = self.manifest_file(channel);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|source| failed(&path, source))?,
        };
        // One that cannot be read is as none: everything is extracted again, which mends it.
        let manifest = serde_json::from_slice::<Manifest>(&bytes).ok();
        Ok(manifest.filter(|manifest| manifest.columns_version == COLUMNS_VERSION))
    }

    /// Notes what the lake holds; on disk when it returns.
    pub fn save_manifest(&self, channel: &str, manifest: &Manifest) -> Result<(), LakeError> {
        let path = self.manifest_file(channel);
        let unfinished = path.with_extension("json.unfinished");
        let bytes = serde_json::to_vec(manifest)
            .map_err(|source| LakeError::Manifest { path: path.clone(), source })?;
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&unfinished, bytes))
            .and_then(|()| fs::File::open(&unfinished)?.sync_all())
            .and_then(|()| fs::rename(&unfinished, &path))
            .map_err(|source| failed(&unfinished, source))
    }

    /// Forgets what the lake holds of a channel: the next run extracts and counts everything.
    pub fn forget(&self, channel: &str) -> Result<(), LakeError> {
        let path = self.manifest_file(channel);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&path, error)),
            _ => self.forget_kept(channel),
        }
    }

    /// The days of a table whose file is another than the manifest says: missing, cut short, or of a run that did not
    /// end.
    pub fn damaged_days(&self, manifest: &mut Manifest, table: Table, channel: &str) -> Vec<Date> {
        let is_damaged = |(day, note): (&Date, &DayNote)| {
            let size = fs::metadata(self.file(table, channel, *day)).map(|found| found.len());
            (size.ok() != Some(note.bytes)).then_some(*day)
        };
        manifest.of(table).iter().filter_map(is_damaged).collect()
    }
}
