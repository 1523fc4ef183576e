//! Around every request: its id and trace, limits, a deadline, the log line, metrics and security headers.
//!
//! The log has the route's pattern, never a query, a header or a body: those may hold what must not be
//! logged.

use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use process::error_chain;
use tracing::{Instrument, Span};

use crate::error_code::ErrorCode;
use crate::problem::Problem;
use crate::rate_limit::{self, Verdict};
use crate::request_id::RequestId;
use crate::route_figures::{self, RouteFigures};
use crate::routes::catalogue::create_import;
use crate::{query_string, request_id};

/// Longest time for one answer, apart from a large body and a wait that was asked for; what it calls has shorter
/// deadlines of its own.
const DEADLINE: Duration = Duration::from_secs(12);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The middleware.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let seen = Seen {
        id: request_id::accept(request.headers()),
        method: method_name(request.method()),
        traceparent: request.headers().get(TRACEPARENT).cloned(),
    };
    let verdict = rate_limit::judge(&request);
    request_id::scope(seen.id.clone(), async {
        let (mut answered, told) = in_span(answer(request, next, verdict.as_ref()), &seen).await;
        if let Ok(answer) = &mut answered {
            let headers = answer.headers_mut();
            add_headers(headers, &seen.id);
            if let Some(verdict) = &verdict {
                verdict.add_headers(headers);
            }
        }
        report(&answered, &seen, &told, started.elapsed());
        answered
    })
    .await
}

/// What a request tells of itself.
struct Seen {
    id: RequestId,
    method: &'static str,
    traceparent: Option<HeaderValue>,
}

/// Under which span a request was answered.
struct Told {
    span: Span,
    trace_id: Option<String>,
}

/// Awaits an answer inside of a span. A read that is answered from memory at once gets none: nothing below it would
/// tell of it, and a span costs as much as the answer. Where spans are exported, each request has one.
async fn in_span<T>(answering: impl Future<Output = T>, seen: &Seen) -> (T, Told) {
    let mut answering = pin!(answering);
    let traceparent = seen.traceparent.as_ref().and_then(|value| value.to_str().ok());
    let is_read = matches!(seen.method, "GET" | "HEAD");
    if is_read
        && !process::telemetry::exports_traces()
        && let Poll::Ready(answer) = futures_util::poll!(answering.as_mut())
    {
        let trace_id = traceparent.and_then(process::trace::trace_id_of).map(str::to_owned);
        return (answer, Told { span: Span::none(), trace_id });
    }
    let span = tracing::info_span!(
        "request",
        request_id = seen.id.as_str(),
        method = seen.method,
        route = tracing::field::Empty,
        trace_id = tracing::field::Empty,
    );
    let trace_id = process::trace::continue_from(&span, traceparent);
    let answer = answering.instrument(span.clone()).await;
    (answer, Told { span, trace_id })
}

async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    verdict: Option<&Verdict>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if let Some(problem) = verdict.and_then(Verdict::problem) {
        return Ok(request.error_response(problem));
    }
    if request.query_string().chars().count() > query_string::LENGTH_MAX {
        let detail = format!("at most {} characters", query_string::LENGTH_MAX);
        return Ok(request.error_response(Problem::new(ErrorCode::QueryTooLong, detail)));
    }
    match tokio::time::timeout(deadline(&request), next.call(request)).await {
        Ok(answered) => Ok(answered?.map_into_boxed_body()),
        Err(elapsed) => Err(Problem::unavailable("it took too long").with_cause(elapsed).into()),
    }
}

fn deadline(request: &ServiceRequest) -> Duration {
    if request.method() == Method::POST && request.path() == create_import::PATH {
        DEADLINE + create_import::ARRIVAL_AND_WAIT
    } else {
        DEADLINE
    }
}

fn add_headers(headers: &mut HeaderMap, id: &RequestId) {
    headers.insert(request_id::HEADER, id.to_header());
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

/// One line and one count for each request, whatever became of it.
fn report(
    answered: &Result<ServiceResponse<BoxBody>, actix_web::Error>,
    seen: &Seen,
    told: &Told,
    duration: Duration,
) {
    let (status, error) = match answered {
        Ok(answer) => (answer.status(), answer.response().error()),
        Err(error) => (error.as_response_error().status_code(), Some(error)),
    };
    if status.is_server_error() {
        log_cause(error, seen);
    }
    let log = |route: Option<&str>| {
        told.span.record("route", route);
        tracing::info!(
            request_id = seen.id.as_str(),
            method = seen.method,
            route,
            status = status.as_u16(),
            duration_ms = duration.as_secs_f64() * 1_000.0,
            trace_id = told.trace_id.as_deref(),
            "answered"
        );
    };
    let request = answered.as_ref().ok().map(ServiceResponse::request);
    if let Some((request, figures)) = request.and_then(|request| Some((request, request.app_data()?))) {
        let figures: &RouteFigures = figures;
        log(Some(figures.pattern(request)));
        figures.count(request, seen.method, status, duration);
    } else {
        let pattern = request.and_then(actix_web::HttpRequest::match_pattern);
        log(pattern.as_deref());
        route_figures::count_other(pattern.as_deref(), seen.method, status, duration);
    }
}

/// The whole chain, once.
fn log_cause(error: Option<&actix_web::Error>, seen: &Seen) {
    let Some(problem) = error.and_then(|error| error.as_error::<Problem>()) else {
        return;
    };
    tracing::error!(request_id = seen.id.as_str(), error = error_chain::text(problem), "a request failed");
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
    use actix_web::http::StatusCode;
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
    async fn a_catalogue_has_time_to_arrive() {
        let of = |method: Method, uri: &str| {
            deadline(&test::TestRequest::default().method(method).uri(uri).to_srv_request())
        };
        let import = of(Method::POST, "/api/v1/catalogue/imports?dry_run=true");
        assert_eq!(import, DEADLINE + create_import::ARRIVAL_AND_WAIT);
        assert_eq!(of(Method::GET, "/api/v1/catalogue/imports/x"), DEADLINE);
        assert_eq!(of(Method::POST, "/api/v1/products"), DEADLINE);
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
