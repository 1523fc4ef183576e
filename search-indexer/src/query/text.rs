//! What the engine is asked about a shopper's words. They reach `match`-like queries only, never a query language.
//!
//! The weights and boosts were found by measurement: see `docs/search-tuning.md`, "How the search ranks".

use domain::search_words::words;
use domain::tuning::weights::Weights;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Ranking;
use crate::english;
use crate::mapping::{ATTRIBUTES, BRAND, CATEGORY, DESCRIPTION, REVIEWS, TITLE, TITLE_HEAD, WordField};

/// Words of a query that are looked at: with five other ways to say it, the engine takes so many clauses.
const WORD_COUNT_MAX: usize = 20;
/// The forms as they are written beside their stems.
const EXACT_BOOST: f64 = 0.3;
/// Two words of the query written as one: `play station`.
const JOINED_BOOST: f64 = 1.0;
/// The words that name the thing in the title.
const HEAD_BOOST: f64 = 0.2;
/// What reviews say.
const REVIEWS_BOOST: f64 = 0.2;
/// A whole stock keeping unit is no word of a text.
const SKU_BOOST: f64 = 10.0;
/// Of one or two words all must be there, in whichever fields, of three two, of more so many.
const STRICT: &str = "2<2 3<60%";
/// One word is enough.
const RELAXED: &str = "1";

/// The name of what matches when the words are a stock keeping unit.
pub(super) const SKU: &str = "sku";
/// The name of what matches when the shop itself says the words, not only reviews.
pub(super) const OWN_WORDS: &str = "own_words";

/// How many of the words a product must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Strictness {
    /// Most of them.
    Strict,
    /// Any.
    Relaxed,
}

/// The products that have the words, best first.
pub(super) fn text_query(text: &str, strictness: Strictness, ranking: Ranking, weights: &Weights) -> Value {
    let looked_at = &shortened(text);
    let scored = match ranking {
        Ranking::Shop => scored(text, looked_at, weights),
        Ranking::Plain => {
            let fields = FIELDS.map(|field| field.words.stems);
            vec![json!({"combined_fields": {"query": looked_at, "fields": fields}})]
        }
    };
    json!({"bool": {"filter": [has_words(text, strictness, weights)], "should": scored}})
}

/// Whether a product has the words, without a score.
pub(super) fn has_words(text: &str, strictness: Strictness, weights: &Weights) -> Value {
    let fewest = match strictness {
        Strictness::Strict => STRICT,
        Strictness::Relaxed => RELAXED,
    };
    let fields: Vec<_> = weighted(weights).map(|(field, _)| field.words.stems).collect();
    let query = shortened(text);
    let mut any = vec![
        json!({"combined_fields": {
            "query": query, "fields": fields, "minimum_should_match": fewest, "_name": OWN_WORDS,
        }}),
        json!({"match": {"skus": {"query": text}}}),
    ];
    let words = words(&query);
    if (words.len() == 2 || strictness == Strictness::Relaxed)
        && let Some(joined) = joined_pairs(&words)
    {
        any.push(json!({"combined_fields": {"query": joined, "fields": fields, "_name": OWN_WORDS}}));
    }
    if weights.reviews > 0 {
        any.push(json!({"match": {REVIEWS: {"query": query, "minimum_should_match": fewest}}}));
    }
    json!({"bool": {"should": any}})
}

/// Whether a product of the strict kind has each of the words.
pub(super) fn must_all_be_there(text: &str) -> bool {
    words(text).len() <= 2
}

/// The text, or its first words when it has more than are looked at.
fn shortened(text: &str) -> String {
    let mut words = words(text);
    if words.len() <= WORD_COUNT_MAX {
        return text.to_owned();
    }
    words.truncate(WORD_COUNT_MAX);
    words.join(" ")
}

fn scored(text: &str, looked_at: &str, weights: &Weights) -> Vec<Value> {
    let words = words(looked_at);
    let mut clauses = vec![
        in_all_fields(looked_at, weights, |field| field.stems, 1.0),
        in_all_fields(looked_at, weights, |field| field.exact, EXACT_BOOST),
        json!({"match": {"skus": {"query": text, "boost": SKU_BOOST, "_name": SKU}}}),
    ];
    if weights.title > 0 {
        clauses.push(matches(TITLE_HEAD, looked_at, HEAD_BOOST));
        clauses.extend(english::query_head(&words).map(|head| matches(TITLE_HEAD, head, HEAD_BOOST)));
    }
    if weights.reviews > 0 {
        clauses.push(matches(REVIEWS, looked_at, REVIEWS_BOOST * f64::from(weights.reviews) / 100.0));
    }
    if let Some(joined) = joined_pairs(&words) {
        clauses.push(in_all_fields(&joined, weights, |field| field.exact, JOINED_BOOST));
    }
    clauses
}

