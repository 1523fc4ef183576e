//! `GET /admin/index/tasks/{id}`

use actix_web::{HttpResponse, web};
use store::pg::index_tasks;
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageIndex};
use crate::problem::{Problem, ReadProblems};
use crate::routes::admin::index_task_json::IndexTaskJson;

/// How far a rebuild or repair of the search index is, and what it did.
#[utoipa::path(
    get,
    path = "/api/v1/admin/index/tasks/{id}",
    tag = "admin",
    params(("id" = String, Path, description = "Id")),
    responses((status = 200, description = "The task", body = IndexTaskJson), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn get_index_task(
    _: Authorized<ManageIndex>,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let not_found = || Problem::not_found("task");
    let id = Uuid::try_parse(&id).map_err(|_| not_found())?;
    // From the primary: a standby may not know the task yet.
    let task = index_tasks::find(&**state.pools.write().await?, id).await?.ok_or_else(not_found)?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(IndexTaskJson::from(task)))
}
