//! `GET /search`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use cache::page_cache::Page as KeptPage;
use cache::search_cache::{SearchHit, SearchKey, SearchResult};
use jiff::Timestamp;
use search_indexer::error::SearchError;
use search_indexer::query::{self, Place, Ranking, SearchPage, SearchRequest, Sort};
use search_indexer::tuned::{Banner, Tuned};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::app_state::AppState;
use crate::authorized::Anyone;
use crate::cache_control;
use crate::page::Page;
use crate::page_answer;
use crate::problem::{Problem, ReadProblems};
use crate::product_json::ProductSummaryJson;
use crate::query_string::{self, Parameters, ReadQuery};
use crate::routes::search::{found_products, plain_search};

const SORTS: [(&str, Sort); 6] = [
    ("relevance", Sort::Relevance),
    ("newest", Sort::Newest),
    ("price_asc", Sort::PriceAsc),
    ("price_desc", Sort::PriceDesc),
    ("rating", Sort::Rating),
    ("best_selling", Sort::BestSelling),
];

/// The order of hits.
#[derive(Debug, ToSchema)]
#[schema(as = Sort, rename_all = "snake_case")]
pub enum SortName {
    /// Best match first.
    Relevance,
    /// Newest first.
    Newest,
    /// Cheapest first.
    PriceAsc,
    /// Dearest first.
    PriceDesc,
    /// Best rated first.
    Rating,
    /// What sold most in the last 30 days first.
    BestSelling,
}

/// What is looked for.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchProducts {
    /// Words.
    #[param(max_length = 200)]
    pub q: Option<String>,
    /// Only this category and those below it.
    #[param(max_length = 300)]
    pub category: Option<String>,
    /// Only this brand.
    #[param(max_length = 200)]
    pub brand: Option<String>,
    /// Lowest price, in minor units.
    #[param(minimum = 0)]
    pub price_min: Option<i64>,
    /// Highest price, in minor units.
    #[param(minimum = 0)]
    pub price_max: Option<i64>,
    /// Values of attributes: `attr.colour=blue`. At most 20.
    #[param(rename = "attr", style = Form, explode = true, value_type = Option<BTreeMap<String, String>>)]
    pub attributes: BTreeMap<String, String>,
    /// Lowest mean of the ratings, in stars.
    #[param(minimum = 1, maximum = 5)]
    pub rating_min: Option<u8>,
    /// Only what can be bought, or only what cannot.
    pub in_stock: Option<bool>,
    /// The order of hits; by relevance when missing.
    #[param(value_type = Option<SortName>, inline)]
    pub sort: Sort,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most hits of a page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for SearchProducts {
    fn read(parameters: &mut Parameters) -> Self {
        let read = Self {
            q: parameters.words("q", query::TEXT_LENGTH_MAX),
            category: parameters.text("category", 300),
            brand: parameters.text("brand", 200),
            price_min: parameters.parsed("price_min", "minor units"),
            price_max: parameters.parsed("price_max", "minor units"),
            attributes: parameters.prefixed("attr.", 200),
            rating_min: parameters.parsed("rating_min", "stars"),
            in_stock: parameters.choice("in_stock", &[("true", true), ("false", false)]),
            sort: parameters.choice("sort", &SORTS).unwrap_or_default(),
            cursor: parameters.cursor(),
            limit: parameters.limit(),
        };
        if read.attributes.len() > query::ATTRIBUTE_COUNT_MAX {
            parameters.refuse("attr", "too_many", format!("at most {}", query::ATTRIBUTE_COUNT_MAX));
        }
        if read.rating_min.is_some_and(|stars| !(1..=5).contains(&stars)) {
            parameters.refuse("rating_min", "out_of_range", "1 to 5");
        }
        for (name, price) in [("price_min", read.price_min), ("price_max", read.price_max)] {
            if price.is_some_and(|price| price < 0) {
                parameters.refuse(name, "out_of_range", "not below 0");
            }
        }
        read
    }
}

/// A page of hits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchPage)]
pub struct SearchPageJson {
    /// Best first, or in the order asked for.
    data: Vec<HitJson>,
    /// Counts over all that matches.
    #[schema(value_type = FacetsJson)]
    facets: Value,
    /// Where the next page begins.
    page: Page,
    /// What was searched for.
    query: UnderstoodJson,
}

