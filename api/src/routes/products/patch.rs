//! `PATCH /products/{id}`

use actix_web::http::header::{self, ContentEncoding};
use actix_web::{HttpRequest, HttpResponse, web};
use domain::event::Event;
use domain::ids::{EventId, VariantId};
use domain::product::Product;
use domain::product_draft::ProductPatch;
use jiff::Timestamp;
use store::mongo::products;

use crate::app_state::{AppState, cause};
use crate::authorized::{Authorized, ManageProducts};
use crate::etag::{self, IfMatch};
use crate::json_body::JsonBody;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::product_input::ProductChangeJson;
use crate::product_json::{ProductJson, to_bytes};
use crate::routes::products::create::taken;
use crate::routes::products::find::{ProductName, at_hand, stored};

/// Changes a product that is still as the caller has read it.
#[utoipa::path(
    patch,
    path = "/api/v1/products/{id}",
    tag = "catalogue",
    params(
        ("id" = String, Path, description = "Id or slug"),
        ("If-Match" = String, Header, description = "ETag of the product that is changed"),
    ),
    request_body(
        content(
            (ProductChangeJson = "application/json"),
            (ProductChangeJson = "application/merge-patch+json"),
        ),
    ),
    responses(
        (status = 200, description = "The changed product", body = ProductJson, headers(("ETag" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn patch_product(
    caller: Authorized<ManageProducts>,
    name: web::Path<String>,
    body: JsonBody<ProductPatch>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let condition = IfMatch::of(&request)?;
    let name = ProductName::from_path(&name).ok_or_else(|| Problem::not_found("product"))?;
    let at_hand = at_hand(&state, &name, &condition).await;
    let is_at_hand = at_hand.is_some();
    let product = match at_hand {
        Some(product) => product,
        None => stored(&state, &name, &condition).await?,
    };
    let JsonBody(patch) = body;
    let now = products::stored_time(Timestamp::now());
    let variant_id = |_| VariantId::new(now, rand::random());
    let applied = patch.apply(&product, now, variant_id);
    // Without a write nothing tells whether what was at hand is still stored.
    if is_at_hand && !matches!(applied, Ok(Some(_))) {
        stored(&state, &name, &condition).await?;
    }
    let product = match applied.map_err(Problem::invalid_fields)? {
        None => product,
        Some(changed) => {
            let cause = cause(&caller);
            let id = EventId::new(now, rand::random());
            let event = Event::product_changed(id, now, changed.id, changed.version, cause);
            write(&state, &product, &changed, &event).await?;
            changed
        }
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, etag::of_product(product.id, product.version)))
        .insert_header(ContentEncoding::Identity)
        .content_type("application/json")
        .body(to_bytes(&product)))
}

/// The product and its event, then this process' own caches, so that the caller reads what they wrote.
async fn write(state: &AppState, before: &Product, changed: &Product, event: &Event) -> Result<(), Problem> {
    let sight = state.products.sight();
    if !products::replace(&state.mongo, before, changed, event).await.map_err(taken)? {
        return Err(IfMatch::failed());
    }
    state.products.written(changed, sight, event.time).await;
    state.searches.note_change(Timestamp::now());
    Ok(())
}
