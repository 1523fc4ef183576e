//! `GET /merchandising/judgment-sets/{set}`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use actix_web::{HttpResponse, web};
use serde::Serialize;
use store::pg::judgments::{self, JudgmentKey, Selection};
use utoipa::{IntoParams, ToSchema};

use super::set_name;
use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::page::{self, Page};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};
use crate::routes::judgments::judgment_json::JudgmentJson;

/// Which judgments.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListJudgments {
    /// Only of this query.
    #[param(max_length = 200)]
    pub query: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for ListJudgments {
    fn read(parameters: &mut Parameters) -> Self {
        Self { query: parameters.text("query", 200), cursor: parameters.cursor(), limit: parameters.limit() }
    }
}

/// A page of judgments.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JudgmentPage)]
pub struct JudgmentPage {
    /// By query, product and judge.
    data: Vec<JudgmentJson>,
    /// Where the next page begins.
    page: Page,
}

/// The judgments of a set; none when there is no such set.
#[utoipa::path(
    get,
    path = "/api/v1/merchandising/judgment-sets/{set}",
    tag = "merchandising",
    params(("set" = String, Path, description = "Name"), ListJudgments),
    responses((status = 200, description = "A page of judgments", body = JudgmentPage), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn list_judgments(
    _: Authorized<TuneSearch>,
    set: web::Path<String>,
    query: FromQuery<ListJudgments>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let set = set_name::read(&set)?;
    let FromQuery(ListJudgments { query, cursor, limit }) = query;
    let list = format!("judgments {set} {query:?}");
    let after = cursor.map(|cursor| state.cursors.open::<JudgmentKey>(&list, &cursor)).transpose()?;
    let selection = Selection { set, query: query.as_deref(), after: after.as_ref() };
    let client = state.pools.write().await?;
    let mut found = judgments::page(&**client, selection, i64::from(limit) + 1).await?;
    drop(client);
    let has_more = page::cut(&mut found, limit);
    let key = found.last().filter(|_| has_more).map(JudgmentKey::of);
    let next_cursor = key.map(|key| state.cursors.seal(&list, &key));
    let data = found.into_iter().map(JudgmentJson::from).collect();
    let page = Page { next_cursor, limit };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(JudgmentPage { data, page }))
}