/// A product that matches.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchHit)]
struct HitJson {
    #[serde(flatten)]
    product: ProductSummaryJson,
    /// How well it matches; `null` when sorted by something else, and at a place that a merchandiser gave it.
    #[schema(required = true)]
    score: Option<f64>,
    /// There when a merchandiser has given it its place.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pinned: bool,
}

/// How many products have which value. Each facet counts what the other filters leave, not its own.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Facets)]
struct FacetsJson {
    /// Category paths; a product counts in all above its own.
    category: Vec<FacetValueJson>,
    /// Brands.
    brand: Vec<FacetValueJson>,
    /// Attributes and options of variants, those that most products have first; at most 20.
    attributes: Vec<AttributeFacetJson>,
    /// Where the lowest prices of products lie.
    price: Vec<PriceFacetJson>,
    /// How products are rated.
    rating: Vec<RatingFacetJson>,
}

/// An attribute and its most frequent values.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AttributeFacet)]
struct AttributeFacetJson {
    /// Such as `colour`, for `attr.colour=`.
    name: String,
    values: Vec<FacetValueJson>,
}

/// A range of prices.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PriceFacet)]
struct PriceFacetJson {
    /// The lowest price, in minor units.
    from_minor: i64,
    /// The lowest price above the range; open when `null`.
    #[schema(required = true)]
    to_minor: Option<i64>,
    count: u64,
}

/// Products with so many stars or more.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RatingFacet)]
struct RatingFacetJson {
    at_least: u8,
    count: u64,
}

/// A value and how many products have it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FacetValue)]
struct FacetValueJson {
    value: String,
    count: u64,
}

/// How the query was read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnderstoodQuery)]
struct UnderstoodJson {
    /// The words that were searched for.
    understood: String,
    /// Those words again when they are not the ones asked for, because no product has one of these: show "results for".
    #[serde(skip_serializing_if = "Option::is_none")]
    corrected: Option<String>,
    /// Place in `data`, from 0, of the first hit that has only a part of the words; it and those after it are there
    /// because few products or none have most of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    relaxed_from: Option<usize>,
    /// There when the search engine is away: the store was searched, by words of titles and brands only, and there are
    /// neither facets nor further pages.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    plainer: bool,
    /// Where the shop goes instead of showing hits: a path of it or an `https` address.
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect: Option<String>,
    /// Texts to be shown beside the hits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    banners: Vec<BannerJson>,
    /// Names of the merchandising rules that took part.
    rules_applied: Vec<String>,
}

/// A text beside the hits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchBanner)]
struct BannerJson {
    /// What it says.
    text: String,
    /// Where it leads: a path of the shop or an `https` address.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl From<Banner> for BannerJson {
    fn from(Banner { text, url }: Banner) -> Self {
        Self { text, url }
    }
}

/// Searches the products that are on sale.
#[utoipa::path(
    get,
    path = "/api/v1/search",
    tag = "search",
    params(SearchProducts),
    responses((status = 200, description = "A page of hits", body = SearchPageJson), ReadProblems),
    security((), ("bearer" = [])),
)]
pub async fn search_products(
    caller: Anyone,
    state: web::Data<AppState>,
    http: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (tuning, now) = (state.tuning.get(), Timestamp::now());
    let (release, boundary) = tuning.epoch(now);
    let page_key = format!("{release}.{boundary}?{}", http.query_string());
    if let Some(page) = page_answer::find(&state, &state.pages.searches, &page_key) {
        return Ok(page_answer::of_page(&http, &caller, cache_control::SEARCHES, &page));
    }
    let query: SearchProducts = query_string::read(&http)?;
    let SearchProducts { cursor, limit, .. } = &query;
    let mut request = request(&query);
    let sight = state.products.sight();
    let list = format!("search {request:?}");
    // Not part of the list: a release does not end the pages of those who are in the midst of them.
    request.tuned = tuning.apply(query.q.as_deref(), query.category.as_deref(), now);
    request.limit = *limit;
    request.place = cursor.as_ref().map(|cursor| state.cursors.open::<Place>(&list, cursor)).transpose()?;
    let key = SearchKey(format!("{request:?}"));
    let computed = state.searches.get_or_compute(&key, SearchError::is_unavailable, async || {
        to_result(query::search(&state.search, &request).await?)
    });
    let answer = match computed.await {
        // A page in the midst of a list cannot be found in another list.
        Err(error) if error.is_unavailable() && request.place.is_none() => {
            return plainer(&state, request, *limit).await;
        }
        answer => answer?,
    };
    let result = &answer.entry.result;
    let next_cursor = result.next.as_ref().map(|place| state.cursors.seal(&list, place));
    let (body, kept_until) =
        body(&state, result, request, Page { next_cursor, limit: *limit }, false).await?;
    let page = Arc::new(KeptPage::new(body, sight, kept_until, Some(answer.entry.computed_at_ms)));
    let mut response = page_answer::of_page(&http, &caller, cache_control::SEARCHES, &page);
    if answer.is_stale {
        let stale = HeaderValue::from_static("search; hit; detail=stale-engine-away");
        response.headers_mut().insert(HeaderName::from_static("cache-status"), stale);
    } else {
        page_answer::keep(&state.pages.searches, &page_key, &page);
    }
    Ok(response)
}

