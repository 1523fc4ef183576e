//! One request to the engine and what it answers.

use domain::product::ProductStatus;
use domain::search_words::words;
use domain::tuning::selector::Selector;
use domain::tuning::weights::Weights;
use serde_json::{Value, json};

use super::text::{OWN_WORDS, SKU, Strictness, has_words, must_all_be_there, text_query};
use super::{
    Facets, Hit, Place, RELAXED_BELOW, Ranking, SEARCH_TIMEOUT, SORT_VALUE_COUNT, SearchPage, SearchRequest,
    Sort,
};
use super::{facets, intent, pinned, signals, spelling};
use crate::count;
use crate::error::SearchError;
use crate::tuned::selected;
use crate::vectors::Meaning;

/// However many boosts a product gets, its score stays below that of a place of its own.
const FACTOR_MAX: f64 = 1_000.0;

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub(super) request: &'a SearchRequest,
    /// The words, as asked for or corrected.
    pub(super) text: Option<&'a str>,
    pub(super) strictness: Strictness,
    pub(super) after: Option<Vec<Value>>,
    /// What the words mean, when vectors are on.
    pub(super) meaning: Option<Meaning>,
    /// The snapshot that is asked.
    pub(super) snapshot: Option<String>,
    pub(super) limit: u16,
    /// Whether words that the catalogue does not know are looked up.
    pub(super) is_spelling_asked: bool,
    /// Whether the values of matches are counted.
    pub(super) are_facets_asked: bool,
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) hits: Vec<Hit>,
    /// Where the last of them stands in the engine's order.
    last: Option<Vec<Value>>,
    /// Whether what is near in meaning is among them.
    is_by_meaning: bool,
    /// The snapshot that they are of.
    pub(super) snapshot: Option<String>,
    pub(super) has_more: bool,
    /// How many of the hits stand at places of their own.
    pub(super) pinned: u64,
    /// Whether the words are the stock keeping unit of a hit.
    pub(super) is_sku: bool,
    /// Whether the shop says the words of a hit.
    has_own_words: bool,
    /// All that match, counted up to [`RELAXED_BELOW`].
    pub(super) total: u64,
    pub(super) facets: Facets,
    /// The words that are probably meant, when some are unknown.
    pub(super) meant: Option<String>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(request: &'a SearchRequest, text: Option<&'a str>) -> Self {
        let after = request.place.as_ref().and_then(|place| place.after.clone());
        let strictness = Strictness::Strict;
        Self {
            request,
            text,
            strictness,
            after,
            meaning: None,
            snapshot: None,
            limit: request.limit,
            is_spelling_asked: false,
            are_facets_asked: true,
        }
    }

    pub(super) fn body(&self) -> Value {
        let tuned = &self.request.tuned;
        let mut found = vec![self.scored()];
        let mut hidden: Vec<_> = tuned.hidden.iter().map(selected).collect();
        if self.request.sort == Sort::Relevance {
            // What has a place of its own has been shown before what hardly matches.
            let shown = if self.strictness == Strictness::Strict { &mut found } else { &mut hidden };
            shown.extend(pinned::clauses(&tuned.pins));
        }
        if self.strictness == Strictness::Relaxed {
            let weights = self.weights();
            hidden.extend(self.said().iter().map(|text| has_words(text, Strictness::Strict, &weights)));
        }
        let query = json!({"bool": {
            "must": {"bool": {"should": found, "minimum_should_match": 1}},
            "filter": filters(self.request),
            "must_not": hidden,
        }});
        let mut body = json!({
            "query": query,
            "sort": [first_sort(self.request.sort), {"product_id": "asc"}],
            // One more tells whether there is a next page.
            "size": self.limit + 1,
            "timeout": SEARCH_TIMEOUT,
            "track_total_hits": RELAXED_BELOW,
            "_source": false,
        });
        if self.are_facets_asked {
            body["aggs"] = facets::asked(self.request);
        }
        // What a shopper has chosen of a facet does not change what that facet counts.
        let chosen = facets::chosen(self.request, None);
        if !chosen.is_empty() {
            body["post_filter"] = json!({"bool": {"filter": chosen}});
        }
        if let Some(place) = &self.after {
            body["search_after"] = json!(place);
        }
        if let Some(text) = self.text.filter(|_| self.is_spelling_asked) {
            body["suggest"] = spelling::asked(text);
        }
        body
    }

    /// What fields count. In another order than by relevance, what only reviews say would come between.
    fn weights(&self) -> Weights {
        let weights = self.request.tuned.weights;
        let reviews = if self.request.sort == Sort::Relevance { weights.reviews } else { 0 };
        Weights { reviews, ..weights }
    }

    /// The words and the other ways to say them.
    fn said(&self) -> Vec<&str> {
        let variants = self.request.tuned.variants.iter().map(String::as_str);
        self.text.into_iter().chain(variants).collect()
    }

    /// Whether a product can have some of the words and not most of them.
    pub(super) fn can_be_relaxed(&self) -> bool {
        self.said().iter().any(|text| words(text).len() > 1)
    }

    pub(super) fn is_first_page(&self) -> bool {
        self.strictness == Strictness::Strict && self.after.is_none()
    }

    /// What matches, with its score.
    fn scored(&self) -> Value {
        let SearchRequest { ranking, tuned, .. } = self.request;
        let queries: Vec<_> = match self.text {
            None => vec![json!({"match_all": {}})],
            Some(_) => {
                let weights = self.weights();
                let query = |text: &&str| text_query(text, self.strictness, *ranking, &weights);
                self.said().iter().map(query).collect()
            }
        };
        // However many ways to say it a product answers to, the best one counts.
        let mut query = json!({"dis_max": {"queries": queries}});
        if let Some(meaning) = &self.meaning {
            let mut filters = filters(self.request);
            filters.extend(facets::chosen(self.request, None));
            let hidden: Vec<_> = tuned.hidden.iter().map(selected).collect();
            let filter = json!({"bool": {"filter": filters, "must_not": hidden}});
            query = json!({"bool": {"should": [query, meaning.nearest(&filter)]}});
        }
        let mut functions: Vec<_> = tuned.factors.iter().map(factor).collect();
        if *ranking == Ranking::Shop && self.request.sort == Sort::Relevance {
            functions.extend(signals::functions(&tuned.weights));
            functions.extend(intent::functions(&self.request.intent, &tuned.weights));
        }
        if functions.is_empty() {
            return query;
        }
        json!({"function_score": {
            "query": query, "functions": functions, "score_mode": "multiply", "boost_mode": "multiply",
            "max_boost": FACTOR_MAX,
        }})
    }

    pub(super) fn read(&self, body: &Value) -> Result<Found, SearchError> {
        let malformed = |what: &str| SearchError::Malformed(what.to_owned());
        let hits = body["hits"]["hits"].as_array().ok_or_else(|| malformed("no hits"))?;
        let limit = usize::from(self.limit);
        let is_scored = self.text.is_some() && self.request.sort == Sort::Relevance;
        let read: Option<Vec<_>> = hits.iter().take(limit).map(|hit| read_hit(hit, is_scored)).collect();
        let read = read.ok_or_else(|| malformed("a hit without id or sort"))?;
        let is_matched =
            |hit: &Value, name| hit["matched_queries"].as_array().is_some_and(|it| it.contains(&json!(name)));
        Ok(Found {
            last: read.last().map(|hit| hit.sort.clone()),
            is_by_meaning: self.meaning.is_some(),
            snapshot: None,
            pinned: count::of(read.iter().filter(|hit| hit.is_pinned).count()),
            is_sku: hits.iter().any(|hit| is_matched(hit, SKU)),
            has_own_words: hits.iter().any(|hit| is_matched(hit, OWN_WORDS)),
            hits: read,
            has_more: hits.len() > limit,
            total: body["hits"]["total"]["value"].as_u64().ok_or_else(|| malformed("no total"))?,
            facets: facets::read(self.request, &body["aggregations"]),
            meant: self.text.and_then(|text| spelling::meant(text, &body["suggest"])),
        })
    }
}

