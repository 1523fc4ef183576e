//! `DELETE /products/{id}`

use actix_web::{HttpRequest, HttpResponse, web};
use domain::event::{Event, EventData, ProductDeleted};
use domain::ids::EventId;
use jiff::Timestamp;
use store::mongo::products;

use crate::app_state::{AppState, cause};
use crate::authorized::{Authorized, ManageProducts};
use crate::etag::IfMatch;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::products::find::{ProductName, stored};

/// Takes a product out of the catalogue that is still as the caller has read it. Its slug and SKUs are free again.
#[utoipa::path(
    delete,
    path = "/api/v1/products/{id}",
    tag = "catalogue",
    params(
        ("id" = String, Path, description = "Id or slug"),
        ("If-Match" = String, Header, description = "ETag of the product that is deleted"),
    ),
    responses((status = 204, description = "It is gone"), ReadProblems, WriteProblems),
    security(("bearer" = [])),
)]
pub async fn delete_product(
    caller: Authorized<ManageProducts>,
    name: web::Path<String>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let condition = IfMatch::of(&request)?;
    let name = ProductName::from_path(&name).ok_or_else(|| Problem::not_found("product"))?;
    let product = stored(&state, &name, &condition).await?;
    let (now, version) = (Timestamp::now(), product.version + 1);
    let id = EventId::new(now, rand::random());
    let data = EventData::ProductDeleted(ProductDeleted { product_id: product.id, version });
    let event = Event::new(id, now, data, version, cause(&caller));
    if !products::delete(&state.mongo, &product, &event).await? {
        return Err(IfMatch::failed());
    }
    // This process' own caches first, so that the caller does not find it any more.
    state.products.invalidate(product.id, version, now).await;
    state.searches.note_change(Timestamp::now());
    Ok(HttpResponse::NoContent().finish())
}
