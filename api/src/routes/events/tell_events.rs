//! `POST /events`

use std::collections::HashSet;

use actix_web::{HttpResponse, web};
use domain::behaviour::{BATCH_MAX, BehaviourBatch, BehaviourEvent};
use domain::field_error::FieldError;
use domain::ids::{EventId, UserId};
use domain::order::SHOP_CHANNEL;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::new_event_json::NewEventJson;
use crate::app_state::AppState;
use crate::authorized::Anyone;
use crate::json_body::{self, JsonBody};
use crate::present::present;
use crate::problem::{FieldErrorJson, Problem, ReadProblems, WriteProblems};

/// Most wrong fields that an answer names.
const ERROR_COUNT_MAX: usize = 100;
/// A client's clock that differs by less is taken to be right: the event has the same time when it is told again.
const SKEW_MIN: SignedDuration = SignedDuration::from_mins(1);

/// Behaviour events that are told together.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TellEvents)]
#[serde(deny_unknown_fields)]
pub struct TellEvents {
    /// When the client sends this, by its own clock: a clock that is wrong by more than a minute is corrected by it.
    #[serde(default)]
    sent_at: Option<Timestamp>,
    /// In any order.
    #[schema(value_type = Vec<NewEventJson>, min_items = 1, max_items = 500)]
    events: Vec<Value>,
}

/// What became of the events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventsTold)]
pub struct ToldJson {
    /// Events that are kept.
    accepted: usize,
    /// Events that another one of this batch repeats. One that was told before is known by its id, too, and counts
    /// once.
    duplicates: usize,
    /// What is wrong with the others: `/events/3/position`. They are not kept; at most 100 are named.
    #[schema(value_type = Vec<FieldErrorJson>)]
    errors: Vec<FieldError>,
}

/// Tells what shoppers do, up to 500 events at once, without a key: an event is known by its `event_id`. What is
/// answered with 202 is kept; events that are wrong are named by their places and cost the others nothing. Tell a
/// shopper's behaviour only with their consent.
#[utoipa::path(
    post,
    path = "/api/v1/events",
    tag = "behaviour",
    request_body = TellEvents,
    responses(
        (status = 202, description = "The events are kept, but for those that are wrong", body = ToldJson),
        ReadProblems,
        WriteProblems,
    ),
    security((), ("bearer" = [])),
)]
pub async fn tell_events(
    caller: Anyone,
    body: JsonBody<TellEvents>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let JsonBody(TellEvents { sent_at, events }) = body;
    if !(1..=BATCH_MAX).contains(&events.len()) {
        return Err(Problem::invalid_field("/events", "out_of_range", format!("1 to {BATCH_MAX} events")));
    }
    let now = present();
    let skew = sent_at.map(|sent_at| now.duration_since(sent_at)).filter(|skew| skew.abs() >= SKEW_MIN);
    let user_id = caller.0.and_then(|caller| caller.user_id);
    let mut read = Read::default();
    for (place, event) in events.into_iter().enumerate() {
        read.add(place, event, user_id, skew.unwrap_or_default(), now);
    }
    let Read { events, duplicates, mut errors, .. } = read;
    if events.is_empty() {
        return Err(Problem::invalid_fields(errors));
    }
    errors.truncate(ERROR_COUNT_MAX);
    let accepted = events.len();
    let batch = BehaviourBatch { channel: SHOP_CHANNEL.to_owned(), events };
    state.behaviour.publish(EventId::new(now, rand::random()), now, &batch).await?;
    metrics::counter!("behaviour_events_told_total").increment(accepted as u64);
    Ok(HttpResponse::Accepted().json(ToldJson { accepted, duplicates, errors }))
}

#[derive(Default)]
struct Read {
    events: Vec<BehaviourEvent>,
    known: HashSet<EventId>,
    duplicates: usize,
    errors: Vec<FieldError>,
}

impl Read {
    fn add(
        &mut self,
        place: usize,
        event: Value,
        user_id: Option<UserId>,
        skew: SignedDuration,
        now: Timestamp,
    ) {
        let event = match json_body::parse_part::<NewEventJson>(event) {
            Ok(event) => event.into_event(user_id, skew),
            Err(error) => return self.refuse(place, vec![error]),
        };
        let errors = event.check(now);
        if !errors.is_empty() {
            self.refuse(place, errors);
        } else if self.known.insert(event.id) {
            self.events.push(event);
        } else {
            self.duplicates += 1;
        }
    }

    fn refuse(&mut self, place: usize, errors: Vec<FieldError>) {
        let placed =
            |error: FieldError| FieldError { pointer: format!("/events/{place}{}", error.pointer), ..error };
        self.errors.extend(errors.into_iter().map(placed));
    }
}
