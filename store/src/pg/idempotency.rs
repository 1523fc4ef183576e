//! Answers of requests that were done, by caller, route and key.

use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use crate::error::StoreError;

/// The answer that a repeat gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// SHA-256 of the request's payload.
    pub fingerprint: Vec<u8>,
    /// HTTP status.
    pub status: u16,
    /// `Location` header.
    pub location: Option<String>,
    /// `ETag` header.
    pub etag: Option<String>,
    /// Body, byte for byte.
    pub body: Vec<u8>,
}

/// The identity of a key: it belongs to its caller and route.
#[derive(Debug, Clone, Copy)]
pub struct KeyScope<'a> {
    /// Who asks.
    pub caller: &'a str,
    /// Which route.
    pub route: &'a str,
    /// What the client sent.
    pub key: &'a str,
}

/// Takes the key until the end of the transaction; `false` when another transaction has it.
pub async fn lock(transaction: &Transaction<'_>, scope: KeyScope<'_>) -> Result<bool, StoreError> {
    const SQL: &str =
        "SELECT pg_try_advisory_xact_lock(hashtextextended($1 || E'\\n' || $2 || E'\\n' || $3, 1))";
    let rows = transaction.query_typed(SQL, &scope_parameters(&scope)).await?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

/// The stored answer, if the request was done before.
pub async fn find(
    transaction: &Transaction<'_>,
    scope: KeyScope<'_>,
) -> Result<Option<StoredAnswer>, StoreError> {
    const SQL: &str = "SELECT fingerprint, status, location, etag, body FROM idempotency_keys \
                       WHERE caller = $1 AND route = $2 AND key = $3";
    let rows = transaction.query_typed(SQL, &scope_parameters(&scope)).await?;
    rows.first()
        .map(|row| {
            let status: i16 = row.get(1);
            Ok(StoredAnswer {
                fingerprint: row.get(0),
                status: u16::try_from(status)
                    .map_err(|_| StoreError::Inconsistent(format!("{status} is no HTTP status")))?,
                location: row.get(2),
                etag: row.get(3),
                body: row.get(4),
            })
        })
        .transpose()
}

/// Stores the answer with the effect.
pub async fn insert(
    transaction: &Transaction<'_>,
    scope: KeyScope<'_>,
    answer: &StoredAnswer,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO idempotency_keys (caller, route, key, fingerprint, status, location, etag, body) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let status = i16::try_from(answer.status).expect("an HTTP status has three digits");
    let [caller, route, key] = scope_parameters(&scope);
    transaction
        .query_typed(
            SQL,
            &[
                caller,
                route,
                key,
                (&answer.fingerprint, Type::BYTEA),
                (&status, Type::INT2),
                (&answer.location, Type::TEXT),
                (&answer.etag, Type::TEXT),
                (&answer.body, Type::BYTEA),
            ],
        )
        .await?;
    Ok(())
}

type Parameter<'a> = (&'a (dyn tokio_postgres::types::ToSql + Sync), Type);

fn scope_parameters<'a>(scope: &'a KeyScope<'a>) -> [Parameter<'a>; 3] {
    [(&scope.caller, Type::TEXT), (&scope.route, Type::TEXT), (&scope.key, Type::TEXT)]
}
