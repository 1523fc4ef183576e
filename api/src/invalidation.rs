//! Keeps the caches of this process true: every change of a product, from an exclusive queue.
//!
//! A change counts in this process as soon as it is heard; Memcached is told beside, in batches, so that its
//! pace holds nothing back. While the queue's connection is down nothing cached is believed (see
//! [`cache::product_cache`]).

use std::sync::Arc;

use domain::event::{CloudEvent, EventData, InvalidEvent, ProductChanged, ProductDeleted, event_type};
use futures_util::future::join_all;
use jiff::Timestamp;
use process::backoff::Backoff;
use process::error_chain;
use store::amqp::broker::Broker;
use store::amqp::consumer::{Consumer, Delivery};
use store::error::StoreError;
use store::settings::AmqpSettings;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::app_state::AppState;

const QUEUE_PREFIX: &str = "api-cache";
/// A product that is deleted is changed too: what a cache has of it is old, and the next read finds nothing.
const HEARD: [&str; 2] = [event_type::PRODUCT_CHANGED, event_type::PRODUCT_DELETED];
/// Tombstones that are written at once.
const TOMBSTONE_BATCH_MAX: usize = 64;
/// Changes that wait for their tombstone. The subscription holds no more unsettled ones.
const WAITING_COUNT_MAX: usize = 1_000;

/// Why changes are not heard.
#[derive(Debug, thiserror::Error)]
enum HearError {
    #[error("the invalidation queue cannot be had")]
    Broker(#[from] StoreError),
    /// What it was about is not known, so nothing that is cached can be believed.
    #[error("a change is unreadable")]
    Unreadable(#[from] InvalidEvent),
}

/// A change that this process knows and Memcached does not yet.
struct Heard {
    delivery: Delivery,
    change: ProductChanged,
    at: Timestamp,
}

/// Hears changes until the token is cancelled, connecting anew whenever the connection is lost.
pub async fn run(state: Arc<AppState>, settings: AmqpSettings, stop: CancellationToken) {
    let mut backoff = Backoff::default();
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = hear(&state, &settings) => ended,
        };
        match ended {
            Ok(()) => {
                tracing::warn!("the connection of the invalidation queue is lost");
                backoff.reset();
            }
            Err(error) => tracing::error!(error = error_chain::text(&error), "changes are not heard"),
        }
        if !backoff.pause(&stop).await {
            return;
        }
    }
}

/// Subscribes and applies every change; `Ok` when a connection that stood is lost.
async fn hear(state: &AppState, settings: &AmqpSettings) -> Result<(), HearError> {
    let broker = Broker::connect(settings).await?;
    let consumer = broker.subscribe(QUEUE_PREFIX, &HEARD).await?;
    let _listening = Listening::begin(state);
    let (heard, waiting) = mpsc::channel(WAITING_COUNT_MAX);
    // What still waits when the connection ends is in no danger: after it nothing read before is believed.
    tokio::select! {
        ended = apply_all(state, consumer, heard) => Ok(ended?),
        () = bury_all(state, waiting) => Ok(()),
    }
}

/// However it ends, also when its future is dropped, the caches are bypassed afterwards.
struct Listening<'a>(&'a AppState);

impl<'a> Listening<'a> {
    fn begin(state: &'a AppState) -> Self {
        let now = Timestamp::now();
        state.products.listen_from(now);
        state.searches.listen_from(now);
        tracing::info!("changes are heard");
        Self(state)
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.products.bypass();
        self.0.searches.distrust();
    }
}

async fn apply_all(
    state: &AppState,
    mut consumer: Consumer,
    heard: mpsc::Sender<Heard>,
) -> Result<(), InvalidEvent> {
    while let Some(delivery) = consumer.next().await {
        let event = delivery.event()?;
        let change = changed_product(&event)?;
        let span = tracing::info_span!("invalidate", trace_id = tracing::field::Empty);
        process::trace::continue_from(&span, event.traceparent.as_deref());
        let at = Timestamp::now();
        apply(state, &event, &change, at).instrument(span).await;
        if heard.send(Heard { delivery, change, at }).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The product that changed. An event about anything else is none that was subscribed to.
fn changed_product(event: &CloudEvent) -> Result<ProductChanged, InvalidEvent> {
    match event.event_data()? {
        EventData::ProductChanged(change) => Ok(change),
        EventData::ProductDeleted(ProductDeleted { product_id, version }) => {
            Ok(ProductChanged { product_id, version })
        }
        other => Err(InvalidEvent::UnknownType(other.event_type().to_owned())),
    }
}

async fn apply(state: &AppState, event: &CloudEvent, change: &ProductChanged, at: Timestamp) {
    state.searches.note_change(at);
    state.products.invalidate_local(change.product_id, change.version).await;
    let lag_ms = at.as_millisecond() - event.time.as_millisecond();
    tracing::debug!(product_id = %change.product_id, version = change.version, lag_ms, "invalidated");
    metrics::counter!("cache_invalidations_total").increment(1);
}

/// Writes the tombstones, then settles the deliveries, which lets the broker send more. Ends when the
/// connection is lost.
async fn bury_all(state: &AppState, mut waiting: mpsc::Receiver<Heard>) {
    let mut batch = Vec::with_capacity(TOMBSTONE_BATCH_MAX);
    while waiting.recv_many(&mut batch, TOMBSTONE_BATCH_MAX).await > 0 {
        let tombstones = batch.iter().map(|Heard { change, at, .. }| {
            state.products.invalidate_shared(change.product_id, change.version, *at)
        });
        join_all(tombstones).await;
        let deliveries = batch.drain(..).map(|heard| heard.delivery).collect();
        if let Some(Err(error)) = Delivery::all_done(deliveries).await.into_iter().find(Result::is_err) {
            tracing::warn!(error = error_chain::text(&error), "a change cannot be settled");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::event::{Cause, Event};
    use domain::ids::{EventId, ProductId};

    use super::*;

    fn event() -> CloudEvent {
        let at = Timestamp::UNIX_EPOCH;
        let (id, product) = (EventId::new(at, [1; 10]), ProductId::new(at, [2; 10]));
        Event::product_changed(id, at, product, 3, Cause::default()).to_cloud_event()
    }

    #[test]
    fn a_change_of_another_shape_is_unreadable() {
        let change = changed_product(&event()).expect("well-formed");
        assert_eq!(change.version, 3);
        let data = EventData::ProductDeleted(ProductDeleted { product_id: change.product_id, version: 4 });
        let (id, at) = (event().id, Timestamp::UNIX_EPOCH);
        let deleted = Event::new(id, at, data, 4, Cause::default()).to_cloud_event();
        let deleted = changed_product(&deleted).expect("well-formed");
        assert_eq!((deleted.product_id, deleted.version), (change.product_id, 4));
        let wrong = CloudEvent { data: serde_json::json!({"product": "p", "version": 3}), ..event() };
        assert!(matches!(changed_product(&wrong), Err(InvalidEvent::Malformed(_))));
        let unknown = CloudEvent { event_type: "product.changed.v9".into(), ..event() };
        assert!(matches!(changed_product(&unknown), Err(InvalidEvent::UnknownType(_))));
    }
}
