//! The visit that a search belongs to, and its part in the experiment that runs.

use std::sync::Arc;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use domain::experiment::{Arm, Assignment, Coins};
use domain::ids::SessionId;
use search_indexer::tuned::LiveTuning;

use crate::app_state::AppState;
use crate::cache_control;
use crate::error_code::ErrorCode;
use crate::problem::Problem;
use crate::routes::search::search_page_json::SeenExperimentJson;
use crate::running_experiment::RunningExperiment;

const HEADER: &str = "x-session-id";

/// What a search is answered with.
#[derive(Debug)]
pub(super) struct Visit {
    live: Arc<LiveTuning>,
    running: Option<Arc<RunningExperiment>>,
    /// Of a visit that takes part.
    part: Option<(SessionId, Assignment)>,
}

/// A tuning that is tried beside the live one.
#[derive(Debug)]
pub(super) struct Tried<'a> {
    pub(super) tuning: &'a LiveTuning,
    pub(super) coins: Coins,
    pub(super) seen: SeenExperimentJson,
}

impl Visit {
    /// The visit of a request.
    pub(super) fn of(state: &AppState, request: &HttpRequest) -> Result<Self, Problem> {
        let session = session(request)?;
        let live = state.tuning.get();
        let running = state.experiment.get().filter(|running| running.is_beside(live.release));
        let part = session.zip(running.as_ref()).and_then(|(session, running)| {
            let assignment = running.assignment(session)?;
            Some((session, assignment))
        });
        Ok(Self { live, running, part })
    }

    /// The experiment that the visit takes part in, and how.
    fn part(&self) -> Option<(&RunningExperiment, SessionId, Assignment)> {
        let (session, assignment) = self.part?;
        Some((self.running.as_deref()?, session, assignment))
    }

    /// The tuning that answers.
    pub(super) fn tuning(&self) -> &LiveTuning {
        match self.part() {
            Some((running, _, Assignment::Split(Arm::Treatment))) => &running.treatment,
            _ => &self.live,
        }
    }

    /// What pages are kept under; `None` when they are nobody else's.
    pub(super) fn kept_under(&self) -> Option<String> {
        match self.part() {
            None => Some(String::new()),
            Some((_, _, Assignment::Split(arm))) => Some(format!("{}{} ", self.kept_apart(), arm.name())),
            Some((_, _, Assignment::Interleaved)) => None,
        }
    }

    /// What results are kept under that only those who take part share: else what is live had the answers of all others
    /// at hand, and the draft had not.
    pub(super) fn kept_apart(&self) -> String {
        self.part().map(|(running, ..)| format!("{} ", running.id())).unwrap_or_default()
    }

    /// The experiment, when one arm of it answers the visit.
    pub(super) fn split(&self) -> Option<SeenExperimentJson> {
        let Some((running, _, Assignment::Split(arm))) = self.part() else { return None };
        Some(SeenExperimentJson { id: running.id().0, arm: Some(arm) })
    }

    /// What is tried beside the live tuning, when both answer the visit's search for `text`.
    pub(super) fn tried(&self, text: &str) -> Option<Tried<'_>> {
        let Some((running, session, Assignment::Interleaved)) = self.part() else { return None };
        Some(Tried {
            tuning: &running.treatment,
            coins: running.coins(session, text),
            seen: SeenExperimentJson { id: running.id().0, arm: None },
        })
    }

    /// While an experiment runs, what answers one visit is not for another.
    pub(super) fn mark(&self, response: &mut HttpResponse) {
        if self.running.is_some() {
            response.headers_mut().append(header::VARY, HeaderValue::from_static(HEADER));
        }
        if self.part.is_some() {
            let private = HeaderValue::from_static(cache_control::PRIVATE);
            response.headers_mut().insert(header::CACHE_CONTROL, private);
        }
    }
}

fn session(request: &HttpRequest) -> Result<Option<SessionId>, Problem> {
    let Some(value) = request.headers().get(HEADER) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    let refused = || Problem::new(ErrorCode::InvalidHeader, "X-Session-Id is a UUID of the visit");
    id.map(Some).ok_or_else(refused)
}
