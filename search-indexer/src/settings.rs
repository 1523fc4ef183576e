//! The `[search]` section of the settings file.

use std::path::PathBuf;

use serde::Deserialize;

/// What nearness counts beside words when the settings do not say.
const VECTOR_WEIGHT: u16 = 10;

/// Where the search engine is and what our indexes there are called.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SearchSettings {
    /// Address of the engine, such as `http://127.0.0.1:9200`.
    pub url: String,
    /// What the names of all our indexes and aliases begin with.
    pub index_prefix: String,
    /// How texts become vectors; off when missing.
    #[serde(default)]
    pub vectors: Option<VectorSettings>,
}

/// A sentence model that products and searches are compared by, beside their words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VectorSettings {
    /// Its folder, with `model.onnx` and `tokenizer.json`.
    pub model: PathBuf,
    /// SHA-256 of `model.onnx`, in hexadecimal digits.
    pub sha256: String,
    /// What the nearest product gains, in points of the words' score.
    #[serde(default = "vector_weight")]
    pub weight: u16,
}

fn vector_weight() -> u16 {
    VECTOR_WEIGHT
}
