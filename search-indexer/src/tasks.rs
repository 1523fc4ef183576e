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
use crate::index::{self, new_name};
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
    let mut progress = heard.borrow().clone();
    let (written, result) = match done {
        Ok(()) => (end(pools, leased, &progress, None).await, "finished"),
        Err(error) if error.is_stopped() => (renew(pools, leased, &progress, 0).await, "stopped"),
        Err(error) if error.is_passing() => {
            let reason = shortened(&error);
            tracing::warn!(task = %task.id, error = reason, "a task cannot be done yet");
            progress.waiting_for = Some(reason);
            (renew(pools, leased, &progress, RETRY_MS).await, "waiting")
        }
        Err(error) => {
            let failure = shortened(&error);
            tracing::warn!(task = %task.id, failure, "a task failed");
            (end(pools, leased, &progress, Some(&failure)).await, "failed")
        }
    };
    metrics::counter!("search_index_tasks_total", "kind" => task.kind.name(), "result" => result)
        .increment(1);
    match written {
        Ok(true) => tracing::info!(task = %task.id, kind = task.kind.name(), result, "a task of the index"),
        Ok(false) => tracing::warn!(task = %task.id, result, "another indexer has the task"),
        // Free when the lease ends, and gone on with.
        Err(error) => {
            let error = error_chain::text(&error);
            tracing::warn!(task = %task.id, result, error, "what became of a task is not written");
        }
    }
}

fn shortened(error: &TaskError) -> String {
    error_chain::text(error).chars().take(FAILURE_LENGTH_MAX).collect()
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
        if let Ok(false) = renew(pools, leased, &progress, LEASE_MS).await {
            return;
        }
    }
}

async fn renew(
    pools: &PgPools,
    leased: &LeasedIndexTask,
    progress: &IndexTaskProgress,
    lease_ms: i64,
) -> Result<bool, StoreError> {
    index_tasks::renew(&**pools.write().await?, leased, progress, lease_ms).await
}

async fn end(
    pools: &PgPools,
    leased: &LeasedIndexTask,
    progress: &IndexTaskProgress,
    failure: Option<&str>,
) -> Result<bool, StoreError> {
    index_tasks::end(&**pools.write().await?, leased, progress, failure).await
}

async fn perform(
    projection: &Projection,
    postgres: &PostgresSettings,
    leased: &LeasedIndexTask,
    said: &watch::Sender<IndexTaskProgress>,
    stop: &CancellationToken,
) -> Result<(), TaskError> {
    said.send_modify(|told| told.waiting_for = None);
    if leased.task.kind == IndexTaskKind::Rebuild {
        rebuild(projection, postgres, leased, said, stop).await?;
    }
    // After a rebuild it finds what the new index did not take after it was verified.
    let repairing = Box::pin(repair(projection, &leased.task, said));
    stop.run_until_cancelled(repairing).await.unwrap_or(Err(TaskError::Stopped))
}

/// Goes on with the index that an owner before has left; one that is in use already is not made again.
async fn rebuild(
    projection: &Projection,
    postgres: &PostgresSettings,
    leased: &LeasedIndexTask,
    said: &watch::Sender<IndexTaskProgress>,
    stop: &CancellationToken,
) -> Result<(), TaskError> {
    let client = &projection.client;
    let left = said.borrow().index.clone();
    let aliases = index::aliases(client).await.map_err(RebuildError::from)?;
    if left.is_some() && aliases.current == left {
        return Ok(());
    }
    let resume = left.is_some() && aliases.next == left;
    let name = new_name(client.alias(), Timestamp::now(), name_random());
    if !resume {
        said.send_modify(|told| told.index = Some(name.clone()));
        let progress = said.borrow().clone();
        // Before there is an index of that name: who goes on has to know what was left.
        renew(&projection.pools, leased, &progress, LEASE_MS).await.map_err(RebuildError::from)?;
    }
    let plan = Plan { rate: rate(&leased.task), resume, ..Plan::new(&name, Analysis::English) };
    let report = |progress| said.send_modify(|told| tell(told, progress));
    let rebuilt = Box::pin(rebuild::run(projection, postgres, plan, stop, report)).await?;
    said.send_modify(|told| told.unreadable = rebuilt.verified.unreadable);
    Ok(())
}

fn rate(task: &IndexTask) -> Option<NonZeroU32> {
    task.rate.and_then(|rate| NonZeroU32::new(rate.unsigned_abs()))
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

async fn repair(
    projection: &Projection,
    task: &IndexTask,
    said: &watch::Sender<IndexTaskProgress>,
) -> Result<(), TaskError> {
    let seconds = rate(task).map_or(0, |rate| said.borrow().of / u64::from(rate.get()));
    let report = |Repaired { products, different, mended }, of| {
        said.send_modify(|told| {
            told.phase = Some("compare".to_owned());
            (told.products, told.of, told.different, told.mended) = (products, of, different, mended);
        });
    };
    let whole = Duration::from_secs(seconds);
    let Repaired { different, mended, .. } = Box::pin(repair::told_pass(projection, whole, report)).await?;
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
