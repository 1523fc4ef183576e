//! Rules that want different things of one search.

use serde::Serialize;

use super::condition::{Overlap, is_within};
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

/// The contradictions of the rules that are switched on, those of one moment only; at most [`CONFLICT_COUNT_MAX`].
pub fn between(rules: &[Rule]) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    for (place, later) in rules.iter().enumerate() {
        for earlier in &rules[..=place] {
            let is_other = !std::ptr::eq(earlier, later);
            if is_other && earlier.name.trim().eq_ignore_ascii_case(later.name.trim()) {
                let pointer = format!("/rules/{place}/name");
                conflicts.push(conflict(ConflictKind::SameName, earlier, later, pointer, true));
            }
            compare(earlier, later, place, &mut conflicts);
        }
        if conflicts.len() >= CONFLICT_COUNT_MAX {
            conflicts.truncate(CONFLICT_COUNT_MAX);
            break;
        }
    }
    conflicts
}

fn compare(earlier: &Rule, later: &Rule, place: usize, conflicts: &mut Vec<Conflict>) {
    if !(earlier.enabled && later.enabled && earlier.schedule.meets(&later.schedule)) {
        return;
    }
    let is_itself = std::ptr::eq(earlier, later);
    let contradictions = later.actions.iter().enumerate().filter_map(|(index, action)| {
        let before = if is_itself { &earlier.actions[..index] } else { &earlier.actions[..] };
        before.iter().find_map(|other| contradiction(other, action)).map(|kind| (index, kind))
    });
    let mut contradictions = contradictions.peekable();
    // Words are compared for the few that contradict each other.
    if contradictions.peek().is_none() {
        return;
    }
    let overlap = earlier.when.overlap(&later.when);
    if overlap == Overlap::None {
        return;
    }
    conflicts.extend(contradictions.map(|(index, kind)| {
        let pointer = format!("/rules/{place}/actions/{index}");
        conflict(kind, earlier, later, pointer, overlap == Overlap::Whole)
    }));
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
