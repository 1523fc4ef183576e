//! `GET /products/{id}`

use actix_web::http::header::{self, ContentEncoding, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use domain::permission::Permission;
use domain::product::ProductStatus;

use crate::app_state::AppState;
use crate::authorized::Anyone;
use crate::cache_control::{self, SURROGATE_KEY};
use crate::etag;
use crate::problem::{Problem, ReadProblems};
use crate::product_json::{ProductJson, rendering};
use crate::routes::products::find::{ProductName, cached};

/// One product by id or slug. Drafts and archived products are for staff.
#[utoipa::path(
    get,
    path = "/api/v1/products/{id}",
    tag = "catalogue",
    params(
        ("id" = String, Path, description = "Id or slug"),
        ("If-None-Match" = Option<String>, Header, description = "ETag of what the client has"),
    ),
    responses(
        (status = 200, description = "The product", body = ProductJson,
         headers(("ETag" = String), ("Cache-Control" = String), ("Vary" = String), ("Surrogate-Key" = String))),
        (status = 304, description = "The client has this version", headers(("ETag" = String))),
        ReadProblems,
    ),
    security((), ("bearer" = [])),
)]
pub async fn get_product(
    caller: Anyone,
    name: web::Path<String>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let name = ProductName::from_path(&name).ok_or_else(|| Problem::not_found("product"))?;
    let product = cached(&state, &name)
        .await?
        .filter(|product| product.status == ProductStatus::Active || caller.holds(Permission::ManageProducts))
        .ok_or_else(|| Problem::not_found("product"))?;
    let sent = product.rendering(rendering);
    let is_known = etag::is_known_product(&request, product.id, product.version);
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((header::ETAG, shared_value(&sent.etag)));
    for header in cache_control::headers(&caller, cache_control::PRODUCTS) {
        answer.insert_header(header);
    }
    if caller.0.is_none() {
        answer.insert_header((SURROGATE_KEY, shared_value(&sent.surrogate_key)));
    }
    if is_known {
        return Ok(answer.finish());
    }
    // A strong tag is of these very bytes, so they are not compressed.
    Ok(answer
        .insert_header(ContentEncoding::Identity)
        .insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(sent.body.clone()))
}

fn shared_value(text: &Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text.clone()).expect("made of digits and ids")
}
