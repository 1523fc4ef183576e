//! The one table of error codes: what a program may rely on.

use actix_web::http::StatusCode;

/// Why a request was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// A field of the body or a parameter of the query is wrong; `errors` says which.
    InvalidField,
    /// The body is no JSON.
    MalformedBody,
    /// The body is nested too deep or has too many items.
    BodyTooComplex,
    /// The cursor is not one of ours, or belongs to another list.
    InvalidCursor,
    /// A header cannot be understood.
    InvalidHeader,
    /// The route needs an `Idempotency-Key`.
    IdempotencyKeyRequired,
    /// A format that the report does not have.
    UnsupportedFormat,
    /// No token, or one that is not known.
    AuthenticationRequired,
    /// The caller may not do this.
    PermissionDenied,
    /// There is no such thing, or not for this caller.
    NotFound,
    /// The thing has no such method.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// Another one has this slug, SKU or external id already.
    AlreadyTaken,
    /// A request with this key is still running.
    RequestInProgress,
    /// The thing has changed since it was read.
    PreconditionFailed,
    /// The body is too large.
    BodyTooLarge,
    /// The body is of another type than the route reads.
    UnsupportedMediaType,
    /// The key was used with another payload.
    IdempotencyKeyReused,
    /// The route needs an `If-Match`.
    PreconditionRequired,
    /// The query string is too long.
    QueryTooLong,
    /// Our fault.
    Internal,
    /// A store is away, or it took too long.
    Unavailable,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 22] = [
        Self::InvalidField,
        Self::MalformedBody,
        Self::BodyTooComplex,
        Self::InvalidCursor,
        Self::InvalidHeader,
        Self::IdempotencyKeyRequired,
        Self::UnsupportedFormat,
        Self::AuthenticationRequired,
        Self::PermissionDenied,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::AlreadyTaken,
        Self::RequestInProgress,
        Self::PreconditionFailed,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::IdempotencyKeyReused,
        Self::PreconditionRequired,
        Self::QueryTooLong,
        Self::Internal,
        Self::Unavailable,
    ];

    /// The code's name: stable.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        self.row().1
    }

    /// A short sentence, the same for every occurrence.
    pub fn title(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::InvalidField => ("invalid_field", S::BAD_REQUEST, "Some fields are not valid"),
            Self::MalformedBody => (
                "malformed_body",
                S::BAD_REQUEST,
                "The body is not well-formed JSON",
            ),
            Self::BodyTooComplex => (
                "body_too_complex",
                S::BAD_REQUEST,
                "The body is too deep or too long",
            ),
            Self::InvalidCursor => ("invalid_cursor", S::BAD_REQUEST, "The cursor is not valid here"),
            Self::InvalidHeader => ("invalid_header", S::BAD_REQUEST, "A header is not valid"),
            Self::IdempotencyKeyRequired => (
                "idempotency_key_required",
                S::BAD_REQUEST,
                "An Idempotency-Key is required",
            ),
            Self::UnsupportedFormat => (
                "unsupported_format",
                S::BAD_REQUEST,
                "The format is not supported",
            ),
            Self::AuthenticationRequired => (
                "authentication_required",
                S::UNAUTHORIZED,
                "A valid access token is required",
            ),
            Self::PermissionDenied => ("permission_denied", S::FORBIDDEN, "The permission is missing"),
            Self::NotFound => ("not_found", S::NOT_FOUND, "There is nothing here"),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                S::METHOD_NOT_ALLOWED,
                "The method is not allowed",
            ),
            Self::RequestTimeout => (
                "request_timeout",
                S::REQUEST_TIMEOUT,
                "The request took too long to arrive",
            ),
            Self::AlreadyTaken => ("already_taken", S::CONFLICT, "A value is already taken"),
            Self::RequestInProgress => (
                "request_in_progress",
                S::CONFLICT,
                "The same request is still running",
            ),
            Self::PreconditionFailed => (
                "precondition_failed",
                S::PRECONDITION_FAILED,
                "It has changed since it was read",
            ),
            Self::BodyTooLarge => ("body_too_large", S::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                S::UNSUPPORTED_MEDIA_TYPE,
                "The media type is not supported",
            ),
            Self::IdempotencyKeyReused => (
                "idempotency_key_reused",
                S::UNPROCESSABLE_ENTITY,
                "The key was used with another payload",
            ),
            Self::PreconditionRequired => (
                "precondition_required",
                S::PRECONDITION_REQUIRED,
                "An If-Match is required",
            ),
            Self::QueryTooLong => (
                "query_too_long",
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "The query string is too long",
            ),
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "Something went wrong"),
            Self::Unavailable => ("unavailable", S::SERVICE_UNAVAILABLE, "Please try again soon"),
        }
    }
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
