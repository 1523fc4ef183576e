//! `POST /admin/dead-letters/redrive`

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use store::amqp::broker::Broker;
use store::amqp::topology::DurableQueue;
use store::pg::dead_letters;
use store::redrive::{REDRIVE_MAX, Redriven, redrive};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageEvents};
use crate::json_body::JsonBody;
use crate::problem::{Problem, ReadProblems, WriteProblems};

/// Which dead letters are to be sent again: some by id, or those of a queue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedriveDeadLetters {
    /// Their ids, 1 to 1,000.
    ids: Option<Vec<Uuid>>,
    /// Every whole one of this queue that waits, the 1,000 oldest at most.
    #[schema(example = "search-indexer")]
    queue: Option<String>,
}

/// What became of a dead letter.
#[derive(Debug, Serialize, ToSchema)]
pub struct RedriveOutcome {
    /// Its id.
    id: Uuid,
    /// `redriven`, `not_found`, `not_waiting`, `cut`, `unknown_queue` or `refused`
    #[schema(value_type = String, example = "redriven")]
    result: &'static str,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct RedrivenDeadLetters {
    /// One by one, oldest first.
    data: Vec<RedriveOutcome>,
    /// How many were sent again.
    redriven: usize,
}

/// Sends dead letters to the queue that they died in, each at least once. Safe to repeat: one that was sent does not
/// wait any more.
#[utoipa::path(
    post,
    path = "/api/v1/admin/dead-letters/redrive",
    tag = "admin",
    request_body = RedriveDeadLetters,
    responses(
        (status = 200, description = "What became of them", body = RedrivenDeadLetters),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn redrive_dead_letters(
    caller: Authorized<ManageEvents>,
    body: JsonBody<RedriveDeadLetters>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let JsonBody(request) = body;
    let ids = match (request.ids, request.queue) {
        (Some(ids), None) if (1..=REDRIVE_MAX).contains(&ids.len()) => ids,
        (Some(_), None) => {
            let detail = format!("1 to {REDRIVE_MAX} ids");
            return Err(Problem::invalid_field("/ids", "out_of_range", detail));
        }
        (None, Some(queue)) => waiting(&state, &queue).await?,
        _ => return Err(Problem::invalid_field("", "invalid", "give either ids or queue")),
    };
    let outcomes = send(&state, &ids, &caller.actor()).await?;
    let redriven = outcomes.iter().filter(|(_, outcome)| *outcome == Redriven::Sent).count();
    let data = outcomes.into_iter().map(|(id, outcome)| RedriveOutcome { id, result: outcome.name() });
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(RedrivenDeadLetters { data: data.collect(), redriven }))
}

async fn waiting(state: &AppState, name: &str) -> Result<Vec<Uuid>, Problem> {
    let Some(queue) = DurableQueue::from_name(name) else {
        let detail = format!("one of {}", DurableQueue::ALL.map(DurableQueue::name).join(", "));
        return Err(Problem::invalid_field("/queue", "invalid", detail));
    };
    let limit = i64::try_from(REDRIVE_MAX).expect("a thousand");
    let client = state.pools.write().await?;
    Ok(dead_letters::waiting_ids(&**client, queue.name(), limit).await?)
}

/// On a connection of its own: this is rare.
async fn send(state: &AppState, ids: &[Uuid], actor: &str) -> Result<Vec<(Uuid, Redriven)>, Problem> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let broker = Broker::connect(&state.amqp).await?;
    let outcomes = redrive(&state.pools, &broker.publisher().await?, ids, actor).await;
    broker.close().await;
    Ok(outcomes?)
}
