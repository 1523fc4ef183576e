//! Transactions on the primary: named, with bounded retry when they lose against another one.

use std::time::{Duration, Instant};

use tokio_postgres::Transaction;

use crate::error::StoreError;
use crate::pg::pool::PgPools;

/// Tries of one transaction.
const ATTEMPT_MAX: u32 = 4;
/// Longest time of one try, commit included: a commit that waits for a standby must not hold a connection for ever.
const DEADLINE: Duration = Duration::from_secs(5);

/// What a transaction's closure gives back: `E` is the use case's own error, so that it can refuse and roll back.
///
/// The closure may run several times: it has no effect outside the database that is not idempotent. A connection that
/// fails before anything was sent is replaced once. After the deadline the connection is thrown away without a cancel
/// (a cancelled commit reports success) and the result is [`StoreError::Unavailable`]: unknown.
pub async fn run<T, E, F>(pools: &PgPools, name: &'static str, work: F) -> Result<T, E>
where
    E: From<StoreError>,
    F: AsyncFn(&Transaction<'_>) -> Result<T, E>,
{
    let started = Instant::now();
    let mut attempt = 1;
    loop {
        let outcome = attempt_once(pools, &work).await;
        let retry = match &outcome {
            Outcome::Lost(_) | Outcome::NotBegun(_) => attempt < ATTEMPT_MAX,
            Outcome::Done(_) | Outcome::Refused(_) => false,
        };
        if !retry {
            let result = outcome.result();
            let label = if result.is_ok() { "committed" } else { "failed" };
            metrics::counter!("pg_transactions_total", "name" => name, "result" => label).increment(1);
            metrics::histogram!("pg_transaction_seconds", "name" => name)
                .record(started.elapsed().as_secs_f64());
            return result;
        }
        metrics::counter!("pg_transactions_total", "name" => name, "result" => "retried").increment(1);
        tokio::time::sleep(Duration::from_millis(rand::random_range(1..=10 << attempt))).await;
        attempt += 1;
    }
}

enum Outcome<T, E> {
    Done(T),
    /// The closure refused, or the result is unknown.
    Refused(E),
    /// Lost against another transaction.
    Lost(StoreError),
    /// The pooled connection was dead before the transaction began.
    NotBegun(StoreError),
}

impl<T, E: From<StoreError>> Outcome<T, E> {
    fn result(self) -> Result<T, E> {
        match self {
            Self::Done(value) => Ok(value),
            Self::Refused(error) => Err(error),
            Self::Lost(error) | Self::NotBegun(error) => Err(E::from(error)),
        }
    }
}

async fn attempt_once<T, E, F>(pools: &PgPools, work: &F) -> Outcome<T, E>
where
    E: From<StoreError>,
    F: AsyncFn(&Transaction<'_>) -> Result<T, E>,
{
    let mut connection = match pools.write().await {
        Ok(connection) => connection,
        Err(error) => return Outcome::Refused(E::from(error)),
    };
    match tokio::time::timeout(DEADLINE, in_transaction(&mut connection, work)).await {
        Ok(outcome) => outcome,
        Err(elapsed) => {
            drop(deadpool_postgres::Object::take(connection));
            Outcome::Refused(E::from(StoreError::unavailable(elapsed)))
        }
    }
}

async fn in_transaction<T, E, F>(connection: &mut deadpool_postgres::Object, work: &F) -> Outcome<T, E>
where
    E: From<StoreError>,
    F: AsyncFn(&Transaction<'_>) -> Result<T, E>,
{
    #[expect(clippy::disallowed_methods, reason = "the one place that opens transactions of requests")]
    let transaction = match connection.transaction().await.map_err(StoreError::from) {
        Ok(transaction) => transaction,
        Err(error) if error.is_unavailable() => return Outcome::NotBegun(error),
        Err(error) => return Outcome::Refused(E::from(error)),
    };
    match work(&transaction).await {
        Ok(value) => match transaction.commit().await.map_err(StoreError::from) {
            Ok(()) => Outcome::Done(value),
            Err(error) if error.is_retryable() => Outcome::Lost(error),
            Err(error) => Outcome::Refused(E::from(error)),
        },
        // Dropping the transaction rolls it back before the connection's next statement.
        Err(error) => Outcome::Refused(error),
    }
}
