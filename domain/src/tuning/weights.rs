//! How much each field and each signal counts, in percent of what the search ships with.

use serde::{Deserialize, Serialize};

use crate::field_error::FieldError;

/// The highest weight.
pub const WEIGHT_PERCENT_MAX: u16 = 1_000;
const UNCHANGED: u16 = 100;

/// Weights: 100 leaves a field or a signal as it ships, 0 takes it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weights {
    /// The title.
    pub title: u16,
    /// The brand.
    pub brand: u16,
    /// The words of the category.
    pub category: u16,
    /// Attributes and options of variants.
    pub attributes: u16,
    /// The description.
    pub description: u16,
    /// What reviews say.
    pub reviews: u16,
    /// What was sold lately.
    pub popularity: u16,
    /// How it is rated.
    pub rating: u16,
    /// That it came into the catalogue lately.
    pub newness: u16,
    /// That it cannot be bought, which counts against it.
    pub stock: u16,
    /// That it is of the category, or has the attribute, that a search names.
    pub intent: u16,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            title: UNCHANGED,
            brand: UNCHANGED,
            category: UNCHANGED,
            attributes: UNCHANGED,
            description: UNCHANGED,
            reviews: UNCHANGED,
            popularity: UNCHANGED,
            rating: UNCHANGED,
            newness: UNCHANGED,
            stock: UNCHANGED,
            intent: UNCHANGED,
        }
    }
}

impl Weights {
    pub(super) fn check(&self, errors: &mut Vec<FieldError>) {
        let Self { title, brand, category, attributes, description, .. } = *self;
        let fields = [
            ("title", title),
            ("brand", brand),
            ("category", category),
            ("attributes", attributes),
            ("description", description),
        ];
        let Self { reviews, popularity, rating, newness, stock, intent, .. } = *self;
        let signals = [
            ("reviews", reviews),
            ("popularity", popularity),
            ("rating", rating),
            ("newness", newness),
            ("stock", stock),
            ("intent", intent),
        ];
        for (name, _) in fields.iter().chain(&signals).filter(|(_, percent)| *percent > WEIGHT_PERCENT_MAX) {
            let detail = format!("0 to {WEIGHT_PERCENT_MAX}");
            errors.push(FieldError::new(format!("/weights/{name}"), "out_of_range", detail));
        }
        if fields.iter().all(|(_, percent)| *percent == 0) {
            let detail = "a search has to look somewhere";
            errors.push(FieldError::new("/weights", "invalid", detail));
        }
    }
}
