//! What counts beside the words: what sells, what is rated well, what is new, what can be bought. Each is a step or a
//! few of them, small enough that among products that answer the words about as well they decide, and hardly beyond.

use domain::tuning::weights::Weights;
use serde_json::{Value, json};

/// Pieces sold in the last 30 days, from which on a product counts a step more.
const SOLD: [u32; 5] = [1, 3, 10, 30, 100];
const SOLD_STEP: f64 = 0.01;
/// Mean ratings, from which on a product counts a step more; below the last one it counts two less.
const STARS: [f64; 2] = [4.0, 4.5];
const STARS_STEP: f64 = 0.01;
const STARS_POOR: f64 = 3.0;
/// Fewer ratings say nothing.
const RATING_COUNT_MIN: u32 = 5;
const NEW: &str = "now-30d/d";
const NEW_STEP: f64 = 0.005;
/// What cannot be bought counts so much less.
const SOLD_OUT_STEP: f64 = -0.2;

/// The factors of a score, each with what it is for.
pub(super) fn functions(weights: &Weights) -> Vec<Value> {
    let rated = |range: Value| {
        let enough = json!({"range": {"rating_count": {"gte": RATING_COUNT_MIN}}});
        json!({"bool": {"filter": [enough, {"range": {"rating_average": range}}]}})
    };
    let sold =
        SOLD.map(|units| (json!({"range": {"popularity": {"gte": units}}}), SOLD_STEP, weights.popularity));
    let stars = STARS.map(|stars| (rated(json!({"gte": stars})), STARS_STEP, weights.rating));
    let others = [
        (rated(json!({"lt": STARS_POOR})), -2.0 * STARS_STEP, weights.rating),
        (json!({"range": {"created_at": {"gte": NEW}}}), NEW_STEP, weights.newness),
        (json!({"term": {"buyable": false}}), SOLD_OUT_STEP, weights.stock),
    ];
    sold.into_iter()
        .chain(stars)
        .chain(others)
        .filter(|(_, _, percent)| *percent > 0)
        .map(|(filter, step, percent)| json!({"filter": filter, "weight": factor(step, percent)}))
        .collect()
}

/// A tenth is the least that is left.
fn factor(step: f64, percent: u16) -> f64 {
    (1.0 + step * f64::from(percent) / 100.0).max(0.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights_of(weights: &Weights) -> Vec<f64> {
        functions(weights).iter().filter_map(|function| function["weight"].as_f64()).collect()
    }

    #[test]
    fn all_together_are_bounded() {
        let product = |weights: &[f64], is: fn(&f64) -> bool| -> f64 {
            weights.iter().filter(|weight| is(weight)).product()
        };
        let shipped = weights_of(&Weights::default());
        assert!(product(&shipped, |weight| *weight > 1.0) < 1.09);
        assert!(product(&shipped, |weight| *weight < 1.0) > 0.75);
        let none = Weights { popularity: 0, rating: 0, newness: 0, stock: 0, ..Weights::default() };
        assert!(functions(&none).is_empty());
        let all = Weights { popularity: 1_000, rating: 1_000, newness: 1_000, stock: 1_000, ..none };
        assert!(weights_of(&all).iter().all(|weight| (0.1..=1.3).contains(weight)));
    }
}
