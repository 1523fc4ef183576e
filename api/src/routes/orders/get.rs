//! `GET /orders/{id}`

use actix_web::http::header::{self, ContentEncoding};
use actix_web::{HttpRequest, HttpResponse, web};
use domain::ids::OrderId;
use domain::permission::Permission;
use store::pg::orders;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ReadOwnOrders};
use crate::etag;
use crate::problem::{Problem, ReadProblems};
use crate::routes::orders::order_json::OrderJson;

/// One order with its lines. Another account's order is as if it were not there.
#[utoipa::path(
    get,
    path = "/api/v1/orders/{id}",
    tag = "orders",
    params(
        ("id" = String, Path, description = "Id"),
        ("If-None-Match" = Option<String>, Header, description = "ETag of what the client has"),
    ),
    responses(
        (status = 200, description = "The order", body = OrderJson, headers(("ETag" = String))),
        (status = 304, description = "The client has this version", headers(("ETag" = String))),
        ReadProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn get_order(
    caller: Authorized<ReadOwnOrders>,
    id: web::Path<String>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let not_found = || Problem::not_found("order");
    let id: OrderId = id.parse().map_err(|_| not_found())?;
    let client = state.pools.read().await?;
    let order = orders::find(&**client, id).await?.ok_or_else(not_found)?;
    drop(client);
    let is_own = order.summary.user_id.is_some() && order.summary.user_id == caller.user_id;
    if !is_own && !caller.holds(Permission::ReadAllOrders) {
        return Err(not_found());
    }
    let version = order.summary.version;
    if etag::is_known(&request, version) {
        return Ok(HttpResponse::NotModified()
            .insert_header((header::ETAG, etag::of_version(version)))
            .finish());
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, etag::of_version(version)))
        .insert_header(ContentEncoding::Identity)
        .json(OrderJson::from(order)))
}
