//! Which events a day has: their ids without the rest.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use domain::ids::EventId;
use jiff::civil::Date;
use parquet::errors::ParquetError;
use parquet::file::reader::FileReader;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;

use crate::behaviour::{EVENTS, LakeError, channel_folder, open};
use crate::columns;
use crate::landing::unmerged;

/// The ids of a day's events, merged or not; none when the channel has no such day. Blocks.
pub fn event_ids(root: &Path, channel: &str, day: Date) -> Result<HashSet<EventId>, LakeError> {
    let folder = channel_folder(root, channel).join(format!("day={day}"));
    // First what has landed: what is merged meanwhile is read twice.
    let landed = unmerged(&folder)?;
    let mut ids = HashSet::new();
    let base = Some(folder.join(EVENTS)).filter(|base| base.exists());
    for path in landed.iter().chain(base.as_ref()) {
        add(path, &mut ids)?;
    }
    Ok(ids)
}

fn add(path: &Path, ids: &mut HashSet<EventId>) -> Result<(), LakeError> {
    let failed = |source| LakeError::Parquet { path: path.to_owned(), source };
    let file = open(path)?;
    let wanted = only_id(file.metadata().file_metadata().schema()).map_err(failed)?;
    for row in RowIter::from_file_into(Box::new(file)).project(Some(wanted)).map_err(failed)? {
        let id = columns::id(&row.map_err(failed)?);
        ids.insert(id.map_err(|reason| LakeError::Malformed { path: path.to_owned(), reason })?);
    }
    Ok(())
}

fn only_id(schema: &Type) -> Result<Type, ParquetError> {
    let fields = schema.get_fields().iter().filter(|field| field.name() == columns::ID).map(Arc::clone);
    Type::group_type_builder(schema.name()).with_fields(fields.collect()).build()
}

#[cfg(test)]
mod tests {
    use domain::behaviour::{BehaviourEvent, BehaviourKind};
    use domain::ids::{SessionId, uuid_v7};
    use jiff::Timestamp;

    use super::*;
    use crate::behaviour::Writer;

    fn event(number: u8) -> BehaviourEvent {
        let at: Timestamp = "2026-03-01T12:00:00Z".parse().expect("a time");
        let session = SessionId::new(at, [7; 10]);
        BehaviourEvent::new(EventId::new(at, [number; 10]), at, session, BehaviourKind::View)
    }

    #[test]
    fn what_is_merged_and_what_has_landed_is_known() {
        let root = std::env::temp_dir().join(format!("entrepot-event-ids-{}", std::process::id()));
        let (writer, day) = (Writer::new(&root, "clicks"), jiff::civil::date(2026, 3, 1));
        assert!(event_ids(&root, "clicks", day).expect("no folder").is_empty());
        writer.write_day(day, &[event(1), event(2)]).expect("written");
        let name = uuid_v7(event(1).occurred_at, [1; 10]);
        writer.land(name, &[event(2), event(3)]).expect("landed");
        let ids = || event_ids(&root, "clicks", day).expect("read");
        let expected = || [1, 2, 3].map(|number| event(number).id).into();
        assert_eq!(ids(), expected());
        writer.merge_day(day, event(1).occurred_at).expect("merged");
        assert_eq!(ids(), expected());
        std::fs::remove_dir_all(&root).expect("removed");
    }
}
