//! `POST /merchandising/drafts/{id}/publish`

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::event::Event;
use domain::field_error::FieldError;
use domain::ids::EventId;
use domain::tuning::draft::{Draft, DraftState, NOTE_LENGTH_MAX};
use domain::tuning::release::{Release, WAIT_DAYS_MAX};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use store::pg::{search_tuning, transaction};
use utoipa::ToSchema;

use crate::app_state::{AppState, cause};
use crate::authorized::{Authorized, TuneSearch};
use crate::etag::IfMatch;
use crate::json_body::JsonBody;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::merchandising::gate::{self, Passed};
use crate::routes::merchandising::get_draft::find_open;
use crate::routes::merchandising::present;
use crate::routes::merchandising::release_json::{ReleaseJson, location};

/// Why a draft is published.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = PublishDraft)]
#[serde(deny_unknown_fields)]
pub struct PublishDraft {
    /// What the release is for.
    #[schema(max_length = 1000)]
    #[serde(default)]
    note: String,
    /// Why it is to go live although the judged queries say no. Kept with the release.
    #[schema(max_length = 1000)]
    #[serde(default)]
    override_reason: Option<String>,
    /// When it is to go live, within a year; at once when missing. Until then nothing else is published, so that what
    /// goes live is what was judged; to give it up, go back from the release.
    #[serde(default)]
    live_from: Option<Timestamp>,
}

/// Puts a draft live, on every process within seconds, if the judged queries allow it, asked as if every rule were in
/// force that has not ended: nDCG@10 of no set falls by more
/// than a hundredth, and no more queries find nothing. Otherwise the answer is 409 `search_gets_worse`, and says by how
/// much, unless `override_reason` says why it is to be done all the same. A draft that began from another release than
/// the live one is 409 `draft_outdated`, and while a release waits for its time every draft is 409 `release_waits`;
/// while an experiment runs, 409 `experiment_runs`.
#[utoipa::path(
    post,
    path = "/api/v1/merchandising/drafts/{id}/publish",
    tag = "merchandising",
    params(
        ("id" = String, Path, description = "Id"),
        ("If-Match" = String, Header, description = "ETag of the draft that is published"),
    ),
    request_body = PublishDraft,
    responses(
        (status = 201, description = "The release; it is live, or waits for its time", body = ReleaseJson,
         headers(("Location" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn publish_draft(
    caller: Authorized<TuneSearch>,
    id: web::Path<String>,
    body: JsonBody<PublishDraft>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let condition = IfMatch::of(&request)?;
    let draft = find_open(&state, &id).await?;
    condition.check(draft.version)?;
    let JsonBody(PublishDraft { note, override_reason, live_from }) = body;
    check_texts(&note, override_reason.as_deref())?;
    let now = present();
    check_time(live_from, now)?;
    let Passed { live, evaluation, override_reason } = gate::pass(&state, &draft, override_reason).await?;
    let release = Release {
        number: live + 1,
        tuning: draft.tuning.clone(),
        note,
        draft_id: Some(draft.id),
        restores: None,
        evaluation,
        override_reason,
        published_by: caller.actor(),
        published_at: now,
        live_from,
    };
    let published = Draft {
        state: DraftState::Published,
        version: draft.version + 1,
        updated_by: caller.actor(),
        updated_at: now,
        ..draft
    };
    let event = Event::search_tuning_published(EventId::new(now, rand::random()), &release, cause(&caller));
    transaction::run(&state.pools, "publish_draft", async |transaction| {
        gate::still_open(transaction, &published).await?;
        if !search_tuning::replace_draft(transaction, &published).await? {
            return Err(IfMatch::failed());
        }
        search_tuning::insert_release(transaction, &release, &event).await.map_err(Problem::from)
    })
    .await?;
    if live_from.is_none() {
        state.tuning.put(release.clone());
    }
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location(release.number)))
        .json(ReleaseJson::from(release)))
}

fn check_texts(note: &str, reason: Option<&str>) -> Result<(), Problem> {
    let mut errors = Vec::new();
    let detail = || format!("at most {NOTE_LENGTH_MAX} characters, none of them NUL");
    if note.chars().count() > NOTE_LENGTH_MAX || note.contains('\0') {
        errors.push(FieldError::new("/note", "too_long", detail()));
    }
    let is_reason = |reason: &str| {
        !reason.trim().is_empty() && reason.chars().count() <= NOTE_LENGTH_MAX && !reason.contains('\0')
    };
    if reason.is_some_and(|reason| !is_reason(reason)) {
        errors.push(FieldError::new("/override_reason", "invalid", format!("not empty, {}", detail())));
    }
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid_fields(errors)) }
}

fn check_time(live_from: Option<Timestamp>, now: Timestamp) -> Result<(), Problem> {
    let last = now + SignedDuration::from_hours(24 * WAIT_DAYS_MAX);
    if live_from.is_none_or(|live_from| live_from > now && live_from <= last) {
        return Ok(());
    }
    let detail = format!("a moment to come, within {WAIT_DAYS_MAX} days");
    Err(Problem::invalid_field("/live_from", "out_of_range", detail))
}
