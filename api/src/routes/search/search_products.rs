//! `GET /search`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use cache::page_cache::Page as KeptPage;
use cache::search_cache::{Answer, SearchHit, SearchKey, SearchResult};
use domain::experiment::Coins;
use jiff::Timestamp;
use search_indexer::error::SearchError;
use search_indexer::query::{self, Place, Ranking, SearchPage, SearchRequest, Sort};
use search_indexer::tuned::{LiveTuning, Tuned};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app_state::AppState;
use crate::authorized::Anyone;
use crate::cache_control;
use crate::page::Page;
use crate::page_answer;
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{self, Parameters, ReadQuery};
use crate::routes::search::search_page_json::{Found, SearchPageJson, SeenExperimentJson, body};
use crate::routes::search::visit::{Tried, Visit};
use crate::routes::search::{interleaved, plain_search};

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

/// Searches the products that are on sale. A visit that sends its `X-Session-Id` may take part in an experiment, which
/// the answer tells then.
#[utoipa::path(
    get,
    path = "/api/v1/search",
    tag = "search",
    params(
        SearchProducts,
        ("X-Session-Id" = Option<String>, Header, description = "The visit, as in its behaviour events"),
    ),
    responses((status = 200, description = "A page of hits", body = SearchPageJson), ReadProblems),
    security((), ("bearer" = [])),
)]
pub async fn search_products(
    caller: Anyone,
    state: web::Data<AppState>,
    http: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let visit = Visit::of(&state, &http)?;
    let now = Timestamp::now();
    let (tuning, kept_under) = visit.tuning();
    let (release, boundary) = tuning.epoch(now);
    let page_key = kept_under.map(|name| format!("{name}{release}.{boundary}?{}", http.query_string()));
    if let Some(page) =
        page_key.as_ref().and_then(|key| page_answer::find(&state, &state.pages.searches, key))
    {
        let mut response = page_answer::of_page(&http, &caller, cache_control::SEARCHES, &page);
        visit.mark(&mut response);
        return Ok(response);
    }
    let query: SearchProducts = query_string::read(&http)?;
    let sight = state.products.sight();
    let Answered { found, computed_at_ms, is_stale } = answer(&state, &visit, &query, now).await?;
    let is_plainer = found.is_plainer;
    let (body, kept_until) = body(&state, found).await?;
    if is_plainer {
        let mut answer = HttpResponse::Ok();
        answer.insert_header((header::CACHE_CONTROL, "no-store"));
        return Ok(answer.content_type("application/json").body(body));
    }
    let page = Arc::new(KeptPage::new(body, sight, kept_until, Some(computed_at_ms)));
    let mut response = page_answer::of_page(&http, &caller, cache_control::SEARCHES, &page);
    visit.mark(&mut response);
    if is_stale {
        let stale = HeaderValue::from_static("search; hit; detail=stale-engine-away");
        response.headers_mut().insert(HeaderName::from_static("cache-status"), stale);
    } else if let Some(key) = page_key {
        page_answer::keep(&state.pages.searches, &key, &page);
    }
    Ok(response)
}

/// Where a page begins.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Begin {
    /// So many hits into what two tunings answer, which is no list of the engine.
    Interleaved { interleaved_from: usize },
    /// After a hit.
    Engine(Place),
}

impl Begin {
    fn interleaved_from(self) -> usize {
        match self {
            Self::Interleaved { interleaved_from } => interleaved_from,
            Self::Engine(_) => 0,
        }
    }
}

/// What a page is made of, and how old it is.
struct Answered {
    found: Found,
    computed_at_ms: i64,
    is_stale: bool,
}

