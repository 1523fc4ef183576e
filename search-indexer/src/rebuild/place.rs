//! How far a rebuild has come, kept by the index that it fills: whoever resumes it finds both together.

use domain::ids::ProductId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::checksum;
use crate::client::SearchClient;
use crate::error::SearchError;
use crate::index;
use crate::mapping::{Analysis, index_body};
use crate::vectors::Vectors;

/// What it is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// The scan, which writes everything.
    Fill,
    /// What follows, which begins anew when it is resumed.
    #[serde(alias = "compare")]
    Verify,
}

/// A place in a rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Hash of the settings and the mapping that the index was made with.
    pub(super) mapping: String,
    pub(super) started_at: Timestamp,
    pub(super) phase: Phase,
    /// The last product that was written.
    pub(super) after: Option<ProductId>,
    /// Products written.
    pub(super) products: u64,
}

impl Place {
    /// The beginning.
    pub(super) fn first(mapping: String, started_at: Timestamp) -> Self {
        Self { mapping, started_at, phase: Phase::Fill, after: None, products: 0 }
    }

    /// The place that an index keeps; `None` when it keeps none that this version understands.
    pub(super) async fn read(client: &SearchClient, name: &str) -> Result<Option<Self>, SearchError> {
        let mut meta = index::meta(client, name).await?;
        let kept = meta.get_mut("rebuild").map(serde_json::Value::take);
        Ok(kept.and_then(|kept| serde_json::from_value(kept).ok()))
    }

    /// Keeps it in the index.
    pub(super) async fn save(&self, client: &SearchClient, name: &str) -> Result<(), SearchError> {
        index::set_meta(client, name, json!({"rebuild": self})).await
    }
}

/// What tells two mappings apart; with the name of the field of vectors, when they are on.
pub(super) fn mapping_hash(analysis: Analysis, vectors: Option<&Vectors>) -> String {
    let field = vectors.map_or("", Vectors::field);
    checksum::of(format!("{}{field}", index_body(analysis)).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_being_kept() {
        let at = Timestamp::from_second(1_700_000_000).expect("in range");
        let place = Place {
            after: Some(ProductId::new(at, [1; 10])),
            products: 5_000,
            ..Place::first(mapping_hash(Analysis::English, None), at)
        };
        let kept = serde_json::to_value(&place).expect("JSON");
        assert_eq!(serde_json::from_value::<Place>(kept).expect("readable"), place);
    }

    #[test]
    fn another_mapping_has_another_hash() {
        let hash = |analysis| mapping_hash(analysis, None);
        assert_eq!(hash(Analysis::English), hash(Analysis::English));
        assert_ne!(hash(Analysis::English), hash(Analysis::Standard));
    }
}
