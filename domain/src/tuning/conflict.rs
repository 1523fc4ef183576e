//! Rules that want different things of one search.

use serde::Serialize;

use super::condition::{Condition, Overlap, is_within};
use super::rule::{Action, Rule};
use super::selector::Selector;
use crate::field_error::FieldError;

/// Most conflicts that are told.
pub const CONFLICT_COUNT_MAX: usize = 100;

/// A contradiction of two actions, of two rules or of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// What contradicts what.
    pub kind: ConflictKind,
    /// Name of the earlier rule.
    pub first: String,
    /// Name of the later rule; the same when a rule contradicts itself.
    pub second: String,
    /// Place of the later action, or of the later rule.
    pub pointer: String,
    /// Whether every search of one rule is also of the other: such rules are refused. Otherwise only some searches are
    /// of both, and that may be wanted.
    pub is_certain: bool,
}

/// Kinds of contradictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Two rules have one name.
    SameName,
    /// A product is pinned and hidden.
    PinnedAndHidden,
    /// Two products are pinned to one place.
    SamePosition,
    /// A product is pinned to two places.
    TwoPositions,
    /// Products are boosted and buried.
    BoostedAndBuried,
    /// Two addresses to go to.
    TwoRedirects,
    /// No product can pass both filters.
    DisjointFilters,
}

impl ConflictKind {
    /// A sentence for a person.
    pub fn detail(self) -> &'static str {
        match self {
            Self::SameName => "two rules have this name",
            Self::PinnedAndHidden => "a product is pinned and hidden",
            Self::SamePosition => "two products are pinned to one position",
            Self::TwoPositions => "a product is pinned to two positions",
            Self::BoostedAndBuried => "the same products are boosted and buried",
            Self::TwoRedirects => "there are two redirects",
            Self::DisjointFilters => "no product passes both filters",
        }
    }
}

impl Conflict {
    /// The error, when it is certain.
    pub fn refusal(&self) -> Option<FieldError> {
        let Self { kind, first, second, pointer, is_certain } = self;
        let detail = || format!("{} (rules {first:?} and {second:?})", kind.detail());
        is_certain.then(|| FieldError::new(pointer.clone(), "conflict", detail()))
    }
}

/// The contradictions of the rules that are switched on, those of one moment only: of the certain ones and of the
/// others at most [`CONFLICT_COUNT_MAX`] each.
pub fn between(rules: &[Rule]) -> Vec<Conflict> {
    let words: Vec<_> = rules.iter().map(|rule| rule.when.words()).collect();
    let mut found = Found::default();
    for (place, later) in rules.iter().enumerate() {
        for (index, earlier) in rules[..=place].iter().enumerate() {
            let is_other = index != place;
            if is_other && earlier.name.trim().eq_ignore_ascii_case(later.name.trim()) {
                let pointer = format!("/rules/{place}/name");
                found.add(conflict(ConflictKind::SameName, earlier, later, pointer, true));
            }
            let overlap = || Condition::overlap((&earlier.when, &words[index]), (&later.when, &words[place]));
            let before = is_other.then_some(&earlier.actions[..]);
            compare(earlier, before, later, place, overlap, &mut found);
        }
    }
    found.certain.extend(found.others);
    found.certain
}

#[derive(Default)]
struct Found {
    certain: Vec<Conflict>,
    others: Vec<Conflict>,
}

impl Found {
    fn add(&mut self, conflict: Conflict) {
        let list = if conflict.is_certain { &mut self.certain } else { &mut self.others };
        if list.len() < CONFLICT_COUNT_MAX {
            list.push(conflict);
        }
    }
}

/// Each action of the later rule against the `before` of the earlier one, or against those before it in its own rule.
fn compare(
    earlier: &Rule,
    before: Option<&[Action]>,
    later: &Rule,
    place: usize,
    overlap: impl Fn() -> Overlap,
    found: &mut Found,
) {
    if !(earlier.enabled && later.enabled && earlier.schedule.meets(&later.schedule)) {
        return;
    }
    for (index, action) in later.actions.iter().enumerate() {
        let before = before.unwrap_or(&later.actions[..index]);
        let Some(kind) = before.iter().find_map(|other| contradiction(other, action)) else { continue };
        // Words are compared for the few that contradict each other.
        let overlap = overlap();
        if overlap > Overlap::None {
            let pointer = format!("/rules/{place}/actions/{index}");
            found.add(conflict(kind, earlier, later, pointer, overlap == Overlap::Whole));
        }
    }
}

fn conflict(kind: ConflictKind, earlier: &Rule, later: &Rule, pointer: String, is_certain: bool) -> Conflict {
    Conflict { kind, first: earlier.name.clone(), second: later.name.clone(), pointer, is_certain }
}

fn contradiction(one: &Action, other: &Action) -> Option<ConflictKind> {
    use Action::{Boost, Bury, Filter, Hide, Pin, Redirect};
    match (one, other) {
        (Pin { product_id: one, position: at, .. }, Pin { product_id: other, position, .. }) => {
            match (one == other, at == position) {
                (false, true) => Some(ConflictKind::SamePosition),
                (true, false) => Some(ConflictKind::TwoPositions),
                _ => None,
            }
        }
        (Pin { product_id, .. }, Hide { products }) | (Hide { products }, Pin { product_id, .. }) => {
            products.names(*product_id).then_some(ConflictKind::PinnedAndHidden)
        }
        (Boost { products: one, .. }, Bury { products: other, .. })
        | (Bury { products: one, .. }, Boost { products: other, .. }) => {
            one.surely_meets(other).then_some(ConflictKind::BoostedAndBuried)
        }
        (Redirect { url: one }, Redirect { url: other }) => {
            (one != other).then_some(ConflictKind::TwoRedirects)
        }
        (Filter { products: one }, Filter { products: other }) => {
            are_disjoint(one, other).then_some(ConflictKind::DisjointFilters)
        }
        _ => None,
    }
}

fn are_disjoint(one: &Selector, other: &Selector) -> bool {
    match (one, other) {
        (Selector::Category { category: one }, Selector::Category { category: other }) => {
            !is_within(one, other) && !is_within(other, one)
        }
        (Selector::Brand { brand: one }, Selector::Brand { brand: other }) => {
            one.to_lowercase() != other.to_lowercase()
        }
        (Selector::Products { .. }, Selector::Products { .. }) => !one.surely_meets(other),
        _ => false,
    }
}
