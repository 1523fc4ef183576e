//! Judgments as clients see them.

use domain::judgment::Judgment;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// How well a product answers a query.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Judgment)]
pub struct JudgmentJson {
    /// What is searched for.
    query: String,
    /// The product judged.
    product_id: Uuid,
    /// Who judged.
    judge: String,
    /// 0 not at all, 1 a little, 2 well, 3 exactly.
    #[schema(maximum = 3)]
    grade: u8,
    /// When.
    judged_at: Timestamp,
}

impl From<Judgment> for JudgmentJson {
    fn from(judgment: Judgment) -> Self {
        Self {
            query: judgment.query,
            product_id: judgment.product_id.0,
            judge: judgment.judge,
            grade: judgment.grade,
            judged_at: judgment.judged_at,
        }
    }
}

/// Judgments that are added to a set.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = NewJudgments)]
#[serde(deny_unknown_fields)]
pub struct NewJudgments {
    /// Who has judged a product for a query before has changed their mind.
    #[schema(min_items = 1, max_items = 1_000)]
    pub judgments: Vec<NewJudgment>,
}

/// A judgment as it is sent; in CSV the fields are columns.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = NewJudgment)]
#[serde(deny_unknown_fields)]
pub struct NewJudgment {
    /// What is searched for.
    #[schema(max_length = 200)]
    pub query: String,
    /// Our id of the product, or that of the catalogue which `source` names.
    #[schema(max_length = 200)]
    pub product_id: String,
    /// 0 not at all, 1 a little, 2 well, 3 exactly.
    #[schema(maximum = 3)]
    pub grade: u8,
    /// Who judged; the caller when missing.
    #[schema(required = false, max_length = 60)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
}
