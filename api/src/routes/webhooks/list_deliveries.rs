//! `GET /webhooks/{id}/deliveries`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use actix_web::{HttpResponse, web};
use domain::ids::DeliveryId;
use domain::webhook::delivery::DeliveryState;
use serde::Serialize;
use store::pg::webhooks::deliveries::{self, DeliveryFilter};
use utoipa::{IntoParams, ToSchema};

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageWebhooks};
use crate::page::{self, Page};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};
use crate::routes::webhooks::delivery_json::{DeliveryJson, DeliveryStateName};
use crate::routes::webhooks::get::find;

/// Which deliveries, and from where on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListDeliveries {
    /// Only in this state.
    #[param(value_type = Option<DeliveryStateName>, inline)]
    pub state: Option<DeliveryState>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for ListDeliveries {
    fn read(parameters: &mut Parameters) -> Self {
        Self {
            state: parameters.choice("state", &DeliveryState::ALL.map(|state| (state.name(), state))),
            cursor: parameters.cursor(),
            limit: parameters.limit(),
        }
    }
}

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryPage {
    /// Newest first.
    data: Vec<DeliveryJson>,
    /// Where the next page begins.
    page: Page,
}

/// What was sent to an endpoint and what waits for it, newest first. What has ended is kept for 30 days.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{id}/deliveries",
    tag = "webhooks",
    params(("id" = String, Path, description = "Id of the endpoint"), ListDeliveries),
    responses((status = 200, description = "A page of deliveries", body = DeliveryPage), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn list_deliveries(
    _: Authorized<ManageWebhooks>,
    id: web::Path<String>,
    query: FromQuery<ListDeliveries>,
    app: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let FromQuery(ListDeliveries { state, cursor, limit }) = query;
    let endpoint = find(&app, &id).await?.id;
    let filter = DeliveryFilter { endpoint, state, id: None };
    let list = format!("webhook deliveries {filter:?}");
    let before = cursor.map(|cursor| app.cursors.open::<DeliveryId>(&list, &cursor)).transpose()?;
    let client = app.pools.write().await?;
    let mut found = deliveries::list(&**client, filter, before, i64::from(limit) + 1).await?;
    drop(client);
    let has_more = page::cut(&mut found, limit);
    let next_cursor = found.last().filter(|_| has_more).map(|last| app.cursors.seal(&list, &last.id));
    let data = found.into_iter().map(DeliveryJson::from).collect();
    let page = Page { next_cursor, limit };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(DeliveryPage { data, page }))
}
