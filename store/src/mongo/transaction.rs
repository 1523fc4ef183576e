//! Transactions with bounded retry.

use std::time::Duration;

use mongodb::ClientSession;

use crate::error::StoreError;
use crate::mongo::connection::{Mongo, majority};

const ATTEMPT_MAX: u32 = 4;
/// Longest time of all tries together.
const DEADLINE: Duration = Duration::from_secs(10);

/// Runs `work` in a transaction. The closure may run several times: it has no effect outside the database. A
/// transaction that lost or whose primary went away is run again; a commit whose result is unknown is committed again,
/// which the server takes once.
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
            Err(StoreError::Contention(_) | StoreError::Unavailable(_)) if attempt < ATTEMPT_MAX => {
                tokio::time::sleep(Duration::from_millis(rand::random_range(5..=20 << attempt))).await;
                attempt += 1;
            }
            result => return result,
        }
    }
}

async fn attempt_once<T, F>(session: &mut ClientSession, work: &F) -> Result<T, StoreError>
where
    F: AsyncFn(&mut ClientSession) -> Result<T, StoreError>,
{
    session.start_transaction().write_concern(majority()).await?;
    match work(session).await {
        Ok(value) => {
            commit(session).await?;
            Ok(value)
        }
        Err(error) => {
            // The server has aborted it already when the error came from there.
            let _ = session.abort_transaction().await;
            Err(error)
        }
    }
}

async fn commit(session: &mut ClientSession) -> Result<(), StoreError> {
    let mut attempt = 1;
    loop {
        match session.commit_transaction().await {
            Err(error)
                if attempt < ATTEMPT_MAX
                    && error.contains_label(mongodb::error::UNKNOWN_TRANSACTION_COMMIT_RESULT) =>
            {
                attempt += 1;
            }
            result => return Ok(result?),
        }
    }
}
