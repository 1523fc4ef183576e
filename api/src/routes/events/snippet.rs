//! `GET /events.js`

use actix_web::HttpResponse;
use actix_web::http::header::{self, CacheControl, CacheDirective};

const SNIPPET: &str = include_str!("snippet.js");
const HOUR_SECONDS: u32 = 3_600;

/// The storefront's script that tells behaviour: without cookies, and only with consent.
#[utoipa::path(
    get,
    path = "/events.js",
    tag = "behaviour",
    responses((status = 200, description = "A script", body = String, content_type = "text/javascript")),
    security(()),
)]
pub async fn snippet() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(CacheControl(vec![CacheDirective::Public, CacheDirective::MaxAge(HOUR_SECONDS)]))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .content_type("text/javascript; charset=utf-8")
        .body(SNIPPET)
}
