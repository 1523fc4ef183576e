//! What a tuning makes of one search: other ways to say it, products that stand at a place, score otherwise, are hidden
//! or are the only ones shown.

use domain::ids::ProductId;
use domain::search_words::words;
use domain::tuning::Tuning;
use domain::tuning::condition::Situation;
use domain::tuning::rule::{Action, Rule};
use domain::tuning::selector::Selector;
use domain::tuning::synonym::Synonyms;
use domain::tuning::weights::Weights;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::checksum;
use crate::document::attribute;

/// Other ways to say a search that are tried beside it.
const VARIANT_COUNT_MAX: usize = 5;

/// The words of a search.
#[derive(Debug, Clone, Copy, Default)]
pub struct Said<'a> {
    /// As they are typed.
    pub typed: Option<&'a str>,
    /// As they are corrected, when they are.
    pub corrected: Option<&'a str>,
}

/// A tuning that searches are answered by.
#[derive(Debug, Clone, Default)]
pub struct LiveTuning {
    /// Number of its release; 0 before the first one.
    pub release: i64,
    tuning: Tuning,
    synonyms: Synonyms,
    /// When a rule comes into force or ends, in order.
    boundaries: Vec<Timestamp>,
    /// SHA-256 of the tuning.
    content: String,
}

/// What is done to one search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tuned {
    /// The fields' weights.
    pub weights: Weights,
    /// Other ways to say it, which find what it finds.
    pub variants: Vec<String>,
    /// Products at their places.
    pub pins: Vec<Pin>,
    /// What scores otherwise, in percent.
    pub factors: Vec<(Selector, u16)>,
    /// What is not shown.
    pub hidden: Vec<Selector>,
    /// What alone is shown.
    pub filters: Vec<Selector>,
    /// Where the shop goes instead.
    pub redirect: Option<String>,
    /// Texts beside the hits.
    pub banners: Vec<Banner>,
    /// Names of the rules that took part, in their order.
    pub rules: Vec<String>,
}

/// A product at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// Which.
    pub product_id: ProductId,
    /// From 1.
    pub position: u8,
    /// Also when it cannot be bought.
    pub even_if_unavailable: bool,
}

/// A text beside the hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    /// What it says.
    pub text: String,
    /// Where it leads.
    pub url: Option<String>,
}

impl<'a> Said<'a> {
    /// What is typed.
    pub fn typed(typed: &'a str) -> Self {
        Self { typed: Some(typed), corrected: None }
    }

    /// What is typed and how it is corrected.
    pub fn corrected(typed: &'a str, corrected: &'a str) -> Self {
        Self { typed: Some(typed), corrected: Some(corrected) }
    }

    /// The words that are searched for.
    pub fn meant(&self) -> Vec<String> {
        self.corrected.or(self.typed).map(words).unwrap_or_default()
    }
}

impl LiveTuning {
    /// The tuning of a release.
    pub fn new(release: i64, tuning: Tuning) -> Self {
        let synonyms = Synonyms::of(&tuning.synonyms);
        let enabled = tuning.rules.iter().filter(|rule| rule.enabled);
        let mut boundaries: Vec<_> = enabled.flat_map(|rule| rule.schedule.boundaries()).collect();
        boundaries.sort_unstable();
        let content = checksum::of(&serde_json::to_vec(&tuning).expect("plain data becomes JSON"));
        Self { release, tuning, synonyms, boundaries, content }
    }

    /// A tuning with every rule in force that has not ended: what it will be, as well as what it is.
    pub fn in_full(mut tuning: Tuning, at: Timestamp) -> Self {
        for rule in &mut tuning.rules {
            rule.schedule.from = rule.schedule.from.filter(|from| *from <= at);
        }
        Self::new(0, tuning)
    }

    /// The tuning that was put live.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// What tells it from every other tuning.
    pub fn content(&self) -> &str {
        &self.content
    }

