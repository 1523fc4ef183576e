use std::num::NonZeroU8;

use serde_json::json;

use super::condition::{Condition, Matching};
use super::conflict::ConflictKind;
use super::rule::Action;
use super::schedule::Schedule;
use super::selector::Selector;
use super::*;
use crate::ids::ProductId;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn product(number: u8) -> ProductId {
    ProductId::new(NOW, [number; 10])
}

fn pin(number: u8, position: u8) -> Action {
    let position = NonZeroU8::new(position).expect("from 1");
    Action::Pin { product_id: product(number), position, even_if_unavailable: false }
}

fn named(numbers: &[u8]) -> Selector {
    Selector::Products { product_ids: numbers.iter().map(|number| product(*number)).collect() }
}

fn rule(name: &str, words: &str, actions: Vec<Action>) -> Rule {
    let when = Condition::Query { matching: Matching::Contains, words: words.to_owned() };
    Rule { name: name.to_owned(), enabled: true, when, schedule: Schedule::default(), actions }
}

fn tuning(rules: Vec<Rule>) -> Tuning {
    Tuning { rules, ..Tuning::default() }
}

fn refusals(tuning: &Tuning) -> Vec<(String, &'static str)> {
    let errors = tuning.check(NOW, &[]).err().unwrap_or_default();
    errors.into_iter().map(|error| (error.pointer, error.code)).collect()
}

#[test]
fn an_empty_tuning_changes_nothing_and_is_allowed() {
    assert_eq!(Tuning::default().check(NOW, &[]), Ok(()));
    let read: Tuning = serde_json::from_value(json!({})).expect("everything has a default");
    assert_eq!(read, Tuning::default());
}

#[test]
fn a_tuning_is_written_as_it_is_read() {
    let text = json!({
        "synonyms": [
            {"kind": "two_way", "terms": ["jumper", "sweater"]},
            {"kind": "one_way", "from": "tablet", "to": ["ipad"]},
        ],
        "rules": [{
            "name": "summer",
            "enabled": true,
            "when": {"kind": "query", "matching": "contains", "words": "dress"},
            "schedule": {"from": null, "until": "2027-09-01T00:00:00Z"},
            "actions": [
                {"kind": "pin", "product_id": product(1), "position": 1, "even_if_unavailable": false},
                {"kind": "boost", "products": {"by": "brand", "brand": "Puma"}, "percent": 150},
                {"kind": "bury", "products": {"by": "attribute", "name": "season", "value": "winter"}, "percent": 50},
                {"kind": "hide", "products": {"by": "products", "product_ids": [product(2)]}},
                {"kind": "filter", "products": {"by": "category", "category": "women"}},
                {"kind": "banner", "text": "Summer sale", "url": "/sale"},
            ],
        }],
        "weights": {"title": 120, "brand": 100, "category": 100, "attributes": 100, "description": 80,
                    "reviews": 100, "popularity": 100, "rating": 100, "newness": 0, "stock": 100, "intent": 100},
    });
    let tuning: Tuning = serde_json::from_value(text.clone()).expect("well-formed");
    assert_eq!(tuning.check(NOW, &[]), Ok(()));
    assert_eq!(serde_json::to_value(&tuning).expect("JSON"), text);
    let unknown = json!({"rules": [{"name": "a", "when": {"kind": "always"}, "actions": [], "priority": 1}]});
    assert!(serde_json::from_value::<Tuning>(unknown).is_err());
}

#[test]
fn rules_that_contradict_are_refused() {
    let boost = Action::Boost { products: named(&[1]), percent: 200 };
    let bury = Action::Bury { products: named(&[1, 2]), percent: 50 };
    let redirect = |url: &str| Action::Redirect { url: url.to_owned() };
    let brand = |brand: &str| Action::Filter { products: Selector::Brand { brand: brand.to_owned() } };
    for (one, other, kind) in [
        (pin(1, 1), Action::Hide { products: named(&[1]) }, ConflictKind::PinnedAndHidden),
        (pin(1, 1), pin(2, 1), ConflictKind::SamePosition),
        (pin(1, 1), pin(1, 2), ConflictKind::TwoPositions),
        (boost, bury, ConflictKind::BoostedAndBuried),
        (redirect("/sale"), redirect("/new"), ConflictKind::TwoRedirects),
        (brand("Puma"), brand("Nike"), ConflictKind::DisjointFilters),
    ] {
        let two =
            tuning(vec![rule("a", "dress", vec![one.clone()]), rule("b", "red dress", vec![other.clone()])]);
        assert_eq!(two.conflicts().first().map(|conflict| conflict.kind), Some(kind));
        assert_eq!(refusals(&two), [("/rules/1/actions/0".to_owned(), "conflict")], "{kind:?}");
        let itself = tuning(vec![rule("a", "dress", vec![one, other])]);
        assert_eq!(refusals(&itself), [("/rules/0/actions/1".to_owned(), "conflict")], "{kind:?}");
    }
    let agreeing = tuning(vec![
        rule("a", "dress", vec![pin(1, 1), redirect("/sale"), brand("Puma")]),
        rule("b", "dress", vec![pin(1, 1), redirect("/sale"), brand("PUMA"), pin(2, 2)]),
    ]);
    assert!(agreeing.conflicts().is_empty());
}

#[test]
fn rules_that_meet_now_and_then_are_told_but_allowed() {
    let two = tuning(vec![rule("a", "red", vec![pin(1, 1)]), rule("b", "dress", vec![pin(2, 1)])]);
    let conflicts = two.conflicts();
    assert_eq!(conflicts.len(), 1);
    assert!(!conflicts[0].is_certain);
    assert_eq!(two.check(NOW, &[]), Ok(()));
}

