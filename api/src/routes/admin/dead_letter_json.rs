//! Dead letters as the API shows them.

use jiff::Timestamp;
use serde::Serialize;
use store::pg::dead_letters::{KeptLetter, Step};
use utoipa::ToSchema;
use uuid::Uuid;

/// A message that a consumer gave up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct DeadLetterJson {
    /// Its id.
    pub id: Uuid,
    /// The queue that it died in.
    #[schema(example = "search-indexer")]
    pub queue: String,
    /// Id of its event; `null` when it has none.
    #[schema(required = true)]
    pub event_id: Option<String>,
    /// Type of its event; `null` when it is no event.
    #[schema(required = true, example = "product.changed.v1")]
    pub event_type: Option<String>,
    /// What its event is about; `null` when it is no event.
    #[schema(required = true)]
    pub subject: Option<String>,
    /// How long the message was.
    pub body_bytes: i64,
    /// Whether only its first mebibyte is kept: then it cannot be sent again.
    pub is_cut: bool,
    /// Why it died: `rejected`, `delivery_limit`, `maxlen`, `expired` or `unknown`.
    pub reason: String,
    /// How often it died in that queue.
    pub death_count: i64,
    /// When it died.
    pub died_at: Timestamp,
    /// When it was taken out of the broker.
    pub arrived_at: Timestamp,
    /// The dead letter that was sent again and is this one.
    #[schema(required = true)]
    pub redriven_from: Option<Uuid>,
    /// `waiting`, `redriven` or `dropped`
    pub state: String,
}

/// Something that was done with a dead letter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterStep)]
pub struct DeadLetterStepJson {
    /// `arrived`, `redriven` or `dropped`
    pub step: String,
    /// When.
    pub at: Timestamp,
    /// Who.
    #[schema(example = "role:admin")]
    pub actor: String,
    /// In words.
    #[schema(required = true)]
    pub note: Option<String>,
}

impl From<KeptLetter> for DeadLetterJson {
    fn from(letter: KeptLetter) -> Self {
        Self {
            id: letter.id,
            queue: letter.queue,
            event_id: letter.event_id,
            event_type: letter.event_type,
            subject: letter.subject,
            body_bytes: letter.body_bytes,
            is_cut: letter.is_cut,
            reason: letter.reason,
            death_count: letter.death_count,
            died_at: letter.died_at,
            arrived_at: letter.arrived_at,
            redriven_from: letter.redriven_from,
            state: letter.state.name().to_owned(),
        }
    }
}

impl From<Step> for DeadLetterStepJson {
    fn from(step: Step) -> Self {
        Self { step: step.step, at: step.at, actor: step.actor, note: step.note }
    }
}
