//! From events to deliveries: their ids and what is to be sent are recorded in one transaction, then the messages are
//! acknowledged. A message that comes twice finds its id and adds nothing.

use std::time::Duration;

use domain::event::CloudEvent;
use domain::ids::{DeliveryId, WebhookId};
use futures_util::future::join_all;
use jiff::Timestamp;
use process::backoff::Backoff;
use process::error_chain;
use store::amqp::broker::Broker;
use store::amqp::consumer::{Consumer, Delivery};
use store::amqp::publisher::BODY_BYTES_MAX;
use store::amqp::topology::{DurableQueue, WEBHOOK_QUEUE_COUNT};
use store::error::StoreError;
use store::pg::pool::PgPools;
use store::pg::transaction::{self, Transaction};
use store::pg::webhooks::deliveries;
use store::pg::{health, inbox};
use store::settings::AmqpSettings;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::webhooks::log_wait;

/// The name under which seen events are recorded.
const CONSUMER: &str = "webhooks";
/// Deliveries of a queue that are held at once, and most of one transaction, which keeps their order.
const PREFETCH: u16 = 50;
/// From the beginning of a transaction to that of the next one that is not full. After a pause the first goes at once.
const BATCH_PERIOD: Duration = Duration::from_millis(500);
/// Longest subject, in bytes: it is part of an index.
const SUBJECT_BYTES_MAX: usize = 500;
/// Tries of an event that the store refuses, over some minutes, before it is given up.
const REFUSAL_COUNT_MAX: u32 = 40;

/// Takes events until told to stop, with a new connection when one is lost.
pub async fn run(pools: &PgPools, amqp: &AmqpSettings, stop: &CancellationToken) {
    let mut backoff = Backoff::default();
    loop {
        match consume_connection(pools, amqp, stop).await {
            Ok(()) => backoff.reset(),
            Err(error) => log_wait(&error, "no broker or no store for webhooks"),
        }
        if stop.is_cancelled() || !backoff.pause(stop).await {
            return;
        }
    }
}

/// Consumes every queue as long as one connection stands, or until told to stop. PostgreSQL first: what is taken while
/// it is away is tried in vain each time.
async fn consume_connection(
    pools: &PgPools,
    amqp: &AmqpSettings,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    health::ping_write(pools).await?;
    let broker = Broker::connect(amqp).await?;
    let mut consumers = Vec::with_capacity(usize::from(WEBHOOK_QUEUE_COUNT));
    for number in 0..WEBHOOK_QUEUE_COUNT {
        consumers.push(broker.consume(DurableQueue::Webhooks(number), PREFETCH).await?);
    }
    tracing::info!("consuming for webhooks");
    // One that ends takes the others with it: they share the connection.
    let end = stop.child_token();
    join_all(consumers.iter_mut().map(|consumer| consume(pools, consumer, &end))).await;
    broker.close().await;
    Ok(())
}

async fn consume(pools: &PgPools, consumer: &mut Consumer, end: &CancellationToken) {
    let mut until = Instant::now();
    loop {
        let ready = tokio::select! {
            () = end.cancelled() => break,
            ready = consumer.next_batch(usize::from(PREFETCH), until) => ready,
        };
        until = Instant::now() + BATCH_PERIOD;
        match ready {
            Some(ready) => take(pools, ready, end).await,
            None => break,
        }
    }
    end.cancel();
}

/// An event with the body that is sent.
struct Message {
    event: CloudEvent,
    body: String,
}

/// Does deliveries of one queue, in order, and settles them. While the store is away they are held: the broker hands
/// out no more of the queue, and nothing is lost when the program ends.
async fn take(pools: &PgPools, ready: Vec<Delivery>, end: &CancellationToken) {
    let (deliveries, messages) = readable(ready).await;
    if messages.is_empty() {
        return;
    }
    match Box::pin(fan_out_until_done(pools, &messages, 1, end)).await {
        Outcome::Done => {
            for settled in Delivery::all_done(deliveries).await {
                log_lost(settled);
            }
        }
        Outcome::Refused => Box::pin(take_singly(pools, deliveries, &messages, end)).await,
        // Unsettled they come again with the next connection.
        Outcome::Stopped => {}
    }
}

/// One after another, because together they failed. One that is refused alone is given up in the end: to put it back
/// would let those behind it go first, and to end the connection would count as a try of theirs.
async fn take_singly(
    pools: &PgPools,
    deliveries: Vec<Delivery>,
    messages: &[Message],
    end: &CancellationToken,
) {
    for (delivery, message) in deliveries.into_iter().zip(messages) {
        match fan_out_until_done(pools, std::slice::from_ref(message), REFUSAL_COUNT_MAX, end).await {
            Outcome::Done => log_lost(delivery.done().await),
            Outcome::Refused => {
                tracing::error!(event.id = %message.event.id, "an event is given up for webhooks");
                count("refused");
                log_lost(delivery.fail().await);
            }
            Outcome::Stopped => return,
        }
    }
}

