//! Keeps the caches of this process true: every change of a product, from an exclusive queue.
//!
//! While the queue's connection is down nothing cached is believed (see [`cache::product_cache`]).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::event::{CloudEvent, EventData, event_type};
use jiff::Timestamp;
use store::amqp::broker::Broker;
use store::amqp::consumer::Consumer;
use store::error::StoreError;
use store::settings::AmqpSettings;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::app_state::AppState;
use process::error_chain;

const QUEUE_PREFIX: &str = "api-cache";
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Hears changes until the token is cancelled, connecting anew whenever the connection is lost.
pub async fn run(state: Arc<AppState>, settings: AmqpSettings, stop: CancellationToken) {
    let mut pause = PAUSE_MIN;
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = hear(&state, &settings) => ended,
        };
        match ended {
            Ok(()) => {
                tracing::warn!("the connection of the invalidation queue is lost");
                pause = PAUSE_MIN;
            }
            Err(error) => {
                tracing::warn!(error = error_chain::text(&error), "the invalidation queue cannot be had");
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
        let jitter = rand::random_range(0.8..1.2);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause.mul_f64(jitter)) => {}
        }
    }
}

/// Subscribes and applies every change; `Ok` when a connection that stood is lost.
async fn hear(state: &AppState, settings: &AmqpSettings) -> Result<(), StoreError> {
    let broker = Broker::connect(settings).await?;
    let consumer = broker.subscribe(QUEUE_PREFIX, &[event_type::PRODUCT_CHANGED]).await?;
    let listening = Listening::begin(state);
    apply_all(state, consumer).await;
    drop(listening);
    Ok(())
}

/// However it ends, also when its future is dropped, the caches are bypassed afterwards.
struct Listening<'a>(&'a AppState);

impl<'a> Listening<'a> {
    fn begin(state: &'a AppState) -> Self {
        let now = Timestamp::now();
        state.products.listen_from(now);
        state.searches.note_change(now);
        state.is_subscribed.store(true, Ordering::SeqCst);
        tracing::info!("changes are heard");
        Self(state)
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.is_subscribed.store(false, Ordering::SeqCst);
        self.0.products.bypass();
        self.0.searches.distrust();
    }
}

async fn apply_all(state: &AppState, mut consumer: Consumer) {
    while let Some(delivery) = consumer.next().await {
        match delivery.event() {
            Ok(event) => {
                let span = tracing::info_span!("invalidate", trace_id = tracing::field::Empty);
                process::trace::continue_from(&span, event.traceparent.as_deref());
                apply(state, &event).instrument(span).await;
            }
            Err(error) => {
                // What it was about is not known, so nothing cached can be believed: begin anew.
                tracing::error!(error = error_chain::text(&error), "an unreadable message");
                return;
            }
        }
    }
}

async fn apply(state: &AppState, event: &CloudEvent) {
    let now = Timestamp::now();
    state.searches.note_change(now);
    match event.event_data() {
        Ok(EventData::ProductChanged(change)) => {
            state.products.invalidate(change.product_id, change.version, now).await;
            let lag_ms = now.as_millisecond() - event.time.as_millisecond();
            tracing::debug!(product_id = %change.product_id, version = change.version, lag_ms, "invalidated");
        }
        Ok(EventData::OrdersImported(_)) => {}
        Err(error) => tracing::warn!(error = error_chain::text(&error), "an event of another shape"),
    }
    metrics::counter!("cache_invalidations_total").increment(1);
}
