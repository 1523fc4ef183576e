//! `POST /inventory/adjustments`

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use domain::ids::EventId;
use domain::stock::adjustment::{AdjustedStock, AdjustmentError, StockAdjustment};
use jiff::Timestamp;
use serde::Serialize;
use store::mongo::products;
use store::pg::transaction::Transaction;
use store::pg::{stock, stock_adjustment};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app_state::{AppState, cause};
use crate::authorized::{Authorized, ManageInventory};
use crate::caller::Caller;
use crate::error_code::ErrorCode;
use crate::idempotency::{self, Answer, IdempotencyKey};
use crate::json_body::JsonBody;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::inventory::get::StockLevelJson;
use crate::routes::inventory::ledger::StockMovementJson;

const ROUTE: &str = "POST /inventory/adjustments";

/// Why a person changes stock.
#[derive(Debug, ToSchema)]
#[schema(as = AdjustmentCause, rename_all = "snake_case")]
pub enum AdjustmentCauseName {
    /// Goods came in.
    Receipt,
    /// Lost, broken or found.
    Adjustment,
    /// Counted, and the count differed.
    StockTake,
}

/// A change of what lies in a warehouse.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StockAdjustment)]
#[serde(deny_unknown_fields)]
pub struct StockAdjustmentJson {
    /// Id of the variant.
    pub variant_id: Uuid,
    /// Code of the warehouse.
    #[schema(example = "leeds", max_length = 60)]
    pub warehouse: String,
    /// Pieces that came, or went when negative; not 0, at most 1,000,000.
    #[schema(example = 12)]
    pub delta: i64,
    /// Why.
    #[schema(value_type = AdjustmentCauseName)]
    pub cause: String,
    /// Why, in words.
    #[schema(min_length = 1, max_length = 200)]
    pub reason: String,
}

/// What an adjustment has made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdjustedStock)]
pub struct AdjustedStockJson {
    /// Id of the variant.
    variant_id: Uuid,
    /// Its code.
    sku: String,
    /// The row of the ledger.
    movement: StockMovementJson,
    /// What lies in the warehouse now.
    level: StockLevelJson,
    /// What is left to sell in all warehouses.
    available: i64,
}

impl From<AdjustedStock> for AdjustedStockJson {
    fn from(adjusted: AdjustedStock) -> Self {
        let AdjustedStock { level, movement, available, .. } = adjusted;
        Self {
            variant_id: level.variant_id.0,
            sku: level.sku.clone(),
            movement: movement.into(),
            level: level.into(),
            available,
        }
    }
}

/// Changes what lies of a variant in a warehouse, with a row of the ledger that says why.
#[utoipa::path(
    post,
    path = "/api/v1/inventory/adjustments",
    tag = "inventory",
    params(("Idempotency-Key" = String, Header, description = "New for each adjustment, the same for repeats")),
    request_body = StockAdjustmentJson,
    responses(
        (status = 201, description = "The row of the ledger and the level", body = AdjustedStockJson,
         headers(("Location" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn adjust_stock(
    caller: Authorized<ManageInventory>,
    key: IdempotencyKey,
    body: JsonBody<StockAdjustment>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let JsonBody(adjustment) = body;
    adjustment.check().map_err(Problem::invalid_fields)?;
    let actor = caller.actor();
    let scope = key.scope(&actor, ROUTE);
    let fingerprint = idempotency::fingerprint(&adjustment);
    let answer = idempotency::once(&state.pools, "adjust_stock", scope, &fingerprint, async |transaction| {
        let adjusted = adjust(&state, transaction, &adjustment, &caller).await?;
        let body = serde_json::to_vec(&AdjustedStockJson::from(adjusted)).map_err(Problem::internal)?;
        Ok(Answer {
            status: StatusCode::CREATED,
            location: Some(format!("/api/v1/inventory/{}", adjustment.variant_id)),
            etag: None,
            body,
        })
    })
    .await?;
    idempotency::replay(answer)
}

async fn adjust(
    state: &AppState,
    transaction: &Transaction<'_>,
    adjustment: &StockAdjustment,
    caller: &Caller,
) -> Result<AdjustedStock, Problem> {
    let StockAdjustment { variant_id, warehouse, .. } = adjustment;
    let found = stock_adjustment::lock(transaction, *variant_id).await?;
    if found.level(warehouse).is_none() && !stock::has_warehouse(transaction, warehouse).await? {
        return Err(Problem::not_found("warehouse"));
    }
    let sku = match found.sku() {
        Some(sku) => sku.to_owned(),
        None => products::sku_of_variant(&state.mongo, *variant_id)
            .await?
            .ok_or_else(|| Problem::not_found("variant"))?,
    };
    let now = Timestamp::now();
    let at = stock_adjustment::next_moment(transaction, *variant_id, warehouse, now).await?;
    let adjusted = found.adjust(adjustment, &sku, &caller.actor(), (at, rand::random())).map_err(refused)?;
    let events = adjusted.events(at, &cause(caller), || EventId::new(now, rand::random()));
    stock_adjustment::write(transaction, &adjusted, &events).await?;
    Ok(adjusted)
}

fn refused(error: AdjustmentError) -> Problem {
    match error {
        AdjustmentError::TooFew { .. } => Problem::new(ErrorCode::InsufficientStock, error.to_string()),
        AdjustmentError::TooMany { .. } => {
            Problem::invalid_field("/delta", "out_of_range", error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_documented_is_what_is_read() {
        let documented = StockAdjustmentJson {
            variant_id: Uuid::from_u128(7),
            warehouse: "leeds".to_owned(),
            delta: -3,
            cause: "stock_take".to_owned(),
            reason: "counted".to_owned(),
        };
        let json = serde_json::to_value(&documented).expect("JSON");
        let read: StockAdjustment = serde_json::from_value(json.clone()).expect("read");
        assert_eq!(serde_json::to_value(&read).expect("JSON"), json);
    }
}