    /// Two moments of which this is the same have the same rules in force.
    pub fn epoch(&self, at: Timestamp) -> (i64, usize) {
        (self.release, self.boundaries.partition_point(|boundary| *boundary <= at))
    }

    /// Whether a search may be suggested to others at a moment.
    pub fn is_suggested(&self, text: &str, at: Timestamp) -> bool {
        let words = words(text);
        let situation = Situation { words: &words, category: None };
        let mut rules = self.tuning.rules.iter().filter(|rule| rule.holds(situation, at));
        !rules.any(|rule| rule.actions.contains(&Action::Unsuggest {}))
    }

    /// What is done to a search within `category` at a moment: rules hold for what is typed and for what is meant,
    /// synonyms for what is meant.
    pub fn apply(&self, said: Said<'_>, category: Option<&str>, at: Timestamp) -> Tuned {
        let [typed, meant] = [said.typed.map(words).unwrap_or_default(), said.meant()];
        let variants = self.synonyms.variants(&meant, VARIANT_COUNT_MAX);
        let mut tuned = Tuned {
            weights: self.tuning.weights,
            variants: variants.iter().map(|variant| variant.join(" ")).collect(),
            ..Tuned::default()
        };
        let holds = |rule: &&Rule| {
            [&typed, &meant].into_iter().any(|words| rule.holds(Situation { words, category }, at))
        };
        for rule in self.tuning.rules.iter().filter(holds) {
            tuned.rules.push(rule.name.clone());
            for action in &rule.actions {
                tuned.add(action);
            }
        }
        tuned.settle();
        tuned
    }
}

impl Tuned {
    fn add(&mut self, action: &Action) {
        match action {
            Action::Pin { product_id, position, even_if_unavailable } => self.pins.push(Pin {
                product_id: *product_id,
                position: position.get(),
                even_if_unavailable: *even_if_unavailable,
            }),
            Action::Boost { products, percent } | Action::Bury { products, percent } => {
                self.factors.push((products.clone(), *percent));
            }
            Action::Hide { products } => self.hidden.push(products.clone()),
            Action::Filter { products } => self.filters.push(products.clone()),
            Action::Redirect { url } => self.redirect = Some(url.clone()),
            Action::Banner { text, url } => {
                self.banners.push(Banner { text: text.clone(), url: url.clone() });
            }
            // It is nothing to this search: see [`LiveTuning::is_suggested`].
            Action::Unsuggest {} => {}
        }
    }

    /// Of two pins of one place, and of one product, the later rule's counts.
    fn settle(&mut self) {
        let mut settled: Vec<Pin> = Vec::with_capacity(self.pins.len());
        for pin in self.pins.drain(..) {
            settled
                .retain(|earlier| earlier.position != pin.position && earlier.product_id != pin.product_id);
            settled.push(pin);
        }
        settled.sort_by_key(|pin| pin.position);
        self.pins = settled;
    }
}

/// The products whose field has the value, in any case, as a filter.
pub(crate) fn any_case(field: &str, value: &str) -> Value {
    json!({"term": {field: {"value": value, "case_insensitive": true}}})
}

