//! Judgments: how well a product answers a query.

use jiff::Timestamp;

use crate::ids::ProductId;

/// The best grade; 0 is none at all.
pub const GRADE_MAX: u8 = 3;

/// The set whose judgments follow from what was clicked; and who judged them.
pub const CLICKS: &str = "clicks";

/// One judgment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgment {
    /// The words searched for.
    pub query: String,
    /// The product judged.
    pub product_id: ProductId,
    /// 0 not at all, 1 a little, 2 well, 3 exactly.
    pub grade: u8,
    /// Such as `construction` for grades that follow from how a product was made.
    pub judge: String,
    /// When.
    pub judged_at: Timestamp,
}
