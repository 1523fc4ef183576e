//! Products that somebody may be about to type the name of.

use std::time::Duration;

use domain::ids::ProductId;
use domain::product::ProductStatus;
use elasticsearch::http::Method;
use serde_json::{Value, json};

use crate::client::{Request, SearchClient};
use crate::error::SearchError;
use crate::mapping::{BRAND, TITLE};
use crate::query::{TEXT_LENGTH_MAX, WHOLE};
use crate::tuned::{Tuned, selected};

/// Most products of one answer.
pub const LIMIT_MAX: u16 = 20;
/// How long the engine may look, and how long its answer is waited for: nobody waits long for a suggestion.
const TIMEOUT: &str = "500ms";
const ANSWER_TIMEOUT: Duration = Duration::from_millis(800);

/// Products whose title or brand has the words that are typed, the last of which may only have begun; those that sell
/// most first. Only such that can be bought, and none that merchandisers hide for this search.
pub async fn products(
    client: &SearchClient,
    typed: &str,
    tuned: &Tuned,
    limit: u16,
) -> Result<Vec<ProductId>, SearchError> {
    let typed = typed.trim();
    if typed.is_empty() || typed.chars().count() > TEXT_LENGTH_MAX {
        return Ok(Vec::new());
    }
    let path = format!("{}/_search", client.alias());
    let sent = Request::json(Method::Post, path, body(typed, tuned, limit.min(LIMIT_MAX)));
    let body = client.send(Request { query: &WHOLE, timeout: ANSWER_TIMEOUT, ..sent }).await?;
    if body["timed_out"] == true {
        return Err(SearchError::unavailable(format!("suggestions took longer than {TIMEOUT}")));
    }
    let hits = body["hits"]["hits"].as_array().ok_or_else(|| SearchError::Malformed("no hits".to_owned()))?;
    Ok(hits.iter().filter_map(|hit| hit["_id"].as_str()?.parse().ok()).collect())
}

/// The request to the engine.
pub fn body(typed: &str, tuned: &Tuned, limit: u16) -> Value {
    let fields = [TITLE.exact, BRAND.exact];
    let (known, begun) = typed.rsplit_once(char::is_whitespace).unwrap_or(("", typed));
    let mut filter = vec![
        json!({"term": {"status": ProductStatus::Active.name()}}),
        json!({"term": {"deleted": false}}),
        json!({"term": {"buyable": true}}),
        json!({"multi_match": {"query": begun, "type": "bool_prefix", "operator": "and", "fields": fields}}),
    ];
    if !known.is_empty() {
        filter.push(json!({"multi_match": {
            "query": known, "type": "cross_fields", "operator": "and", "fields": fields, "zero_terms_query": "all",
        }}));
    }
    filter.extend(tuned.filters.iter().map(selected));
    let hidden: Vec<_> = tuned.hidden.iter().map(selected).collect();
    json!({
        "query": {"bool": {"filter": filter, "must_not": hidden}},
        "sort": [{"popularity": {"order": "desc", "missing": "_last"}}, {"product_id": "asc"}],
        "size": limit,
        "timeout": TIMEOUT,
        "track_total_hits": false,
        "_source": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_word_may_have_begun() {
        let filters = |typed: &str| {
            let body = body(typed, &Tuned::default(), 5);
            body["query"]["bool"]["filter"].as_array().expect("filters")[3..].to_vec()
        };
        let one = filters("shi");
        assert_eq!((one.len(), &one[0]["multi_match"]["query"]), (1, &json!("shi")));
        let two = filters("navy linen shi");
        assert_eq!(two[0]["multi_match"]["query"], "shi");
        assert_eq!(two[1]["multi_match"]["query"], "navy linen");
    }
}
