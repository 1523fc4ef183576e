//! A search that two tunings answer: their best hits take turns.

use std::collections::{HashMap, HashSet};

use cache::search_cache::{SearchHit, SearchResult};
use domain::experiment::Arm;
use domain::experiment::team_draft::{Coins, team_draft};
use domain::ids::ProductId;
use serde::{Deserialize, Serialize};

/// Where a page begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InterleavedPlace {
    /// So many hits of both were shown.
    interleaved_from: usize,
    /// So many hits of the live tuning, from its first, were shown.
    live_from: usize,
    /// Whether a page before this was of the live tuning alone: then the others are, too.
    #[serde(default)]
    pub(super) is_live_only: bool,
}

/// One page of both.
#[derive(Debug)]
pub(super) struct Interleaved {
    pub(super) result: SearchResult,
    pub(super) arms: HashMap<ProductId, Arm>,
    /// Where the next page begins; `None`: after the best hits that there are, where `result` says.
    pub(super) next: Option<InterleavedPlace>,
}

/// Both results, of what is live and of the draft, as one, from a place on. What is told beside the hits is of the live
/// tuning; facets and correction are of the draft when only that finds anything.
pub(super) fn page(
    (control, treatment): (&SearchResult, &SearchResult),
    coins: &Coins,
    place: InterleavedPlace,
    limit: usize,
) -> Interleaved {
    let of = |arm: Arm| if arm == Arm::Control { control } else { treatment };
    let [of_control, of_treatment] = [control, treatment].map(by_id);
    let ids = |result: &SearchResult| result.hits.iter().map(|hit| hit.product_id).collect::<Vec<_>>();
    let mut teams = team_draft(&ids(control), &ids(treatment), coins);
    let end = place.interleaved_from.saturating_add(limit);
    let has_more = teams.len() > end;
    teams.truncate(end);
    let shown: HashSet<_> = teams.iter().map(|(id, _)| *id).collect();
    let live_from = control.hits.iter().take_while(|hit| shown.contains(&hit.product_id)).count();
    let teams = teams.split_off(place.interleaved_from.min(teams.len()));
    let (mut hits, mut relaxed_from) = (Vec::new(), None);
    for (id, arm) in &teams {
        let rank = if *arm == Arm::Control { of_control[id] } else { of_treatment[id] };
        let is_relaxed = of(*arm).relaxed_from.is_some_and(|first| rank >= first);
        // Those that have only a part of the words are the last ones: after any that has most, it begins anew.
        relaxed_from = if is_relaxed { relaxed_from.or(Some(hits.len())) } else { None };
        hits.push(of(*arm).hits[rank].clone());
    }
    let told = of(if control.hits.is_empty() { Arm::Treatment } else { Arm::Control });
    let (facets, corrected, next) = (told.facets.clone(), told.corrected.clone(), control.next.clone());
    let result = SearchResult { hits, facets, next, corrected, relaxed_from };
    let next = InterleavedPlace { interleaved_from: end, live_from, is_live_only: false };
    Interleaved { result, arms: teams.into_iter().collect(), next: has_more.then_some(next) }
}

/// What is live alone, from such a place on.
pub(super) fn page_of_one(live: &SearchResult, place: InterleavedPlace, limit: usize) -> Interleaved {
    let (begin, end) = (place.live_from, place.live_from.saturating_add(limit));
    let hits: Vec<_> = live.hits.iter().skip(begin).take(limit).cloned().collect();
    let relaxed_from = live.relaxed_from.filter(|first| *first < begin + hits.len());
    let relaxed_from = relaxed_from.map(|first| first.saturating_sub(begin));
    let next = InterleavedPlace { interleaved_from: end, live_from: end, is_live_only: true };
    let result = SearchResult { hits, relaxed_from, ..live.clone() };
    Interleaved { result, arms: HashMap::new(), next: (live.hits.len() > end).then_some(next) }
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

    fn numbers(page: &Interleaved) -> Vec<u8> {
        page.result.hits.iter().map(|hit| hit.product_id.0.as_bytes()[15]).collect()
    }

    #[test]
    fn pages_follow_each_other() {
        let results = (&result("control", &[1, 2, 3, 4], None), &result("treatment", &[4, 2, 5], None));
        let coins = Coins::new([0b1010_0110; 32]);
        let whole = page(results, &coins, InterleavedPlace::default(), 100);
        let (mut in_pages, mut place) = (Vec::new(), Some(InterleavedPlace::default()));
        while let Some(from) = place {
            let page = page(results, &coins, from, 2);
            in_pages.extend(numbers(&page));
            place = page.next;
        }
        assert_eq!((in_pages.len(), in_pages), (5, numbers(&whole)));
        assert_eq!(whole.result.facets, json!({"of": "control"}));
        assert_eq!((whole.arms[&id(5)], whole.next), (Arm::Treatment, None));
    }

    #[test]
    fn when_the_experiment_ends_nothing_of_what_is_live_is_left_out() {
        let (control, treatment) =
            (result("control", &[1, 2, 3, 4], None), result("treatment", &[7, 8, 9], None));
        let first = page((&control, &treatment), &Coins::new([0xff; 32]), InterleavedPlace::default(), 4);
        assert_eq!(numbers(&first), [1, 7, 2, 8]);
        let rest = page_of_one(&control, first.next.expect("more"), 4);
        assert_eq!((numbers(&rest), rest.next), (vec![3, 4], None));
    }

    #[test]
    fn what_only_the_draft_finds_is_shown_with_its_facets() {
        let results = (&result("control", &[], None), &result("treatment", &[7], None));
        let found = page(results, &Coins::new([0; 32]), InterleavedPlace::default(), 20);
        assert_eq!((found.result.hits.len(), found.arms[&id(7)]), (1, Arm::Treatment));
        assert_eq!(found.result.facets, json!({"of": "treatment"}));
    }

    #[test]
    fn hits_with_a_part_of_the_words_are_told_from_the_last_that_has_most() {
        // Heads: the live one chooses first in each round.
        let coins = Coins::new([0xff; 32]);
        let relaxed_from = |treatment: SearchResult| {
            let results = (&result("control", &[1, 2, 3], Some(1)), &treatment);
            page(results, &coins, InterleavedPlace::default(), 100).result.relaxed_from
        };
        assert_eq!(relaxed_from(result("treatment", &[4, 5, 6], None)), None);
        assert_eq!(relaxed_from(result("treatment", &[4, 5, 6], Some(2))), Some(4));
    }
}
