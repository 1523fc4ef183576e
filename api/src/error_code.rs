//! The one table of error codes: what a program may rely on.

use actix_web::http::StatusCode;

macro_rules! error_codes {
    ($($(#[$documentation:meta])* $code:ident = $name:literal, $status:ident, $title:literal;)+) => {
        /// Why a request was not done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$documentation])* $code,)+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$code,)+];

            /// The code's name: stable.
            pub fn name(self) -> &'static str {
                match self { $(Self::$code => $name,)+ }
            }

            /// The HTTP status.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$code => StatusCode::$status,)+ }
            }

            /// A short sentence, the same for every occurrence.
            pub fn title(self) -> &'static str {
                match self { $(Self::$code => $title,)+ }
            }
        }
    };
}

error_codes! {
    /// A field of the body or a parameter of the query is wrong; `errors` says which.
    InvalidField = "invalid_field", BAD_REQUEST, "Some fields are not valid";
    /// The body is no JSON.
    MalformedBody = "malformed_body", BAD_REQUEST, "The body is not well-formed JSON";
    /// The body is nested too deep or has too many items.
    BodyTooComplex = "body_too_complex", BAD_REQUEST, "The body is too deep or too long";
    /// The cursor is not one of ours, or belongs to another list.
    InvalidCursor = "invalid_cursor", BAD_REQUEST, "The cursor is not valid here";
    /// A header cannot be understood.
    InvalidHeader = "invalid_header", BAD_REQUEST, "A header is not valid";
    /// The route needs an `Idempotency-Key`.
    IdempotencyKeyRequired = "idempotency_key_required", BAD_REQUEST, "An Idempotency-Key is required";
    /// A format that the report does not have.
    UnsupportedFormat = "unsupported_format", BAD_REQUEST, "The format is not supported";
    /// No token, or one that is not known.
    AuthenticationRequired = "authentication_required", UNAUTHORIZED, "A valid access token is required";
    /// The caller may not do this.
    PermissionDenied = "permission_denied", FORBIDDEN, "The permission is missing";
    /// There is no such thing, or not for this caller.
    NotFound = "not_found", NOT_FOUND, "There is nothing here";
    /// The thing has no such method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The method is not allowed";
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request arrived too slowly";
    /// Another one has this slug, SKU or external id already.
    AlreadyTaken = "already_taken", CONFLICT, "A value is already taken";
    /// A request with this key is still running.
    RequestInProgress = "request_in_progress", CONFLICT, "The same request is still running";
    /// One of its kind waits or runs already; `Location` says where it is.
    TaskUnderWay = "task_under_way", CONFLICT, "Such a task is under way already";
    /// More would go than is there and not reserved.
    InsufficientStock = "insufficient_stock", CONFLICT, "There is not enough stock";
    /// The endpoint gets nothing.
    WebhookDisabled = "webhook_disabled", CONFLICT, "The webhook is disabled";
    /// The draft is published or given up.
    DraftClosed = "draft_closed", CONFLICT, "The draft is closed";
    /// Another release went live since the draft began.
    DraftOutdated = "draft_outdated", CONFLICT, "The draft is outdated";
    /// The judged queries are answered worse with the draft than without.
    SearchGetsWorse = "search_gets_worse", CONFLICT, "The search would get worse";
    /// Another release is live.
    ReleaseNotLive = "release_not_live", CONFLICT, "The release is not live";
    /// A release waits for its time; nothing else goes live before it.
    ReleaseWaits = "release_waits", CONFLICT, "A release waits for its time";
    /// An experiment runs; nothing is published beside it.
    ExperimentRuns = "experiment_runs", CONFLICT, "An experiment runs";
    /// There are as many as there may be.
    LimitReached = "limit_reached", CONFLICT, "A limit is reached";
    /// The thing has changed since it was read.
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "It has changed since it was read";
    /// The body is too large.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body is of another type than the route reads.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The media type is unsupported";
    /// The key was used with another payload.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The key had another payload";
    /// The route needs an `If-Match`.
    PreconditionRequired = "precondition_required", PRECONDITION_REQUIRED, "An If-Match is required";
    /// The caller has sent too many requests; `Retry-After` says when one more is taken.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests";
    /// The query string is too long.
    QueryTooLong = "query_too_long", REQUEST_HEADER_FIELDS_TOO_LARGE, "The query string is too long";
    /// Our fault.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong";
    /// A store is away, or it took too long.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Please try again soon";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_name() {
        let names: std::collections::HashSet<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }
}
