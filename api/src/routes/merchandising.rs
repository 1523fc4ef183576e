//! Search tuning: drafts, what they would change, and releases.

use jiff::Timestamp;
use search_indexer::query::SearchRequest;
use search_indexer::tuned::{LiveTuning, Said};

use crate::app_state::AppState;
use crate::present::present;

pub mod create_draft;
pub mod discard_draft;
pub mod draft_json;
pub mod evaluate_draft;
pub mod evaluation_json;
pub(super) mod gate;
pub mod get_draft;
pub mod get_release;
pub mod judged;
pub mod list_drafts;
pub mod list_releases;
pub mod list_search_terms;
pub mod patch_draft;
pub mod preview_draft;
pub mod publish_draft;
pub mod release_json;
pub mod roll_back;
pub mod take_suggestions;
pub mod tuning_json;

/// A search as a shopper would ask it, with that tuning.
fn request(state: &AppState, said: Said<'_>, tuning: &LiveTuning, at: Timestamp) -> SearchRequest {
    SearchRequest {
        intent: state.completions.get().vocabulary.intent(&said.meant()),
        text: said.typed.map(str::to_owned),
        tuned: tuning.apply(said, None, at),
        ..SearchRequest::default()
    }
}
