//! `GET /merchandising/releases`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use actix_web::{HttpResponse, web};
use serde::Serialize;
use store::pg::search_tuning;
use utoipa::{IntoParams, ToSchema};

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::page::{self, Page};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};
use crate::routes::merchandising::release_json::ReleaseJson;

const LIST: &str = "search releases";

/// From where on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListReleases {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for ListReleases {
    fn read(parameters: &mut Parameters) -> Self {
        Self { cursor: parameters.cursor(), limit: parameters.limit() }
    }
}

/// A page of releases.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchReleasePage)]
pub struct ReleasePage {
    /// The newest first: the first one of the first page is live, unless it waits for its time.
    data: Vec<ReleaseJson>,
    /// Where the next page begins.
    page: Page,
}

/// Every release, with who put it live, when and why.
#[utoipa::path(
    get,
    path = "/api/v1/merchandising/releases",
    tag = "merchandising",
    params(ListReleases),
    responses((status = 200, description = "A page of releases", body = ReleasePage), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn list_releases(
    _: Authorized<TuneSearch>,
    query: FromQuery<ListReleases>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let FromQuery(ListReleases { cursor, limit }) = query;
    let before = cursor.map(|cursor| state.cursors.open::<i64>(LIST, &cursor)).transpose()?;
    let client = state.pools.write().await?;
    let mut found = search_tuning::list_releases(&**client, before, i64::from(limit) + 1).await?;
    drop(client);
    let has_more = page::cut(&mut found, limit);
    let next_cursor = found.last().filter(|_| has_more).map(|last| state.cursors.seal(LIST, &last.number));
    let data = found.into_iter().map(ReleaseJson::from).collect();
    let page = Page { next_cursor, limit };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(ReleasePage { data, page }))
}
