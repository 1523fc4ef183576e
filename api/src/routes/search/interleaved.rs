//! A search that two tunings answer: their best hits take turns.

use std::collections::HashMap;
use std::ops::Range;

use cache::search_cache::{SearchHit, SearchResult};
use domain::experiment::Arm;
use domain::experiment::team_draft::{Coins, team_draft};
use domain::ids::ProductId;

/// One page of both.
#[derive(Debug)]
pub(super) struct Interleaved {
    pub(super) result: SearchResult,
    pub(super) arms: HashMap<ProductId, Arm>,
    /// Whether hits follow.
    pub(super) has_more: bool,
}

/// These places of both results as one. What is told beside the hits is of the live tuning, unless it finds nothing.
pub(super) fn page(
    control: &SearchResult,
    treatment: &SearchResult,
    coins: &Coins,
    places: Range<usize>,
) -> Interleaved {
    let of = |arm: Arm| if arm == Arm::Control { control } else { treatment };
    let [of_control, of_treatment] = [control, treatment].map(by_id);
    let ids = |result: &SearchResult| result.hits.iter().map(|hit| hit.product_id).collect::<Vec<_>>();
    let teams = team_draft(&ids(control), &ids(treatment), coins);
    let has_more = teams.len() > places.end;
    let shown: Vec<_> = teams.into_iter().take(places.end).skip(places.start).collect();
    let (mut hits, mut relaxed_from) = (Vec::new(), None);
    for (id, arm) in &shown {
        let places = if *arm == Arm::Control { &of_control } else { &of_treatment };
        let place = places[id];
        let is_relaxed = of(*arm).relaxed_from.is_some_and(|first| place >= first);
        // Those that have only a part of the words are the last ones: after any that has most, it begins anew.
        relaxed_from = if is_relaxed { relaxed_from.or(Some(hits.len())) } else { None };
        hits.push(of(*arm).hits[place].clone());
    }
    let told = of(if control.hits.is_empty() { Arm::Treatment } else { Arm::Control });
    let (facets, corrected) = (told.facets.clone(), told.corrected.clone());
    let result = SearchResult { hits, facets, next: None, corrected, relaxed_from };
    Interleaved { result, arms: shown.into_iter().collect(), has_more }
}

/// The place of each product.
fn by_id(result: &SearchResult) -> HashMap<ProductId, usize> {
    result.hits.iter().enumerate().map(|(place, SearchHit { product_id, .. })| (*product_id, place)).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn id(number: u8) -> ProductId {
        ProductId::new(Timestamp::UNIX_EPOCH, [number; 10])
    }

    fn result(of: &str, numbers: &[u8], relaxed_from: Option<usize>) -> SearchResult {
        let hit = |number: &u8| SearchHit { product_id: id(*number), score: None, is_pinned: false };
        SearchResult {
            hits: numbers.iter().map(hit).collect(),
            facets: json!({"of": of}),
            next: None,
            corrected: None,
            relaxed_from,
        }
    }

    #[test]
    fn pages_follow_each_other() {
        let (control, treatment) =
            (result("control", &[1, 2, 3, 4], None), result("treatment", &[4, 2, 5], None));
        let coins = Coins::new([0b1010_0110; 32]);
        let whole = page(&control, &treatment, &coins, 0..100);
        let pages = [0..2, 2..4, 4..6].map(|places| page(&control, &treatment, &coins, places));
        let one_by_one: Vec<_> = pages.iter().flat_map(|page| page.result.hits.clone()).collect();
        assert_eq!((one_by_one, whole.result.hits.len()), (whole.result.hits.clone(), 5));
        assert_eq!(pages.map(|page| page.has_more), [true, true, false]);
        assert_eq!(whole.result.facets, json!({"of": "control"}));
        assert_eq!(whole.arms[&id(5)], Arm::Treatment);
    }

    #[test]
    fn what_only_the_draft_finds_is_shown_with_its_facets() {
        let found = page(
            &result("control", &[], None),
            &result("treatment", &[7], None),
            &Coins::new([0; 32]),
            0..20,
        );
        assert_eq!((found.result.hits.len(), found.arms[&id(7)]), (1, Arm::Treatment));
        assert_eq!(found.result.facets, json!({"of": "treatment"}));
    }

    #[test]
    fn hits_with_a_part_of_the_words_are_told_from_the_last_that_has_most() {
        // Heads: the live one chooses first in each round.
        let coins = Coins::new([0xff; 32]);
        let (control, treatment) =
            (result("control", &[1, 2, 3], Some(1)), result("treatment", &[4, 5, 6], None));
        assert_eq!(page(&control, &treatment, &coins, 0..100).result.relaxed_from, None);
        let treatment = result("treatment", &[4, 5, 6], Some(2));
        assert_eq!(page(&control, &treatment, &coins, 0..100).result.relaxed_from, Some(4));
    }
}
