//! The tuning that searches are answered by: this process' copy of the live release, and of the experiment that runs
//! beside it, asked for every two seconds. While the store is away the last ones go on.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::tuning::release::Release;
use search_indexer::tuned::LiveTuning;
use store::error::StoreError;
use store::pg::{experiments, search_tuning};
use tokio_util::sync::CancellationToken;

use crate::app_state::AppState;

const PERIOD: Duration = Duration::from_secs(2);
/// Longest wait for one answer of the store.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The copy.
#[derive(Debug, Default)]
pub struct LiveTuningCell(RwLock<Arc<LiveTuning>>);

impl LiveTuningCell {
    /// What is live, as far as this process knows.
    pub fn get(&self) -> Arc<LiveTuning> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A release went live. One that is older than what is known changes nothing.
    pub fn put(&self, release: Release) {
        if release.number <= self.get().release {
            return;
        }
        let new = Arc::new(LiveTuning::new(release.number, release.tuning));
        let mut live = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if new.release > live.release {
            tracing::info!(release = new.release, "the search is tuned anew");
            *live = new;
        }
    }
}

/// Follows the releases until told to stop.
pub async fn follow(state: Arc<AppState>, stop: CancellationToken) {
    let mut is_behind = false;
    loop {
        let outcome = tokio::time::timeout(TIMEOUT, look(&state)).await;
        let failed = match &outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        // Once for each time that the store is away.
        if let Some(error) = failed.as_ref().filter(|_| !is_behind) {
            tracing::warn!(error, "the live tuning of the search cannot be read: the last one is used");
        }
        is_behind = failed.is_some();
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

async fn look(state: &AppState) -> Result<(), StoreError> {
    let client = state.pools.write().await?;
    if search_tuning::live_number(&**client).await? > state.tuning.get().release
        && let Some(release) = search_tuning::live(&**client).await?
    {
        state.tuning.put(release);
    }
    if experiments::running_id(&**client).await? != state.experiment.id() {
        state.experiment.put(experiments::running(&**client).await?);
    }
    Ok(())
}
