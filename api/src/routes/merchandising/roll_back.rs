//! `POST /merchandising/releases/{number}/rollback`

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use domain::event::Event;
use domain::ids::EventId;
use domain::tuning::Tuning;
use domain::tuning::release::Release;
use store::pg::{experiments, search_tuning, transaction};

use crate::app_state::{AppState, cause};
use crate::authorized::{Authorized, TuneSearch};
use crate::error_code::ErrorCode;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::experiments::stop_experiment::stop;
use crate::routes::merchandising::present;
use crate::routes::merchandising::release_json::{ReleaseJson, location};

/// Goes back to what was live before this release, at once: a new release with the tuning of the one before it, or with
/// none when it is the first. Done again it goes further back. Only the newest release can be gone back from; one that
/// waits for its time never goes live then. An experiment that runs ends.
#[utoipa::path(
    post,
    path = "/api/v1/merchandising/releases/{number}/rollback",
    tag = "merchandising",
    params(("number" = i64, Path, description = "Number of the newest release")),
    responses(
        (status = 201, description = "The new release; it is live", body = ReleaseJson,
         headers(("Location" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn roll_back(
    caller: Authorized<TuneSearch>,
    number: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let not_found = || Problem::not_found("release");
    let number: i64 = number.parse().map_err(|_| not_found())?;
    let actor = caller.actor();
    let (release, ended) = transaction::run(&state.pools, "roll_back_search", async |transaction| {
        let newest = search_tuning::lock_newest(transaction).await?.map_or(0, |newest| newest.number);
        let undone = search_tuning::find_release(transaction, number).await?.ok_or_else(not_found)?;
        if number != newest {
            let detail = format!("release {newest} is the newest");
            return Err(Problem::new(ErrorCode::ReleaseNotLive, detail));
        }
        // Before a way back there is what was before the release that it went back to.
        let restores = undone.restores.map_or(number - 1, |restored| (restored - 1).max(0));
        let before = search_tuning::find_release(transaction, restores).await?;
        let release = Release {
            number: newest + 1,
            tuning: before.map_or_else(Tuning::default, |before| before.tuning),
            note: format!("back from release {}", undone.number),
            draft_id: None,
            restores: Some(restores),
            evaluation: Vec::new(),
            override_reason: None,
            published_by: actor.clone(),
            published_at: present(),
            live_from: None,
        };
        let id = EventId::new(release.published_at, rand::random());
        let event = Event::search_tuning_published(id, &release, cause(&caller));
        search_tuning::insert_release(transaction, &release, &event).await?;
        // What it was compared with is gone.
        let running = experiments::running_id(transaction).await?;
        if let Some(id) = running {
            stop(transaction, id, &actor).await?;
        }
        Ok((release, running))
    })
    .await?;
    state.tuning.put(release.clone());
    if let Some(id) = ended {
        state.experiment.end(id);
    }
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location(release.number)))
        .json(ReleaseJson::from(release)))
}
