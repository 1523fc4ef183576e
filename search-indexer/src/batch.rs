//! One batch: from deliveries to documents to acknowledgements.

use std::collections::BTreeMap;

use crate::bulk::ItemResult;
use crate::projection::Projection;
use domain::event::{CloudEvent, EventData};
use domain::ids::ProductId;
use jiff::Timestamp;
use store::amqp::consumer::Delivery;
use store::error::StoreError;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::consume::ensure_index;
use process::backoff::Backoff;
use process::error_chain;

/// Tries of a product that the engine cannot take, before its deliveries go back to the queue and count
/// there.
const ATTEMPT_COUNT_MAX: u32 = 5;

/// Deliveries of one product that wait for their result.
type Waiting = BTreeMap<ProductId, Vec<(Delivery, CloudEvent)>>;

/// Indexes the products of a batch and settles its deliveries. While a store or the engine is away it holds
/// them: the broker hands out no more, and nothing is lost when the program ends.
pub async fn index_batch(projection: &Projection, deliveries: Vec<Delivery>, stop: &CancellationToken) {
    let size = deliveries.len();
    metrics::histogram!("search_indexer_batch_size").record(u32::try_from(size).map_or(f64::MAX, f64::from));
    let span = tracing::info_span!("index_batch", deliveries = size);
    async {
        let mut waiting = by_product(deliveries).await;
        let mut backoff = Backoff::default();
        let mut attempts = 0;
        while !waiting.is_empty() && attempts < ATTEMPT_COUNT_MAX {
            let products: Vec<ProductId> = waiting.keys().copied().collect();
            match projection.project(&products).await {
                Ok(results) => {
                    settle(&mut waiting, products.into_iter().zip(results)).await;
                    attempts += 1;
                }
                Err(error) => {
                    tracing::warn!(
                        error = error_chain::text(&error),
                        products = products.len(),
                        "the batch waits"
                    );
                }
            }
            if !waiting.is_empty() {
                if !backoff.pause(stop).await {
                    return;
                }
                ensure_index(projection).await;
            }
        }
        for (delivery, _) in waiting.into_values().flatten() {
            count("retried");
            log_lost(delivery.retry().await);
        }
    }
    .instrument(span)
    .await;
}

/// Deliveries by product. What is no change of a product is dead-lettered: it will never be indexed.
async fn by_product(deliveries: Vec<Delivery>) -> Waiting {
    let mut waiting = Waiting::new();
    for delivery in deliveries {
        match changed_product(&delivery) {
            Ok((product, event)) => waiting.entry(product).or_default().push((delivery, event)),
            Err(reason) => {
                tracing::error!(reason, "a message is no product change");
                count("refused");
                log_lost(delivery.fail().await);
            }
        }
    }
    waiting
}

fn changed_product(delivery: &Delivery) -> Result<(ProductId, CloudEvent), String> {
    let event = delivery.event().map_err(|error| error.to_string())?;
    match event.event_data() {
        Ok(EventData::ProductChanged(changed)) => Ok((changed.product_id, event)),
        Ok(other) => Err(format!("unexpected event {}: {}", event.id, other.event_type())),
        Err(error) => Err(format!("event {}: {error}", event.id)),
    }
}

/// Settles what has a final result; the rest goes on waiting.
async fn settle(waiting: &mut Waiting, results: impl Iterator<Item = (ProductId, ItemResult)>) {
    for (product, result) in results {
        if let ItemResult::Retryable(reason) = &result {
            tracing::warn!(product.id = %product, reason, "the engine could not take a product");
            continue;
        }
        for (delivery, event) in waiting.remove(&product).into_iter().flatten() {
            log_event(product, &event, &result);
            log_lost(match result {
                ItemResult::Refused(_) => delivery.fail().await,
                _ => delivery.done().await,
            });
        }
    }
}

/// One line and one span per event, in the trace of the request that caused it.
fn log_event(product: ProductId, event: &CloudEvent, result: &ItemResult) {
    let span = tracing::info_span!("index_product", trace_id = tracing::field::Empty, event.id = %event.id);
    process::trace::continue_from(&span, event.traceparent.as_deref());
    let _entered = span.enter();
    let lag = Timestamp::now().duration_since(event.time).max(jiff::SignedDuration::ZERO);
    let lag_ms = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
    metrics::histogram!("search_indexer_lag_seconds").record(lag.as_secs_f64());
    match result {
        ItemResult::Refused(reason) => {
            count("refused");
            tracing::error!(product.id = %product, lag_ms, reason, "the engine refused a product");
        }
        ItemResult::Superseded => {
            count("superseded");
            tracing::info!(product.id = %product, lag_ms, "a newer document is indexed already");
        }
        ItemResult::Indexed | ItemResult::Retryable(_) => {
            count("indexed");
            tracing::info!(product.id = %product, lag_ms, "indexed product");
        }
    }
}

fn count(result: &'static str) {
    metrics::counter!("search_indexer_documents_total", "result" => result).increment(1);
}

/// A delivery that cannot be settled comes again, and indexing twice changes nothing.
fn log_lost(settled: Result<(), StoreError>) {
    if let Err(error) = settled {
        tracing::debug!(error = error_chain::text(&error), "a delivery could not be settled");
    }
}
