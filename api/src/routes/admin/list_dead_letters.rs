//! `GET /admin/dead-letters`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use actix_web::{HttpResponse, web};
use serde::Serialize;
use store::amqp::topology::DurableQueue;
use store::pg::dead_letters::{self, DeadLetterFilter, DeadLetterState};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageEvents};
use crate::page::{self, Page};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};
use crate::routes::admin::dead_letter_json::DeadLetterJson;

/// Which dead letters, and from where on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListDeadLetters {
    /// Only of this queue, such as `search-indexer`.
    #[param(value_type = String, required = false)]
    pub queue: Option<DurableQueue>,
    /// Only in this state: `waiting`, `redriven` or `dropped`.
    #[param(value_type = String, required = false)]
    pub state: Option<DeadLetterState>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for ListDeadLetters {
    fn read(parameters: &mut Parameters) -> Self {
        Self {
            queue: parameters.choice("queue", &DurableQueue::ALL.map(|queue| (queue.name(), queue))),
            state: parameters.choice("state", &DeadLetterState::NAMES),
            cursor: parameters.cursor(),
            limit: parameters.limit(),
        }
    }
}

/// A page of dead letters.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetterPage {
    /// Newest first.
    data: Vec<DeadLetterJson>,
    /// Where the next page begins.
    page: Page,
}

/// Messages that consumers gave up, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/admin/dead-letters",
    tag = "admin",
    params(ListDeadLetters),
    responses((status = 200, description = "A page of dead letters", body = DeadLetterPage), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn list_dead_letters(
    _: Authorized<ManageEvents>,
    query: FromQuery<ListDeadLetters>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let FromQuery(ListDeadLetters { queue, state: only, cursor, limit }) = query;
    let filter = DeadLetterFilter { queue: queue.map(|queue| queue.name().to_owned()), state: only };
    let list = format!("dead letters {filter:?}");
    let before = cursor.map(|cursor| state.cursors.open::<Uuid>(&list, &cursor)).transpose()?;
    let client = state.pools.write().await?;
    let mut found = dead_letters::list(&**client, &filter, before, i64::from(limit) + 1).await?;
    drop(client);
    let has_more = page::cut(&mut found, limit);
    let next_cursor = found.last().filter(|_| has_more).map(|last| state.cursors.seal(&list, &last.id));
    let data = found.into_iter().map(DeadLetterJson::from).collect();
    let page = Page { next_cursor, limit };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(DeadLetterPage { data, page }))
}
