//! `POST /merchandising/drafts/{id}/preview`

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use domain::order::SHOP_CHANNEL;
use domain::search_term::SearchTermOrder;
use domain::tuning::rule::PIN_POSITION_MAX;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use search_indexer::error::SearchError;
use search_indexer::query::{self, SearchRequest, TEXT_LENGTH_MAX};
use search_indexer::tuned::{LiveTuning, Said};
use serde::{Deserialize, Serialize};
use store::pg::{judgments, search_terms};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::json_body::JsonBody;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::merchandising::get_draft::find;
use crate::routes::merchandising::{present, request};

/// Most queries of a preview.
const QUERY_COUNT_MAX: usize = 100;
/// Hits that are compared.
const DEPTH: usize = 10;
/// Searches at once: the engine is also that of the shop.
const CONCURRENCY: usize = 2;

/// Which queries are looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = PreviewDraft)]
#[serde(deny_unknown_fields)]
pub struct PreviewDraft {
    /// The queries; without them the 100 that shoppers search for most.
    #[schema(required = false, max_items = 100)]
    #[serde(default)]
    queries: Vec<String>,
}

/// What a draft would change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DraftPreview)]
pub struct PreviewJson {
    /// Each query, as asked for.
    data: Vec<QueryPreviewJson>,
    /// How many of them are answered otherwise.
    changed: usize,
}

/// The first ten hits of a query, live and with the draft.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueryPreview)]
pub struct QueryPreviewJson {
    /// What is searched for.
    query: String,
    /// Ids of the products that are found now.
    live: Vec<Uuid>,
    /// Ids of those that the draft finds.
    draft: Vec<Uuid>,
    /// Whether they differ.
    is_changed: bool,
    /// Names of the draft's rules that take part.
    rules_applied: Vec<String>,
}

/// Shows what the draft finds beside what is live, as if every rule were in force that has not ended. Nothing goes
/// live.
#[utoipa::path(
    post,
    path = "/api/v1/merchandising/drafts/{id}/preview",
    tag = "merchandising",
    params(("id" = String, Path, description = "Id")),
    request_body = PreviewDraft,
    responses(
        (status = 200, description = "The difference, query by query", body = PreviewJson),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn preview_draft(
    _: Authorized<TuneSearch>,
    id: web::Path<String>,
    body: JsonBody<PreviewDraft>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let draft = find(&state, &id).await?;
    let JsonBody(PreviewDraft { queries }) = body;
    check(&queries)?;
    let queries = if queries.is_empty() { usual(&state).await? } else { queries };
    let at = present();
    let [live, draft] =
        [state.tuning.get().tuning().clone(), draft.tuning].map(|tuning| LiveTuning::in_full(tuning, at));
    let mut previews = Vec::with_capacity(queries.len());
    for query in queries {
        previews.push(preview(&state, query, &live, &draft));
    }
    let data: Vec<_> = stream::iter(previews).buffered(CONCURRENCY).try_collect().await.map_err(Arc::new)?;
    let changed = data.iter().filter(|query| query.is_changed).count();
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(PreviewJson { data, changed }))
}

fn check(queries: &[String]) -> Result<(), Problem> {
    if queries.len() > QUERY_COUNT_MAX {
        return Err(Problem::invalid_field("/queries", "too_many", format!("at most {QUERY_COUNT_MAX}")));
    }
    let is_long = |query: &String| query.chars().count() > TEXT_LENGTH_MAX;
    match queries.iter().position(is_long) {
        None => Ok(()),
        Some(place) => {
            let detail = format!("at most {TEXT_LENGTH_MAX} characters");
            Err(Problem::invalid_field(format!("/queries/{place}"), "too_long", detail))
        }
    }
}

/// What shoppers search for most; while that was not counted yet, the first queries that somebody judged.
async fn usual(state: &AppState) -> Result<Vec<String>, Problem> {
    let limit = i64::try_from(QUERY_COUNT_MAX).unwrap_or(i64::MAX);
    let client = state.pools.write().await?;
    let counted = search_terms::read(&**client, SHOP_CHANNEL, SearchTermOrder::Searches, limit).await?;
    let terms: Vec<_> =
        counted.into_iter().flat_map(|found| found.report.terms).map(|term| term.term).collect();
    if terms.is_empty() { Ok(judgments::queries(&**client, limit).await?) } else { Ok(terms) }
}

async fn preview(
    state: &AppState,
    query: String,
    live: &LiveTuning,
    draft: &LiveTuning,
) -> Result<QueryPreviewJson, SearchError> {
    let at = present();
    let ((live, _), (draft, rules_applied)) =
        (found(state, &query, live, at).await?, found(state, &query, draft, at).await?);
    Ok(QueryPreviewJson { is_changed: live != draft, query, live, draft, rules_applied })
}

/// The first hits, and the names of the rules that took part.
async fn found(
    state: &AppState,
    typed: &str,
    tuning: &LiveTuning,
    at: Timestamp,
) -> Result<(Vec<Uuid>, Vec<String>), SearchError> {
    // So many that each pinned product can be at its place.
    let limit = PIN_POSITION_MAX.into();
    let asked = |said: Said<'_>| SearchRequest { limit, ..request(state, said, tuning, at) };
    let first = asked(Said::typed(typed));
    let meant = |meant: &str| asked(Said::corrected(typed, meant));
    let page = query::search_meant(&state.search, &first, meant).await?;
    let hits = page.hits.iter().take(DEPTH).map(|hit| hit.product_id.0).collect();
    let answered = page.corrected.as_deref().map(meant).unwrap_or(first);
    Ok((hits, answered.tuned.rules))
}
