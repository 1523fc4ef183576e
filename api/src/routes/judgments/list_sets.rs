//! `GET /merchandising/judgment-sets`

use actix_web::{HttpResponse, web};
use domain::agreement;
use serde::Serialize;
use store::pg::judgments::{self, SetSummary};
use utoipa::ToSchema;

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::problem::{Problem, ReadProblems};

/// Every set.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JudgmentSets)]
pub struct SetsJson {
    /// By name; at most 20.
    data: Vec<SetJson>,
}

/// A set of judgments. Every set stands at the gate before a draft goes live.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JudgmentSet)]
struct SetJson {
    /// Name; `clicks` is counted from what shoppers clicked.
    name: String,
    /// Different queries.
    queries: i64,
    /// Judgments.
    judgments: i64,
    /// Who judged; the first 100 by name.
    judges: Vec<String>,
    /// How far judges of the same products agree (Krippendorff's alpha, interval): 1 wholly, 0 as by chance; below 0.67
    /// the grades are not reliable. `null` while no product has two judges.
    #[schema(required = true)]
    agreement: Option<f64>,
}

impl From<SetSummary> for SetJson {
    fn from(set: SetSummary) -> Self {
        Self {
            agreement: agreement::alpha(&set.graded),
            name: set.name,
            queries: set.queries,
            judgments: set.judgments,
            judges: set.judges,
        }
    }
}

/// Every set of judgments, with who judged and how far they agree.
#[utoipa::path(
    get,
    path = "/api/v1/merchandising/judgment-sets",
    tag = "merchandising",
    responses((status = 200, description = "The sets", body = SetsJson), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn list_sets(
    _: Authorized<TuneSearch>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let client = state.pools.write().await?;
    let found = judgments::summaries(&**client).await?;
    drop(client);
    let data = found.into_iter().map(SetJson::from).collect();
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(SetsJson { data }))
}
