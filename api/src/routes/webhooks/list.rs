//! `GET /webhooks`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use actix_web::{HttpResponse, web};
use domain::ids::WebhookId;
use serde::Serialize;
use store::pg::webhooks;
use utoipa::{IntoParams, ToSchema};

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageWebhooks};
use crate::page::{self, Page};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};
use crate::routes::webhooks::endpoint_json::EndpointJson;

const LIST: &str = "webhooks";

/// From where on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListWebhooks {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Most items of a page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u16,
}

impl ReadQuery for ListWebhooks {
    fn read(parameters: &mut Parameters) -> Self {
        Self { cursor: parameters.cursor(), limit: parameters.limit() }
    }
}

/// A page of endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookPage {
    /// The oldest first.
    data: Vec<EndpointJson>,
    /// Where the next page begins.
    page: Page,
}

/// Every endpoint.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks",
    tag = "webhooks",
    params(ListWebhooks),
    responses((status = 200, description = "A page of endpoints", body = WebhookPage), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn list_webhooks(
    _: Authorized<ManageWebhooks>,
    query: FromQuery<ListWebhooks>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let FromQuery(ListWebhooks { cursor, limit }) = query;
    let after = cursor.map(|cursor| state.cursors.open::<WebhookId>(LIST, &cursor)).transpose()?;
    let client = state.pools.write().await?;
    let mut found = webhooks::list(&**client, after, i64::from(limit) + 1).await?;
    drop(client);
    let has_more = page::cut(&mut found, limit);
    let next_cursor = found.last().filter(|_| has_more).map(|last| state.cursors.seal(LIST, &last.id));
    let data = found.into_iter().map(EndpointJson::from).collect();
    let page = Page { next_cursor, limit };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(WebhookPage { data, page }))
}
