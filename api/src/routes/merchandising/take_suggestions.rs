//! `POST /merchandising/drafts/{id}/suggestions`

use actix_web::{HttpRequest, HttpResponse, web};
use domain::field_error::FieldError;
use domain::order::SHOP_CHANNEL;
use domain::tuning::draft::{Draft, DraftPatch};
use domain::tuning::suggestion::Suggestion;
use serde::{Deserialize, Serialize};
use store::pg::search_terms;
use utoipa::ToSchema;

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::etag::IfMatch;
use crate::json_body::JsonBody;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::merchandising::draft_json::DraftJson;
use crate::routes::merchandising::get_draft::find_open;
use crate::routes::merchandising::patch_draft::change;

/// Most terms at once.
const TERM_COUNT_MAX: usize = 100;

/// Which suggestions are taken.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = TakeSearchSuggestions)]
#[serde(deny_unknown_fields)]
pub struct TakeSuggestions {
    /// Those of these search terms.
    #[schema(min_items = 1, max_items = 100)]
    terms: Vec<String>,
}

/// Puts what is suggested for search terms into a draft that is still as the caller has read it. What the draft has is
/// not put in again.
#[utoipa::path(
    post,
    path = "/api/v1/merchandising/drafts/{id}/suggestions",
    tag = "merchandising",
    params(
        ("id" = String, Path, description = "Id"),
        ("If-Match" = String, Header, description = "ETag of the draft that is changed"),
    ),
    request_body = TakeSuggestions,
    responses(
        (status = 200, description = "The changed draft", body = DraftJson, headers(("ETag" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn take_suggestions(
    caller: Authorized<TuneSearch>,
    id: web::Path<String>,
    body: JsonBody<TakeSuggestions>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let condition = IfMatch::of(&request)?;
    let draft = find_open(&state, &id).await?;
    condition.check(draft.version)?;
    let JsonBody(TakeSuggestions { terms }) = body;
    if terms.is_empty() || terms.len() > TERM_COUNT_MAX {
        let detail = format!("1 to {TERM_COUNT_MAX}");
        return Err(Problem::invalid_field("/terms", "out_of_range", detail));
    }
    let suggested = suggested(&state, &terms).await?;
    let patch = with(&draft, suggested);
    change(&state, draft, patch, &caller.actor()).await
}

/// One for each term, or which terms have none.
async fn suggested(state: &AppState, terms: &[String]) -> Result<Vec<Suggestion>, Problem> {
    let known = search_terms::named(&**state.pools.write().await?, SHOP_CHANNEL, terms).await?;
    let of_term = |term: &String| known.iter().find(|known| known.term == *term).and_then(Suggestion::of);
    let mut errors = Vec::new();
    let mut suggested = Vec::with_capacity(terms.len());
    for (place, term) in terms.iter().enumerate() {
        match of_term(term) {
            Some(suggestion) => suggested.push(suggestion),
            None => {
                let detail = "nothing is suggested for this term";
                errors.push(FieldError::new(format!("/terms/{place}"), "unknown", detail));
            }
        }
    }
    if errors.is_empty() { Ok(suggested) } else { Err(Problem::invalid_fields(errors)) }
}

fn with(draft: &Draft, suggested: Vec<Suggestion>) -> DraftPatch {
    let mut tuning = draft.tuning.clone();
    for suggestion in suggested {
        suggestion.add_to(&mut tuning);
    }
    DraftPatch { synonyms: Some(tuning.synonyms), rules: Some(tuning.rules), ..DraftPatch::default() }
}
