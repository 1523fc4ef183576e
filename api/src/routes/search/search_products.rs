//! `GET /search`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use cache::page_cache::Page as KeptPage;
use cache::search_cache::{Answer, SearchHit, SearchKey, SearchResult};
use domain::intent::Intent;
use jiff::Timestamp;
use search_indexer::error::SearchError;
use search_indexer::query::{self, Place, Ranking, SearchPage, SearchRequest, Sort};
use search_indexer::tuned::{LiveTuning, Said, Tuned};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::app_state::AppState;
use crate::authorized::Anyone;
use crate::cache_control;
use crate::cursor;
use crate::known_completions::KnownCompletions;
use crate::page::Page;
use crate::page_answer;
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{self, Parameters, ReadQuery};
use crate::routes::search::interleaved::{self, InterleavedPlace};
use crate::routes::search::plain_search;
use crate::routes::search::search_page_json::{Found, SearchPageJson, SeenExperimentJson, body};
use crate::routes::search::visit::{Tried, Visit};

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
    let (release, boundary) = visit.tuning().epoch(now);
    let page_key =
        visit.kept_under().map(|name| format!("{name}{release}.{boundary}?{}", http.query_string()));
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
    /// In what two tunings answer, which is no list of the engine.
    Interleaved(InterleavedPlace),
    /// After a hit.
    Engine(Place),
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
    // Without the tuning: a release does not end the pages of those who are in the midst of them.
    let list = format!("search {:?}", request(query));
    let begin = query.cursor.as_ref().map(|cursor| state.cursors.open::<Begin>(&list, cursor)).transpose()?;
    let is_first = begin.is_none();
    let text = query.q.as_deref().filter(|_| query.sort == Sort::Relevance);
    let tried = text.and_then(|text| visit.tried(text));
    let (place, interleaved) = match begin {
        Some(Begin::Interleaved(place)) => (None, Some(place)),
        Some(Begin::Engine(place)) => (Some(place), None),
        None => (None, tried.as_ref().map(|_| InterleavedPlace::default())),
    };
    let (known, kept_apart) = (state.completions.get(), visit.kept_apart());
    let asks = Asks { state, query, known, now, place, list: &list, kept_apart };
    let answered = match interleaved {
        None => asks.by_one(visit.tuning(), visit.split()).await,
        Some(place) => Box::pin(asks.by_both(visit.tuning(), tried, place)).await,
    };
    match answered {
        // A page in the midst of a list cannot be found in another list.
        Err(error) if error.is_unavailable() && is_first => {
            plainer(state, asks.request(visit.tuning(), None)).await
        }
        answered => Ok(answered?),
    }
}

/// How the engine is asked.
struct Asks<'a> {
    state: &'a AppState,
    query: &'a SearchProducts,
    /// What is known as the search begins: what is told of it is what it was asked with.
    known: Arc<KnownCompletions>,
    now: Timestamp,
    /// Where the engine's page begins.
    place: Option<Place>,
    /// What cursors are of.
    list: &'a str,
    /// What results are kept under.
    kept_apart: String,
}

impl Asks<'_> {
    /// What is asked with a tuning, of the words as they are typed or corrected.
    fn request(&self, tuning: &LiveTuning, corrected: Option<&str>) -> SearchRequest {
        let said = Said { typed: self.query.q.as_deref(), corrected };
        SearchRequest {
            tuned: tuning.apply(said, self.query.category.as_deref(), self.now),
            intent: self.known.vocabulary.intent(&said.meant()),
            limit: self.query.limit,
            place: self.place.clone(),
            ..request(self.query)
        }
    }

    /// What one tuning answers.
    async fn by_one(
        &self,
        tuning: &LiveTuning,
        experiment: Option<SeenExperimentJson>,
    ) -> Result<Answered, Arc<SearchError>> {
        let answer = self.ask(tuning, self.query.limit).await?;
        let result = answer.entry.result.clone();
        let request = self.request(tuning, result.corrected.as_deref());
        let next_cursor = result.next.as_ref().map(|place| self.seal(place));
        let page = Page { next_cursor, limit: request.limit };
        let found = Found { result, request, page, is_plainer: false, experiment, arms: HashMap::new() };
        Ok(Answered { found, computed_at_ms: answer.entry.computed_at_ms, is_stale: answer.is_stale })
    }

    /// What two tunings answer with the best hits that they have, from a place on, and after those what is live. Only
    /// what is live when the experiment has ended since the page before, or the draft cannot be asked.
    async fn by_both(
        &self,
        tuning: &LiveTuning,
        tried: Option<Tried<'_>>,
        place: InterleavedPlace,
    ) -> Result<Answered, Arc<SearchError>> {
        let tried = tried.filter(|_| !place.is_live_only);
        let of_draft = async || {
            let answer = self.ask(tried.as_ref()?.tuning, query::LIMIT_MAX).await;
            if answer.is_err() {
                metrics::counter!("search_experiment_failures_total").increment(1);
            }
            answer.ok()
        };
        let (live, draft) = tokio::join!(self.ask(tuning, query::LIMIT_MAX), of_draft());
        let (live, limit) = (live?, usize::from(self.query.limit));
        let tried = tried.zip(draft.as_ref());
        let both = match &tried {
            Some((tried, draft)) => {
                let results = (&live.entry.result, &draft.entry.result);
                interleaved::page(results, &tried.coins, place, limit)
            }
            None => interleaved::page_of_one(&live.entry.result, place, limit),
        };
        let next_cursor = match (both.next, &both.result.next) {
            (Some(place), _) => Some(self.state.cursors.seal(self.list, &place)),
            (None, place) => place.as_ref().map(|place| self.seal(place)),
        };
        let page = Page { next_cursor, limit: self.query.limit };
        let request = self.request(tuning, both.result.corrected.as_deref());
        let experiment = tried.map(|(tried, _)| tried.seen);
        let answers = || std::iter::once(&live).chain(&draft);
        let computed_at_ms = answers().map(|answer| answer.entry.computed_at_ms).min().unwrap_or_default();
        let is_stale = answers().any(|answer| answer.is_stale);
        let found =
            Found { result: both.result, request, page, is_plainer: false, experiment, arms: both.arms };
        Ok(Answered { found, computed_at_ms, is_stale })
    }

    /// The cursor of a place of the engine; one that is too long goes without its snapshot.
    fn seal(&self, place: &Value) -> String {
        let cursor = self.state.cursors.seal(self.list, place);
        if cursor.len() <= cursor::LENGTH_MAX {
            return cursor;
        }
        let mut place = place.clone();
        place["snapshot"] = Value::Null;
        self.state.cursors.seal(self.list, &place)
    }

    /// The engine's answer, or one that it gave a moment ago.
    async fn ask(&self, tuning: &LiveTuning, limit: u16) -> Result<Answer, Arc<SearchError>> {
        let request = SearchRequest { limit, ..self.request(tuning, None) };
        let meant = |corrected: &str| SearchRequest { limit, ..self.request(tuning, Some(corrected)) };
        // What is done to corrected words is known when they are: by the tuning.
        let (content, (_, boundary)) = (tuning.content(), tuning.epoch(self.now));
        let ranking = self.state.search.ranking();
        let key = SearchKey(format!("{}{content} {boundary} {ranking} {request:?}", self.kept_apart));
        let compute = async || to_result(query::search_meant(&self.state.search, &request, meant).await?);
        self.state.searches.get_or_compute(&key, SearchError::is_unavailable, compute).await
    }
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
        intent: Intent::default(),
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
