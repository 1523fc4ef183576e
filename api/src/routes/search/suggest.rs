//! `GET /search/suggest`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use cache::kept_product::KeptProduct;
use cache::page_cache::Page as KeptPage;
use jiff::Timestamp;
use search_indexer::query::TEXT_LENGTH_MAX;
use search_indexer::suggest::{self as engine, LIMIT_MAX};
use search_indexer::tuned::Said;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::Anyone;
use crate::cache_control;
use crate::known_completions::KnownCategory;
use crate::page_answer;
use crate::problem::{Problem, ReadProblems};
use crate::product_json::{ImageJson, ProductSummaryJson};
use crate::query_string::{self, Parameters, ReadQuery};
use crate::routes::search::found_products;

const LIMIT_DEFAULT: u16 = 6;
/// So many times as many searches are looked at, because merchandisers may keep some of them back.
const UNSUGGESTED_FACTOR: usize = 5;

/// What is typed.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Suggest {
    /// The words so far; the last one may have only begun.
    #[param(value_type = String, max_length = 200)]
    pub q: Option<String>,
    /// Most suggestions of each kind.
    #[param(minimum = 1, maximum = 20, default = 6, required = false)]
    pub limit: u16,
}

impl ReadQuery for Suggest {
    fn read(parameters: &mut Parameters) -> Self {
        let limit = parameters.parsed("limit", "a number").unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            parameters.refuse("limit", "out_of_range", format!("1 to {LIMIT_MAX}"));
        }
        Self { q: parameters.words("q", TEXT_LENGTH_MAX), limit }
    }
}

/// What may be meant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Suggestions)]
pub struct SuggestionsJson {
    /// What others search for and find something, most frequent first.
    queries: Vec<SuggestedQueryJson>,
    /// Categories, those higher up first.
    categories: Vec<SuggestedCategoryJson>,
    /// Products that can be bought, those that sell most first; none while the search engine is away.
    products: Vec<SuggestedProductJson>,
}

/// A search.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SuggestedQuery)]
struct SuggestedQueryJson {
    /// Its words.
    text: String,
}

/// A category.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SuggestedCategory)]
struct SuggestedCategoryJson {
    /// For `category=`.
    #[schema(example = "women/dresses")]
    path: String,
    /// Names from the root down to its own.
    names: Vec<String>,
}

/// A product.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SuggestedProduct)]
struct SuggestedProductJson {
    /// Id.
    id: Uuid,
    /// Readable part of its address.
    slug: String,
    /// Name.
    title: String,
    /// Who makes it.
    #[schema(required = true)]
    brand: Option<String>,
    /// Its main picture.
    #[schema(required = true)]
    image: Option<ImageJson>,
}

impl From<&KeptProduct> for SuggestedProductJson {
    fn from(product: &KeptProduct) -> Self {
        let ProductSummaryJson { id, slug, title, brand, images, .. } = ProductSummaryJson::from(&**product);
        Self { id, slug, title, brand, image: images.into_iter().next() }
    }
}

impl From<&KnownCategory> for SuggestedCategoryJson {
    fn from(category: &KnownCategory) -> Self {
        Self { path: category.path.clone(), names: category.names.clone() }
    }
}

/// Completes what somebody types: searches, categories and products.
#[utoipa::path(
    get,
    path = "/api/v1/search/suggest",
    tag = "search",
    params(Suggest),
    responses((status = 200, description = "What may be meant", body = SuggestionsJson), ReadProblems),
    security((), ("bearer" = [])),
)]
pub async fn suggest(
    caller: Anyone,
    state: web::Data<AppState>,
    http: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (tuning, now) = (state.tuning.get(), Timestamp::now());
    let (release, boundary) = tuning.epoch(now);
    let known = state.completions.get();
    let page_key = format!("suggest {release}.{boundary}.{}?{}", known.reading, http.query_string());
    if let Some(page) = page_answer::find(&state, &state.pages.searches, &page_key) {
        return Ok(page_answer::of_page(&http, &caller, cache_control::SEARCHES, &page));
    }
    let Suggest { q, limit } = query_string::read(&http)?;
    let typed = q.unwrap_or_default();
    let sight = state.products.sight();
    let tuned = tuning.apply(Said::typed(&typed), None, now);
    let asked_at = now.as_millisecond();
    let found = engine::products(&state.search, &typed, &tuned, limit).await;
    let is_whole = found.is_ok();
    let found = match found {
        Err(error) if error.is_unavailable() => Vec::new(),
        found => found.map_err(Arc::new)?,
    };
    let (by_id, kept_until) = found_products::load(&state, &found).await?;
    let products = found.iter().filter_map(|id| by_id.get(id));
    let most = usize::from(limit);
    let mut queries = known.queries.find(&typed, most * UNSUGGESTED_FACTOR);
    queries.retain(|text| tuning.is_suggested(text, now));
    queries.truncate(most);
    let categories = known.categories.find(&typed, most);
    let body = SuggestionsJson {
        queries: queries.into_iter().map(|text| SuggestedQueryJson { text: text.clone() }).collect(),
        categories: categories.into_iter().map(SuggestedCategoryJson::from).collect(),
        products: products.map(|product| SuggestedProductJson::from(&**product)).collect(),
    };
    let body = serde_json::to_vec(&body).map_err(Problem::internal)?.into();
    let page = Arc::new(KeptPage::new(body, sight, kept_until, Some(asked_at)));
    let response = page_answer::of_page(&http, &caller, cache_control::SEARCHES, &page);
    if is_whole {
        page_answer::keep(&state.pages.searches, &page_key, &page);
    }
    Ok(response)
}
