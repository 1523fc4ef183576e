//! What a node's data folder says about the node, whether it runs or not.

use std::{fs, path::Path};

/// What is known of one node from its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// There is no data folder: never made, or lost.
    Missing,
    /// It follows, or will when it is started.
    Standby,
    /// It is the primary of this timeline, or was until another was promoted to a later one.
    Primary {
        /// Every promotion begins a new timeline.
        timeline: u32,
    },
}

/// The role that a data folder was left in.
///
/// A promotion writes the new timeline's history file before it removes `standby.signal`, so a node that is
/// seen as a primary here already has its new timeline.
pub(super) fn role(data: &Path) -> Role {
    if !data.join("PG_VERSION").is_file() {
        return Role::Missing;
    }
    if data.join("standby.signal").exists() {
        return Role::Standby;
    }
    Role::Primary { timeline: newest_timeline(&data.join("pg_wal")) }
}

/// The one node that may be the primary: of those that are no standbys, the one that was promoted last.
pub(super) fn primary_of(roles: &[Role]) -> Option<usize> {
    let timeline = |role: &Role| match role {
        Role::Primary { timeline } => Some(*timeline),
        Role::Standby | Role::Missing => None,
    };
    roles
        .iter()
        .enumerate()
        .filter_map(|(index, role)| Some((timeline(role)?, std::cmp::Reverse(index))))
        .max()
        .map(|(_, std::cmp::Reverse(index))| index)
}

/// Timeline 1 has no history file; later ones are never removed.
fn newest_timeline(wal: &Path) -> u32 {
    let Ok(entries) = fs::read_dir(wal) else { return 1 };
    entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            u32::from_str_radix(name.to_str()?.strip_suffix(".history")?, 16).ok()
        })
        .max()
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn folder(name: &str, files: &[&str]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("entrepot-disk-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("pg_wal")).unwrap();
        for file in files {
            fs::write(folder.join(file), "").unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_tells_its_role() {
        let none = folder("none", &[]);
        let standby = folder("standby", &["PG_VERSION", "standby.signal", "pg_wal/00000002.history"]);
        let first = folder("first", &["PG_VERSION", "pg_wal/000000010000000000000001"]);
        let promoted =
            folder("promoted", &["PG_VERSION", "pg_wal/00000002.history", "pg_wal/0000000A.history"]);
        assert_eq!(role(&none), Role::Missing);
        assert_eq!(role(&standby), Role::Standby);
        assert_eq!(role(&first), Role::Primary { timeline: 1 });
        assert_eq!(role(&promoted), Role::Primary { timeline: 10 });
        for folder in [none, standby, first, promoted] {
            fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn the_last_promoted_is_the_primary() {
        let dead = Role::Primary { timeline: 1 };
        let promoted = Role::Primary { timeline: 2 };
        assert_eq!(primary_of(&[dead, promoted, Role::Standby]), Some(1));
        assert_eq!(primary_of(&[dead, Role::Standby, Role::Missing]), Some(0));
        assert_eq!(primary_of(&[Role::Standby, Role::Standby, Role::Missing]), None);
    }
}
