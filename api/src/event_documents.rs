//! The events' documents as files: what consumers read, and the copies that hold what was promised to them.
//!
//! In a folder lie `<type>.schema.json` and `asyncapi.json`, made anew whenever an event changes. Below it `released/`
//! has each schema as it was when its type was new: written once, never again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use domain::event::breaking_changes;
use serde_json::Value;

/// The folder, within that of the documents, of the schemas as they were first released.
pub const RELEASED: &str = "released";
const SCHEMA: &str = ".schema.json";

/// Why no documents were written.
#[derive(Debug, thiserror::Error)]
pub enum EventDocumentsError {
    /// Consumers of events rely on what would be gone: each change, by file and place.
    #[error("consumers rely on what this would change; make a new version of the type instead:\n{}", .0.join("\n"))]
    Breaking(Vec<String>),
    /// A file or folder cannot be read or written.
    #[error("{} cannot be read or written", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    /// A schema that was written before is no JSON.
    #[error("{} is no JSON", .0.display())]
    Malformed(PathBuf, #[source] serde_json::Error),
}

/// Writes documents (file name, contents) into a folder, and those of new types into `released/` too; gives the names
/// of these. When any would break a consumer, nothing is written.
pub fn write(folder: &Path, documents: &[(String, Value)]) -> Result<Vec<String>, EventDocumentsError> {
    let broken = broken_promises(folder, documents)?;
    if !broken.is_empty() {
        return Err(EventDocumentsError::Breaking(broken));
    }
    let released = folder.join(RELEASED);
    std::fs::create_dir_all(&released).map_err(|error| EventDocumentsError::File(released.clone(), error))?;
    let mut new = Vec::new();
    for (name, document) in documents {
        write_file(&folder.join(name), document)?;
        let first = released.join(name);
        if name.ends_with(SCHEMA) && !first.exists() {
            write_file(&first, document)?;
            new.push(name.clone());
        }
    }
    Ok(new)
}

/// What these documents would break, by file and place: compared with the released schemas, and with the present ones,
/// which may have got fields since. Empty when consumers go on.
pub fn broken_promises(
    folder: &Path,
    documents: &[(String, Value)],
) -> Result<Vec<String>, EventDocumentsError> {
    let mut broken = BTreeSet::new();
    for folder in [folder.to_path_buf(), folder.join(RELEASED)] {
        for (name, before) in schemas(&folder)? {
            match documents.iter().find(|(found, _)| *found == name) {
                Some((_, document)) => {
                    let changes = breaking_changes(&before, document);
                    broken.extend(changes.into_iter().map(|change| format!("{name} {change}")));
                }
                None => {
                    broken.insert(format!("{name}: the type is gone"));
                }
            }
        }
    }
    Ok(broken.into_iter().collect())
}

/// The text of a document's file.
pub fn to_text(document: &Value) -> String {
    format!("{document:#}\n")
}

fn write_file(path: &Path, document: &Value) -> Result<(), EventDocumentsError> {
    std::fs::write(path, to_text(document))
        .map_err(|error| EventDocumentsError::File(path.to_path_buf(), error))
}

/// The schemas of a folder by file name; none where there is no such folder.
pub fn schemas(folder: &Path) -> Result<BTreeMap<String, Value>, EventDocumentsError> {
    let unreadable = |error| EventDocumentsError::File(folder.to_path_buf(), error);
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(SCHEMA) {
            let path = entry.path();
            let text = std::fs::read_to_string(&path)
                .map_err(|error| EventDocumentsError::File(path.clone(), error))?;
            let schema = serde_json::from_str(&text)
                .map_err(|error| EventDocumentsError::Malformed(path.clone(), error))?;
            found.insert(name, schema);
        }
    }
    Ok(found)
}
