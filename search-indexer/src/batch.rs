//! One batch: from deliveries to documents to acknowledgements.

use std::collections::BTreeMap;

use crate::batch_size::BatchSize;
use crate::bulk::ItemResult;
use crate::projection::{Projection, ProjectionError};
use crate::subject::{Owners, Subject, owners};
use domain::event::CloudEvent;
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

/// An event with what settles it.
type Held = (Delivery, CloudEvent);
/// Deliveries of one product that wait for their result.
type Waiting = BTreeMap<ProductId, Vec<Held>>;

/// Indexes the products of a batch and settles its deliveries. While a store or the engine is away it holds
/// them: the broker hands out no more, and nothing is lost when the program ends.
pub async fn index_batch(
    projection: &Projection,
    deliveries: Vec<Delivery>,
    size: &mut BatchSize,
    stop: &CancellationToken,
) {
    let count = deliveries.len();
    metrics::histogram!("search_indexer_batch_size").record(u32::try_from(count).map_or(f64::MAX, f64::from));
    let span = tracing::info_span!("index_batch", deliveries = count);
    async {
        let Some(mut waiting) = by_product(projection, deliveries, stop).await else { return };
        let mut backoff = Backoff::default();
        let mut attempts = 0;
        while !waiting.is_empty() && attempts < ATTEMPT_COUNT_MAX {
            match index_waiting(projection, &mut waiting, size).await {
                Ok(()) => attempts += 1,
                Err(error) => {
                    tracing::warn!(
                        error = error_chain::text(&error),
                        products = waiting.len(),
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
            retry(delivery).await;
        }
    }
    .instrument(span)
    .await;
}

/// Tries every product that waits once, so many at a time as the engine takes.
async fn index_waiting(
    projection: &Projection,
    waiting: &mut Waiting,
    size: &mut BatchSize,
) -> Result<(), ProjectionError> {
    let products: Vec<ProductId> = waiting.keys().copied().collect();
    for some in products.chunks(size.get()) {
        let projected = projection.project(some).await;
        match &projected {
            Ok(results) if !results.iter().any(|result| matches!(result, ItemResult::Retryable(_))) => {
                size.grow();
            }
            // Also when it did not answer in time: it may have too much to do.
            Ok(_) | Err(ProjectionError::Search(_)) => size.shrink(),
            Err(ProjectionError::Store(_)) => {}
        }
        settle(waiting, some.iter().copied().zip(projected?)).await;
    }
    Ok(())
}

/// Deliveries by product. What changes no document is dead-lettered: it will never be indexed. What is about a SKU
/// that no product has is done. `None`: told to stop while the products of SKUs could not be looked for.
async fn by_product(
    projection: &Projection,
    deliveries: Vec<Delivery>,
    stop: &CancellationToken,
) -> Option<Waiting> {
    let mut waiting = Waiting::new();
    let mut of_skus: BTreeMap<String, Vec<Held>> = BTreeMap::new();
    for delivery in deliveries {
        match read(&delivery) {
            Ok((Subject::Product(product), event)) => {
                waiting.entry(product).or_default().push((delivery, event))
            }
            Ok((Subject::Sku(sku), event)) => of_skus.entry(sku).or_default().push((delivery, event)),
            Err(reason) => {
                tracing::error!(reason, "a message changes no document");
                count("refused");
                log_lost(delivery.fail().await);
            }
        }
    }
    let skus: Vec<&str> = of_skus.keys().map(String::as_str).collect();
    let owners = owners_with_patience(projection, &skus, stop).await?;
    for (sku, held) in of_skus {
        match owners.get(&sku) {
            Some(Some(product)) => waiting.entry(*product).or_default().extend(held),
            Some(None) => {
                for (delivery, _) in held {
                    count("without_product");
                    log_lost(delivery.done().await);
                }
            }
            None => {
                for (delivery, _) in held {
                    retry(delivery).await;
                }
            }
        }
    }
    Some(waiting)
}

async fn owners_with_patience(
    projection: &Projection,
    skus: &[&str],
    stop: &CancellationToken,
) -> Option<Owners> {
    if skus.is_empty() {
        return Some(Owners::new());
    }
    let mut backoff = Backoff::default();
    loop {
        match owners(projection, skus).await {
            Ok(owners) => return Some(owners),
            Err(error) => {
                tracing::warn!(error = error_chain::text(&error), skus = skus.len(), "the batch waits");
            }
        }
        if !backoff.pause(stop).await {
            return None;
        }
    }
}

fn read(delivery: &Delivery) -> Result<(Subject, CloudEvent), String> {
    let event = delivery.event().map_err(|error| error.to_string())?;
    Ok((Subject::of(&event)?, event))
}

/// Settles what has a final result; the rest goes on waiting.
async fn settle(waiting: &mut Waiting, results: impl Iterator<Item = (ProductId, ItemResult)>) {
    let mut done = Vec::new();
    for (product, result) in results {
        if let ItemResult::Retryable(reason) = &result {
            tracing::warn!(product.id = %product, reason, "the engine could not take a product");
            continue;
        }
        for (delivery, event) in waiting.remove(&product).into_iter().flatten() {
            log_event(product, &event, &result);
            match result {
                ItemResult::Refused(_) => log_lost(delivery.fail().await),
                _ => done.push(delivery),
            }
        }
    }
    for settled in Delivery::all_done(done).await {
        log_lost(settled);
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

/// Gives a delivery back to its queue, which counts how often.
async fn retry(delivery: Delivery) {
    count("retried");
    log_lost(delivery.retry().await);
}

/// A delivery that cannot be settled comes again, and indexing twice changes nothing.
fn log_lost(settled: Result<(), StoreError>) {
    if let Err(error) = settled {
        tracing::debug!(error = error_chain::text(&error), "a delivery could not be settled");
    }
}
