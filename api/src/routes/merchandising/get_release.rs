//! `GET /merchandising/releases/{number}`

use actix_web::http::header::{self, ContentEncoding};
use actix_web::{HttpRequest, HttpResponse, web};
use store::pg::search_tuning;

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::etag;
use crate::problem::{Problem, ReadProblems};
use crate::routes::merchandising::release_json::ReleaseJson;

/// One release. It never changes.
#[utoipa::path(
    get,
    path = "/api/v1/merchandising/releases/{number}",
    tag = "merchandising",
    params(
        ("number" = i64, Path, description = "Number"),
        ("If-None-Match" = Option<String>, Header, description = "ETag of what the client has"),
    ),
    responses(
        (status = 200, description = "The release", body = ReleaseJson, headers(("ETag" = String))),
        (status = 304, description = "The client has it", headers(("ETag" = String))),
        ReadProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn get_release(
    _: Authorized<TuneSearch>,
    number: web::Path<String>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let not_found = || Problem::not_found("release");
    let number = number.parse().map_err(|_| not_found())?;
    let client = state.pools.write().await?;
    let release = search_tuning::find_release(&**client, number).await?.ok_or_else(not_found)?;
    let tag = (header::ETAG, etag::of_version(number));
    if etag::is_known(&request, number) {
        return Ok(HttpResponse::NotModified().insert_header(tag).finish());
    }
    Ok(HttpResponse::Ok()
        .insert_header(tag)
        .insert_header(ContentEncoding::Identity)
        .json(ReleaseJson::from(release)))
}
