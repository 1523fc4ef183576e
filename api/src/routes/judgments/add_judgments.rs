//! `PATCH /merchandising/judgment-sets/{set}`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use std::collections::{HashMap, HashSet};

use actix_web::{HttpResponse, web};
use domain::field_error::FieldError;
use domain::ids::ProductId;
use domain::judgment::{GRADE_MAX, Judgment};
use search_indexer::query::TEXT_LENGTH_MAX;
use serde::Serialize;
use store::mongo::{external_ids, product_ids};
use store::pg::judgments::{self, Full, OWN_SET_COUNT_MAX};
use store::pg::transaction;
use utoipa::{IntoParams, ToSchema};

use super::body::JudgmentsBody;
use super::judgment_json::{NewJudgment, NewJudgments};
use super::set_name;
use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::present::present;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};

/// Longest name of a judge, in characters.
const JUDGE_LENGTH_MAX: usize = 60;

/// Which products are meant.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AddJudgments {
    /// The catalogue whose ids the judgments name; our own ids when missing.
    #[param(max_length = 60)]
    pub source: Option<String>,
}

impl ReadQuery for AddJudgments {
    fn read(parameters: &mut Parameters) -> Self {
        Self { source: parameters.text("source", 60) }
    }
}

/// What was added.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JudgmentsAdded)]
pub struct AddedJson {
    /// Judgments that are new or changed.
    judgments: usize,
}

/// Adds judgments to a set, which is made with its first one; all of them or none. A product that a judge has judged
/// for a query before gets the new grade, so that a repeat changes nothing.
#[utoipa::path(
    patch,
    path = "/api/v1/merchandising/judgment-sets/{set}",
    tag = "merchandising",
    params(("set" = String, Path, description = "Name: small letters, digits and hyphens"), AddJudgments),
    request_body(
        description = "JSON of at most 1,000 judgments, CSV of at most 10,000, whose header line names the columns \
                       `query`, `product_id`, `grade` and perhaps `judge`",
        content((NewJudgments = "application/json"), (String = "text/csv")),
    ),
    responses(
        (status = 200, description = "They are in the set", body = AddedJson),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn add_judgments(
    caller: Authorized<TuneSearch>,
    set: web::Path<String>,
    query: FromQuery<AddJudgments>,
    body: JudgmentsBody,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let set = set_name::read_own(&set)?;
    let FromQuery(AddJudgments { source }) = query;
    let JudgmentsBody(new) = body;
    let products = products(&state, &new, source.as_deref()).await?;
    let judgments = judgments(&new, &products, &caller.actor()).map_err(Problem::invalid_fields)?;
    let added = judgments.len();
    transaction::run(&state.pools, "add_judgments", async |transaction| {
        let more = i64::try_from(added).unwrap_or(i64::MAX);
        judgments::lock(transaction).await?;
        match judgments::room(transaction, set, more).await? {
            Ok(()) => Ok(judgments::add(transaction, set, &judgments).await?),
            Err(Full::Sets) => {
                Err(Problem::invalid_field("/set", "too_many", format!("at most {OWN_SET_COUNT_MAX} sets")))
            }
            Err(Full::Judgments) => {
                let detail = format!("a set has at most {} judgments", judgments::COUNT_MAX);
                Err(Problem::invalid_field("/judgments", "too_many", detail))
            }
        }
    })
    .await?;
    Ok(HttpResponse::Ok().json(AddedJson { judgments: added }))
}

/// The products that are named, those of them that the catalogue has.
async fn products(
    state: &AppState,
    new: &[NewJudgment],
    source: Option<&str>,
) -> Result<HashMap<String, ProductId>, Problem> {
    let names: HashSet<&str> = new.iter().map(|judgment| judgment.product_id.as_str()).collect();
    if let Some(source) = source {
        let names: Vec<_> = names.into_iter().collect();
        let found = external_ids::find(&state.mongo, source, &names).await?;
        let of_ours =
            found.into_iter().filter_map(|found| found.product_id().map(|id| (found.external_id, id)));
        return Ok(of_ours.collect());
    }
    let named: HashMap<&str, ProductId> =
        names.into_iter().filter_map(|name| name.parse().ok().map(|id| (name, id))).collect();
    let ids: Vec<_> = named.values().copied().collect();
    let existing = product_ids::existing(&state.mongo, &ids).await?;
    let known = named.into_iter().filter(|(_, id)| existing.contains(id));
    Ok(known.map(|(name, id)| (name.to_owned(), id)).collect())
}

fn judgments(
    new: &[NewJudgment],
    products: &HashMap<String, ProductId>,
    caller: &str,
) -> Result<Vec<Judgment>, Vec<FieldError>> {
    let at = present();
    let mut errors = Vec::new();
    let mut judged = HashSet::with_capacity(new.len());
    let mut judgments = Vec::with_capacity(new.len());
    for (place, new) in new.iter().enumerate() {
        let mut refuse = |field: &str, code: &'static str, detail: String| {
            errors.push(FieldError::new(format!("/judgments/{place}/{field}"), code, detail));
        };
        let query = new.query.trim();
        if query.is_empty() || query.chars().count() > TEXT_LENGTH_MAX || query.chars().any(char::is_control)
        {
            refuse("query", "invalid", format!("1 to {TEXT_LENGTH_MAX} characters"));
        }
        if new.grade > GRADE_MAX {
            refuse("grade", "out_of_range", format!("0 to {GRADE_MAX}"));
        }
        let judge = new.judge.as_deref().map_or(caller, str::trim);
        if judge.is_empty() || judge.chars().count() > JUDGE_LENGTH_MAX || judge.chars().any(char::is_control)
        {
            refuse("judge", "invalid", format!("1 to {JUDGE_LENGTH_MAX} characters"));
        }
        let Some(product_id) = products.get(&new.product_id).copied() else {
            refuse("product_id", "unknown", "no such product".to_owned());
            continue;
        };
        if !judged.insert((query, product_id, judge)) {
            refuse("product_id", "duplicate", "judged twice by the same judge".to_owned());
        }
        judgments.push(Judgment {
            query: query.to_owned(),
            product_id,
            grade: new.grade,
            judge: judge.to_owned(),
            judged_at: at,
        });
    }
    if errors.is_empty() { Ok(judgments) } else { Err(errors) }
}
