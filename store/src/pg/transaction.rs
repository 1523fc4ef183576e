//! Transactions on the primary: named and measured, with bounded retry when they lose against another one.

use std::time::{Duration, Instant};

use tokio_postgres::Client;
pub use tokio_postgres::Transaction;

use crate::error::{MayBeStoreError, StoreError};
use crate::pg::pool::{Connection, PgPools};

/// Tries of one transaction.
const ATTEMPT_MAX: u32 = 4;
/// Longest time of one try without its commit.
const WORK_DEADLINE: Duration = Duration::from_secs(5);
/// Longest wait for a standby's confirmation. After it writes are refused until the wait is over: see
/// [`PgPools::abandon`].
const COMMIT_DEADLINE: Duration = Duration::from_secs(2);

/// Runs `work` in a transaction of a request. `E` is the use case's own error, so that it can refuse and roll back.
///
/// The closure may run several times: it has no effect outside the database that is not idempotent. It is run again
/// when it lost against another transaction, or when its pooled connection was dead before it began. After a deadline
/// the connection is given up without a cancel (a cancelled commit reports success) and the result is
/// [`StoreError::Unavailable`]: unknown.
pub async fn run<T, E, F>(pools: &PgPools, name: &'static str, work: F) -> Result<T, E>
where
    E: MayBeStoreError,
    F: AsyncFn(&Transaction<'_>) -> Result<T, E>,
{
    let started = Instant::now();
    let mut attempt = 1;
    loop {
        match attempt_once(pools, &work).await {
            Outcome::Again(_) if attempt < ATTEMPT_MAX => count(name, "retried"),
            Outcome::Ended(result) => return measured(name, started, result),
            Outcome::Again(error) => return measured(name, started, Err(error)),
        }
        tokio::time::sleep(Duration::from_millis(rand::random_range(1..=10 << attempt))).await;
        attempt += 1;
    }
}

/// Runs `work` in a transaction of a bulk job on its own connection: once, and as long as it takes.
pub async fn run_direct<T, E, F>(client: &mut Client, name: &'static str, work: F) -> Result<T, E>
where
    E: MayBeStoreError,
    F: AsyncFnOnce(&Transaction<'_>) -> Result<T, E>,
{
    let started = Instant::now();
    #[expect(clippy::disallowed_methods, reason = "the one place that opens transactions of jobs")]
    let transaction = client.transaction().await.map_err(StoreError::from)?;
    let result = match work(&transaction).await {
        Ok(value) => {
            transaction.commit().await.map(|()| value).map_err(|error| StoreError::from(error).into())
        }
        Err(error) => Err(error),
    };
    measured(name, started, result)
}

enum Outcome<T, E> {
    Ended(Result<T, E>),
    /// Nothing was done, and the same may work now.
    Again(E),
}

fn measured<T, E>(name: &'static str, started: Instant, result: Result<T, E>) -> Result<T, E> {
    count(name, if result.is_ok() { "committed" } else { "failed" });
    metrics::histogram!("pg_transaction_seconds", "name" => name).record(started.elapsed().as_secs_f64());
    result
}

fn count(name: &'static str, result: &'static str) {
    metrics::counter!("pg_transactions_total", "name" => name, "result" => result).increment(1);
}

async fn attempt_once<T, E, F>(pools: &PgPools, work: &F) -> Outcome<T, E>
where
    E: MayBeStoreError,
    F: AsyncFn(&Transaction<'_>) -> Result<T, E>,
{
    let mut connection = match pools.write().await {
        Ok(connection) => connection,
        Err(error) => return Outcome::Ended(Err(error.into())),
    };
    match in_transaction(&mut connection, work).await {
        Ok(outcome) => outcome,
        Err(DeadlineMissed(what)) => {
            pools.abandon(connection);
            Outcome::Ended(Err(StoreError::unavailable(what).into()))
        }
    }
}

struct DeadlineMissed(&'static str);

async fn in_transaction<T, E, F>(
    connection: &mut Connection,
    work: &F,
) -> Result<Outcome<T, E>, DeadlineMissed>
where
    E: MayBeStoreError,
    F: AsyncFn(&Transaction<'_>) -> Result<T, E>,
{
    let begun_and_worked = async {
        #[expect(clippy::disallowed_methods, reason = "the one place that opens transactions of requests")]
        let transaction = match connection.transaction().await.map_err(StoreError::from) {
            Ok(transaction) => transaction,
            Err(error) if error.is_unavailable() => return Err(Outcome::Again(error.into())),
            Err(error) => return Err(Outcome::Ended(Err(error.into()))),
        };
        match work(&transaction).await {
            Ok(value) => Ok((transaction, value)),
            Err(error) => {
                // Waited for: who is refused may ask again at once, and finds no lock of ours. What fails here is lost,
                // and rolled back by that.
                let _ = transaction.rollback().await;
                Err(if is_lost(&error) { Outcome::Again(error) } else { Outcome::Ended(Err(error)) })
            }
        }
    };
    let worked = tokio::time::timeout(WORK_DEADLINE, begun_and_worked);
    let (transaction, value) =
        match worked.await.map_err(|_| DeadlineMissed("the transaction took too long"))? {
            Ok(worked) => worked,
            Err(outcome) => return Ok(outcome),
        };
    let committed = tokio::time::timeout(COMMIT_DEADLINE, transaction.commit())
        .await
        .map_err(|_| DeadlineMissed("no standby has confirmed the commit yet"))?;
    Ok(match committed.map_err(StoreError::from) {
        Ok(()) => Outcome::Ended(Ok(value)),
        Err(error) if error.is_retryable() => Outcome::Again(error.into()),
        Err(error) => Outcome::Ended(Err(error.into())),
    })
}

fn is_lost<E: MayBeStoreError>(error: &E) -> bool {
    error.store_error().is_some_and(StoreError::is_retryable)
}
