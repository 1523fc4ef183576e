//! Rebuilds and repairs that were asked for over HTTP: taken from the queue one by one under a lease, and after a crash
//! gone on with by whoever takes them next.

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use process::error_chain;
use store::error::StoreError;
use store::pg::index_tasks::{self, IndexTask, IndexTaskKind, IndexTaskProgress, LeasedIndexTask};
use store::pg::pool::PgPools;
use store::settings::PostgresSettings;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::consume::name_random;
use crate::index::new_name;
use crate::mapping::Analysis;
use crate::projection::{Projection, ProjectionError};
use crate::rebuild::{self, Plan, Progress, RebuildError};
use crate::repair::{self, Repaired};

/// Pause when nothing waits.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause of a task that cannot be done now.
const RETRY_MS: i64 = 5_000;
const LEASE_MS: i64 = 30_000;
/// How often the lease is renewed, and the progress told.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long a task runs and is tried.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// Longest reason of a failure, in characters.
const FAILURE_LENGTH_MAX: usize = 500;

/// Why a task was not done.
#[derive(Debug, thiserror::Error)]
enum TaskError {
    /// A rebuild ended before the switch.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// A repair found a store or the engine away.
    #[error(transparent)]
    Repair(#[from] ProjectionError),
    /// The program ends.
    #[error("stopped")]
    Stopped,
    /// Some documents are not what the stores say, though they were written again.
    #[error("{0} documents stay different from the stores")]
    LeftDifferent(u64),
    /// It was tried for a day.
    #[error("not done within {} hours", LIFETIME.as_hours())]
    TooSlow,
}

impl TaskError {
    /// Whether the program ends and another one is to go on.
    fn is_stopped(&self) -> bool {
        matches!(self, Self::Stopped | Self::Rebuild(RebuildError::Stopped))
    }

    /// Whether it is worth another try.
    fn is_passing(&self) -> bool {
        match self {
            Self::Rebuild(RebuildError::Busy(_)) => true,
            Self::Rebuild(error) => error.keeps_the_index(),
            Self::Repair(error) => error.is_unavailable(),
            Self::Stopped | Self::LeftDifferent(_) | Self::TooSlow => false,
        }
    }
}

/// Does tasks until the program stops.
pub async fn run(projection: &Projection, postgres: &PostgresSettings, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match lease(&projection.pools).await {
            Ok(Some(leased)) => {
                Box::pin(work(projection, postgres, &leased, stop)).await;
                continue;
            }
            Ok(None) => PAUSE,
            Err(error) => {
                tracing::warn!(error = error_chain::text(&error), "the queue of index tasks cannot be read");
                Duration::from_millis(RETRY_MS.unsigned_abs())
            }
        };
        let _stopped = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

async fn lease(pools: &PgPools) -> Result<Option<LeasedIndexTask>, StoreError> {
    index_tasks::lease(&**pools.write().await?, LEASE_MS).await
}

/// Does one task, or gives it back.
async fn work(
    projection: &Projection,
    postgres: &PostgresSettings,
    leased: &LeasedIndexTask,
    stop: &CancellationToken,
) {
    let (pools, task) = (&projection.pools, &leased.task);
    let (said, heard) = watch::channel(task.progress.clone());
    let done = tokio::select! {
        done = Box::pin(perform(projection, postgres, leased, &said, stop)) => done,
        () = hold(pools, leased, &heard) => {
            tracing::warn!(task = %task.id, "another indexer has the task");
            return;
        }
        () = tokio::time::sleep(time_left(task)) => Err(TaskError::TooSlow),
    };
    let progress = heard.borrow().clone();
    let ended = match done {
        Ok(()) => end(pools, leased, &progress, None).await,
        Err(error) if error.is_stopped() => give_back(pools, leased, &progress, 0).await,
        Err(error) if error.is_passing() => {
            tracing::warn!(task = %task.id, error = error_chain::text(&error), "a task cannot be done yet");
            give_back(pools, leased, &progress, RETRY_MS).await
        }
        Err(error) => {
            let failure: String = error_chain::text(&error).chars().take(FAILURE_LENGTH_MAX).collect();
            tracing::warn!(task = %task.id, failure, "a task failed");
            end(pools, leased, &progress, Some(&failure)).await
        }
    };
    if let Err(error) = ended {
        // Not ended it is free when the lease ends, and done again.
        tracing::warn!(task = %task.id, error = error_chain::text(&error), "what became of a task is not written");
    }
}

/// How long the task may go on; the time in the queue does not count.
fn time_left(task: &IndexTask) -> Duration {
    let begun_at = task.started_at.unwrap_or(task.created_at);
    Duration::try_from(LIFETIME - Timestamp::now().duration_since(begun_at)).unwrap_or_default()
}

/// Keeps the lease and tells how far it is; ends when the lease is lost.
async fn hold(pools: &PgPools, leased: &LeasedIndexTask, heard: &watch::Receiver<IndexTaskProgress>) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let progress = heard.borrow().clone();
        let Ok(client) = pools.write().await else { continue };
        if let Ok(false) = index_tasks::renew(&**client, leased, &progress, LEASE_MS).await {
            return;
        }
    }
}

