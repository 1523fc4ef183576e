//! What is counted of one route, looked up once: its pattern, and a counter and a histogram per method and status.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use metrics::{Counter, Histogram};

const UNMATCHED: &str = "unmatched";

/// Method and status of an answer.
type Kind = (&'static str, StatusCode);

/// The figures of one resource in one worker thread; put into its `app_data`.
#[derive(Debug, Default)]
pub struct RouteFigures {
    pattern: OnceCell<String>,
    kinds: RefCell<HashMap<Kind, (Counter, Histogram)>>,
}

impl RouteFigures {
    /// The pattern of the resource, such as `/api/v1/products/{id}`.
    pub fn pattern(&self, request: &HttpRequest) -> &str {
        // Finding it costs as much as routing once more, and a resource has one pattern.
        self.pattern.get_or_init(|| request.match_pattern().unwrap_or_else(|| UNMATCHED.to_owned()))
    }

    /// Counts one answer.
    pub fn count(&self, request: &HttpRequest, method: &'static str, status: StatusCode, duration: Duration) {
        let mut kinds = self.kinds.borrow_mut();
        let (counter, histogram) =
            kinds.entry((method, status)).or_insert_with(|| register(self.pattern(request), method, status));
        counter.increment(1);
        histogram.record(duration.as_secs_f64());
    }
}

/// Counts an answer of what is no resource of ours: the pages of the documentation, and paths that lead nowhere.
pub fn count_other(pattern: Option<&str>, method: &'static str, status: StatusCode, duration: Duration) {
    let (counter, histogram) = register(pattern.unwrap_or(UNMATCHED), method, status);
    counter.increment(1);
    histogram.record(duration.as_secs_f64());
}

fn register(route: &str, method: &'static str, status: StatusCode) -> (Counter, Histogram) {
    let (route, status) = (route.to_owned(), status.as_str().to_owned());
    let histogram =
        metrics::histogram!("http_request_duration_seconds", "route" => route.clone(), "method" => method);
    let counter =
        metrics::counter!("http_requests_total", "route" => route, "method" => method, "status" => status);
    (counter, histogram)
}
