//! `GET /admin/index/tasks`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use actix_web::{HttpResponse, web};
use serde::Serialize;
use store::pg::index_tasks;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageIndex};
use crate::page::{self, Page};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};
use crate::routes::admin::index_task_json::IndexTaskJson;

const LIST: &str = "index tasks";

/// From where on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListIndexTasks {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for ListIndexTasks {
    fn read(parameters: &mut Parameters) -> Self {
        Self { cursor: parameters.cursor(), limit: parameters.limit() }
    }
}

/// A page of tasks.
#[derive(Debug, Serialize, ToSchema)]
pub struct IndexTaskPage {
    /// Newest first.
    data: Vec<IndexTaskJson>,
    /// Where the next page begins.
    page: Page,
}

/// Rebuilds and repairs of the search index of the last 30 days, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/admin/index/tasks",
    tag = "admin",
    params(ListIndexTasks),
    responses((status = 200, description = "A page of tasks", body = IndexTaskPage), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn list_index_tasks(
    _: Authorized<ManageIndex>,
    query: FromQuery<ListIndexTasks>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let FromQuery(ListIndexTasks { cursor, limit }) = query;
    let before = cursor.map(|cursor| state.cursors.open::<Uuid>(LIST, &cursor)).transpose()?;
    let mut found = index_tasks::list(&**state.pools.write().await?, before, i64::from(limit) + 1).await?;
    let has_more = page::cut(&mut found, limit);
    let next_cursor = found.last().filter(|_| has_more).map(|last| state.cursors.seal(LIST, &last.id));
    let data = found.into_iter().map(IndexTaskJson::from).collect();
    let page = Page { next_cursor, limit };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(IndexTaskPage { data, page }))
}
