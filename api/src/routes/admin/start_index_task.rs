//! `POST /admin/index/rebuild` and `POST /admin/index/repair`

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, web};
use domain::ids::uuid_v7;
use jiff::Timestamp;
use serde::Deserialize;
use store::pg::index_tasks::{self, IndexTask, IndexTaskKind, NewIndexTask};
use utoipa::ToSchema;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageIndex};
use crate::error_code::ErrorCode;
use crate::json_body::JsonBody;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::admin::index_task_json::{IndexTaskJson, location};

/// Most products of a second that can be asked for.
const RATE_MAX: i32 = 1_000_000;
/// The task of its kind may end between being in the way and being looked for.
const TRIES: u32 = 3;

/// How a rebuild goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RebuildIndex {
    /// Most products of a second; without it as fast as it goes.
    #[schema(minimum = 1, maximum = 1_000_000)]
    rate: Option<i32>,
}

/// Fills a new search index beside the one in use, verifies it and puts it in use. The answer comes at once; the shop
/// goes on meanwhile. One at a time: while one waits or runs, the answer is 409 with its address. After a day it is
/// given up.
#[utoipa::path(
    post,
    path = "/api/v1/admin/index/rebuild",
    tag = "admin",
    request_body = RebuildIndex,
    responses(
        (status = 202, description = "The task is in the queue", body = IndexTaskJson,
         headers(("Location" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn rebuild_index(
    caller: Authorized<ManageIndex>,
    body: JsonBody<RebuildIndex>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let JsonBody(RebuildIndex { rate }) = body;
    if rate.is_some_and(|rate| !(1..=RATE_MAX).contains(&rate)) {
        return Err(Problem::invalid_field("/rate", "out_of_range", format!("1 to {RATE_MAX}")));
    }
    start(&state, IndexTaskKind::Rebuild, rate, &caller.actor()).await
}

/// Compares every document of the search index with the stores, once, and writes what differs; a rebuild that is under
/// way may come first. One at a time: while one waits or runs, the answer is 409 with its address.
#[utoipa::path(
    post,
    path = "/api/v1/admin/index/repair",
    tag = "admin",
    responses(
        (status = 202, description = "The task is in the queue", body = IndexTaskJson,
         headers(("Location" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn repair_index(
    caller: Authorized<ManageIndex>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    start(&state, IndexTaskKind::Repair, None, &caller.actor()).await
}

async fn start(
    state: &AppState,
    kind: IndexTaskKind,
    rate: Option<i32>,
    actor: &str,
) -> Result<HttpResponse, Problem> {
    let id = uuid_v7(Timestamp::now(), rand::random());
    let client = state.pools.write().await?;
    for _ in 0..TRIES {
        if let Some(task) = index_tasks::insert(&**client, NewIndexTask { id, kind, rate, actor }).await? {
            return Ok(accepted(task));
        }
        if let Some(task) = index_tasks::under_way(&**client, kind).await? {
            return Err(in_the_way(&task));
        }
    }
    Err(Problem::unavailable("tasks of this kind begin and end all the time"))
}

fn accepted(task: IndexTask) -> HttpResponse {
    HttpResponse::Accepted()
        .insert_header((header::LOCATION, location(task.id)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(IndexTaskJson::from(task))
}

fn in_the_way(task: &IndexTask) -> Problem {
    let (kind, address) = (task.kind.name(), location(task.id));
    let problem = Problem::new(ErrorCode::TaskUnderWay, format!("a {kind} is {}: {address}", task.status));
    match HeaderValue::from_str(&address) {
        Ok(address) => problem.with_header(header::LOCATION, address),
        Err(_) => problem,
    }
}