impl Found {
    /// Whether a hit has every word, in whichever form: then they are meant as they are written.
    pub(super) fn has_them_all(&self, asked: &Ask<'_>) -> bool {
        let must_all = asked.meaning.is_none() && asked.text.is_some_and(must_all_be_there);
        self.is_sku || (must_all && self.has_own_words)
    }

    /// The page that begins at `place`.
    pub(super) fn into_page(self, place: &Place) -> SearchPage {
        let is_relaxed = place.strictness == Strictness::Relaxed && !self.hits.is_empty();
        let next = Place {
            is_by_meaning: self.is_by_meaning,
            after: self.last,
            snapshot: self.snapshot,
            ..place.clone()
        };
        SearchPage {
            next: self.has_more.then_some(next),
            hits: self.hits,
            facets: self.facets,
            corrected: place.corrected.clone(),
            relaxed_from: is_relaxed.then_some(0),
        }
    }
}

/// What becomes of the score of some products.
fn factor((products, percent): &(Selector, u16)) -> Value {
    json!({"filter": selected(products), "weight": f64::from(*percent) / 100.0})
}

/// What every search is limited to, and what merchandisers limit it to.
fn filters(request: &SearchRequest) -> Vec<Value> {
    let mut filters =
        vec![json!({"term": {"status": ProductStatus::Active.name()}}), json!({"term": {"deleted": false}})];
    filters.extend(request.buyable.map(|buyable| json!({"term": {"buyable": buyable}})));
    filters.extend(request.tuned.filters.iter().map(selected));
    filters
}

