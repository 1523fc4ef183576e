//! Experiments as clients see them.

use domain::experiment::{Experiment, Figures, Method};
use domain::tuning::release::SetFigures;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::routes::merchandising::evaluation_json::SetFiguresJson;

/// An experiment: a draft beside what is live.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchExperiment)]
pub struct ExperimentJson {
    /// Id; searches that take part are answered with it.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// How it compares.
    #[schema(value_type = ExperimentMethodJson)]
    pub method: Method,
    /// So many of 100 visits take part.
    pub share_percent: u8,
    /// Days after which it ends in any case.
    pub days_max: u8,
    /// The release that the draft is compared with; 0: of before the first.
    pub control_release: i64,
    /// The draft.
    pub draft_id: Uuid,
    /// Its version that is compared; what changes in the draft later takes no part.
    pub draft_version: i64,
    /// What the judged queries said of it before it began.
    #[schema(value_type = Vec<SetFiguresJson>)]
    pub evaluation: Vec<SetFigures>,
    /// Why it was begun although they said no.
    #[schema(required = true)]
    pub override_reason: Option<String>,
    /// Who began it.
    pub started_by: String,
    /// When.
    pub started_at: Timestamp,
    /// What shoppers did; `null` before it was first counted.
    #[schema(required = true, value_type = Option<FiguresJson>)]
    pub figures: Option<Figures>,
    /// How it ended; `null` while it runs.
    #[schema(required = true)]
    pub end: Option<EndJson>,
}

/// How two tunings are compared.
#[derive(Debug, ToSchema)]
#[schema(as = ExperimentMethod, rename_all = "snake_case")]
pub enum ExperimentMethodJson {
    /// Each visit is answered by one of them.
    Split,
    /// Each search by relevance is answered by both, whose hits take turns; a click is for the one that brought the
    /// hit.
    Interleaved,
}

/// What shoppers did in an experiment, and what follows from it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExperimentFigures)]
pub struct FiguresJson {
    /// With what is live.
    control: ArmJson,
    /// With the draft.
    treatment: ArmJson,
    /// Visits that say nothing: answered by both although one was meant to; interleaved: with as many clicks for one as
    /// for the other.
    undecided: u64,
    /// The chance to ever see such a difference in clicks if there is none.
    p_value: f64,
    /// Whether one arm has more visits than a fair coin gives it: something loses visits, and the figures cannot be
    /// trusted.
    is_uneven: bool,
    /// When it was counted.
    as_of: Timestamp,
}

/// What was done with one arm of an experiment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExperimentArm)]
struct ArmJson {
    /// Visits that were answered by it; interleaved: all that took part.
    visits: u64,
    /// Those in which a result was clicked; interleaved: in which more of its results were than of the other's.
    successes: u64,
    /// Those that bought what they had clicked; interleaved: clicked among its results.
    sales: u64,
}

/// How an experiment ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExperimentEnd)]
pub struct EndJson {
    /// When.
    at: Timestamp,
    /// Who ended it; `stop-rule` when the figures or the days did.
    by: String,
    /// What came of it.
    #[schema(value_type = OutcomeJson)]
    outcome: &'static str,
}

/// What came of an experiment.
#[derive(Debug, ToSchema)]
#[schema(as = ExperimentOutcome, rename_all = "snake_case")]
pub enum OutcomeJson {
    /// The draft gets more clicks: publish it, unless what was bought says otherwise.
    TreatmentBetter,
    /// What is live gets more clicks.
    ControlBetter,
    /// Its days are over, and chance may be all there is.
    Undecided,
    /// Somebody ended it.
    Stopped,
}

impl From<Experiment> for ExperimentJson {
    fn from(experiment: Experiment) -> Self {
        Self {
            id: experiment.id.0,
            name: experiment.name,
            method: experiment.method,
            share_percent: experiment.share_percent,
            days_max: experiment.days_max,
            control_release: experiment.control_release,
            draft_id: experiment.draft_id.0,
            draft_version: experiment.draft_version,
            evaluation: experiment.evaluation,
            override_reason: experiment.override_reason,
            started_by: experiment.started_by,
            started_at: experiment.started_at,
            figures: experiment.figures,
            end: experiment.end.map(|end| EndJson { at: end.at, by: end.by, outcome: end.outcome.name() }),
        }
    }
}
