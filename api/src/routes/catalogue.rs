//! Imports of whole catalogues.

pub mod create_import;
pub mod get_import;
pub mod import_json;
pub mod list_import_entries;
mod upload;
