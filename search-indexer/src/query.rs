//! What a shopper may ask of the index, and what comes back: ids, scores and facets.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ids::ProductId;
use domain::product::ProductStatus;
use elasticsearch::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::{Request, SearchClient};
use crate::document::attribute;
use crate::error::SearchError;

/// Longest text, in characters.
pub const TEXT_LENGTH_MAX: usize = 200;
/// Most attributes in one request.
pub const ATTRIBUTE_COUNT_MAX: usize = 20;
/// Most hits of a page.
pub const LIMIT_MAX: u16 = 100;
/// Most values of a facet.
pub const FACET_VALUES_MAX: u16 = 50;
/// How long the engine may search.
const SEARCH_TIMEOUT: &str = "2s";
/// How long its answer is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// The fields that text is looked for in, with their weights.
const TEXT_FIELDS: [&str; 5] =
    ["title^3", "brand.text^2", "category.text^1.5", "attribute_text", "description^0.5"];
/// Values that a sort compares: what is asked for, then the id.
const SORT_VALUE_COUNT: usize = 2;

/// A search. Empty, it is the whole catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchRequest {
    /// Words, in no query language.
    pub text: Option<String>,
    /// A category path: products of it and of all below.
    pub category: Option<String>,
    /// A brand, in any case.
    pub brand: Option<String>,
    /// Lowest price that the dearest variant must reach, in minor units.
    pub price_min_minor: Option<i64>,
    /// Highest price that the cheapest variant may have, in minor units.
    pub price_max_minor: Option<i64>,
    /// Attributes that must all match, in any case.
    pub attributes: BTreeMap<String, String>,
    /// Only what can be bought, or only what cannot.
    pub buyable: Option<bool>,
    /// The order of hits.
    pub sort: Sort,
    /// Hits of a page, 1 to [`LIMIT_MAX`].
    pub limit: u16,
    /// [`Hit::sort`] of the last hit of the page before.
    pub search_after: Option<Vec<Value>>,
}

/// The order of hits; equal ones are in the order of their ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Best match first.
    #[default]
    Relevance,
    /// Newest product first.
    Newest,
    /// Cheapest first, without a price last.
    PriceAsc,
    /// Dearest first, without a price last.
    PriceDesc,
}

/// One page of hits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchPage {
    /// In the order asked for.
    pub hits: Vec<Hit>,
    /// Of all that matches, not only of this page.
    pub facets: Facets,
    /// [`Hit::sort`] of the last hit, when more match.
    pub next: Option<Vec<Value>>,
}

/// A product that matches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// The product.
    pub product_id: ProductId,
    /// How well the text matches; `None` without a text or in another order.
    pub score: Option<f64>,
    /// Where it stands in the order, for [`SearchRequest::search_after`].
    pub sort: Vec<Value>,
}

/// How many matches have which value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facets {
    /// Category paths; a product counts in its category and in all above it.
    pub category: Vec<FacetValue>,
    /// Brands.
    pub brand: Vec<FacetValue>,
}

/// A value of a facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FacetValue {
    /// Such as `apparel/shirts` or `Puma`.
    pub value: String,
    /// Products that have it.
    pub count: u64,
}

/// Searches the active products. A search that ran out of time is an error, never a part of the answer.
pub async fn search(client: &SearchClient, request: &SearchRequest) -> Result<SearchPage, SearchError> {
    check(request)?;
    let path = format!("{}/_search", client.alias());
    let query = [("allow_partial_search_results", "false")];
    let sent = Request::json(Method::Post, path, search_body(request));
    let body = client.send(Request { query: &query, timeout: ANSWER_TIMEOUT, ..sent }).await?;
    if body["timed_out"] == true {
        return Err(SearchError::unavailable(format!("the search took longer than {SEARCH_TIMEOUT}")));
    }
    read_page(&body, is_scored(request), request.limit)
}

fn check(request: &SearchRequest) -> Result<(), SearchError> {
    let refused = |reason: &str| Err(SearchError::Refused { status: 400, reason: reason.to_owned() });
    if request.text.as_deref().is_some_and(|text| text.chars().count() > TEXT_LENGTH_MAX) {
        return refused("the text is too long");
    }
    if request.attributes.len() > ATTRIBUTE_COUNT_MAX {
        return refused("too many attributes");
    }
    if !(1..=LIMIT_MAX).contains(&request.limit) {
        return refused("the limit is out of range");
    }
    let is_scalar = |value: &Value| value.is_string() || value.is_number();
    match &request.search_after {
        Some(values) if values.len() != SORT_VALUE_COUNT || !values.iter().all(is_scalar) => {
            refused("the position is malformed")
        }
        _ => Ok(()),
    }
}

