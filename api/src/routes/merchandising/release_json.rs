//! Releases as clients see them.

use domain::tuning::release::{Release, SetFigures};
use domain::tuning::rule::Rule;
use domain::tuning::synonym::Synonym;
use domain::tuning::weights::Weights;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::evaluation_json::SetFiguresJson;
use super::tuning_json::{RuleJson, SynonymJson, WeightsJson};

/// A release: the one with the highest number whose time has come is live.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchRelease)]
pub struct ReleaseJson {
    /// From 1.
    pub number: i64,
    /// What it is for.
    pub note: String,
    /// The draft that it was.
    #[schema(required = true)]
    pub draft_id: Option<Uuid>,
    /// The release whose tuning it has again; 0: that of before the first.
    #[schema(required = true)]
    pub restores: Option<i64>,
    /// What the judged queries said before it went live.
    #[schema(value_type = Vec<SetFiguresJson>)]
    pub evaluation: Vec<SetFigures>,
    /// Why it went live although they said no.
    #[schema(required = true)]
    pub override_reason: Option<String>,
    /// Who published it.
    pub published_by: String,
    /// When.
    pub published_at: Timestamp,
    /// From when on it is live; `null`: at once.
    #[schema(required = true)]
    pub live_from: Option<Timestamp>,
    /// Words that stand for others.
    #[schema(value_type = Vec<SynonymJson>)]
    pub synonyms: Vec<Synonym>,
    /// What happens for which searches.
    #[schema(value_type = Vec<RuleJson>)]
    pub rules: Vec<Rule>,
    /// How much each field counts.
    #[schema(value_type = WeightsJson)]
    pub weights: Weights,
}

impl From<Release> for ReleaseJson {
    fn from(release: Release) -> Self {
        Self {
            number: release.number,
            note: release.note,
            draft_id: release.draft_id.map(|id| id.0),
            restores: release.restores,
            evaluation: release.evaluation,
            override_reason: release.override_reason,
            published_by: release.published_by,
            published_at: release.published_at,
            live_from: release.live_from,
            synonyms: release.tuning.synonyms,
            rules: release.tuning.rules,
            weights: release.tuning.weights,
        }
    }
}

/// Where a release can be read.
pub(super) fn location(number: i64) -> String {
    format!("/api/v1/merchandising/releases/{number}")
}