async fn give_back(
    pools: &PgPools,
    leased: &LeasedIndexTask,
    progress: &IndexTaskProgress,
    pause_ms: i64,
) -> Result<(), StoreError> {
    index_tasks::renew(&**pools.write().await?, leased, progress, pause_ms).await.map(drop)
}

async fn end(
    pools: &PgPools,
    leased: &LeasedIndexTask,
    progress: &IndexTaskProgress,
    failure: Option<&str>,
) -> Result<(), StoreError> {
    index_tasks::end(&**pools.write().await?, leased, progress, failure).await.map(drop)
}

async fn perform(
    projection: &Projection,
    postgres: &PostgresSettings,
    leased: &LeasedIndexTask,
    said: &watch::Sender<IndexTaskProgress>,
    stop: &CancellationToken,
) -> Result<(), TaskError> {
    match leased.task.kind {
        IndexTaskKind::Rebuild => rebuild(projection, postgres, leased, said, stop).await,
        IndexTaskKind::Repair => {
            let repairing = Box::pin(repair(projection, said));
            stop.run_until_cancelled(repairing).await.unwrap_or(Err(TaskError::Stopped))
        }
    }
}

/// An owner after the first one goes on with what the one before has left.
async fn rebuild(
    projection: &Projection,
    postgres: &PostgresSettings,
    leased: &LeasedIndexTask,
    said: &watch::Sender<IndexTaskProgress>,
    stop: &CancellationToken,
) -> Result<(), TaskError> {
    let name = new_name(projection.client.alias(), Timestamp::now(), name_random());
    let rate = leased.task.rate.and_then(|rate| NonZeroU32::new(rate.unsigned_abs()));
    let plan = Plan { rate, resume: leased.fence > 1, ..Plan::new(&name, Analysis::English) };
    let report = |progress| said.send_modify(|told| tell(told, progress));
    let rebuilt = Box::pin(rebuild::run(projection, postgres, plan, stop, report)).await?;
    said.send_modify(|told| {
        told.different = rebuilt.verified.different;
        told.mended = rebuilt.verified.different;
        told.unreadable = rebuilt.verified.unreadable;
    });
    Ok(())
}

fn tell(told: &mut IndexTaskProgress, progress: Progress) {
    let mut phase = |name: &str, products| {
        told.phase = Some(name.to_owned());
        told.products = products;
    };
    match progress {
        Progress::Begun { index, filled, of } => {
            phase("fill", filled);
            (told.index, told.of) = (Some(index), of);
        }
        Progress::Filled(products) => phase("fill", products),
        Progress::Verified(products) => phase("verify", products),
    }
}

async fn repair(projection: &Projection, said: &watch::Sender<IndexTaskProgress>) -> Result<(), TaskError> {
    let report = |Repaired { products, different, mended }, of| {
        let phase = Some("compare".to_owned());
        said.send_replace(IndexTaskProgress { phase, products, of, different, mended, ..Default::default() });
    };
    let Repaired { different, mended, .. } = Box::pin(repair::pass_at_once(projection, report)).await?;
    match different.saturating_sub(mended) {
        0 => Ok(()),
        left => Err(TaskError::LeftDifferent(left)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_is_tried_again() {
        let away = || ProjectionError::from(StoreError::unavailable("down"));
        assert!(TaskError::from(away()).is_passing());
        assert!(TaskError::from(RebuildError::from(away())).is_passing());
        assert!(TaskError::from(RebuildError::Busy("alias".to_owned())).is_passing());
        let not_equal = RebuildError::NotEqual { count: 1, first: vec!["a".to_owned()] };
        assert!(!TaskError::from(not_equal).is_passing());
        assert!(!TaskError::LeftDifferent(1).is_passing() && !TaskError::TooSlow.is_passing());
        assert!(TaskError::from(RebuildError::Stopped).is_stopped() && TaskError::Stopped.is_stopped());
    }

    #[test]
    fn each_phase_of_a_rebuild_is_told() {
        let mut told = IndexTaskProgress::default();
        tell(&mut told, Progress::Begun { index: "products-1".to_owned(), filled: 5, of: 20 });
        tell(&mut told, Progress::Filled(10));
        let filling = IndexTaskProgress {
            phase: Some("fill".to_owned()),
            products: 10,
            of: 20,
            index: Some("products-1".to_owned()),
            ..Default::default()
        };
        assert_eq!(told, filling);
        tell(&mut told, Progress::Verified(3));
        assert_eq!((told.phase.as_deref(), told.products, told.of), (Some("verify"), 3, 20));
    }
}
