//! `DELETE /merchandising/judgment-sets/{set}`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use actix_web::{HttpResponse, web};
use domain::ids::ProductId;
use store::pg::judgments;
use store::pg::transaction;
use utoipa::IntoParams;

use super::set_name;
use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};

/// Which judgments; the whole set when nothing is said.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RemoveJudgments {
    /// Only of this query.
    #[param(max_length = 200)]
    pub query: Option<String>,
    /// Only of this product.
    #[param(value_type = Option<String>, format = Uuid)]
    pub product_id: Option<ProductId>,
    /// Only by this judge.
    #[param(max_length = 60)]
    pub judge: Option<String>,
}

impl ReadQuery for RemoveJudgments {
    fn read(parameters: &mut Parameters) -> Self {
        Self {
            query: parameters.text("query", 200),
            product_id: parameters.parsed("product_id", "an id of a product"),
            judge: parameters.text("judge", 60),
        }
    }
}

/// Removes judgments from a set; without any there is no such set any more.
#[utoipa::path(
    delete,
    path = "/api/v1/merchandising/judgment-sets/{set}",
    tag = "merchandising",
    params(("set" = String, Path, description = "Name"), RemoveJudgments),
    responses((status = 204, description = "They are gone"), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn remove_judgments(
    _: Authorized<TuneSearch>,
    set: web::Path<String>,
    query: FromQuery<RemoveJudgments>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let set = set_name::read_own(&set)?;
    let FromQuery(RemoveJudgments { query, product_id, judge }) = query;
    let removed = transaction::run::<_, Problem, _>(&state.pools, "remove_judgments", async |transaction| {
        let removed =
            judgments::remove(transaction, set, query.as_deref(), product_id, judge.as_deref()).await?;
        Ok(removed)
    })
    .await?;
    if removed == 0 { Err(Problem::not_found("judgment")) } else { Ok(HttpResponse::NoContent().finish()) }
}
