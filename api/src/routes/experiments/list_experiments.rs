//! `GET /merchandising/experiments`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use actix_web::{HttpResponse, web};
use domain::ids::ExperimentId;
use serde::Serialize;
use store::pg::experiments;
use utoipa::{IntoParams, ToSchema};

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::page::{self, Page};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};
use crate::routes::experiments::experiment_json::ExperimentJson;

const LIST: &str = "search experiments";

/// From where on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListExperiments {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for ListExperiments {
    fn read(parameters: &mut Parameters) -> Self {
        Self { cursor: parameters.cursor(), limit: parameters.limit() }
    }
}

/// A page of experiments.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchExperimentPage)]
pub struct ExperimentPage {
    /// The newest first: if one runs, it is the first one of the first page.
    data: Vec<ExperimentJson>,
    /// Where the next page begins.
    page: Page,
}

/// Every experiment, with what came of it.
#[utoipa::path(
    get,
    path = "/api/v1/merchandising/experiments",
    tag = "merchandising",
    params(ListExperiments),
    responses((status = 200, description = "A page of experiments", body = ExperimentPage), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn list_experiments(
    _: Authorized<TuneSearch>,
    query: FromQuery<ListExperiments>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let FromQuery(ListExperiments { cursor, limit }) = query;
    let before = cursor.map(|cursor| state.cursors.open::<ExperimentId>(LIST, &cursor)).transpose()?;
    let client = state.pools.write().await?;
    let mut found = experiments::list(&**client, before, i64::from(limit) + 1).await?;
    drop(client);
    let has_more = page::cut(&mut found, limit);
    let next_cursor = found.last().filter(|_| has_more).map(|last| state.cursors.seal(LIST, &last.id));
    let data = found.into_iter().map(ExperimentJson::from).collect();
    let page = Page { next_cursor, limit };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(ExperimentPage { data, page }))
}
