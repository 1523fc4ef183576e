//! Deliveries as clients see them.

use jiff::Timestamp;
use serde::Serialize;
use store::pg::webhooks::deliveries::{Attempt, Delivery};
use utoipa::ToSchema;
use uuid::Uuid;

/// Where a delivery stands.
#[derive(Debug, ToSchema)]
#[schema(as = WebhookDeliveryState, rename_all = "snake_case")]
pub enum DeliveryStateName {
    /// It waits for its first or its next try, or for an earlier event of its aggregate.
    Pending,
    /// The endpoint has taken it.
    Delivered,
    /// Every try failed.
    Failed,
    /// Its endpoint was disabled before it was sent.
    Dropped,
}

/// A request that was made, or tried.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookAttempt)]
pub struct AttemptJson {
    /// Counts the delivery's requests from 1.
    pub attempt: i32,
    /// When.
    pub at: Timestamp,
    /// HTTP status of the answer.
    #[schema(required = true)]
    pub status: Option<i16>,
    /// Why there was none.
    #[schema(required = true)]
    pub error: Option<String>,
    /// How long it took.
    pub duration_ms: i32,
}

/// An event on its way to an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct DeliveryJson {
    /// Id.
    pub id: Uuid,
    /// The event, which is `webhook-id` of every request.
    pub event_id: Uuid,
    /// Its type.
    pub event_type: String,
    /// What it is about.
    #[schema(example = "product/01900000-0000-7000-8000-000000000047")]
    pub subject: String,
    /// The version of that after the event.
    pub aggregate_version: i64,
    /// Where it stands.
    #[schema(value_type = DeliveryStateName)]
    pub state: &'static str,
    /// Requests so far.
    pub attempt_count: i32,
    /// While it is pending: when its aggregate is tried next.
    #[schema(required = true)]
    pub next_attempt_at: Option<Timestamp>,
    /// HTTP status of the last answer.
    #[schema(required = true)]
    pub last_status: Option<i16>,
    /// Why the last request had no answer.
    #[schema(required = true)]
    pub last_error: Option<String>,
    /// When the event was taken.
    pub created_at: Timestamp,
    /// When it was delivered, given up or dropped.
    #[schema(required = true)]
    pub ended_at: Option<Timestamp>,
    /// The last 20 requests, the newest first.
    pub attempts: Vec<AttemptJson>,
}

impl From<Attempt> for AttemptJson {
    fn from(attempt: Attempt) -> Self {
        let Attempt { attempt, at, status, error, duration_ms } = attempt;
        Self { attempt, at, status, error, duration_ms }
    }
}

impl From<Delivery> for DeliveryJson {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id.0,
            event_id: delivery.event_id.0,
            event_type: delivery.event_type,
            subject: delivery.subject,
            aggregate_version: delivery.aggregate_version,
            state: delivery.state.name(),
            attempt_count: delivery.attempts,
            next_attempt_at: delivery.next_attempt_at,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            created_at: delivery.created_at,
            ended_at: delivery.ended_at,
            attempts: delivery.log.into_iter().map(AttemptJson::from).collect(),
        }
    }
}
