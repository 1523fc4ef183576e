//! Around every request: its id and trace, limits, a deadline, the log line, metrics and security headers.
//!
//! The log has the route's pattern, never a query, a header or a body: those may hold what must not be
//! logged.

use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use tracing::{Instrument, Span};

use crate::error_code::ErrorCode;
use crate::problem::Problem;
use process::error_chain;

use crate::{query_string, request_id};

/// Longest time for one answer; what it calls has shorter deadlines of its own.
const DEADLINE: Duration = Duration::from_secs(12);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The middleware.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let id = request_id::accept(request.headers());
    let method = method_name(request.method());
    let span = tracing::info_span!(
        "request",
        request_id = %id,
        method,
        route = tracing::field::Empty,
        trace_id = tracing::field::Empty,
    );
    let traceparent = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    process::trace::continue_from(&span, traceparent);
    let answered = request_id::scope(id.clone(), async {
        let mut answered = answer(request, next).await;
        if let Ok(answer) = &mut answered {
            add_headers(answer.headers_mut(), &id);
        }
        report(&answered, method, started.elapsed());
        answered
    });
    answered.instrument(span).await
}

async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if request.query_string().chars().count() > query_string::LENGTH_MAX {
        let detail = format!("at most {} characters", query_string::LENGTH_MAX);
        return Ok(request.error_response(Problem::new(ErrorCode::QueryTooLong, detail)));
    }
    match tokio::time::timeout(DEADLINE, next.call(request)).await {
        Ok(answered) => Ok(answered?.map_into_boxed_body()),
        Err(elapsed) => Err(Problem::unavailable("it took too long").with_cause(elapsed).into()),
    }
}

fn add_headers(headers: &mut HeaderMap, id: &str) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(request_id::HEADER, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    // It only told the compression to leave the body alone; it is not a content encoding (RFC 9110, 8.4).
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding == "identity") {
        headers.remove(header::CONTENT_ENCODING);
    }
}

fn report(
    answered: &Result<ServiceResponse<BoxBody>, actix_web::Error>,
    method: &'static str,
    duration: Duration,
) {
    let (status, route, error) = match answered {
        Ok(answer) => (answer.status(), answer.request().match_pattern(), answer.response().error()),
        Err(error) => (error.as_response_error().status_code(), None, Some(error)),
    };
    let route = route.unwrap_or_else(|| "unmatched".to_owned());
    Span::current().record("route", &route);
    if status.is_server_error() {
        log_cause(error);
    }
    tracing::info!(status = status.as_u16(), duration_ms = duration.as_secs_f64() * 1_000.0, "answered");
    count(route, method, status, duration);
}

/// The whole chain, once.
fn log_cause(error: Option<&actix_web::Error>) {
    let Some(problem) = error.and_then(|error| error.as_error::<Problem>()) else {
        return;
    };
    tracing::error!(error = error_chain::text(problem), "a request failed");
}

fn count(route: String, method: &'static str, status: StatusCode, duration: Duration) {
    let labels =
        [("route", route.clone()), ("method", method.to_owned()), ("status", status.as_str().to_owned())];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", "route" => route, "method" => method)
        .record(duration.as_secs_f64());
}

/// A label has few values, whatever clients send.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpResponse, middleware, test, web};

    use super::*;

    async fn answer_to(uri: &str, id: &str) -> ServiceResponse {
        let app = App::new()
            .wrap(middleware::from_fn(observe))
            .route("/", web::get().to(HttpResponse::Ok))
            .route("/fails", web::get().to(|| async { Err::<HttpResponse, _>(Problem::internal("x")) }));
        let app = test::init_service(app).await;
        let request = test::TestRequest::get().uri(uri).insert_header(("x-request-id", id)).to_request();
        test::call_service(&app, request).await.map_into_boxed_body()
    }

    #[actix_web::test]
    async fn the_request_id_comes_back_also_in_a_problem() {
        assert_eq!(answer_to("/", "abc").await.headers().get(request_id::HEADER).expect("a header"), "abc");
        let failed = answer_to("/fails", "abc").await;
        assert_eq!(failed.headers().get(request_id::HEADER).expect("a header"), "abc");
        let body: serde_json::Value = test::read_body_json(failed).await;
        assert_eq!(body["request_id"], "abc");
    }

    #[actix_web::test]
    async fn a_long_query_is_refused_at_once() {
        let answer = answer_to(&format!("/?q={}", "x".repeat(2_000)), "abc").await;
        assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert_eq!(answer_to(&format!("/?{}", "x".repeat(2_000)), "abc").await.status(), StatusCode::OK);
    }

    #[actix_web::test]
    async fn nothing_is_stored_unless_said() {
        let answer = answer_to("/", "abc").await;
        assert_eq!(answer.headers().get(header::CACHE_CONTROL).expect("a header"), "no-store");
        assert_eq!(answer.headers().get(header::X_CONTENT_TYPE_OPTIONS).expect("a header"), "nosniff");
    }
}
