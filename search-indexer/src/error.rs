//! What the search engine can fail at.

use text_embedding::EmbedError;

/// An error with its whole chain.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What the engine answers when it does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// It cannot be reached, is overloaded, took too long, or has no index yet. Worth a later try.
    #[error("the search engine cannot answer now")]
    Unavailable(#[source] BoxError),
    /// It refused the request itself: the same request will be refused again.
    #[error("the search engine refused with {status}: {reason}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its own words.
        reason: String,
    },
    /// Its answer is not what this version understands.
    #[error("the search engine's answer cannot be read: {0}")]
    Malformed(String),
    /// The sentence model of the settings cannot be used.
    #[error("vectors are on, but there is no model")]
    NoModel(#[from] EmbedError),
}

impl SearchError {
    /// Whether the engine is away and the same request may succeed later.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Something that will pass, in words.
    pub(crate) fn unavailable(error: impl Into<BoxError>) -> Self {
        Self::Unavailable(error.into())
    }

    /// The meaning of an answer that is no success. Only what blames the request is a refusal: a missing
    /// right (401, 403), a missing index (404) or an overload (429, 5xx) is mended elsewhere, and must not
    /// cost a message.
    pub(crate) fn from_answer(status: u16, body: &serde_json::Value) -> Self {
        let reason = reason(body);
        if is_refusal(status) {
            Self::Refused { status, reason }
        } else {
            Self::unavailable(format!("{status}: {reason}"))
        }
    }
}

/// Whether a status blames the request or the document.
pub(crate) fn is_refusal(status: u16) -> bool {
    matches!(status, 400 | 405 | 406 | 409 | 411..=415 | 422)
}

/// The engine's reason in an error body or in one item of a bulk answer.
pub(crate) fn reason(body: &serde_json::Value) -> String {
    let error = &body["error"];
    let cause = &error["root_cause"][0]["reason"];
    [cause, &error["reason"], error]
        .into_iter()
        .find_map(serde_json::Value::as_str)
        .unwrap_or("no reason given")
        .chars()
        .take(REASON_LENGTH_MAX)
        .collect()
}

/// Longest reason that is kept, in characters.
const REASON_LENGTH_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_blames_the_request_is_refused() {
        let body = json!({"error": {"root_cause": [{"reason": "bad field"}], "reason": "all shards failed"}});
        let refused = SearchError::from_answer(400, &body);
        assert_eq!(refused.to_string(), "the search engine refused with 400: bad field");
        for status in [401, 403, 404, 429, 500, 503] {
            assert!(SearchError::from_answer(status, &body).is_unavailable(), "{status}");
        }
    }

    #[test]
    fn a_reason_is_found_in_every_shape() {
        assert_eq!(reason(&json!({"error": "alias [x] missing"})), "alias [x] missing");
        assert_eq!(reason(&json!({"error": {"type": "t", "reason": "r"}})), "r");
        assert_eq!(reason(&json!(null)), "no reason given");
    }
}
