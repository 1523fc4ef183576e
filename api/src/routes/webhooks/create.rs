//! `POST /webhooks`

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use domain::ids::WebhookId;
use domain::webhook::endpoint::{ENDPOINT_COUNT_MAX, EndpointDraft};
use domain::webhook::secret::Secret;
use store::pg::advisory_lock::{self, Right};
use store::pg::webhooks;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageWebhooks};
use crate::error_code::ErrorCode;
use crate::etag;
use crate::idempotency::{self, Answer, IdempotencyKey};
use crate::json_body::JsonBody;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::webhooks::endpoint_json::{EndpointWithSecretJson, NewEndpointJson, with_secret};
use crate::routes::webhooks::present;

const ROUTE: &str = "POST /webhooks";

/// Adds an endpoint. Events from now on are sent to it, signed with the secret of this answer.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks",
    tag = "webhooks",
    params(("Idempotency-Key" = String, Header, description = "New for each endpoint, the same for repeats")),
    request_body = NewEndpointJson,
    responses(
        (status = 201, description = "The new endpoint; its secret is shown this once", body = EndpointWithSecretJson,
         headers(("ETag" = String), ("Location" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn create_webhook(
    caller: Authorized<ManageWebhooks>,
    key: IdempotencyKey,
    body: JsonBody<EndpointDraft>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let JsonBody(draft) = body;
    let actor = caller.actor();
    let scope = key.scope(&actor, ROUTE);
    let fingerprint = idempotency::fingerprint(&draft);
    let answer =
        idempotency::once(&state.pools, "create_webhook", scope, &fingerprint, async |transaction| {
            let now = present();
            let id = WebhookId::new(now, rand::random());
            let endpoint =
                draft.clone().into_endpoint(id, now, &state.webhooks).map_err(Problem::invalid_fields)?;
            // One at a time, so that two do not take the last place together.
            advisory_lock::take_within(transaction, Right::AddWebhook).await?;
            if webhooks::count(transaction).await? >= ENDPOINT_COUNT_MAX {
                let detail = format!("there are {ENDPOINT_COUNT_MAX} endpoints already");
                return Err(Problem::new(ErrorCode::LimitReached, detail));
            }
            let secret = Secret::new(rand::random());
            webhooks::insert(transaction, &endpoint, &secret).await?;
            Ok(Answer {
                status: StatusCode::CREATED,
                location: Some(format!("/api/v1/webhooks/{id}")),
                etag: Some(etag::of_version(endpoint.version)),
                body: with_secret(endpoint, &secret),
            })
        })
        .await?;
    idempotency::replay(answer)
}
