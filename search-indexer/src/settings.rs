//! The `[search]` section of the settings file.

use serde::Deserialize;

/// Where the search engine is and what our indexes there are called.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SearchSettings {
    /// Address of the engine, such as `http://127.0.0.1:9200`.
    pub url: String,
    /// What the names of all our indexes and aliases begin with.
    pub index_prefix: String,
}
