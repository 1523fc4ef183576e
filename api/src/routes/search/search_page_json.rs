//! Pages of hits as clients see them.

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use cache::search_cache::{SearchHit, SearchResult};
use domain::experiment::Arm;
use domain::ids::ProductId;
use domain::intent::Intent;
use search_indexer::query::SearchRequest;
use search_indexer::tuned::Banner;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app_state::AppState;
use crate::page::Page;
use crate::problem::Problem;
use crate::product_json::ProductSummaryJson;
use crate::routes::search::found_products;

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
    /// Of an experiment that both arms answer: which of them brought the hit. A click of it is told with this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ArmJson, required = false)]
    arm: Option<Arm>,
}

/// What an experiment compares.
#[derive(Debug, ToSchema)]
#[schema(as = ExperimentArmName, rename_all = "snake_case")]
pub enum ArmJson {
    /// What is live.
    Control,
    /// The draft.
    Treatment,
}

/// The experiment that a search took part in. Behaviour events of the search and of clicks on its hits are told with
/// it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SeenExperiment)]
pub(super) struct SeenExperimentJson {
    /// Id.
    pub(super) id: Uuid,
    /// The arm that answered; missing when both did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ArmJson, required = false)]
    pub(super) arm: Option<Arm>,
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
    /// There when the words name something of the catalogue: what is of it counts more by relevance, and the shop may
    /// offer it as a filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<IntentJson>,
    /// There when the search took part in an experiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<SeenExperimentJson>,
}

/// What a search is about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchIntent)]
struct IntentJson {
    /// Paths of categories, for `category=`: one of them is meant.
    categories: Vec<String>,
    /// Values of attributes, for `attr.{name}=`.
    attributes: Vec<NamedValueJson>,
}

/// A value of an attribute that is named.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NamedValue)]
struct NamedValueJson {
    /// Such as `colour`.
    name: String,
    /// Such as `Navy Blue`.
    value: String,
}

impl From<Intent> for IntentJson {
    fn from(intent: Intent) -> Self {
        let named = |(name, value)| NamedValueJson { name, value };
        let attributes = intent.attributes.into_iter().flatten().map(named).collect();
        Self { categories: intent.categories, attributes }
    }
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

/// What a page is made of.
#[derive(Debug)]
pub(super) struct Found {
    /// What was found.
    pub(super) result: SearchResult,
    /// What was asked.
    pub(super) request: SearchRequest,
    /// Where the next page begins.
    pub(super) page: Page,
    /// Whether it is of the store and not of the engine.
    pub(super) is_plainer: bool,
    /// The experiment that it takes part in.
    pub(super) experiment: Option<SeenExperimentJson>,
    /// Which arm brought which hit, when both answered.
    pub(super) arms: HashMap<ProductId, Arm>,
}

/// The answer, and until when it may be kept.
pub(super) async fn body(state: &AppState, found: Found) -> Result<(Bytes, Instant), Problem> {
    let Found { result, request, page, is_plainer, experiment, arms } = found;
    let (data, relaxed_from, kept_until) = join(state, &result, &arms).await?;
    let body = SearchPageJson {
        data,
        facets: result.facets,
        page,
        query: UnderstoodJson {
            understood: result.corrected.clone().or(request.text).unwrap_or_default(),
            corrected: result.corrected,
            relaxed_from,
            plainer: is_plainer,
            redirect: request.tuned.redirect,
            banners: request.tuned.banners.into_iter().map(BannerJson::from).collect(),
            rules_applied: request.tuned.rules,
            intent: (!request.intent.is_empty() && !is_plainer).then(|| IntentJson::from(request.intent)),
            experiment,
        },
    };
    Ok((serde_json::to_vec(&body).map_err(Problem::internal)?.into(), kept_until))
}

/// The products of the hits as they are now, which of them are the first that have only a part of the words, and until
/// when that may be kept. One that is no longer on sale is left out.
async fn join(
    state: &AppState,
    result: &SearchResult,
    arms: &HashMap<ProductId, Arm>,
) -> Result<(Vec<HitJson>, Option<usize>, Instant), Problem> {
    let ids: Vec<_> = result.hits.iter().map(|hit| hit.product_id).collect();
    let (by_id, kept_until) = found_products::load(state, &ids).await?;
    let shown = |hit: &SearchHit| {
        let product = by_id.get(&hit.product_id)?;
        Some(HitJson {
            product: ProductSummaryJson::from(&***product),
            score: hit.score,
            pinned: hit.is_pinned,
            arm: arms.get(&hit.product_id).copied(),
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
