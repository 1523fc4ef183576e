//! The relay of PostgreSQL's outbox, from the commit of many events until all are confirmed and marked, beside the
//! bare publisher: in turns, each with queues of its own that are empty at first.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use domain::event::{Cause, Event, SHARD_COUNT};
use domain::ids::{EventId, ProductId};
use jiff::Timestamp;
use rand::random;
use store::error::StoreError;
use store::pg::direct::{self, DirectClient};
use store::pg::pool::PgPools;
use store::pg::{outbox, transaction};
use store::settings::AmqpSettings;
use tokio_util::sync::CancellationToken;

use crate::scratch::Scratch;

use super::{Compared, Rates, Settings, per_second, publisher};

/// Events of one aggregate, which have to be sent one after the other.
const VERSION_COUNT: i64 = 2;
const LEASE_DEADLINE: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(20);
/// One name: what a bench that was cut off has left, the next one removes.
const DATABASE: &str = "bench_events";
/// Virtual hosts of the two.
const BARE: &str = "bench-events-bare";
const OURS: &str = "bench-events-relay";

/// Both in turns, `rounds` times.
pub async fn measure(
    stores: &Settings,
    checkout: &Path,
    events: u32,
    rounds: u32,
) -> anyhow::Result<Compared> {
    let scratch = Scratch::make(DATABASE, &stores.postgres, checkout).await?;
    let measured = Box::pin(in_turns(&scratch, usize::try_from(events)?, rounds)).await;
    let hosts = [scratch.remove_virtual_host(BARE).await, scratch.remove_virtual_host(OURS).await];
    let database = scratch.remove().await;
    let measured = measured?;
    hosts.into_iter().chain([database]).collect::<anyhow::Result<()>>()?;
    Ok(measured)
}

async fn in_turns(scratch: &Scratch, count: usize, rounds: u32) -> anyhow::Result<Compared> {
    let mut rates = Vec::new();
    for round in 1..=rounds {
        let events = events(count);
        let amqp = scratch.virtual_host(BARE).await?;
        let bare = publisher::publish(&amqp, &events).await?;
        let amqp = scratch.virtual_host(OURS).await?;
        let ours = relay(scratch, &amqp, &events).await?;
        eprintln!("relay: round {round} of {rounds}");
        rates.push(Rates { ours: per_second(count, ours), bare: per_second(count, bare) });
    }
    Ok(Compared::new(count, rates))
}

/// Events of as many aggregates as a busy shop has, in the order of their versions.
fn events(count: usize) -> Vec<Event> {
    let now = Timestamp::now();
    let cause = Cause { actor: "system:bench".to_owned(), ..Cause::default() };
    let of_product = |_| {
        let product = ProductId::new(now, random());
        (1..=VERSION_COUNT).map(move |version| (product, version))
    };
    (0..count)
        .flat_map(of_product)
        .take(count)
        .map(|(product, version)| {
            Event::product_changed(EventId::new(now, random()), now, product, version, cause.clone())
        })
        .collect()
}

/// How long the running relay takes from the commit of the events.
async fn relay(scratch: &Scratch, amqp: &AmqpSettings, events: &[Event]) -> anyhow::Result<Duration> {
    let mut client = direct::primary(&scratch.postgres).await?;
    client
        .batch_execute("TRUNCATE outbox; UPDATE outbox_leases SET owner = NULL, leased_until = '-infinity'")
        .await?;
    let (pools, amqp, stop) = (PgPools::new(&scratch.postgres)?, amqp.clone(), CancellationToken::new());
    let token = stop.clone();
    let running = tokio::spawn(async move { ingest::relay::pg_outbox::run(&pools, &amqp, &token).await });
    let took = relayed(&mut client, events).await;
    stop.cancel();
    running.await?;
    took
}

async fn relayed(client: &mut DirectClient, events: &[Event]) -> anyhow::Result<Duration> {
    until_leased(client).await?;
    transaction::run_direct::<_, StoreError, _>(client, "bench_events", async |transaction| {
        for event in events {
            outbox::append(transaction, event).await?;
        }
        Ok(())
    })
    .await?;
    let began = Instant::now();
    while has_unsent(client).await? {
        ensure!(began.elapsed() < DEADLINE, "events are not sent after {DEADLINE:?}");
        tokio::time::sleep(PAUSE).await;
    }
    Ok(began.elapsed())
}

/// The relay is at work, connected, when it holds every shard.
async fn until_leased(client: &DirectClient) -> anyhow::Result<()> {
    const SQL: &str = "SELECT count(*) FROM outbox_leases WHERE leased_until > clock_timestamp()";
    let began = Instant::now();
    while client.query_one(SQL, &[]).await?.get::<_, i64>(0) < i64::from(SHARD_COUNT) {
        ensure!(began.elapsed() < LEASE_DEADLINE, "the relay took no lease within {LEASE_DEADLINE:?}");
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn has_unsent(client: &DirectClient) -> anyhow::Result<bool> {
    const SQL: &str = "SELECT EXISTS (SELECT FROM outbox WHERE sent_at IS NULL)";
    Ok(client.query_one(SQL, &[]).await?.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_in_version_order_of_their_aggregates() {
        let events = events(5);
        let versions: Vec<i64> = events.iter().map(|event| event.aggregate.version).collect();
        assert_eq!(versions, [1, 2, 1, 2, 1]);
        assert_eq!(events[0].aggregate.id, events[1].aggregate.id);
        assert_ne!(events[1].aggregate.id, events[2].aggregate.id);
    }
}
