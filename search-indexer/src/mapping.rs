//! Settings and mapping of a product index.

use serde_json::{Map, Value, json};

/// The analyzer of every text field: one for all, so that words of a query may be spread over fields.
const ANALYZER: &str = "catalogue";

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
            Self::English => json!({
                "analyzer": {ANALYZER: {
                    "type": "custom",
                    "tokenizer": "standard",
                    "filter": [
                        "english_possessive", "lowercase", "asciifolding", "english_stop", "english_stem",
                    ],
                }},
                "filter": {
                    "english_possessive": {"type": "stemmer", "language": "possessive_english"},
                    "english_stop": {"type": "stop", "stopwords": "_english_"},
                    "english_stem": {"type": "stemmer", "language": "english"},
                },
            }),
            Self::Standard => json!({"analyzer": {ANALYZER: {"type": "standard"}}}),
        }
    }
}

fn properties() -> Value {
    let keyword = json!({"type": "keyword"});
    let text = json!({"type": "text", "analyzer": ANALYZER});
    // Exact for filters and facets, with its words beside.
    let both = json!({"type": "keyword", "fields": {"text": text}});
    let long = json!({"type": "long"});
    let boolean = json!({"type": "boolean"});
    let time = json!({"type": "date", "format": "strict_date_optional_time"});
    json!({
        "product_id": keyword,
        "slug": keyword,
        "title": text,
        "description": text,
        "brand": both,
        "category": both,
        "category_lineage": keyword,
        "attributes": keyword,
        "attribute_text": text,
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
        let document = serde_json::to_value(document).expect("JSON");
        assert_eq!(keys(&properties()), keys(&document));
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
            assert!(body["settings"]["analysis"]["analyzer"][ANALYZER].is_object());
        }
    }
}
