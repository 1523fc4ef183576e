//! Drafts as clients see them, and the shapes in which they are asked for.

use actix_web::HttpResponse;
use actix_web::http::header::{self, ContentEncoding};
use domain::tuning::conflict::Conflict;
use domain::tuning::draft::Draft;
use domain::tuning::rule::Rule;
use domain::tuning::synonym::Synonym;
use domain::tuning::weights::Weights;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::tuning_json::{RuleJson, SynonymJson, WeightsJson};
use crate::etag;

/// What became of a draft.
#[derive(Debug, ToSchema)]
#[schema(as = DraftState, rename_all = "snake_case")]
pub enum DraftStateName {
    /// It is worked on.
    Open,
    /// It is a release.
    Published,
    /// It was given up.
    Discarded,
}

/// A draft.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchDraft)]
pub struct DraftJson {
    /// Id.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// What became of it.
    #[schema(value_type = DraftStateName)]
    pub state: &'static str,
    /// Number of the release that it began from; 0 before the first.
    pub base_release: i64,
    /// Words that stand for others.
    #[schema(value_type = Vec<SynonymJson>)]
    pub synonyms: Vec<Synonym>,
    /// What happens for which searches.
    #[schema(value_type = Vec<RuleJson>)]
    pub rules: Vec<Rule>,
    /// How much each field counts.
    #[schema(value_type = WeightsJson)]
    pub weights: Weights,
    /// Rules that want different things of some searches: allowed, but look at them.
    pub conflicts: Vec<ConflictJson>,
    /// Counts its changes.
    pub version: i64,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Who changed it last.
    pub updated_by: String,
    /// When.
    pub updated_at: Timestamp,
}

/// Two rules that want different things of some searches.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleConflict)]
pub struct ConflictJson {
    /// What contradicts what.
    pub detail: &'static str,
    /// Name of the earlier rule.
    pub first: String,
    /// Name of the later rule.
    pub second: String,
    /// Place of the later action.
    pub pointer: String,
}

/// A new draft: it begins as what is live.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewSearchDraft)]
#[serde(deny_unknown_fields)]
pub struct NewDraftJson {
    /// What people call it.
    #[schema(max_length = 100)]
    pub name: String,
}

/// A change of a draft: what is missing stays, a list is replaced whole.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchDraftChange)]
#[serde(deny_unknown_fields)]
pub struct DraftChangeJson {
    /// New name.
    #[schema(required = false, max_length = 100)]
    pub name: String,
    /// All synonyms anew.
    #[schema(required = false, max_items = 1000)]
    pub synonyms: Vec<SynonymJson>,
    /// All rules anew.
    #[schema(required = false, max_items = 1000)]
    pub rules: Vec<RuleJson>,
    /// All weights anew.
    #[schema(required = false)]
    pub weights: WeightsJson,
    /// The release that the draft is meant to replace: the live one, when another has gone live since it began.
    #[schema(required = false, minimum = 0)]
    pub base_release: i64,
}

impl From<Conflict> for ConflictJson {
    fn from(conflict: Conflict) -> Self {
        let Conflict { kind, first, second, pointer, .. } = conflict;
        Self { detail: kind.detail(), first, second, pointer }
    }
}

impl From<Draft> for DraftJson {
    fn from(draft: Draft) -> Self {
        let conflicts = draft.tuning.conflicts().into_iter().map(ConflictJson::from).collect();
        Self {
            id: draft.id.0,
            name: draft.name,
            state: draft.state.name(),
            base_release: draft.base_release,
            synonyms: draft.tuning.synonyms,
            rules: draft.tuning.rules,
            weights: draft.tuning.weights,
            conflicts,
            version: draft.version,
            created_by: draft.created_by,
            created_at: draft.created_at,
            updated_by: draft.updated_by,
            updated_at: draft.updated_at,
        }
    }
}

/// The draft with its entity tag.
pub(super) fn shown(draft: Draft) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ETAG, etag::of_version(draft.version)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(ContentEncoding::Identity)
        .json(DraftJson::from(draft))
}
