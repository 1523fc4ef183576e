//! Errors as clients see them: RFC 9457 `application/problem+json`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use domain::field_error::FieldError;
use search_indexer::error::SearchError;
use serde::Serialize;
use store::error::{MayBeStoreError, StoreError};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::error_code::ErrorCode;
use crate::request_id;

/// Seconds after which a client may ask again when a store is away.
const RETRY_AFTER_SECONDS: u16 = 2;
/// Most field errors in one answer.
const FIELD_ERROR_COUNT_MAX: usize = 100;

/// A request that was not done. The cause is for the log only.
#[derive(Debug)]
pub struct Problem {
    code: ErrorCode,
    detail: String,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    request_id: Option<String>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// The body of a [`Problem`].
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemJson<'a> {
    /// URI of the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:entrepot:problem:not_found")]
    problem_type: String,
    /// The same for every occurrence.
    title: &'a str,
    /// HTTP status.
    status: u16,
    /// What is wrong this time.
    detail: &'a str,
    /// Stable code.
    code: &'a str,
    /// The id to ask us about.
    request_id: Option<&'a str>,
    /// Wrong fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldErrorJson<'a>>,
}

/// A wrong field.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldError)]
pub struct FieldErrorJson<'a> {
    /// RFC 6901 pointer into the body, or `/` and the name of a query parameter.
    pointer: &'a str,
    /// What is wrong.
    detail: &'a str,
    /// Stable code.
    code: &'a str,
}

impl<'a> From<&'a FieldError> for FieldErrorJson<'a> {
    fn from(error: &'a FieldError) -> Self {
        Self { pointer: &error.pointer, detail: &error.detail, code: error.code }
    }
}

impl Problem {
    /// A problem of that kind.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            request_id: request_id::current(),
            cause: None,
        }
    }

    /// Fields that are wrong.
    pub fn invalid_fields(mut errors: Vec<FieldError>) -> Self {
        errors.truncate(FIELD_ERROR_COUNT_MAX);
        let detail = match errors.as_slice() {
            [error] => format!("{}: {}", error.pointer, error.detail),
            several => format!("{} fields are not valid", several.len()),
        };
        Self { errors, ..Self::new(ErrorCode::InvalidField, detail) }
    }

    /// One field that is wrong.
    pub fn invalid_field(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError::new(pointer, code, detail)])
    }

    /// Nothing there, or not for this caller.
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("no such {what}"))
    }

    /// A store is away.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unavailable, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS))
    }

    /// Our fault, with its cause for the log.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::Internal, "the error was logged under the request id").with_cause(cause)
    }

    /// What the log shall tell.
    pub fn with_cause(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// A header of the answer.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A field that the problem is about.
    pub fn with_error(mut self, error: FieldError) -> Self {
        self.errors.push(error);
        self
    }

    /// Its code.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    fn to_json(&self) -> ProblemJson<'_> {
        ProblemJson {
            problem_type: format!("urn:entrepot:problem:{}", self.code.name()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.name(),
            request_id: self.request_id.as_deref(),
            errors: self.errors.iter().map(FieldErrorJson::from).collect(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code.name(), self.detail)
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| cause.as_ref() as &(dyn Error + 'static))
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        for (name, value) in &self.headers {
            answer.insert_header((name.clone(), value.clone()));
        }
        if let Some(id) = &self.request_id {
            answer.insert_header((request_id::HEADER, id.as_str()));
        }
        answer
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::CONTENT_TYPE, "application/problem+json"))
            .body(serde_json::to_vec(&self.to_json()).expect("plain data becomes JSON"))
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::of_store(error.is_unavailable() || error.is_retryable(), error)
    }
}

impl MayBeStoreError for Problem {
    fn store_error(&self) -> Option<&StoreError> {
        self.cause.as_deref().and_then(|cause| cause.downcast_ref())
    }
}

impl From<Arc<StoreError>> for Problem {
    fn from(error: Arc<StoreError>) -> Self {
        Self::of_store(error.is_unavailable() || error.is_retryable(), error)
    }
}

impl From<Arc<SearchError>> for Problem {
    fn from(error: Arc<SearchError>) -> Self {
        match error.as_ref() {
            SearchError::Unavailable(_) => {
                Self::unavailable("the search engine cannot answer now").with_cause(error)
            }
            SearchError::Refused { .. } | SearchError::Malformed(_) | SearchError::NoModel(_) => {
                Self::internal(error)
            }
        }
    }
}

impl Problem {
    fn of_store(is_passing: bool, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        if is_passing {
            Self::unavailable("a store cannot answer now").with_cause(error)
        } else {
            Self::internal(error)
        }
    }
}

/// The problems that every documented route may answer.
#[derive(Debug)]
pub struct ReadProblems;

/// The problems of routes that take a body.
#[derive(Debug)]
pub struct WriteProblems;

impl IntoResponses for ReadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(&[
            ErrorCode::InvalidField,
            ErrorCode::AuthenticationRequired,
            ErrorCode::PermissionDenied,
            ErrorCode::NotFound,
            ErrorCode::RateLimited,
            ErrorCode::QueryTooLong,
            ErrorCode::Internal,
            ErrorCode::Unavailable,
        ])
    }
}

impl IntoResponses for WriteProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(&[
            ErrorCode::RequestTimeout,
            ErrorCode::AlreadyTaken,
            ErrorCode::PreconditionFailed,
            ErrorCode::BodyTooLarge,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::IdempotencyKeyReused,
            ErrorCode::PreconditionRequired,
        ])
    }
}

/// One response per status, which names every code that has the status.
fn responses(codes: &[ErrorCode]) -> BTreeMap<String, RefOr<Response>> {
    let response = |status: StatusCode| {
        let names: Vec<_> =
            ErrorCode::ALL.iter().filter(|code| code.status() == status).map(|code| code.name()).collect();
        let schema = Ref::from_schema_name("Problem");
        ResponseBuilder::new()
            .description(names.join(", "))
            .content("application/problem+json", ContentBuilder::new().schema(Some(schema)).build())
            .build()
    };
    codes.iter().map(|code| (code.status().as_str().to_owned(), RefOr::T(response(code.status())))).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn a_problem_has_the_members_of_the_standard() {
        let problem = Problem::invalid_field("/title", "too_long", "at most 300 characters");
        let answer = problem.error_response();
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.headers().get(header::CONTENT_TYPE).expect("a header"), "application/problem+json");
        let body = to_bytes(answer.into_body()).await.expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["type"], "urn:entrepot:problem:invalid_field");
        assert_eq!(body["status"], 400);
        assert_eq!(body["errors"][0]["pointer"], "/title");
        assert_eq!(body["request_id"], serde_json::Value::Null);
    }

    #[actix_web::test]
    async fn the_cause_is_not_told() {
        let answer = Problem::internal("secret words of a driver").error_response();
        let body = to_bytes(answer.into_body()).await.expect("a body");
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
    }

    #[test]
    fn a_store_that_is_away_is_worth_another_try() {
        let answer = Problem::from(StoreError::unavailable("down")).error_response();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers().get(header::RETRY_AFTER).expect("a header"), "2");
        assert_eq!(Problem::from(StoreError::Inconsistent("x".into())).error_response().status(), 500);
    }
}
