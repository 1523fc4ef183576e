//! `GET /inventory/{variant_id}/ledger`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use actix_web::{HttpResponse, web};
use domain::ids::{MovementId, VariantId};
use domain::stock::StockMovement;
use jiff::Timestamp;
use serde::Serialize;
use store::pg::stock;
use store::pg::stock_ledger::{self, LedgerFilter};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ReadInventory};
use crate::page::{self, Page};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};

/// Which rows, and from where on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListLedger {
    /// Only this warehouse.
    #[param(max_length = 60)]
    pub warehouse: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for ListLedger {
    fn read(parameters: &mut Parameters) -> Self {
        Self {
            warehouse: parameters.text("warehouse", 60),
            cursor: parameters.cursor(),
            limit: parameters.limit(),
        }
    }
}

/// Why stock changed.
#[derive(Debug, ToSchema)]
#[schema(as = MovementCause, rename_all = "snake_case")]
pub enum MovementCauseName {
    /// Goods came in.
    Receipt,
    /// An order took them.
    Sale,
    /// A customer sent them back.
    Return,
    /// Lost, broken or found.
    Adjustment,
    /// To or from another warehouse.
    Transfer,
    /// Counted, and the count differed.
    StockTake,
}

/// A row of the ledger.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StockMovement)]
pub struct StockMovementJson {
    /// Id.
    pub id: Uuid,
    /// When.
    pub occurred_at: Timestamp,
    /// Code of the warehouse.
    pub warehouse: String,
    /// Pieces that came, or went when negative.
    pub delta: i64,
    /// What lay in the warehouse afterwards.
    pub on_hand_after: i64,
    /// Why.
    #[schema(value_type = MovementCauseName)]
    pub cause: String,
    /// Who.
    #[schema(example = "role:admin")]
    pub actor: String,
    /// In words.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// The order of a sale or return.
    #[schema(required = true)]
    pub order_id: Option<Uuid>,
}

/// A page of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub struct LedgerPage {
    /// Newest first.
    data: Vec<StockMovementJson>,
    /// Where the next page begins.
    page: Page,
}

impl From<StockMovement> for StockMovementJson {
    fn from(movement: StockMovement) -> Self {
        Self {
            id: movement.id.0,
            occurred_at: movement.occurred_at,
            warehouse: movement.warehouse,
            delta: movement.delta,
            on_hand_after: movement.on_hand_after,
            cause: movement.cause.name().to_owned(),
            actor: movement.actor,
            reason: movement.reason,
            order_id: movement.order_id.map(|order| order.0),
        }
    }
}

/// Every change of a variant's stock, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/{variant_id}/ledger",
    tag = "inventory",
    params(("variant_id" = String, Path, description = "Id of the variant"), ListLedger),
    responses((status = 200, description = "A page of the ledger", body = LedgerPage), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn list_ledger(
    _caller: Authorized<ReadInventory>,
    variant_id: web::Path<String>,
    query: FromQuery<ListLedger>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let not_found = || Problem::not_found("variant with stock");
    let FromQuery(ListLedger { warehouse, cursor, limit }) = query;
    let variant_id: VariantId = variant_id.parse().map_err(|_| not_found())?;
    let filter = LedgerFilter { variant_id, warehouse };
    let list = format!("ledger {filter:?}");
    let before =
        cursor.map(|cursor| state.cursors.open::<(Timestamp, MovementId)>(&list, &cursor)).transpose()?;
    let client = state.pools.read().await?;
    let mut found = stock_ledger::list(&**client, &filter, before, i64::from(limit) + 1).await?;
    if found.is_empty() && before.is_none() && stock::levels(&**client, variant_id).await?.is_empty() {
        return Err(not_found());
    }
    drop(client);
    let has_more = page::cut(&mut found, limit);
    let last = found.last().filter(|_| has_more);
    let next_cursor = last.map(|last| state.cursors.seal(&list, &(last.occurred_at, last.id)));
    let data = found.into_iter().map(StockMovementJson::from).collect();
    Ok(HttpResponse::Ok().json(LedgerPage { data, page: Page { next_cursor, limit } }))
}
