//! A large body, kept in PostgreSQL chunk by chunk while it arrives: memory holds one chunk.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Payload;
use bytes::BytesMut;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use store::pg::catalogue_imports::{self, CHUNK_BYTES_MAX};
use store::pg::pool::PgPools;
use uuid::Uuid;

use crate::error_code::ErrorCode;
use crate::problem::Problem;

/// Largest body, as it comes.
pub const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long a body may pause.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How long a body may take.
pub const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(600);
const ENCODINGS: [&str; 3] = ["identity", "gzip", "zstd"];

/// A body that was kept.
#[derive(Debug)]
pub struct Upload {
    /// Names its chunks.
    pub id: Uuid,
    /// Size as it came.
    pub size_bytes: u64,
    /// SHA-256 of it.
    pub digest: Vec<u8>,
}

/// Refuses a body by its head.
pub fn check_head(request: &HttpRequest) -> Result<(), Problem> {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    let is_known = |encoding: &header::HeaderValue| ENCODINGS.iter().any(|known| encoding == known);
    if encoding.is_some_and(|encoding| !is_known(encoding)) {
        let detail = format!("the content encodings are {}", ENCODINGS.join(", "));
        return Err(Problem::new(ErrorCode::UnsupportedMediaType, detail));
    }
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > BODY_BYTES_MAX) {
        return Err(too_large());
    }
    Ok(())
}

/// Keeps a body. What was kept of one that is refused is dropped.
pub async fn keep(pools: &PgPools, payload: Payload) -> Result<Upload, Problem> {
    let id = Uuid::now_v7();
    let kept = tokio::time::timeout(ARRIVAL_TIMEOUT, keep_chunks(pools, payload, id)).await;
    let kept = kept.unwrap_or_else(|_| Err(too_slow()));
    if kept.is_err() {
        drop_upload(pools, id).await;
    }
    kept
}

/// Drops an upload that nobody will read.
pub async fn drop_upload(pools: &PgPools, id: Uuid) {
    if let Ok(client) = pools.write().await {
        // What cannot be dropped now is swept within the hour.
        let _ = catalogue_imports::delete_chunks(&**client, id).await;
    }
}

async fn keep_chunks(pools: &PgPools, mut payload: Payload, id: Uuid) -> Result<Upload, Problem> {
    let mut digest = Sha256::new();
    let mut pending = BytesMut::with_capacity(CHUNK_BYTES_MAX);
    let (mut size_bytes, mut number) = (0, 0);
    loop {
        let arrived = tokio::time::timeout(PAUSE_MAX, payload.next()).await.map_err(|_| too_slow())?;
        let Some(arrived) = arrived else { break };
        let arrived = arrived.map_err(|error| {
            Problem::new(ErrorCode::MalformedBody, "the body was cut").with_cause(error.to_string())
        })?;
        size_bytes += arrived.len() as u64;
        if size_bytes > BODY_BYTES_MAX {
            return Err(too_large());
        }
        digest.update(&arrived);
        pending.extend_from_slice(&arrived);
        while pending.len() >= CHUNK_BYTES_MAX {
            let chunk = pending.split_to(CHUNK_BYTES_MAX);
            catalogue_imports::add_chunk(&**pools.write().await?, id, number, &chunk).await?;
            number += 1;
        }
    }
    if !pending.is_empty() {
        catalogue_imports::add_chunk(&**pools.write().await?, id, number, &pending).await?;
    }
    if size_bytes == 0 {
        return Err(Problem::new(ErrorCode::MalformedBody, "the body is empty"));
    }
    Ok(Upload { id, size_bytes, digest: digest.finalize().to_vec() })
}

fn too_large() -> Problem {
    Problem::new(
        ErrorCode::BodyTooLarge,
        format!("at most {BODY_BYTES_MAX} bytes, compressed by gzip or zstd"),
    )
}

fn too_slow() -> Problem {
    Problem::new(ErrorCode::RequestTimeout, "the body paused for 15 seconds, or took 10 minutes")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_body_is_refused_by_its_head() {
        let check = |name: &'static str, value: &'static str| {
            check_head(&TestRequest::post().insert_header((name, value)).to_http_request())
                .map_err(|problem| problem.code())
        };
        assert_eq!(check("content-encoding", "zstd"), Ok(()));
        assert_eq!(check("content-encoding", "br"), Err(ErrorCode::UnsupportedMediaType));
        assert_eq!(check("content-length", "67108864"), Ok(()));
        assert_eq!(check("content-length", "67108865"), Err(ErrorCode::BodyTooLarge));
    }
}
