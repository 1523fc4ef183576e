//! `POST /webhooks/{id}/deliveries/{delivery_id}/retry`

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use domain::ids::{DeliveryId, WebhookId};
use domain::webhook::endpoint::EndpointState;
use store::pg::transaction::Transaction;
use store::pg::webhooks;
use store::pg::webhooks::deliveries::{self, Delivery, DeliveryFilter};

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageWebhooks};
use crate::error_code::ErrorCode;
use crate::idempotency::{self, Answer, IdempotencyKey};
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::webhooks::delivery_json::DeliveryJson;
use crate::routes::webhooks::present;

const ROUTE: &str = "POST /webhooks/{id}/deliveries/{delivery_id}/retry";
/// Most requests of one delivery.
const ATTEMPT_COUNT_MAX: i32 = 1_000;

/// Sends a delivery once more: at once, or after what comes before it of its aggregate. One that had ended begins its
/// schedule anew.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{id}/deliveries/{delivery_id}/retry",
    tag = "webhooks",
    params(
        ("id" = String, Path, description = "Id of the endpoint"),
        ("delivery_id" = String, Path, description = "Id of the delivery"),
        ("Idempotency-Key" = String, Header, description = "New for each retry, the same for repeats"),
    ),
    responses(
        (status = 202, description = "The delivery, pending", body = DeliveryJson),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn retry_delivery(
    caller: Authorized<ManageWebhooks>,
    key: IdempotencyKey,
    path: web::Path<(String, String)>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let (endpoint, delivery) = path.into_inner();
    let endpoint: WebhookId = endpoint.parse().map_err(|_| Problem::not_found("webhook"))?;
    let delivery: DeliveryId = delivery.parse().map_err(|_| not_found())?;
    let actor = caller.actor();
    let scope = key.scope(&actor, ROUTE);
    let fingerprint = idempotency::fingerprint(&(endpoint, delivery));
    let answer = idempotency::once(&state.pools, "retry_webhook", scope, &fingerprint, async |transaction| {
        let pending = retry(transaction, endpoint, delivery).await?;
        let body = serde_json::to_vec(&DeliveryJson::from(pending)).expect("plain data becomes JSON");
        Ok(Answer { status: StatusCode::ACCEPTED, location: None, etag: None, body })
    })
    .await?;
    idempotency::replay(answer)
}

async fn retry(
    transaction: &Transaction<'_>,
    endpoint: WebhookId,
    id: DeliveryId,
) -> Result<Delivery, Problem> {
    let found = webhooks::find(transaction, endpoint).await?;
    if found.ok_or_else(|| Problem::not_found("webhook"))?.state == EndpointState::Disabled {
        return Err(Problem::new(ErrorCode::WebhookDisabled, "enable the endpoint first"));
    }
    if !deliveries::retry(transaction, endpoint, id, present()).await? {
        return Err(not_found());
    }
    let filter = DeliveryFilter { endpoint, state: None, id: Some(id) };
    let delivery = deliveries::list(transaction, filter, None, 1).await?.pop().ok_or_else(not_found)?;
    if delivery.attempts >= ATTEMPT_COUNT_MAX {
        let detail = format!("it was sent {ATTEMPT_COUNT_MAX} times already");
        return Err(Problem::new(ErrorCode::LimitReached, detail));
    }
    Ok(delivery)
}

fn not_found() -> Problem {
    Problem::not_found("delivery")
}
