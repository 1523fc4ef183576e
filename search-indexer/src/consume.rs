//! The daemon: batches of change events, over and over, with a new connection when one is lost.

use crate::index;
use crate::mapping::Analysis;
use crate::projection::Projection;
use jiff::Timestamp;
use store::amqp::broker::Broker;
use store::amqp::topology::DurableQueue;
use store::error::StoreError;
use store::settings::AmqpSettings;
use tokio_util::sync::CancellationToken;

use crate::batch::index_batch;
use crate::collect::{BATCH_MAX, next_batch};
use process::backoff::Backoff;
use process::error_chain;

/// Consumes until told to stop.
pub async fn run(projection: &Projection, settings: &AmqpSettings, stop: &CancellationToken) {
    let mut backoff = Backoff::default();
    while !ensure_index(projection).await {
        if !backoff.pause(stop).await {
            return;
        }
    }
    let mut backoff = Backoff::default();
    loop {
        match consume_connection(projection, settings, stop).await {
            Ok(()) => backoff.reset(),
            Err(error) => tracing::warn!(error = error_chain::text(&error), "no broker"),
        }
        if stop.is_cancelled() || !backoff.pause(stop).await {
            return;
        }
    }
}

/// Consumes as long as one connection stands, or until told to stop.
async fn consume_connection(
    projection: &Projection,
    settings: &AmqpSettings,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    let broker = Broker::connect(settings).await?;
    let mut consumer = broker.consume(DurableQueue::SearchIndexer, BATCH_MAX).await?;
    tracing::info!("consuming");
    while !stop.is_cancelled() {
        let batch = tokio::select! {
            () = stop.cancelled() => break,
            batch = next_batch(&mut consumer) => batch,
        };
        match batch {
            Some(deliveries) => index_batch(projection, deliveries, stop).await,
            None => return Ok(()),
        }
    }
    broker.close().await;
    Ok(())
}

/// Whether there is an index to write to; makes an empty one when there is none.
pub async fn ensure_index(projection: &Projection) -> bool {
    let client = &projection.client;
    match index::ensure(client, Analysis::English, Timestamp::now(), name_random()).await {
        Ok(None) => true,
        Ok(Some(name)) => {
            tracing::warn!(index = name, "there was no index: made an empty one, a rebuild fills it");
            true
        }
        Err(error) => {
            tracing::warn!(error = error_chain::text(&error), "no search engine");
            false
        }
    }
}

/// What tells two indexes of the same second apart.
pub fn name_random() -> [u8; 4] {
    let [first, second, third, fourth, ..] = *uuid::Uuid::new_v4().as_bytes();
    [first, second, third, fourth]
}