/// Each word with the next one as one word.
fn joined_pairs(words: &[String]) -> Option<String> {
    let pairs: Vec<_> = words.windows(2).map(<[String]>::concat).collect();
    (!pairs.is_empty()).then(|| pairs.join(" "))
}

/// A field that words are looked for in.
#[derive(Clone, Copy)]
struct Field {
    words: WordField,
    /// What it counts beside a description.
    weight: f64,
    /// How the shop has set it, in percent.
    percent: fn(&Weights) -> u16,
}

const FIELDS: [Field; 5] = [
    Field { words: TITLE, weight: 6.0, percent: |weights| weights.title },
    Field { words: BRAND, weight: 3.0, percent: |weights| weights.brand },
    Field { words: CATEGORY, weight: 3.0, percent: |weights| weights.category },
    Field { words: ATTRIBUTES, weight: 3.0, percent: |weights| weights.attributes },
    Field { words: DESCRIPTION, weight: 1.0, percent: |weights| weights.description },
];

/// The fields that count, and how much.
fn weighted(weights: &Weights) -> impl Iterator<Item = (Field, f64)> {
    let weight = |field: Field| (field, field.weight * f64::from((field.percent)(weights)) / 100.0);
    FIELDS.into_iter().map(weight).filter(|(_, weight)| *weight > 0.0)
}

/// One score over all fields (BM25F), as if they were one text in which a word of the title is written six times.
fn in_all_fields(text: &str, weights: &Weights, form: fn(WordField) -> &'static str, boost: f64) -> Value {
    // The engine takes no weight below 1.
    let lowest = weighted(weights).map(|(_, weight)| weight).fold(1.0, f64::min);
    let fields: Vec<_> = weighted(weights)
        .map(|(field, weight)| format!("{}^{}", form(field.words), weight / lowest))
        .collect();
    json!({"combined_fields": {"query": text, "fields": fields, "boost": boost}})
}

fn matches(field: &str, text: &str, boost: f64) -> Value {
    json!({"match": {field: {"query": text, "boost": boost}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(weights: Weights) -> Value {
        in_all_fields("dress", &weights, |field| field.exact, 1.0)["combined_fields"]["fields"].clone()
    }

    #[test]
    fn weights_are_never_below_one() {
        let shipped = json!([
            "title.exact^6",
            "brand.exact^3",
            "category.exact^3",
            "attribute_text.exact^3",
            "description.exact^1",
        ]);
        assert_eq!(fields(Weights::default()), shipped);
        let set = Weights { brand: 0, category: 0, attributes: 0, description: 50, ..Weights::default() };
        assert_eq!(fields(set), json!(["title.exact^12", "description.exact^1"]));
    }

    #[test]
    fn words_reach_match_queries_only() {
        let text = "title:* OR _exists_:status /.*/ \" AND (((";
        let query = text_query(text, Strictness::Strict, Ranking::Shop, &Weights::default());
        let mut open = vec![&query];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(fields) => {
                    for (name, value) in fields {
                        let is_language =
                            name.contains("query_string") || name == "regexp" || name == "wildcard";
                        assert!(!is_language && name != "script", "{name}");
                        open.push(value);
                    }
                }
                Value::Array(values) => open.extend(values),
                _ => {}
            }
        }
    }

    #[test]
    fn only_the_first_words_of_a_long_text_are_looked_at() {
        let long = "word ".repeat(1_000);
        let query = text_query(&long, Strictness::Relaxed, Ranking::Shop, &Weights::default());
        let looked_at = &query["bool"]["filter"][0]["bool"]["should"][0]["combined_fields"]["query"];
        assert_eq!(looked_at.as_str().map(|text| text.split(' ').count()), Some(WORD_COUNT_MAX));
        assert_eq!(shortened("T-Shirt, men's"), "T-Shirt, men's", "as it is written while it is short");
    }
}
