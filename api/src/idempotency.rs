//! `Idempotency-Key`: a write that is asked for twice is done once, and its repeat gets the first answer.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::pg::idempotency::{self, KeyScope, StoredAnswer};
use store::pg::pool::PgPools;
use store::pg::transaction::{self, Transaction};
use uuid::Uuid;

use crate::error_code::ErrorCode;
use crate::problem::Problem;

const HEADER: &str = "idempotency-key";
const LENGTH_MAX: usize = 255;
/// Ids that come from a key are UUIDs version 5 of this name space.
const NAME_SPACE: Uuid = Uuid::from_u128(0x6f1d_3a52_9c0e_4b8e_a1f7_2d64_58c3_90be);

/// The key of a request.
#[derive(Debug, Clone)]
pub struct IdempotencyKey(String);

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request))
    }
}

fn read(request: &HttpRequest) -> Result<IdempotencyKey, Problem> {
    let Some(value) = request.headers().get(HEADER) else {
        let detail =
            "send a new random Idempotency-Key with each new request, and the same one with its repeats";
        return Err(Problem::new(ErrorCode::IdempotencyKeyRequired, detail));
    };
    value
        .to_str()
        .ok()
        .filter(|key| {
            (1..=LENGTH_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
        })
        .map(|key| IdempotencyKey(key.to_owned()))
        .ok_or_else(|| {
            Problem::new(ErrorCode::InvalidHeader, "Idempotency-Key is 1 to 255 visible ASCII characters")
        })
}

impl IdempotencyKey {
    /// The key with its owner and its route.
    pub fn scope<'a>(&'a self, caller: &'a str, route: &'a str) -> KeyScope<'a> {
        KeyScope { caller, route, key: &self.0 }
    }
}

/// The same id for the same key, so that a repeat after a crash finds what the first try has left.
pub fn derived_id(scope: KeyScope<'_>) -> Uuid {
    let name = format!("{}\n{}\n{}", scope.caller, scope.route, scope.key);
    Uuid::new_v5(&NAME_SPACE, name.as_bytes())
}

/// What tells one payload from another.
pub fn fingerprint(payload: &impl Serialize) -> Vec<u8> {
    let bytes = serde_json::to_vec(payload).expect("plain data becomes JSON");
    Sha256::digest(bytes).to_vec()
}

/// Does the work once per key: the key's lock, the work, and its stored answer are one transaction, which the work is
/// given. A problem rolls back and leaves the key free. The work may run again after a crash or a lost transaction, so
/// what it does elsewhere hangs on [`derived_id`].
pub async fn once(
    pools: &PgPools,
    name: &'static str,
    scope: KeyScope<'_>,
    fingerprint: &[u8],
    work: impl AsyncFn(&Transaction<'_>) -> Result<Answer, Problem>,
) -> Result<StoredAnswer, Problem> {
    transaction::run(pools, name, async |transaction| {
        if !idempotency::lock(transaction, scope).await? {
            let detail = "wait for the answer of the first request with this key, or send it again later";
            return Err(Problem::new(ErrorCode::RequestInProgress, detail));
        }
        if let Some(answer) = idempotency::find(transaction, scope).await? {
            return if answer.fingerprint == fingerprint { Ok(answer) } else { Err(reused()) };
        }
        let Answer { status, location, etag, body } = work(transaction).await?;
        let fingerprint = fingerprint.to_vec();
        let answer = StoredAnswer { fingerprint, status: status.as_u16(), location, etag, body };
        idempotency::insert(transaction, scope, &answer).await?;
        Ok(answer)
    })
    .await
}

/// What the work answers.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// `Location`
    pub location: Option<String>,
    /// `ETag`
    pub etag: Option<String>,
    /// JSON body.
    pub body: Vec<u8>,
}

/// The answer to another payload under a key that was used.
pub fn reused() -> Problem {
    Problem::new(ErrorCode::IdempotencyKeyReused, "take a new key for a new request")
}

/// A stored answer as it was sent the first time.
pub fn replay(answer: StoredAnswer) -> Result<HttpResponse, Problem> {
    let status = StatusCode::from_u16(answer.status).map_err(Problem::internal)?;
    let mut response = HttpResponse::build(status);
    if let Some(location) = answer.location {
        response.insert_header((header::LOCATION, location));
    }
    if let Some(etag) = answer.etag {
        response.insert_header((header::ETAG, etag));
    }
    Ok(response.content_type("application/json").body(answer.body))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_key_is_asked_for() {
        let missing = read(&TestRequest::post().to_http_request()).expect_err("400");
        assert_eq!(missing.code(), ErrorCode::IdempotencyKeyRequired);
        let request = |key: &str| TestRequest::post().insert_header((HEADER, key)).to_http_request();
        assert_eq!(read(&request("a b")).expect_err("400").code(), ErrorCode::InvalidHeader);
        assert_eq!(read(&request(&"x".repeat(256))).expect_err("400").code(), ErrorCode::InvalidHeader);
        assert!(read(&request(&"x".repeat(255))).is_ok());
    }

    #[test]
    fn an_id_belongs_to_caller_route_and_key() {
        let key = IdempotencyKey("k".into());
        assert_eq!(derived_id(key.scope("a", "r")), derived_id(key.scope("a", "r")));
        assert_ne!(derived_id(key.scope("a", "r")), derived_id(key.scope("b", "r")));
        assert_ne!(derived_id(key.scope("a", "r")), derived_id(key.scope("a", "s")));
    }
}
