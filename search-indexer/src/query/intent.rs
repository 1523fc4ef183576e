//! What a search is about counts: products of a category, or with a value of an attribute, that it names.

use domain::intent::Intent;
use domain::tuning::weights::Weights;
use serde_json::{Value, json};

use crate::tuned::selected;

/// How much more a product counts for each thing that it is named as.
const STEP: f64 = 0.2;

/// The factors of a score, one for each thing that is named.
pub(super) fn functions(intent: &Intent, weights: &Weights) -> Vec<Value> {
    if weights.intent == 0 {
        return Vec::new();
    }
    let weight = 1.0 + STEP * f64::from(weights.intent) / 100.0;
    let function = |selectors: Vec<_>| {
        let any: Vec<_> = selectors.iter().map(selected).collect();
        json!({"filter": {"bool": {"should": any}}, "weight": weight})
    };
    intent.selectors().into_iter().map(function).collect()
}
