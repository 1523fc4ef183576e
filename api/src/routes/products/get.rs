//! `GET /products/{id}`

use actix_web::http::header::{self, ContentEncoding};
use actix_web::{HttpRequest, HttpResponse, web};
use domain::permission::Permission;
use domain::product::ProductStatus;

use crate::app_state::AppState;
use crate::authorized::Anyone;
use crate::cache_control;
use crate::etag;
use crate::problem::{Problem, ReadProblems};
use crate::product_json::{ProductJson, to_bytes};
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
    let is_known = etag::is_known(&request, product.version);
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((header::ETAG, etag::of_version(product.version)));
    for header in cache_control::headers(&caller, cache_control::PRODUCTS) {
        answer.insert_header(header);
    }
    if caller.0.is_none() {
        answer.insert_header(("surrogate-key", format!("product-{}", product.id)));
    }
    if is_known {
        return Ok(answer.finish());
    }
    // A strong tag is of these very bytes, so they are not compressed.
    Ok(answer
        .insert_header(ContentEncoding::Identity)
        .content_type("application/json")
        .body(to_bytes(&product)))
}
