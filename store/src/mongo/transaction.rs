//! Transactions with bounded retry.

use std::time::Duration;

use mongodb::ClientSession;
use mongodb::error::{Error, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};

use crate::error::StoreError;
use crate::mongo::connection::{Mongo, majority};

const ATTEMPT_MAX: u32 = 4;
/// Longest time of all tries together.
const DEADLINE: Duration = Duration::from_secs(10);

/// Runs `work` in a transaction. The closure may run several times: it has no effect outside the database. A
/// transaction that lost or whose primary went away before its commit is run again.
pub async fn run<T, F>(mongo: &Mongo, name: &'static str, work: F) -> Result<T, StoreError>
where
    F: AsyncFn(&mut ClientSession) -> Result<T, StoreError>,
{
    let outcome = tokio::time::timeout(DEADLINE, attempts(mongo, &work)).await;
    let result = outcome.unwrap_or_else(|elapsed| Err(StoreError::unavailable(elapsed)));
    let label = if result.is_ok() { "committed" } else { "failed" };
    metrics::counter!("mongo_transactions_total", "name" => name, "result" => label).increment(1);
    result
}

async fn attempts<T, F>(mongo: &Mongo, work: &F) -> Result<T, StoreError>
where
    F: AsyncFn(&mut ClientSession) -> Result<T, StoreError>,
{
    let mut session = mongo.session().await?;
    let mut attempt = 1;
    loop {
        match attempt_once(&mut session, work).await {
            Ok(value) => match commit(&mut session).await {
                Ok(()) => return Ok(value),
                Err(error) if attempt < ATTEMPT_MAX && is_undone(&error) => {
                    pause(attempt).await;
                    attempt += 1;
                }
                Err(error) => return Err(error.into()),
            },
            Err(StoreError::Contention(_) | StoreError::Unavailable(_)) if attempt < ATTEMPT_MAX => {
                pause(attempt).await;
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Everything but the commit: what fails here was not done.
async fn attempt_once<T, F>(session: &mut ClientSession, work: &F) -> Result<T, StoreError>
where
    F: AsyncFn(&mut ClientSession) -> Result<T, StoreError>,
{
    session.start_transaction().write_concern(majority()).await?;
    let result = work(session).await;
    if result.is_err() {
        // The server has aborted it already when the error came from there.
        let _ = session.abort_transaction().await;
    }
    result
}

/// A commit whose result is unknown is sent again, which the server takes once. Still unknown, it is not run again:
/// the work would meet its own effect.
async fn commit(session: &mut ClientSession) -> Result<(), Error> {
    let mut attempt = 1;
    loop {
        match session.commit_transaction().await {
            Err(error) if attempt < ATTEMPT_MAX && is_unknown(&error) => {
                pause(attempt).await;
                attempt += 1;
            }
            result => return result,
        }
    }
}

fn is_unknown(error: &Error) -> bool {
    error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
}

/// Certainly not committed.
fn is_undone(error: &Error) -> bool {
    error.contains_label(TRANSIENT_TRANSACTION_ERROR) && !is_unknown(error)
}

async fn pause(attempt: u32) {
    tokio::time::sleep(Duration::from_millis(rand::random_range(5..=20 << attempt))).await;
}
