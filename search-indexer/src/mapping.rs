//! Settings and mapping of a product index.

use serde_json::{Map, Value, json};

/// Words of documents: stems, and two that follow each other as one. One analyzer for every text field, so that words
/// of a query may be spread over fields.
const DOCUMENT_ANALYZER: &str = "catalogue";
/// Words of queries: stems.
const QUERY_ANALYZER: &str = "catalogue_query";
/// Words as they are written.
const EXACT_ANALYZER: &str = "catalogue_exact";
/// Words as they are written and their stems: a word whose stem is known is not misspelt.
const SPELLING_ANALYZER: &str = "catalogue_spelling";
/// The words that spelling is corrected to.
pub const SPELLING: &str = "spelling";
/// The words that name the thing in the title.
pub const TITLE_HEAD: &str = "title_head";

/// The two names of a field's words.
#[derive(Debug, Clone, Copy)]
pub struct WordField {
    /// Their stems.
    pub stems: &'static str,
    /// As they are written.
    pub exact: &'static str,
}

/// The product's name.
pub const TITLE: WordField = WordField { stems: "title", exact: "title.exact" };
/// Who makes it.
pub const BRAND: WordField = WordField { stems: "brand.text", exact: "brand.exact" };
/// The slugs of its category and all above.
pub const CATEGORY: WordField = WordField { stems: "category.text", exact: "category.exact" };
/// Values of attributes and options.
pub const ATTRIBUTES: WordField = WordField { stems: "attribute_text", exact: "attribute_text.exact" };
/// What is said of it.
pub const DESCRIPTION: WordField = WordField { stems: "description", exact: "description.exact" };

/// What is said of it by others: found, and counted little. Of no help to spelling, which some reviewers lack.
pub const REVIEWS: &str = "review_text";

/// Units and how else they are written, in the singular: `16gb`, `16 GB` and `16 gigabytes` are the same.
const UNITS: [(&str, &[&str]); 17] = [
    ("kb", &["kilobyte"]),
    ("mb", &["megabyte"]),
    ("gb", &["gigabyte"]),
    ("tb", &["terabyte"]),
    ("mm", &["millimetre", "millimeter"]),
    ("cm", &["centimetre", "centimeter"]),
    ("ft", &["foot", "feet"]),
    ("yd", &["yard"]),
    ("mg", &["milligram"]),
    ("kg", &["kilogram"]),
    ("oz", &["ounce"]),
    ("lb", &["pound"]),
    ("ml", &["millilitre", "milliliter"]),
    ("qt", &["quart"]),
    ("gal", &["gallon"]),
    ("mhz", &["megahertz"]),
    ("ghz", &["gigahertz"]),
];

/// How text becomes terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Analysis {
    /// Stems, stop words and folded accents of English; asks for the engine's analysis module.
    English,
    /// Lower-case words only; every engine can.
    Standard,
}

/// The body that makes a new index.
pub fn index_body(analysis: Analysis) -> Value {
    json!({
        "settings": {
            // One shard: term statistics are those of the whole catalogue, so scores can be compared.
            "number_of_shards": 1,
            "auto_expand_replicas": "0-1",
            "refresh_interval": "500ms",
            // A long description is no worse than a short one.
            "similarity": {"default": {"type": "BM25", "k1": 1.2, "b": 0.5}},
            "analysis": analysis.settings(),
        },
        "mappings": {
            "dynamic": "strict",
            "properties": properties(),
        },
    })
}

/// The fields of today that an index with the fields `held` lacks, with their mappings.
pub fn additions(held: &Value) -> Map<String, Value> {
    of_today().filter(|(name, _)| held.get(name).is_none()).collect()
}

/// Names of the fields that an index with the fields `held` has with another mapping than that of today.
pub fn changed(held: &Value) -> Vec<String> {
    let is_changed = |(name, field): &(String, Value)| held.get(name).is_some_and(|held| held != field);
    of_today().filter(is_changed).map(|(name, _)| name).collect()
}

fn of_today() -> impl Iterator<Item = (String, Value)> {
    let Value::Object(fields) = properties() else { unreachable!("the fields are an object") };
    fields.into_iter()
}

impl Analysis {
    fn settings(self) -> Value {
        match self {
            Self::English => english(),
            Self::Standard => json!({"analyzer": {
                DOCUMENT_ANALYZER: {"type": "standard"},
                QUERY_ANALYZER: {"type": "standard"},
                EXACT_ANALYZER: {"type": "standard"},
                SPELLING_ANALYZER: {"type": "standard"},
            }}),
        }
    }
}