fn first_sort(sort: Sort) -> Value {
    match sort {
        Sort::Relevance => json!({"_score": "desc"}),
        Sort::Newest => json!({"created_at": {"order": "desc", "missing": "_last"}}),
        Sort::PriceAsc => json!({"price_minor_min": {"order": "asc", "missing": "_last"}}),
        Sort::PriceDesc => json!({"price_minor_max": {"order": "desc", "missing": "_last"}}),
        Sort::Rating => json!({"rating_average": {"order": "desc", "missing": "_last"}}),
        Sort::BestSelling => json!({"popularity": {"order": "desc", "missing": "_last"}}),
    }
}

fn read_hit(hit: &Value, is_scored: bool) -> Option<Hit> {
    let score = hit["_score"].as_f64();
    let is_pinned = score.is_some_and(pinned::is_of_place);
    Some(Hit {
        product_id: hit["_id"].as_str()?.parse().ok()?,
        score: score.filter(|_| is_scored && !is_pinned),
        is_pinned,
        sort: hit["sort"].as_array().filter(|values| values.len() == SORT_VALUE_COUNT)?.clone(),
    })
}

#[cfg(test)]
mod tests {
    use domain::ids::ProductId;
    use domain::intent::Intent;

    use super::*;
    use crate::query::FacetValue;

    fn request() -> SearchRequest {
        SearchRequest { limit: 20, ..SearchRequest::default() }
    }

    fn id(number: u8) -> ProductId {
        ProductId::new(jiff::Timestamp::UNIX_EPOCH, [number; 10])
    }

    #[test]
    fn only_active_products_are_asked_for() {
        let filters = filters(&request());
        assert_eq!(filters, [json!({"term": {"status": "active"}}), json!({"term": {"deleted": false}})]);
    }

    #[test]
    fn signals_count_in_the_shops_ranking_by_relevance_only() {
        let has_signals = |request: &SearchRequest| {
            Ask::new(request, request.text.as_deref()).body()["query"].to_string().contains("popularity")
        };
        let request = SearchRequest { text: Some("shirt".into()), ..request() };
        assert!(has_signals(&request) && has_signals(&SearchRequest { text: None, ..request.clone() }));
        assert!(!has_signals(&SearchRequest { ranking: Ranking::Plain, ..request.clone() }));
        assert!(!has_signals(&SearchRequest { sort: Sort::Newest, ..request }));
    }

