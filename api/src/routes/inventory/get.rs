//! `GET /inventory/{variant_id}`

use actix_web::http::header::{self, ContentEncoding};
use actix_web::{HttpRequest, HttpResponse, web};
use domain::ids::VariantId;
use domain::stock::StockLevel;
use serde::Serialize;
use store::pg::stock;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ReadInventory};
use crate::etag;
use crate::problem::{Problem, ReadProblems};

/// What lies in one warehouse.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StockLevel)]
pub struct StockLevelJson {
    /// Code of the warehouse.
    #[schema(example = "leeds")]
    pub warehouse: String,
    /// Pieces there: the sum of the ledger.
    pub on_hand: i64,
    /// Of them promised to orders that are not paid yet.
    pub reserved: i64,
    /// What is left to sell.
    pub available: i64,
}

/// What there is of a variant.
#[derive(Debug, Serialize, ToSchema)]
pub struct Inventory {
    /// Id of the variant.
    variant_id: Uuid,
    /// Its code.
    sku: String,
    /// Pieces in all warehouses.
    on_hand: i64,
    /// Of them promised to orders that are not paid yet.
    reserved: i64,
    /// What is left to sell.
    available: i64,
    /// By the warehouse's code.
    warehouses: Vec<StockLevelJson>,
}

impl From<StockLevel> for StockLevelJson {
    fn from(level: StockLevel) -> Self {
        Self {
            available: level.available(),
            warehouse: level.warehouse,
            on_hand: level.on_hand,
            reserved: level.reserved,
        }
    }
}

/// What lies of a variant in each warehouse.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/{variant_id}",
    tag = "inventory",
    params(
        ("variant_id" = String, Path, description = "Id of the variant"),
        ("If-None-Match" = Option<String>, Header, description = "ETag of what the client has"),
    ),
    responses(
        (status = 200, description = "The stock", body = Inventory, headers(("ETag" = String))),
        (status = 304, description = "The client has this version", headers(("ETag" = String))),
        ReadProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn get_inventory(
    _caller: Authorized<ReadInventory>,
    variant_id: web::Path<String>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let not_found = || Problem::not_found("variant with stock");
    let variant_id: VariantId = variant_id.parse().map_err(|_| not_found())?;
    let client = state.pools.read().await?;
    let levels = stock::levels(&**client, variant_id).await?;
    drop(client);
    let sku = levels.first().map(|level| level.sku.clone()).ok_or_else(not_found)?;
    // Versions only grow, and a level is never removed: no two states have the same sum.
    let version = levels.iter().map(|level| level.version).sum();
    if etag::is_known(&request, version) {
        return Ok(HttpResponse::NotModified()
            .insert_header((header::ETAG, etag::of_version(version)))
            .finish());
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, etag::of_version(version)))
        .insert_header(ContentEncoding::Identity)
        .json(Inventory {
            variant_id: variant_id.0,
            sku,
            on_hand: levels.iter().map(|level| level.on_hand).sum(),
            reserved: levels.iter().map(|level| level.reserved).sum(),
            available: levels.iter().map(StockLevel::available).sum(),
            warehouses: levels.into_iter().map(StockLevelJson::from).collect(),
        }))
}
