//! `GET /merchandising/drafts`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use actix_web::{HttpResponse, web};
use domain::ids::DraftId;
use serde::Serialize;
use store::pg::search_tuning;
use utoipa::{IntoParams, ToSchema};

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::page::{self, Page};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};
use crate::routes::merchandising::draft_json::DraftJson;

const LIST: &str = "search drafts";

/// From where on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListDrafts {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for ListDrafts {
    fn read(parameters: &mut Parameters) -> Self {
        Self { cursor: parameters.cursor(), limit: parameters.limit() }
    }
}

/// A page of drafts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchDraftPage)]
pub struct DraftPage {
    /// The newest first.
    data: Vec<DraftJson>,
    /// Where the next page begins.
    page: Page,
}

/// The drafts that are worked on.
#[utoipa::path(
    get,
    path = "/api/v1/merchandising/drafts",
    tag = "merchandising",
    params(ListDrafts),
    responses((status = 200, description = "A page of drafts", body = DraftPage), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn list_drafts(
    _: Authorized<TuneSearch>,
    query: FromQuery<ListDrafts>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let FromQuery(ListDrafts { cursor, limit }) = query;
    let before = cursor.map(|cursor| state.cursors.open::<DraftId>(LIST, &cursor)).transpose()?;
    let client = state.pools.write().await?;
    let mut found = search_tuning::list_open(&**client, before, i64::from(limit) + 1).await?;
    drop(client);
    let has_more = page::cut(&mut found, limit);
    let next_cursor = found.last().filter(|_| has_more).map(|last| state.cursors.seal(LIST, &last.id));
    let data = found.into_iter().map(DraftJson::from).collect();
    let page = Page { next_cursor, limit };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(DraftPage { data, page }))
}