/// The products that a selector names, as a filter.
pub(crate) fn selected(selector: &Selector) -> Value {
    match selector {
        Selector::Products { product_ids } => json!({"terms": {"product_id": product_ids}}),
        Selector::Category { category } => json!({"term": {"category_lineage": category}}),
        Selector::Brand { brand } => any_case("brand", brand),
        Selector::Attribute { name, value } => any_case("attributes", &attribute(name, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn product(number: u8) -> ProductId {
        ProductId::new(NOW, [number; 10])
    }

    fn live(tuning: Value) -> LiveTuning {
        LiveTuning::new(1, serde_json::from_value(tuning).expect("a tuning"))
    }

    fn pin(number: u8, position: u8) -> Value {
        json!({"kind": "pin", "product_id": product(number), "position": position})
    }

    #[test]
    fn rules_that_hold_take_part_in_their_order() {
        let rule = |name: &str, words: &str, actions: Value| {
            let when = json!({"kind": "query", "matching": "contains", "words": words});
            json!({"name": name, "when": when, "actions": actions})
        };
        let hide = json!({"kind": "hide", "products": {"by": "brand", "brand": "Puma"}});
        let live = live(json!({"rules": [
            rule("dresses", "dress", json!([pin(1, 1), pin(2, 2), hide])),
            rule("belts", "belt", json!([pin(3, 1)])),
            rule("red", "red", json!([pin(3, 2), {"kind": "redirect", "url": "/red"}])),
        ]}));
        let tuned = live.apply(Said::typed("Red DRESS"), None, NOW);
        assert_eq!(tuned.rules, ["dresses", "red"]);
        let pins: Vec<_> = tuned.pins.iter().map(|pin| (pin.product_id, pin.position)).collect();
        assert_eq!(pins, [(product(1), 1), (product(3), 2)], "the later rule has the place");
        assert_eq!((tuned.hidden.len(), tuned.redirect.as_deref()), (1, Some("/red")));
        assert_eq!(live.apply(Said::default(), None, NOW), Tuned::default());
        let corrected = live.apply(Said::corrected("red drss", "red dress"), None, NOW);
        assert_eq!(corrected.rules, ["dresses", "red"], "each once, for what is typed or meant");
    }

    #[test]
    fn a_product_has_one_place() {
        let always = json!({"kind": "always"});
        let rule =
            |name: &str, position: u8| json!({"name": name, "when": always, "actions": [pin(1, position)]});
        let places = |first: u8, then: u8| {
            let live = live(json!({"rules": [rule("a", first), rule("b", then)]}));
            live.apply(Said::default(), None, NOW).pins.iter().map(|pin| pin.position).collect::<Vec<_>>()
        };
        assert_eq!((places(1, 3), places(3, 1)), (vec![3], vec![1]));
    }

    #[test]
    fn synonyms_are_other_ways_to_say_it() {
        let live = live(json!({"synonyms": [{"kind": "two_way", "terms": ["jumper", "sweater"]}]}));
        assert_eq!(live.apply(Said::typed("navy Jumper"), None, NOW).variants, ["navy sweater"]);
        assert_eq!(
            live.apply(Said::corrected("navy jumpr", "navy jumper"), None, NOW).variants,
            ["navy sweater"]
        );
        assert!(live.apply(Said::typed("navy shirt"), None, NOW).variants.is_empty());
    }

    #[test]
    fn two_tunings_of_one_release_are_told_apart() {
        let tuning = |position: u8| {
            live(json!({"rules": [{"name": "a", "when": {"kind": "always"}, "actions": [pin(1, position)]}]}))
        };
        assert_eq!(tuning(1).content(), tuning(1).content());
        assert_ne!(tuning(1).content(), tuning(2).content());
        assert_ne!(tuning(1).content(), LiveTuning::default().content());
    }

    #[test]
    fn an_epoch_ends_when_a_schedule_does() {
        let schedule = json!({"from": "1970-01-01T00:00:10Z", "until": "1970-01-01T00:00:20Z"});
        let rule =
            json!({"name": "a", "when": {"kind": "always"}, "schedule": schedule, "actions": [pin(1, 1)]});
        let live = live(json!({"rules": [rule]}));
        let at = |second| Timestamp::from_second(second).expect("in range");
        let epochs = [9, 10, 19, 20].map(|second| live.epoch(at(second)).1);
        assert_eq!(epochs, [0, 1, 1, 2]);
        let pinned = [9, 10, 19, 20].map(|second| live.apply(Said::default(), None, at(second)).pins.len());
        assert_eq!(pinned, [0, 1, 1, 0]);
        let in_full = |second| {
            LiveTuning::in_full(live.tuning().clone(), at(second)).apply(Said::default(), None, at(second))
        };
        assert_eq!([9, 10, 20].map(|second| in_full(second).pins.len()), [1, 1, 0]);
    }
}
