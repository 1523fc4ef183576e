//! What consumers gave up, moved from the broker into PostgreSQL: there a person can read it, send it again or drop it.
//!
//! A message is acknowledged after the commit; one that comes twice is kept once.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use jiff::Timestamp;
use process::backoff::Backoff;
use process::error_chain;
use store::amqp::broker::Broker;
use store::amqp::dead_letter::DeadLetter;
use store::amqp::topology::DurableQueue;
use store::error::StoreError;
use store::pg::pool::PgPools;
use store::pg::{dead_letters, health, transaction};
use store::settings::AmqpSettings;
use tokio_util::sync::CancellationToken;

/// Between two counts of those that wait.
pub const COUNT_PERIOD: Duration = Duration::from_secs(5);
/// Messages of a queue in memory: each may be as large as the broker allows.
const PREFETCH: u16 = 2;
/// How long a message is held while PostgreSQL is away: the broker takes back what is held for half an hour.
const HOLD_MAX: Duration = Duration::from_secs(600);

/// Keeps what is dead-lettered until the program stops; connects anew for as long as it takes.
pub async fn run(pools: &PgPools, amqp: &AmqpSettings, stop: &CancellationToken) {
    for queue in DurableQueue::ALL {
        metrics::counter!("dead_letters_total", "queue" => queue.name()).increment(0);
    }
    let mut backoff = Backoff::default();
    while !stop.is_cancelled() {
        if let Err(error) = Box::pin(keep_all(pools, amqp, stop, &mut backoff)).await {
            tracing::warn!(error = error_chain::text(&error), "dead letters wait in the broker");
            backoff.pause(stop).await;
        }
    }
}

/// Tells how many wait for a person, by queue.
pub async fn count_waiting(pools: &PgPools) -> Result<usize, StoreError> {
    let waiting = dead_letters::waiting(&**pools.read().await?).await?;
    for queue in DurableQueue::ALL {
        let count = waiting.iter().find(|(name, _)| name == queue.name()).map_or(0, |(_, count)| *count);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("dead_letters_waiting", "queue" => queue.name()).set(count as f64);
    }
    Ok(0)
}

/// PostgreSQL first: what cannot be kept is not taken out of the broker.
async fn keep_all(
    pools: &PgPools,
    amqp: &AmqpSettings,
    stop: &CancellationToken,
    backoff: &mut Backoff,
) -> Result<(), StoreError> {
    health::ping_write(pools).await?;
    let broker = Broker::connect(amqp).await?;
    backoff.reset();
    try_join_all(DurableQueue::ALL.map(|queue| keep_of(&broker, pools, queue, stop))).await?;
    broker.close().await;
    Ok(())
}

/// Until the program stops; losing the connection is an error.
async fn keep_of(
    broker: &Broker,
    pools: &PgPools,
    queue: DurableQueue,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    let mut consumer = broker.consume_dead_letters(queue, PREFETCH).await?;
    loop {
        let delivery = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            delivery = consumer.next() => delivery,
        };
        let delivery = delivery.ok_or_else(|| StoreError::unavailable("the connection is lost"))?;
        let letter = delivery.dead_letter(queue, Timestamp::now());
        if !keep(pools, letter, stop).await? {
            return Ok(());
        }
        delivery.done().await?;
    }
}

/// Keeps a message as soon as PostgreSQL takes it. `false`: the program stops before that.
async fn keep(pools: &PgPools, mut letter: DeadLetter, stop: &CancellationToken) -> Result<bool, StoreError> {
    let held_since = Instant::now();
    let mut backoff = Backoff::default();
    let mut has_texts = true;
    loop {
        let error = match insert(pools, &letter).await {
            Ok(is_new) => {
                note(&letter, is_new);
                return Ok(true);
            }
            Err(error) => error,
        };
        let is_passing = error.is_unavailable() || error.is_retryable();
        let cause = error_chain::text(&error);
        if !is_passing && has_texts {
            tracing::error!(error = cause, dead_letter = %letter.id, "kept without its texts");
            letter = letter.without_texts();
            has_texts = false;
            continue;
        }
        tracing::warn!(error = cause, queue = letter.queue.name(), "a dead letter cannot be kept yet");
        if held_since.elapsed() > HOLD_MAX {
            return Err(error);
        }
        if !backoff.pause(stop).await {
            return Ok(false);
        }
    }
}

async fn insert(pools: &PgPools, letter: &DeadLetter) -> Result<bool, StoreError> {
    transaction::run(pools, "keep_dead_letter", async |transaction| {
        dead_letters::insert(transaction, letter).await
    })
    .await
}

fn note(letter: &DeadLetter, is_new: bool) {
    if !is_new {
        return;
    }
    metrics::counter!("dead_letters_total", "queue" => letter.queue.name()).increment(1);
    tracing::error!(
        dead_letter = %letter.id,
        queue = letter.queue.name(),
        event.id = letter.event_id,
        event.kind = letter.event_type,
        reason = letter.reason,
        bytes = letter.body_bytes,
        "a message was given up"
    );
}
