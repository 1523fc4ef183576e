//! Endpoints as clients see them, and the shapes in which they are asked for.

use actix_web::HttpResponse;
use actix_web::http::header::{self, ContentEncoding};
use domain::webhook::endpoint::{DisabledReason, WebhookEndpoint};
use domain::webhook::secret::Secret;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::etag;

/// Whether an endpoint gets events.
#[derive(Debug, ToSchema)]
#[schema(as = WebhookState, rename_all = "snake_case")]
pub enum EndpointStateName {
    /// It does.
    Enabled,
    /// It does not.
    Disabled,
}

/// Why an endpoint is disabled.
#[derive(Debug, ToSchema)]
#[schema(as = WebhookDisabledReason, rename_all = "snake_case")]
pub enum DisabledReasonName {
    /// A person wants it so.
    Manual,
    /// It answered 410.
    Gone,
    /// It failed for five days without any success.
    Failing,
    /// More than a million deliveries wait for it.
    Overfull,
}

/// An endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct EndpointJson {
    /// Id.
    pub id: Uuid,
    /// Where events are sent.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// What it asks for; empty: every event.
    pub event_types: Vec<String>,
    /// Whether it gets events.
    #[schema(value_type = EndpointStateName)]
    pub state: &'static str,
    /// Why it does not.
    #[schema(required = true, value_type = Option<DisabledReasonName>)]
    pub disabled_reason: Option<&'static str>,
    /// Since when every try has failed.
    #[schema(required = true)]
    pub failing_since: Option<Timestamp>,
    /// Counts its changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An endpoint with its new secret, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookWithSecret)]
pub struct EndpointWithSecretJson {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: EndpointJson,
    /// Standard Webhooks: `whsec_` and the Base64 of the key.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")]
    pub secret: String,
}

/// A new endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewWebhook)]
#[serde(deny_unknown_fields)]
pub struct NewEndpointJson {
    /// An `https` URL of the public internet.
    #[schema(max_length = 2000)]
    pub url: String,
    /// What it is for.
    #[schema(required = false, max_length = 500)]
    pub description: String,
    /// What it asks for; empty: every event.
    #[schema(required = false, max_items = 50)]
    pub event_types: Vec<String>,
}

/// A change of an endpoint: what is missing stays.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookChange)]
#[serde(deny_unknown_fields)]
pub struct EndpointChangeJson {
    /// New address.
    #[schema(required = false, max_length = 2000)]
    pub url: String,
    /// New description.
    #[schema(required = false, max_length = 500)]
    pub description: String,
    /// All event types anew.
    #[schema(required = false, max_items = 50)]
    pub event_types: Vec<String>,
    /// Enabled or disabled. What waits for a disabled one is dropped.
    #[schema(required = false, value_type = EndpointStateName)]
    pub state: String,
}

impl From<WebhookEndpoint> for EndpointJson {
    fn from(endpoint: WebhookEndpoint) -> Self {
        Self {
            id: endpoint.id.0,
            url: endpoint.url,
            description: endpoint.description,
            event_types: endpoint.event_types,
            state: endpoint.state.name(),
            disabled_reason: endpoint.disabled_reason.map(DisabledReason::name),
            failing_since: endpoint.failing_since,
            version: endpoint.version,
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

/// The endpoint with its entity tag.
pub(super) fn shown(endpoint: WebhookEndpoint) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ETAG, etag::of_version(endpoint.version)))
        .insert_header(ContentEncoding::Identity)
        .json(EndpointJson::from(endpoint))
}

/// The body that shows a new secret.
pub(super) fn with_secret(endpoint: WebhookEndpoint, secret: &Secret) -> Vec<u8> {
    let shown = EndpointWithSecretJson { endpoint: endpoint.into(), secret: secret.to_text() };
    serde_json::to_vec(&shown).expect("plain data becomes JSON")
}

#[cfg(test)]
mod tests {
    use domain::webhook::endpoint::{EndpointDraft, EndpointPatch};
    use serde_json::{Value, json};

    use super::*;

    fn names(value: &Value) -> Vec<&String> {
        let mut names: Vec<_> = value.as_object().expect("an object").keys().collect();
        names.sort();
        names
    }

    #[test]
    fn the_documented_fields_are_those_that_are_read() {
        let text = String::new;
        let draft: EndpointDraft =
            serde_json::from_value(json!({"url": "https://example.com"})).expect("a draft");
        let new = NewEndpointJson { url: text(), description: text(), event_types: Vec::new() };
        assert_eq!(names(&json!(new)), names(&json!(draft)));
        let change =
            EndpointChangeJson { url: text(), description: text(), event_types: Vec::new(), state: text() };
        assert_eq!(names(&json!(change)), names(&json!(EndpointPatch::default())));
    }
}
