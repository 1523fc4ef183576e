//! The daemon: batches of change events, over and over, with a new connection when one is lost.

use crate::client::{BULK_TIMEOUT, Request, SearchClient};
use crate::error::SearchError;
use crate::index::{self, Aliases};
use crate::mapping::{Analysis, additions, changed};
use crate::projection::Projection;
use elasticsearch::http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Duration;
use store::amqp::broker::Broker;
use store::amqp::topology::DurableQueue;
use store::error::StoreError;
use store::settings::AmqpSettings;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::batch::index_batch;
use crate::batch_size::BatchSize;
use process::backoff::Backoff;
use process::error_chain;

/// Most deliveries of a batch, and most that the broker hands out unsettled.
const BATCH_MAX: u16 = 500;
/// From the beginning of a batch to that of the next one that is not full: much of what a batch costs does not depend
/// on its size. After a pause the first one goes at once.
const BATCH_PERIOD: Duration = Duration::from_millis(150);
/// Longest wait for an index that is not searched.
const BESIDE_TIMEOUT: Duration = Duration::from_secs(5);

/// Consumes until told to stop.
pub async fn run(projection: &Projection, settings: &AmqpSettings, stop: &CancellationToken) {
    let mut backoff = Backoff::default();
    while !ensure_index(projection).await {
        if !backoff.pause(stop).await {
            return;
        }
    }
    let mut backoff = Backoff::default();
    let mut size = BatchSize::new(usize::from(BATCH_MAX));
    loop {
        match consume_connection(projection, settings, &mut size, stop).await {
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
    size: &mut BatchSize,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    let broker = Broker::connect(settings).await?;
    let mut consumer = broker.consume(DurableQueue::SearchIndexer, BATCH_MAX).await?;
    tracing::info!("consuming");
    let mut until = Instant::now();
    while !stop.is_cancelled() {
        let batch = tokio::select! {
            () = stop.cancelled() => break,
            batch = consumer.next_batch(size.get(), until) => batch,
        };
        until = Instant::now() + BATCH_PERIOD;
        match batch {
            Some(deliveries) => index_batch(projection, deliveries, size, stop).await,
            None => return Ok(()),
        }
    }
    broker.close().await;
    Ok(())
}

/// Whether there is an index to write to that has every field; makes an empty one when there is none.
pub async fn ensure_index(projection: &Projection) -> bool {
    match make_ready(&projection.client).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(error = error_chain::text(&error), "no index to write to");
            false
        }
    }
}

async fn make_ready(client: &SearchClient) -> Result<(), SearchError> {
    if let Some(name) = index::ensure(client, Analysis::English, Timestamp::now(), name_random()).await? {
        tracing::warn!(index = name, "there was no index: made an empty one, a rebuild fills it");
    }
    add_fields(client).await
}

/// Gives the indexes that are written to the fields that a version of before did not know: an index refuses a
/// document with any other. What they hold stays as it is, also a field that is another one today.
pub async fn add_fields(client: &SearchClient) -> Result<(), SearchError> {
    let Aliases { current, next, previous, .. } = index::aliases(client).await?;
    if let Some(current) = current {
        put_fields(client, &current).await?;
    }
    // The shop goes on without the indexes that are not searched.
    for name in [next, previous].into_iter().flatten() {
        let error = match tokio::time::timeout(BESIDE_TIMEOUT, put_fields(client, &name)).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error_chain::text(&error),
            Err(late) => error_chain::text(&late),
        };
        tracing::warn!(index = name, error, "an index that is not searched stays as it is");
    }
    Ok(())
}

/// Names of the fields that an index lacks.
pub(crate) async fn lacking(client: &SearchClient, name: &str) -> Result<Vec<String>, SearchError> {
    Ok(additions(&index::fields(client, name).await?).into_iter().map(|(field, _)| field).collect())
}

async fn put_fields(client: &SearchClient, name: &str) -> Result<(), SearchError> {
    let held = index::fields(client, name).await?;
    let changed = changed(&held);
    if !changed.is_empty() {
        tracing::warn!(index = name, ?changed, "fields have another mapping today: a rebuild brings it");
    }
    let lacking = additions(&held);
    if lacking.is_empty() {
        return Ok(());
    }
    match put_mapping(client, name, json!(lacking)).await {
        // Analyzers cannot be added to an index that is open. Documents are taken again, and a rebuild brings the rest.
        Err(SearchError::Refused { status: 400, .. }) => {
            let fields: Vec<_> = lacking.keys().collect();
            tracing::warn!(
                index = name,
                ?fields,
                "fields are added without their analysis: a rebuild brings it"
            );
            put_mapping(client, name, without_analysis(&lacking)).await
        }
        outcome => outcome,
    }
}

async fn put_mapping(client: &SearchClient, name: &str, properties: Value) -> Result<(), SearchError> {
    let body = json!({"properties": properties});
    let request = Request::json(Method::Put, format!("{name}/_mapping"), body);
    client.send(Request { timeout: BULK_TIMEOUT, ..request }).await.map(drop)
}

fn without_analysis(fields: &Map<String, Value>) -> Value {
    let mut fields = fields.clone();
    for field in fields.values_mut().filter_map(Value::as_object_mut) {
        field.retain(|setting, _| !setting.ends_with("analyzer"));
    }
    Value::Object(fields)
}

/// What tells two indexes of the same second apart.
pub fn name_random() -> [u8; 4] {
    let [first, second, third, fourth, ..] = *uuid::Uuid::new_v4().as_bytes();
    [first, second, third, fourth]
}