/// Gives up what is no event for webhooks.
async fn readable(ready: Vec<Delivery>) -> (Vec<Delivery>, Vec<Message>) {
    let (mut deliveries, mut messages) = (Vec::with_capacity(ready.len()), Vec::with_capacity(ready.len()));
    for delivery in ready {
        match delivery.event().map_err(|error| error_chain::text(&error)).and_then(message) {
            Ok(message) => {
                deliveries.push(delivery);
                messages.push(message);
            }
            Err(reason) => {
                tracing::error!(reason, "a message is no event for webhooks");
                count("refused");
                log_lost(delivery.fail().await);
            }
        }
    }
    (deliveries, messages)
}

enum Outcome {
    Done,
    Refused,
    Stopped,
}

async fn fan_out_until_done(
    pools: &PgPools,
    messages: &[Message],
    refusals_max: u32,
    end: &CancellationToken,
) -> Outcome {
    let mut backoff = Backoff::default();
    let mut refusals = 0;
    loop {
        match fan_out(pools, messages).await {
            Ok(added) => {
                for added in added {
                    count(if added.is_some() { "taken" } else { "repeated" });
                }
                return Outcome::Done;
            }
            Err(error) => {
                log_wait(&error, "events wait for their webhooks");
                let is_passing = error.is_unavailable() || error.is_retryable();
                // Several may be too much for one transaction, whose deadline looks like a store that is away.
                refusals += u32::from(!is_passing || messages.len() > 1);
            }
        }
        if refusals >= refusals_max {
            return Outcome::Refused;
        }
        if !backoff.pause(end).await {
            return Outcome::Stopped;
        }
    }
}

/// Adds the deliveries of events, all or none. Returns how many of each, `None` for one that was seen before.
async fn fan_out(pools: &PgPools, messages: &[Message]) -> Result<Vec<Option<usize>>, StoreError> {
    let types: Vec<&str> = messages.iter().map(|message| message.event.event_type.as_str()).collect();
    // Most events are nobody's: one question without a transaction.
    if !deliveries::are_wanted(&**pools.write().await?, &types).await? {
        return Ok(vec![Some(0); messages.len()]);
    }
    transaction::run(pools, "fan_out_webhooks", async |transaction| {
        let mut added = Vec::with_capacity(messages.len());
        for (place, message) in (0..).zip(messages) {
            let event = &message.event;
            let span = tracing::info_span!("fan_out", trace_id = tracing::field::Empty, event.id = %event.id);
            process::trace::continue_from(&span, event.traceparent.as_deref());
            added.push(fan_out_one(transaction, message, place).instrument(span).await?);
        }
        Ok(added)
    })
    .await
}

async fn fan_out_one(
    transaction: &Transaction<'_>,
    Message { event, body }: &Message,
    place: u16,
) -> Result<Option<usize>, StoreError> {
    let endpoints = deliveries::matching(transaction, &event.event_type).await?;
    // Without an effect there is nothing to remember.
    if endpoints.is_empty() {
        return Ok(Some(0));
    }
    if !inbox::first_time(transaction, CONSUMER, event.id).await? {
        return Ok(None);
    }
    let now = Timestamp::now();
    let delivery = |endpoint: &WebhookId| {
        // Ids of one millisecond are in the order of the events too.
        let mut random: [u8; 10] = rand::random();
        random[..2].copy_from_slice(&place.to_be_bytes());
        (DeliveryId::new(now, random), *endpoint)
    };
    let to: Vec<_> = endpoints.iter().map(delivery).collect();
    deliveries::add(transaction, event, body, &to, now).await?;
    tracing::debug!(added = to.len(), "an event is taken for webhooks");
    Ok(Some(to.len()))
}

/// What is sent of an event, or why it is none for webhooks. Its type may be newer than this program.
fn message(event: CloudEvent) -> Result<Message, String> {
    let refused = |reason: &str| format!("event {}: {reason}", event.id);
    if event.event_type.contains('\0') {
        return Err(refused("its type is not one of ours"));
    }
    if event.subject.len() > SUBJECT_BYTES_MAX || event.subject.contains('\0') {
        return Err(refused("its subject is not one of ours"));
    }
    let body = serde_json::to_string(&event).expect("plain data becomes JSON");
    if body.len() > BODY_BYTES_MAX {
        return Err(refused("it is larger than 1 MiB"));
    }
    Ok(Message { event, body })
}

fn count(result: &'static str) {
    metrics::counter!("webhook_events_total", "result" => result).increment(1);
}

/// A delivery that cannot be settled comes again, and is known then.
fn log_lost(settled: Result<(), StoreError>) {
    if let Err(error) = settled {
        tracing::debug!(error = error_chain::text(&error), "a delivery could not be settled");
    }
}
