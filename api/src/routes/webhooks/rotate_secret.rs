//! `POST /webhooks/{id}/secret`

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use domain::ids::WebhookId;
use domain::webhook::secret::Secret;
use jiff::SignedDuration;
use store::pg::webhooks;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageWebhooks};
use crate::etag;
use crate::idempotency::{self, Answer, IdempotencyKey};
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::webhooks::endpoint_json::{EndpointWithSecretJson, with_secret};
use crate::routes::webhooks::present;

const ROUTE: &str = "POST /webhooks/{id}/secret";
/// How long the secret of before signs beside the new one.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// Gives an endpoint a new secret. For 24 hours the one of before signs beside it; one that is older does not.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{id}/secret",
    tag = "webhooks",
    params(
        ("id" = String, Path, description = "Id"),
        ("Idempotency-Key" = String, Header, description = "New for each rotation, the same for repeats"),
    ),
    responses(
        (status = 201, description = "The endpoint; its new secret is shown this once", body = EndpointWithSecretJson,
         headers(("ETag" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn rotate_secret(
    caller: Authorized<ManageWebhooks>,
    key: IdempotencyKey,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let not_found = || Problem::not_found("webhook");
    let id: WebhookId = id.parse().map_err(|_| not_found())?;
    let actor = caller.actor();
    let scope = key.scope(&actor, ROUTE);
    let fingerprint = idempotency::fingerprint(&id);
    let answer =
        idempotency::once(&state.pools, "rotate_webhook", scope, &fingerprint, async |transaction| {
            let (now, secret) = (present(), Secret::new(rand::random()));
            let endpoint = webhooks::rotate(transaction, id, &secret, now, now + OVERLAP).await?;
            let endpoint = endpoint.ok_or_else(not_found)?;
            Ok(Answer {
                status: StatusCode::CREATED,
                location: None,
                etag: Some(etag::of_version(endpoint.version)),
                body: with_secret(endpoint, &secret),
            })
        })
        .await?;
    idempotency::replay(answer)
}