fn text_of(request: &SearchRequest) -> Option<&str> {
    request.text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

fn is_scored(request: &SearchRequest) -> bool {
    request.sort == Sort::Relevance && text_of(request).is_some()
}

fn search_body(request: &SearchRequest) -> Value {
    let facet = |field: &str| json!({"terms": {"field": field, "size": FACET_VALUES_MAX}});
    let mut body = json!({
        "query": {"bool": {
            "must": text_of(request).map_or_else(|| json!({"match_all": {}}), text_query),
            "filter": filters(request),
        }},
        "sort": [first_sort(request), {"product_id": "asc"}],
        // One more tells whether there is a next page.
        "size": request.limit + 1,
        "timeout": SEARCH_TIMEOUT,
        "track_total_hits": false,
        "_source": false,
        "aggs": {"category": facet("category_lineage"), "brand": facet("brand")},
    });
    if let Some(position) = &request.search_after {
        body["search_after"] = json!(position);
    }
    body
}

/// Words may be spread over the fields; of three or more words a quarter may be missing. A whole SKU also
/// matches.
fn text_query(text: &str) -> Value {
    json!({"bool": {
        "should": [
            {"multi_match": {
                "query": text,
                "type": "cross_fields",
                "fields": TEXT_FIELDS,
                "minimum_should_match": "2<75%",
            }},
            {"match": {"skus": {"query": text, "boost": 10}}},
        ],
        "minimum_should_match": 1,
    }})
}

fn filters(request: &SearchRequest) -> Vec<Value> {
    let any_case =
        |field: &str, value: &str| json!({"term": {field: {"value": value, "case_insensitive": true}}});
    let mut filters =
        vec![json!({"term": {"status": ProductStatus::Active.name()}}), json!({"term": {"deleted": false}})];
    filters.extend(request.category.iter().map(|category| json!({"term": {"category_lineage": category}})));
    filters.extend(request.brand.iter().map(|brand| any_case("brand", brand)));
    filters
        .extend(request.price_min_minor.map(|price| json!({"range": {"price_minor_max": {"gte": price}}})));
    filters
        .extend(request.price_max_minor.map(|price| json!({"range": {"price_minor_min": {"lte": price}}})));
    filters.extend(request.buyable.map(|buyable| json!({"term": {"buyable": buyable}})));
    filters.extend(
        request.attributes.iter().map(|(name, value)| any_case("attributes", &attribute(name, value))),
    );
    filters
}

fn first_sort(request: &SearchRequest) -> Value {
    match request.sort {
        Sort::Relevance => json!({"_score": "desc"}),
        Sort::Newest => json!({"created_at": {"order": "desc", "missing": "_last"}}),
        Sort::PriceAsc => json!({"price_minor_min": {"order": "asc", "missing": "_last"}}),
        Sort::PriceDesc => json!({"price_minor_max": {"order": "desc", "missing": "_last"}}),
    }
}

fn read_page(body: &Value, is_scored: bool, limit: u16) -> Result<SearchPage, SearchError> {
    let hits = body["hits"]["hits"].as_array().ok_or_else(|| SearchError::Malformed("no hits".to_owned()))?;
    let limit = usize::from(limit);
    let has_more = hits.len() > limit;
    let hits: Option<Vec<_>> = hits.iter().take(limit).map(|hit| read_hit(hit, is_scored)).collect();
    let hits = hits.ok_or_else(|| SearchError::Malformed("a hit without id or sort".to_owned()))?;
    let facets = &body["aggregations"];
    Ok(SearchPage {
        next: hits.last().filter(|_| has_more).map(|hit| hit.sort.clone()),
        hits,
        facets: Facets { category: read_facet(&facets["category"]), brand: read_facet(&facets["brand"]) },
    })
}

fn read_hit(hit: &Value, is_scored: bool) -> Option<Hit> {
    Some(Hit {
        product_id: hit["_id"].as_str()?.parse().ok()?,
        score: hit["_score"].as_f64().filter(|_| is_scored),
        sort: hit["sort"].as_array().filter(|values| values.len() == SORT_VALUE_COUNT)?.clone(),
    })
}

fn read_facet(facet: &Value) -> Vec<FacetValue> {
    let value = |bucket: &Value| {
        Some(FacetValue { value: bucket["key"].as_str()?.to_owned(), count: bucket["doc_count"].as_u64()? })
    };
    facet["buckets"].as_array().into_iter().flatten().filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> SearchRequest {
        SearchRequest { limit: 20, ..SearchRequest::default() }
    }

    #[test]
    fn text_reaches_match_queries_only() {
        let text = "title:* OR _exists_:status /.*/";
        let body = search_body(&SearchRequest { text: Some(text.into()), ..request() });
        let printed = body.to_string();
        assert!(!printed.contains("query_string") && !printed.contains("regexp"));
        assert_eq!(body["query"]["bool"]["must"]["bool"]["should"][0]["multi_match"]["query"], text);
        assert_eq!(printed.matches("_exists_").count(), 2);
    }

    #[test]
    fn only_active_products_are_asked_for() {
        let filters = filters(&request());
        assert_eq!(filters, [json!({"term": {"status": "active"}}), json!({"term": {"deleted": false}})]);
    }

    #[test]
    fn every_filter_is_sent() {
        let filters = filters(&SearchRequest {
            category: Some("apparel".into()),
            brand: Some("puma".into()),
            price_min_minor: Some(100),
            price_max_minor: Some(200),
            attributes: [("colour".to_owned(), "Blue".to_owned())].into(),
            buyable: Some(true),
            ..request()
        });
        assert_eq!(filters.len(), 8);
        assert_eq!(filters[7]["term"]["attributes"]["value"], "colour=Blue");
    }

    #[test]
    fn what_is_over_the_limits_is_refused() {
        let refused =
            |request: SearchRequest| matches!(check(&request), Err(SearchError::Refused { status: 400, .. }));
        assert!(!refused(request()));
        assert!(refused(SearchRequest { limit: 0, ..request() }));
        assert!(refused(SearchRequest { limit: LIMIT_MAX + 1, ..request() }));
        assert!(refused(SearchRequest { text: Some("é".repeat(TEXT_LENGTH_MAX + 1)), ..request() }));
        assert!(refused(SearchRequest { search_after: Some(vec![json!(1)]), ..request() }));
        assert!(refused(SearchRequest { search_after: Some(vec![json!({}), json!("a")]), ..request() }));
        assert!(!refused(SearchRequest { search_after: Some(vec![json!(1.5), json!("a")]), ..request() }));
    }

    #[test]
    fn a_page_is_read() {
        let id = ProductId::new(jiff::Timestamp::UNIX_EPOCH, [0; 10]);
        let body = json!({
            "hits": {"hits": [{"_id": id, "_score": 1.5, "sort": [1.5, id]}]},
            "aggregations": {"brand": {"buckets": [{"key": "Puma", "doc_count": 3}]}},
        });
        let page = read_page(&body, true, 1).expect("well-formed");
        assert_eq!(page.hits[0].product_id, id);
        assert_eq!(page.hits[0].score, Some(1.5));
        assert_eq!(page.facets.brand, [FacetValue { value: "Puma".into(), count: 3 }]);
        assert!(page.facets.category.is_empty());
        assert_eq!(read_page(&body, false, 1).expect("well-formed").hits[0].score, None);
        assert!(read_page(&json!({"hits": {"hits": [{"_id": "x"}]}}), true, 1).is_err());
    }

    #[test]
    fn only_a_page_with_more_after_it_has_a_next_place() {
        let id = |number: u8| ProductId::new(jiff::Timestamp::UNIX_EPOCH, [number; 10]);
        let hit = |number: u8| json!({"_id": id(number), "sort": [number, id(number)]});
        let body = json!({"hits": {"hits": [hit(1), hit(2), hit(3)]}});
        let page = read_page(&body, true, 2).expect("well-formed");
        assert_eq!(page.hits.len(), 2);
        assert_eq!(page.next, Some(vec![json!(2), json!(id(2))]));
        let last = read_page(&body, true, 3).expect("well-formed");
        assert_eq!((last.hits.len(), last.next), (3, None));
        assert_eq!(search_body(&SearchRequest { limit: 3, ..request() })["size"], 4);
    }
}
