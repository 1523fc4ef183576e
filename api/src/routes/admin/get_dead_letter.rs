//! `GET /admin/dead-letters/{id}`

use actix_web::{HttpResponse, web};
use serde::Serialize;
use store::pg::dead_letters;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageEvents};
use crate::problem::{Problem, ReadProblems};
use crate::routes::admin::dead_letter_json::{DeadLetterJson, DeadLetterStepJson};

/// A dead letter with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetterDetails {
    /// All but the body.
    #[serde(flatten)]
    letter: DeadLetterJson,
    /// What is kept of the message; bytes that are no UTF-8 are replaced.
    body: String,
    /// What was done with it, oldest first.
    steps: Vec<DeadLetterStepJson>,
}

/// One message that a consumer gave up.
#[utoipa::path(
    get,
    path = "/api/v1/admin/dead-letters/{id}",
    tag = "admin",
    params(("id" = String, Path, description = "Id")),
    responses((status = 200, description = "The dead letter", body = DeadLetterDetails), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn get_dead_letter(
    _: Authorized<ManageEvents>,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let not_found = || Problem::not_found("dead letter");
    let id = Uuid::try_parse(&id).map_err(|_| not_found())?;
    let client = state.pools.write().await?;
    let (letter, body) = dead_letters::find(&**client, id).await?.ok_or_else(not_found)?;
    let steps = dead_letters::steps(&**client, id).await?;
    drop(client);
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(DeadLetterDetails {
        letter: letter.into(),
        body: String::from_utf8_lossy(&body).into_owned(),
        steps: steps.into_iter().map(DeadLetterStepJson::from).collect(),
    }))
}