    #[test]
    fn what_is_named_counts_in_the_shops_ranking_unless_the_shop_says_otherwise() {
        let intent = Intent { categories: vec!["women/jumpers".to_owned()], ..Intent::default() };
        let request = SearchRequest { text: Some("jumper".into()), intent, ..request() };
        let counts = |request: &SearchRequest| {
            Ask::new(request, Some("jumper")).body()["query"].to_string().contains("category_lineage")
        };
        assert!(counts(&request));
        assert!(!counts(&SearchRequest { ranking: Ranking::Plain, ..request.clone() }));
        let mut untold = request;
        untold.tuned.weights.intent = 0;
        assert!(!counts(&untold));
    }

    #[test]
    fn what_hardly_matches_is_asked_for_without_what_matches() {
        let request = SearchRequest { text: Some("navy shirt".into()), ..request() };
        let strict = Ask { is_spelling_asked: true, ..Ask::new(&request, Some("navy shirt")) };
        let body = strict.body();
        let hidden = |body: &Value| body["query"]["bool"]["must_not"].as_array().map(Vec::len);
        assert!(hidden(&body) == Some(0) && body["suggest"].is_object());
        let body = Ask { strictness: Strictness::Relaxed, is_spelling_asked: false, ..strict }.body();
        assert!(hidden(&body) == Some(1) && body["suggest"].is_null());
        let uncounted = Ask { are_facets_asked: false, ..Ask::new(&request, Some("navy shirt")) };
        assert!(uncounted.body()["aggs"].is_null() && body["aggs"].is_object());
        assert!(uncounted.can_be_relaxed() && !Ask::new(&request, Some("shirt")).can_be_relaxed());
    }

    #[test]
    fn an_answer_is_read() {
        let body = json!({
            "hits": {"hits": [{"_id": id(1), "_score": 1.5, "sort": [1.5, id(1)]}], "total": {"value": 7}},
            "aggregations": {"brand": {"of": {"buckets": [{"key": "Puma", "doc_count": 3}]}}},
        });
        let request = SearchRequest { limit: 1, ..request() };
        let found = Ask::new(&request, Some("shirt")).read(&body).expect("well-formed");
        assert_eq!((found.hits[0].product_id, found.hits[0].score), (id(1), Some(1.5)));
        assert_eq!((found.total, found.has_more, found.meant), (7, false, None));
        assert_eq!(found.facets.brand, [FacetValue { value: "Puma".into(), count: 3 }]);
        assert!(found.facets.category.is_empty());
        let unscored = Ask::new(&request, None).read(&body).expect("well-formed");
        assert_eq!(unscored.hits[0].score, None);
        let broken = json!({"hits": {"hits": [{"_id": "x"}], "total": {"value": 1}}});
        assert!(Ask::new(&request, None).read(&broken).is_err());
    }

    #[test]
    fn only_a_page_with_more_after_it_has_a_next_place() {
        let hit = |number: u8| json!({"_id": id(number), "sort": [number, id(number)]});
        let body = json!({"hits": {"hits": [hit(1), hit(2), hit(3)], "total": {"value": 3}}});
        let page = |limit: u16| {
            let request = SearchRequest { limit, ..request() };
            Ask::new(&request, None).read(&body).expect("well-formed").into_page(&Place::START)
        };
        assert_eq!(page(2).hits.len(), 2);
        assert_eq!(page(2).next.and_then(|place| place.after), Some(vec![json!(2), json!(id(2))]));
        assert_eq!((page(3).hits.len(), page(3).next), (3, None));
        assert_eq!(Ask::new(&SearchRequest { limit: 3, ..request() }, None).body()["size"], 4);
    }
}
