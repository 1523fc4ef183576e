//! `POST /products`

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use domain::event::Event;
use domain::field_error::FieldError;
use domain::ids::{EventId, ProductId, VariantId};
use domain::product::Product;
use domain::product_draft::ProductDraft;
use jiff::Timestamp;
use store::error::StoreError;
use store::mongo::products::{self, Inserted};
use uuid::Uuid;

use crate::app_state::{AppState, cause};
use crate::authorized::{Authorized, ManageProducts};
use crate::error_code::ErrorCode;
use crate::etag;
use crate::idempotency::{self, Answer, IdempotencyKey, derived_id};
use crate::json_body::JsonBody;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::product_input::NewProductJson;
use crate::product_json::{ProductJson, to_bytes};

const ROUTE: &str = "POST /products";

/// Adds a product.
#[utoipa::path(
    post,
    path = "/api/v1/products",
    tag = "catalogue",
    params(("Idempotency-Key" = String, Header, description = "New for each product, the same for repeats")),
    request_body = NewProductJson,
    responses(
        (status = 201, description = "The new product", body = ProductJson,
         headers(("ETag" = String), ("Location" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn create_product(
    caller: Authorized<ManageProducts>,
    key: IdempotencyKey,
    body: JsonBody<ProductDraft>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let JsonBody(draft) = body;
    let actor = caller.actor();
    let scope = key.scope(&actor, ROUTE);
    let fingerprint = idempotency::fingerprint(&draft);
    let id = ProductId(derived_id(scope));
    let answer = idempotency::once(&state.pools, "create_product", scope, &fingerprint, async |_| {
        let product = build(&draft, id, Timestamp::now())?;
        let random = rand::random();
        let event = Event::product_changed(
            EventId::new(product.created_at, random),
            product.created_at,
            id,
            1,
            cause(&caller),
        );
        let stored = match products::insert(&state.mongo, &product, &event).await.map_err(taken)? {
            Inserted::New => product,
            Inserted::Returned(product) => *product,
            Inserted::Existing(existing) => same(&draft, *existing)?,
        };
        Ok(Answer {
            status: StatusCode::CREATED,
            location: Some(format!("/api/v1/products/{}", stored.id)),
            etag: Some(etag::of_product(stored.id, stored.version)),
            body: to_bytes(&stored),
        })
    })
    .await?;
    state.products.note_new();
    state.searches.note_change(Timestamp::now());
    idempotency::replay(answer)
}

/// The ids of variants come from the product's, so that a repeat builds the same product.
fn build(draft: &ProductDraft, id: ProductId, at: Timestamp) -> Result<Product, Problem> {
    let variant_id = |position: usize| VariantId(Uuid::new_v5(&id.0, position.to_string().as_bytes()));
    draft.clone().into_product(id, at, variant_id).map_err(Problem::invalid_fields)
}

/// The product that a first try has left, if it was asked for by the same payload. Once it has been changed
/// this can no longer be told.
fn same(draft: &ProductDraft, existing: Product) -> Result<Product, Problem> {
    if existing.version == 1 && build(draft, existing.id, existing.created_at)? != existing {
        return Err(idempotency::reused());
    }
    Ok(existing)
}

/// A unique value that another product has.
pub(super) fn taken(error: StoreError) -> Problem {
    let StoreError::Conflict { constraint } = &error else {
        return Problem::from(error);
    };
    let pointer = match constraint.as_str() {
        constraint if constraint.contains("sku") => "/variants",
        constraint if constraint.contains("external_id") => "/external_id",
        constraint if constraint.contains("slug") => "/slug",
        _ => return Problem::internal(error),
    };
    Problem::new(ErrorCode::AlreadyTaken, "another product has it").with_error(FieldError::new(
        pointer,
        "already_taken",
        "another product has it",
    ))
}
