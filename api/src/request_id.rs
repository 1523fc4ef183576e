//! The id of a request: the client's own, or a new one; in every answer, log line and event that it causes.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

/// The header, in and out.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const LENGTH_MAX: usize = 128;

/// An id of 1 to 128 visible ASCII characters; cloning shares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The id of the request that is being answered.
pub fn current() -> Option<String> {
    CURRENT.try_with(|id| id.as_str().to_owned()).ok()
}

/// Answers a request under its id.
pub(crate) async fn scope<F: Future>(id: RequestId, answer: F) -> F::Output {
    CURRENT.scope(id, answer).await
}

/// The client's id when it is 1 to 128 visible ASCII characters, otherwise a new one.
pub(crate) fn accept(headers: &HeaderMap) -> RequestId {
    let is_plain = |value: &&HeaderValue| {
        (1..=LENGTH_MAX).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    headers.get(HEADER).filter(is_plain).map_or_else(RequestId::new, |value| RequestId(value.clone()))
}

impl RequestId {
    fn new() -> Self {
        let id = domain::ids::uuid_v7(Timestamp::now(), rand::random());
        let text = bytes::Bytes::from(id.to_string());
        Self(HeaderValue::from_maybe_shared(text).expect("a UUID is a header value"))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("visible ASCII")
    }

    /// As the value of the header.
    pub fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(value).expect("a header value"));
        accept(&headers).as_str() == value
    }

    #[test]
    fn only_a_plain_id_is_taken_over() {
        assert!(accepted("abc-123"));
        assert!(accepted(&"x".repeat(128)));
        assert!(!accepted(&"x".repeat(129)));
        assert!(!accepted("a b"));
        assert!(!accepted(""));
    }
}
