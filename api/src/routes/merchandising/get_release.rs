//! `GET /merchandising/releases/{number}`

use actix_web::{HttpResponse, web};
use store::pg::search_tuning;

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::problem::{Problem, ReadProblems};
use crate::routes::merchandising::release_json::ReleaseJson;

/// One release. It never changes.
#[utoipa::path(
    get,
    path = "/api/v1/merchandising/releases/{number}",
    tag = "merchandising",
    params(("number" = i64, Path, description = "Number")),
    responses((status = 200, description = "The release", body = ReleaseJson), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn get_release(
    _: Authorized<TuneSearch>,
    number: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let not_found = || Problem::not_found("release");
    let number = number.parse().map_err(|_| not_found())?;
    let client = state.pools.write().await?;
    let release = search_tuning::find_release(&**client, number).await?.ok_or_else(not_found)?;
    Ok(HttpResponse::Ok().json(ReleaseJson::from(release)))
}
