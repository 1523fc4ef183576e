//! Products that merchandisers have given a place. The engine puts them before all others; here they come to theirs.

use serde_json::{Value, json};

use super::Hit;
use crate::tuned::Pin;

/// More than any score; one more than another still differs in the engine's numbers.
const BOOST: f64 = 1_000_000.0;
const STEP: f64 = 1_000.0;

/// Whether a score is that of a place.
pub(super) fn is_of_place(score: f64) -> bool {
    score >= BOOST
}

/// Clauses that find the pinned products, whatever the words, in the order of their places.
pub(super) fn clauses(pins: &[Pin]) -> Vec<Value> {
    let boosts =
        (1..=pins.len()).rev().map(|rank| BOOST + STEP * f64::from(u32::try_from(rank).unwrap_or(u32::MAX)));
    let clause = |(pin, boost): (&Pin, f64)| {
        let mut filter = vec![json!({"term": {"product_id": pin.product_id}})];
        if !pin.even_if_unavailable {
            filter.push(json!({"term": {"buyable": true}}));
        }
        json!({"constant_score": {"filter": {"bool": {"filter": filter}}, "boost": boost}})
    };
    pins.iter().zip(boosts).map(clause).collect()
}

/// The hits with those that are pinned at their places, or last when there are not so many.
pub(super) fn placed(hits: Vec<Hit>, pins: &[Pin]) -> Vec<Hit> {
    let (mut pinned, mut placed): (Vec<Hit>, Vec<Hit>) = hits.into_iter().partition(|hit| hit.is_pinned);
    let position =
        |hit: &Hit| pins.iter().find(|pin| pin.product_id == hit.product_id).map(|pin| pin.position);
    pinned.sort_by_key(position);
    for hit in pinned {
        let place = position(&hit).map_or(0, |position| usize::from(position.saturating_sub(1)));
        placed.insert(place.min(placed.len()), hit);
    }
    placed
}

#[cfg(test)]
mod tests {
    use domain::ids::ProductId;
    use jiff::Timestamp;

    use super::*;

    fn product(number: u8) -> ProductId {
        ProductId::new(Timestamp::UNIX_EPOCH, [number; 10])
    }

    fn pin(number: u8, position: u8) -> Pin {
        Pin { product_id: product(number), position, even_if_unavailable: false }
    }

    fn after(numbers: &[u8], pins: &[Pin]) -> Vec<u8> {
        let is_pinned = |id| pins.iter().any(|pin| pin.product_id == id);
        let hit = |number: &u8| {
            let product_id = product(*number);
            Hit { product_id, score: None, is_pinned: is_pinned(product_id), sort: Vec::new() }
        };
        let placed = placed(numbers.iter().map(hit).collect(), pins);
        let number = |hit: Hit| (0..=u8::MAX).find(|number| product(*number) == hit.product_id);
        placed.into_iter().filter_map(number).collect()
    }

    #[test]
    fn pinned_products_come_to_their_places() {
        assert_eq!(after(&[8, 9, 1, 2, 3], &[pin(8, 1), pin(9, 3)]), [8, 1, 9, 2, 3]);
        assert_eq!(after(&[8, 9, 1], &[pin(8, 2), pin(9, 3)]), [1, 8, 9]);
        assert_eq!(after(&[8, 1, 2], &[pin(8, 40)]), [1, 2, 8], "there are not so many");
        assert_eq!(after(&[1, 2], &[pin(8, 1)]), [1, 2], "it is not found");
        assert_eq!(after(&[8, 9], &[pin(8, 2), pin(9, 1)]), [9, 8]);
    }

    #[test]
    fn a_pin_is_buyable_unless_it_need_not_be() {
        let clauses = clauses(&[pin(1, 1), Pin { even_if_unavailable: true, ..pin(2, 2) }]);
        let filters =
            |clause: &Value| clause["constant_score"]["filter"]["bool"]["filter"].as_array().map(Vec::len);
        assert_eq!((filters(&clauses[0]), filters(&clauses[1])), (Some(2), Some(1)));
        let boost = |clause: &Value| clause["constant_score"]["boost"].as_f64();
        assert!(boost(&clauses[0]) > boost(&clauses[1]));
    }
}