fn english() -> Value {
    let analyzer = |own: &[&str]| {
        let filters = [&["asciifolding", "lowercase"], own].concat();
        json!({
            "type": "custom",
            "char_filter": ["number_and_unit"],
            "tokenizer": "standard",
            "filter": filters,
        })
    };
    let units: Vec<_> = UNITS.iter().map(|(unit, _)| *unit).collect();
    json!({
        "analyzer": {
            // Stop words stay: `the gap` and `to do` are looked for too, and what is in every text counts little.
            DOCUMENT_ANALYZER: analyzer(&["english_possessive", "units", "joined_pairs", "english_stem"]),
            QUERY_ANALYZER: analyzer(&["english_possessive", "units", "english_stem"]),
            EXACT_ANALYZER: analyzer(&["units"]),
            SPELLING_ANALYZER: analyzer(&[
                "english_possessive", "units", "keyword_repeat", "english_stem", "remove_duplicates",
            ]),
        },
        "char_filter": {
            "number_and_unit": {
                "type": "pattern_replace",
                "pattern": format!("(?i)(\\d)({})\\b", units.join("|")),
                "replacement": "$1 $2",
            },
        },
        "filter": {
            "english_possessive": {"type": "stemmer", "language": "possessive_english"},
            "english_stem": {"type": "stemmer", "language": "english"},
            "units": {"type": "synonym", "synonyms": UNITS.map(|(unit, others)| unit_rule(unit, others))},
            // `play station` is also found by `playstation`.
            "joined_pairs": {
                "type": "shingle",
                "min_shingle_size": 2,
                "max_shingle_size": 2,
                "token_separator": "",
                "filler_token": "",
            },
        },
    })
}

/// Such as `ounce, ounces, ozs => oz`.
fn unit_rule(unit: &str, others: &[&str]) -> String {
    let plural = |word: &str| format!("{word}s");
    let mut written: Vec<_> = others.iter().flat_map(|other| [(*other).to_owned(), plural(other)]).collect();
    written.push(plural(unit));
    format!("{} => {unit}", written.join(", "))
}

fn properties() -> Value {
    let keyword = json!({"type": "keyword"});
    // Nobody asks for phrases: where in a text a word stands is not kept.
    let stems = json!({
        "type": "text",
        "analyzer": DOCUMENT_ANALYZER,
        "search_analyzer": QUERY_ANALYZER,
        "index_options": "freqs",
    });
    let exact = json!({"type": "text", "analyzer": EXACT_ANALYZER, "index_options": "freqs"});
    let mut text = stems.clone();
    text["fields"] = json!({"exact": exact});
    text["copy_to"] = json!([SPELLING]);
    // Exact for filters and facets, with its words beside.
    let both = json!({"type": "keyword", "fields": {"text": stems, "exact": exact}, "copy_to": [SPELLING]});
    let long = json!({"type": "long"});
    let boolean = json!({"type": "boolean"});
    let time = json!({"type": "date", "format": "strict_date_optional_time"});
    json!({
        "product_id": keyword,
        "slug": keyword,
        "title": text,
        TITLE_HEAD: {"type": "text", "analyzer": QUERY_ANALYZER, "index_options": "freqs"},
        "description": text,
        "brand": both,
        "category": both,
        "category_lineage": keyword,
        "attributes": keyword,
        "attribute_text": text,
        REVIEWS: stems,
        SPELLING: {
            "type": "text",
            "analyzer": SPELLING_ANALYZER,
            "search_analyzer": QUERY_ANALYZER,
            "index_options": "docs",
            "norms": false,
        },
        "skus": keyword,
        "price_minor_min": long,
        "price_minor_max": long,
        "currency": keyword,
        "buyable": boolean,
        "in_stock": boolean,
        "popularity": long,
        "rating_average": {"type": "float"},
        "rating_count": {"type": "integer"},
        "status": keyword,
        "deleted": boolean,
        "product_version": long,
        "created_at": time,
        "deleted_at": time,
        "content_hash": {"type": "keyword", "doc_values": false, "index": false},
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::ids::ProductId;
    use jiff::Timestamp;

    use super::*;
    use crate::document::ProductDocument;

    fn keys(value: &Value) -> BTreeSet<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    }

    #[test]
    fn the_mapping_has_the_fields_of_the_document() {
        let document =
            ProductDocument::gone(ProductId::new(Timestamp::UNIX_EPOCH, [0; 10]), Timestamp::UNIX_EPOCH);
        let mut fields = keys(&serde_json::to_value(document).expect("JSON"));
        fields.insert(SPELLING.to_owned());
        assert_eq!(keys(&properties()), fields);
    }

    #[test]
    fn an_index_gets_what_it_lacks_and_keeps_what_is_changed() {
        let mut held = properties();
        assert!(additions(&held).is_empty() && changed(&held).is_empty());
        held["title"] = json!({"type": "keyword"});
        held.as_object_mut().expect("an object").remove("popularity");
        let lacking: Vec<_> = additions(&held).into_iter().collect();
        assert_eq!(lacking, [("popularity".to_owned(), json!({"type": "long"}))]);
        assert_eq!(changed(&held), ["title"]);
        assert_eq!(additions(&Value::Null).len(), keys(&properties()).len(), "an index without any field");
    }

    #[test]
    fn unknown_fields_are_refused() {
        for analysis in [Analysis::English, Analysis::Standard] {
            let body = index_body(analysis);
            assert_eq!(body["mappings"]["dynamic"], "strict");
            for analyzer in [DOCUMENT_ANALYZER, QUERY_ANALYZER, EXACT_ANALYZER, SPELLING_ANALYZER] {
                assert!(body["settings"]["analysis"]["analyzer"][analyzer].is_object());
            }
        }
    }
}
