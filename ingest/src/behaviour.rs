//! What shoppers do, from the broker to the lake: landed on disk before it is acknowledged, merged into the files of
//! days later.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::behaviour::{BehaviourBatch, BehaviourEvent};
use domain::event::InvalidEvent;
use jiff::{SignedDuration, Timestamp};
use lake::behaviour::{LakeError, Writer};
use lake::landing::{Landed, landed};
use process::backoff::Backoff;
use process::error_chain;
use store::amqp::behaviour;
use store::amqp::broker::Broker;
use store::amqp::consumer::Delivery;
use store::amqp::topology::DurableQueue;
use store::error::StoreError;
use store::settings::AmqpSettings;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Most batches that land together, and most that the broker hands out: what bounds the memory.
const BATCHES_MAX: u16 = 200;
/// From the beginning of one landing to that of the next one that is not full.
const PERIOD: Duration = Duration::from_secs(1);
/// How often it is looked whether a day is to be merged.
const MERGE_PERIOD: Duration = Duration::from_secs(60);
/// From so many files on a day is merged, with fewer when the first of them is so old.
const FILES_MIN: usize = 200;
const AGE_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Lands and merges until told to stop; a task of its own, since it has much to read.
pub async fn run(root: PathBuf, settings: AmqpSettings, stop: CancellationToken) {
    tokio::join!(land_all(&root, &settings, &stop), merge_all(&root, &stop));
}

async fn land_all(root: &Path, settings: &AmqpSettings, stop: &CancellationToken) {
    let mut backoff = Backoff::default();
    loop {
        match land_connection(root, settings, stop).await {
            Ok(()) => backoff.reset(),
            Err(error) => tracing::warn!(error = error_chain::text(&error), "no behaviour comes in"),
        }
        if stop.is_cancelled() || !backoff.pause(stop).await {
            return;
        }
    }
}

async fn land_connection(
    root: &Path,
    settings: &AmqpSettings,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    let broker = Broker::connect(settings).await?;
    let mut consumer = broker.consume(DurableQueue::Behaviour, BATCHES_MAX).await?;
    let mut until = Instant::now();
    while !stop.is_cancelled() {
        let batch = tokio::select! {
            () = stop.cancelled() => break,
            batch = consumer.next_batch(usize::from(BATCHES_MAX), until) => batch,
        };
        until = Instant::now() + PERIOD;
        match batch {
            Some(deliveries) => land(root, deliveries, stop).await,
            None => return Ok(()),
        }
    }
    broker.close().await;
    Ok(())
}

/// Lands what messages carry and acknowledges them. While the disk takes nothing they are held, so that the broker
/// hands out no more.
async fn land(root: &Path, deliveries: Vec<Delivery>, stop: &CancellationToken) {
    let (mut by_channel, mut taken) = (BTreeMap::<String, Vec<BehaviourEvent>>::new(), Vec::new());
    // Not read: they come again when the connection ends.
    let Ok(read) = tokio::task::spawn_blocking(|| read_all(deliveries)).await else { return };
    for (delivery, batch) in read {
        match batch {
            Ok(batch) => {
                by_channel.entry(batch.channel).or_default().extend(batch.events);
                taken.push(delivery);
            }
            Err(error) => {
                tracing::error!(error = error_chain::text(&error), "a message is no batch of behaviour");
                settle(delivery.fail().await);
            }
        }
    }
    let name = Uuid::now_v7();
    let mut backoff = Backoff::default();
    for (channel, events) in by_channel {
        let events = Arc::new(events);
        loop {
            let (writer, landing) = (Writer::new(root, &channel), Arc::clone(&events));
            let Err(error) = blocking(move || writer.land(name, &landing)).await else { break };
            tracing::error!(error = error_chain::text(&error), "the lake takes no behaviour");
            metrics::counter!("behaviour_landings_failed_total").increment(1);
            if !backoff.pause(stop).await {
                return;
            }
        }
        metrics::counter!("behaviour_events_landed_total").increment(events.len() as u64);
    }
    Delivery::all_done(taken).await.into_iter().for_each(settle);
}

fn read_all(deliveries: Vec<Delivery>) -> Vec<(Delivery, Result<BehaviourBatch, InvalidEvent>)> {
    let read = |delivery: Delivery| {
        let batch = delivery.event().and_then(behaviour::read);
        (delivery, batch)
    };
    deliveries.into_iter().map(read).collect()
}

/// An acknowledgement that was lost brings the events again: they are known by their ids.
fn settle(settled: Result<(), StoreError>) {
    if let Err(error) = settled {
        tracing::warn!(error = error_chain::text(&error), "a batch of behaviour comes again");
    }
}

async fn merge_all(root: &Path, stop: &CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(MERGE_PERIOD)).await.is_some() {
        let root = root.to_owned();
        if let Err(error) = blocking(move || merge_due(&root, Timestamp::now())).await {
            unmerged(&error);
        }
    }
}

fn unmerged(error: &LakeError) {
    tracing::error!(error = error_chain::text(error), "what has landed stays beside its day");
    metrics::counter!("behaviour_merges_failed_total").increment(1);
}

/// Merges the days of which enough has landed; one that cannot be merged costs the others nothing.
fn merge_due(root: &Path, now: Timestamp) -> Result<(), LakeError> {
    let is_old = |first_at: Timestamp| now.duration_since(first_at).abs() > AGE_MAX;
    let is_due =
        |day: &Landed| day.files >= FILES_MIN || day.first_at.is_some_and(is_old) || day.has_leftovers(now);
    for day in landed(root)?.into_iter().filter(is_due) {
        match Writer::new(root, &day.channel).merge_day(day.day, now) {
            Ok(files) => {
                tracing::info!(channel = day.channel, day = %day.day, files, "merged what has landed");
            }
            Err(error) => unmerged(&error),
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LakeError> + Send + 'static,
) -> Result<T, LakeError> {
    let failed = |error: tokio::task::JoinError| LakeError::File {
        path: PathBuf::new(),
        source: std::io::Error::other(error),
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(failed(error)))
}
