//! The id of a request: the client's own, or a new one; in every answer, log line and event that it causes.

use actix_web::http::header::{HeaderMap, HeaderName};

/// The header, in and out.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const LENGTH_MAX: usize = 128;

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that is being answered.
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Answers a request under its id.
pub(crate) async fn scope<F: Future>(id: String, answer: F) -> F::Output {
    CURRENT.scope(id, answer).await
}

/// The client's id when it is 1 to 128 visible ASCII characters, otherwise a new one.
pub(crate) fn accept(headers: &HeaderMap) -> String {
    headers
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|text| {
            (1..=LENGTH_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        })
        .map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn accepted(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(value).expect("a header value"));
        accept(&headers) == value
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