/// What the store finds while the engine is away. Nobody keeps it.
async fn plainer(state: &AppState, request: SearchRequest, limit: u16) -> Result<HttpResponse, Problem> {
    metrics::counter!("search_fallbacks_total").increment(1);
    let result = plain_search::search(state, &request).await?;
    let (body, _) = body(state, &result, request, Page { next_cursor: None, limit }, true).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(body))
}

/// The answer, and until when it may be kept.
async fn body(
    state: &AppState,
    result: &SearchResult,
    request: SearchRequest,
    page: Page,
    is_plainer: bool,
) -> Result<(Bytes, Instant), Problem> {
    let (data, relaxed_from, kept_until) = join(state, result).await?;
    let body = SearchPageJson {
        data,
        facets: result.facets.clone(),
        page,
        query: UnderstoodJson {
            understood: result.corrected.clone().or(request.text).unwrap_or_default(),
            corrected: result.corrected.clone(),
            relaxed_from,
            plainer: is_plainer,
            redirect: request.tuned.redirect,
            banners: request.tuned.banners.into_iter().map(BannerJson::from).collect(),
            rules_applied: request.tuned.rules,
        },
    };
    Ok((serde_json::to_vec(&body).map_err(Problem::internal)?.into(), kept_until))
}

/// Everything but the place in the list.
fn request(query: &SearchProducts) -> SearchRequest {
    SearchRequest {
        text: query.q.clone(),
        category: query.category.clone(),
        brand: query.brand.clone(),
        price_min_minor: query.price_min,
        price_max_minor: query.price_max,
        attributes: query.attributes.clone(),
        rating_min: query.rating_min,
        buyable: query.in_stock,
        sort: query.sort,
        limit: 0,
        place: None,
        ranking: Ranking::default(),
        tuned: Tuned::default(),
    }
}

fn to_result(page: SearchPage) -> Result<SearchResult, SearchError> {
    let hit = |hit: query::Hit| SearchHit {
        product_id: hit.product_id,
        score: hit.score,
        is_pinned: hit.is_pinned,
    };
    let malformed = |error: serde_json::Error| SearchError::Malformed(error.to_string());
    let next = page.next.map(serde_json::to_value).transpose();
    Ok(SearchResult {
        hits: page.hits.into_iter().map(hit).collect(),
        facets: serde_json::to_value(page.facets).map_err(malformed)?,
        next: next.map_err(malformed)?,
        corrected: page.corrected,
        relaxed_from: page.relaxed_from,
    })
}

/// The products of the hits as they are now, which of them are the first that have only a part of the words, and until
/// when that may be kept. One that is no longer on sale is left out.
async fn join(
    state: &AppState,
    result: &SearchResult,
) -> Result<(Vec<HitJson>, Option<usize>, Instant), Problem> {
    let ids: Vec<_> = result.hits.iter().map(|hit| hit.product_id).collect();
    let (by_id, kept_until) = found_products::load(state, &ids).await?;
    let shown = |hit: &SearchHit| {
        let product = by_id.get(&hit.product_id)?;
        Some(HitJson {
            product: ProductSummaryJson::from(&***product),
            score: hit.score,
            pinned: hit.is_pinned,
        })
    };
    let count = result.hits.len();
    let (strict, relaxed) = result.hits.split_at(result.relaxed_from.map_or(count, |first| first.min(count)));
    let mut data: Vec<_> = strict.iter().filter_map(shown).collect();
    let strict_count = data.len();
    data.extend(relaxed.iter().filter_map(shown));
    let relaxed_from = (data.len() > strict_count).then_some(strict_count);
    Ok((data, relaxed_from, kept_until))
}