async fn answer(
    state: &AppState,
    visit: &Visit,
    query: &SearchProducts,
    now: Timestamp,
) -> Result<Answered, Problem> {
    let mut request = request(query);
    let list = format!("search {request:?}");
    let tuned = |tuning: &LiveTuning| tuning.apply(query.q.as_deref(), query.category.as_deref(), now);
    // Not part of the list: a release does not end the pages of those who are in the midst of them.
    request.tuned = tuned(visit.tuning().0);
    request.limit = query.limit;
    let begin = query.cursor.as_ref().map(|cursor| state.cursors.open::<Begin>(&list, cursor)).transpose()?;
    let is_first = begin.is_none();
    let tried = visit.tried(query.q.as_deref()).filter(|_| query.sort == Sort::Relevance);
    let answered = match (begin, tried) {
        (Some(Begin::Engine(place)), _) => {
            request.place = Some(place);
            by_one(state, &request, visit.split(), &list).await
        }
        (None, None) => by_one(state, &request, visit.split(), &list).await,
        (begin, tried) => {
            let from = begin.map_or(0, Begin::interleaved_from);
            let tried = tried.map(|tried| (tuned(tried.tuning), tried));
            by_both(state, &request, tried, from, &list).await
        }
    };
    match answered {
        // A page in the midst of a list cannot be found in another list.
        Err(error) if error.is_unavailable() && is_first => plainer(state, request).await,
        answered => Ok(answered?),
    }
}

/// What one tuning answers.
async fn by_one(
    state: &AppState,
    request: &SearchRequest,
    experiment: Option<SeenExperimentJson>,
    list: &str,
) -> Result<Answered, Arc<SearchError>> {
    let answer = asked(state, request).await?;
    let result = answer.entry.result.clone();
    let next_cursor = result.next.as_ref().map(|place| state.cursors.seal(list, place));
    let page = Page { next_cursor, limit: request.limit };
    let (request, arms) = (request.clone(), HashMap::new());
    let found = Found { result, request, page, is_plainer: false, experiment, arms };
    Ok(Answered { found, computed_at_ms: answer.entry.computed_at_ms, is_stale: answer.is_stale })
}

/// What two tunings answer with the best hits that they have, from a place on; only the live one when the experiment
/// has ended since the page before.
async fn by_both(
    state: &AppState,
    request: &SearchRequest,
    tried: Option<(Tuned, Tried<'_>)>,
    from: usize,
    list: &str,
) -> Result<Answered, Arc<SearchError>> {
    let of = |tuned: Tuned| SearchRequest { limit: query::LIMIT_MAX, tuned, ..request.clone() };
    let control = asked(state, &of(request.tuned.clone())).await?;
    let (treatment, coins, experiment) = match tried {
        Some((tuned, tried)) => (asked(state, &of(tuned)).await?, tried.coins, Some(tried.seen)),
        None => (control.clone(), Coins::default(), None),
    };
    let places = from..from + usize::from(request.limit);
    let next = Begin::Interleaved { interleaved_from: places.end };
    let both = interleaved::page(&control.entry.result, &treatment.entry.result, &coins, places);
    let next_cursor = both.has_more.then(|| state.cursors.seal(list, &next));
    let page = Page { next_cursor, limit: request.limit };
    let arms = if experiment.is_some() { both.arms } else { HashMap::new() };
    let (request, result) = (request.clone(), both.result);
    let computed_at_ms = control.entry.computed_at_ms.min(treatment.entry.computed_at_ms);
    let is_stale = control.is_stale || treatment.is_stale;
    let found = Found { result, request, page, is_plainer: false, experiment, arms };
    Ok(Answered { found, computed_at_ms, is_stale })
}

/// The engine's answer, or one that it gave a moment ago.
async fn asked(state: &AppState, request: &SearchRequest) -> Result<Answer, Arc<SearchError>> {
    let key = SearchKey(format!("{request:?}"));
    let compute = async || to_result(query::search(&state.search, request).await?);
    state.searches.get_or_compute(&key, SearchError::is_unavailable, compute).await
}

/// What the store finds while the engine is away. Nobody keeps it.
async fn plainer(state: &AppState, request: SearchRequest) -> Result<Answered, Problem> {
    metrics::counter!("search_fallbacks_total").increment(1);
    let result = plain_search::search(state, &request).await?;
    let page = Page { next_cursor: None, limit: request.limit };
    let (experiment, arms) = (None, HashMap::new());
    let found = Found { result, request, page, is_plainer: true, experiment, arms };
    Ok(Answered { found, computed_at_ms: 0, is_stale: false })
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