#[test]
fn many_that_meet_now_and_then_hide_none_that_contradicts() {
    let mut rules: Vec<Rule> = (0..20)
        .map(|number| rule(&format!("r{number}"), &format!("w{number}"), vec![pin(number, 1)]))
        .collect();
    rules.push(rule("last", "dress", vec![pin(99, 2), Action::Hide { products: named(&[99]) }]));
    let many = tuning(rules);
    assert_eq!(refusals(&many), [("/rules/20/actions/1".to_owned(), "conflict")]);
    assert_eq!(many.conflicts().len(), 1 + conflict::CONFLICT_COUNT_MAX);
}

#[test]
fn rules_that_never_meet_do_not_contradict() {
    let second = |second| Timestamp::from_second(second).expect("in range");
    let at = |from, until| Schedule { from: Some(second(from)), until: Some(second(until)) };
    let [mut first, mut next] = [rule("a", "dress", vec![pin(1, 1)]), rule("b", "dress", vec![pin(2, 1)])];
    first.schedule = at(10, 20);
    next.schedule = at(20, 30);
    assert!(tuning(vec![first.clone(), next.clone()]).conflicts().is_empty());
    next.schedule = at(19, 30);
    assert_eq!(tuning(vec![first.clone(), next.clone()]).conflicts().len(), 1);
    next.enabled = false;
    assert!(tuning(vec![first, next]).conflicts().is_empty());
}

#[test]
fn two_rules_have_two_names() {
    let two = tuning(vec![rule("Sale", "dress", vec![pin(1, 1)]), rule("sale ", "belt", vec![pin(2, 1)])]);
    assert_eq!(refusals(&two), [("/rules/1/name".to_owned(), "conflict")]);
}

#[test]
fn malformed_rules_are_refused_with_the_place() {
    let with = |action: Action| tuning(vec![rule("a", "dress", vec![action])]);
    let redirect = |url: &str| with(Action::Redirect { url: url.to_owned() });
    let refused = |tuning: &Tuning| refusals(tuning).first().cloned();
    let at = |place: &str, code| Some((format!("/rules/0/{place}"), code));
    assert_eq!(refused(&with(pin(1, 51))), at("actions/0/position", "out_of_range"));
    let boost = with(Action::Boost { products: named(&[1]), percent: 100 });
    assert_eq!(refused(&boost), at("actions/0/percent", "out_of_range"));
    let bury = with(Action::Bury { products: named(&[1]), percent: 100 });
    assert_eq!(refused(&bury), at("actions/0/percent", "out_of_range"));
    let nobody = with(Action::Hide { products: named(&[]) });
    assert_eq!(refused(&nobody), at("actions/0/products/product_ids", "invalid"));
    for url in [
        "https://a.example/\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
        "//evil.example",
        "http://example.com",
        "/\\evil.example",
        "",
        "sale",
    ] {
        assert_eq!(refused(&redirect(url)), at("actions/0/url", "invalid"), "{url}");
    }
    assert_eq!(refused(&redirect("https://example.com/sale")), None);
    assert_eq!(refused(&tuning(vec![rule("a", "!!", vec![pin(1, 1)])])), at("when/words", "invalid"));
    assert_eq!(refused(&tuning(vec![rule("a", "dress", vec![])])), at("actions", "required"));
    assert_eq!(refused(&tuning(vec![rule("\u{7}", "dress", vec![pin(1, 1)])])), at("name", "invalid"));
}

#[test]
fn a_schedule_of_the_past_is_refused_while_the_rule_is_on() {
    let mut past = rule("a", "dress", vec![pin(1, 1)]);
    past.schedule.until = Some(NOW);
    assert_eq!(refusals(&tuning(vec![past.clone()])), [("/rules/0/schedule/until".to_owned(), "past")]);
    let known = std::slice::from_ref(&past);
    assert_eq!(tuning(vec![past.clone()]).check(NOW, known), Ok(()), "it was there before it ended");
    past.enabled = false;
    assert_eq!(refusals(&tuning(vec![past])), []);
}

#[test]
fn lists_and_weights_have_limits() {
    let many = tuning((0..=RULE_COUNT_MAX).map(|_| rule("a", "dress", vec![])).collect());
    assert_eq!(refusals(&many), [("/rules".to_owned(), "too_many")]);
    let weights = Weights { title: 1_001, ..Weights::default() };
    let heavy = Tuning { weights, ..Tuning::default() };
    assert_eq!(refusals(&heavy), [("/weights/title".to_owned(), "out_of_range")]);
    let weights =
        Weights { title: 0, brand: 0, category: 0, attributes: 0, description: 0, ..Weights::default() };
    let blind = Tuning { weights, ..Tuning::default() };
    assert_eq!(refusals(&blind), [("/weights".to_owned(), "invalid")]);
}

#[test]
fn a_rule_holds_for_its_searches_at_its_time() {
    let words = crate::search_words::words("red dress");
    let situation = condition::Situation { words: &words, category: None };
    let mut rule = rule("a", "dress", vec![pin(1, 1)]);
    assert!(rule.holds(situation, NOW));
    rule.schedule.from = Timestamp::from_second(1).ok();
    assert!(!rule.holds(situation, NOW));
    rule.schedule.from = None;
    rule.enabled = false;
    assert!(!rule.holds(situation, NOW));
}
