//! `GET /orders`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use actix_web::{HttpResponse, web};
use domain::ids::OrderId;
use domain::permission::Permission;
use jiff::Timestamp;
use serde::Serialize;
use store::pg::orders::{self, OrderFilter};
use utoipa::{IntoParams, ToSchema};

use crate::app_state::AppState;
use crate::authorized::{Authorized, ReadOwnOrders};
use crate::page::{self, Page};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};
use crate::routes::orders::order_json::OrderSummaryJson;

/// Which orders, and from where on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListOrders {
    /// `shop`, or the name of an imported history.
    #[param(max_length = 60)]
    pub channel: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for ListOrders {
    fn read(parameters: &mut Parameters) -> Self {
        Self {
            channel: parameters.text("channel", 60),
            cursor: parameters.cursor(),
            limit: parameters.limit(),
        }
    }
}

/// A page of orders.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderPage {
    /// Newest first.
    data: Vec<OrderSummaryJson>,
    /// Where the next page begins.
    page: Page,
}

/// Orders, newest first: staff sees all, others their own.
#[utoipa::path(
    get,
    path = "/api/v1/orders",
    tag = "orders",
    params(ListOrders),
    responses((status = 200, description = "A page of orders", body = OrderPage), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn list_orders(
    caller: Authorized<ReadOwnOrders>,
    query: FromQuery<ListOrders>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let FromQuery(ListOrders { channel, cursor, limit }) = query;
    let user_id = caller.user_id.filter(|_| !caller.holds(Permission::ReadAllOrders));
    let filter = OrderFilter { channel, user_id };
    let list = format!("orders {filter:?}");
    let before =
        cursor.map(|cursor| state.cursors.open::<(Timestamp, OrderId)>(&list, &cursor)).transpose()?;
    if user_id.is_none() && !caller.holds(Permission::ReadAllOrders) {
        // A caller without an account has no orders of their own.
        return Ok(
            HttpResponse::Ok().json(OrderPage { data: Vec::new(), page: Page { next_cursor: None, limit } })
        );
    }
    let client = state.pools.read().await?;
    let mut found = orders::list(&**client, &filter, before, i64::from(limit) + 1).await?;
    let has_more = page::cut(&mut found, limit);
    let last = found.last().filter(|_| has_more);
    let next_cursor = last.map(|last| state.cursors.seal(&list, &(last.created_at, last.id)));
    let data = found.into_iter().map(OrderSummaryJson::from).collect();
    Ok(HttpResponse::Ok().json(OrderPage { data, page: Page { next_cursor, limit } }))
}
