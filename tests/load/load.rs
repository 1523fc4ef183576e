//! A phase of load on one address, from threads of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use futures_util::future::try_join_all;

use crate::connection::Connection;
use crate::pace::{Pace, Saturating, Timed, drive, dues};
use crate::scenario::Requests;
use crate::tally::Tally;

const SEED: u64 = 7;

/// How much, for how long.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Open connections.
    pub connections: usize,
    /// Threads that use them.
    pub threads: usize,
    /// How long.
    pub length: Duration,
    /// Requests per second, Poisson arrivals; without one as fast as every connection can.
    pub rate: Option<f64>,
}

/// What became of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Answers.
    pub tally: Tally,
    /// How long it took, the last answer included.
    pub took: Duration,
}

/// Sends a load and waits for its end.
pub async fn run(load: Load, address: SocketAddr, requests: &Arc<Requests>) -> anyhow::Result<Outcome> {
    let began = Instant::now();
    let threads = (0..load.threads).map(|thread| {
        let requests = Arc::clone(requests);
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(share(load, thread, address, &requests))
        })
    });
    let mut tally = Tally::default();
    for ended in try_join_all(threads).await? {
        tally.merge(&ended?);
    }
    Ok(Outcome { tally, took: began.elapsed() })
}

/// One thread's share.
async fn share(load: Load, thread: usize, address: SocketAddr, requests: &Requests) -> anyhow::Result<Tally> {
    let own = (thread..load.connections).step_by(load.threads);
    let connections: Vec<_> = own.collect();
    let opened = connections.iter().map(|_| Connection::open(address));
    let opened = try_join_all(opened).await.with_context(|| format!("connect to {address}"))?;
    let tallies = match load.rate {
        None => {
            let all = connections.iter().zip(opened).map(|(connection, opened)| {
                let pace = Saturating::new(load.length, requests.start(*connection, load.connections));
                async move { send(&pace, opened, requests).await }
            });
            futures_util::future::join_all(all).await
        }
        Some(rate) => {
            let threads = u32::try_from(load.threads).map_err(|_| anyhow!("too many threads"))?;
            let dues = dues(rate / f64::from(threads), load.length, true, SEED + thread as u64);
            let pace = Timed::new(dues);
            futures_util::future::join_all(opened.into_iter().map(|opened| send(&pace, opened, requests)))
                .await
        }
    };
    let mut tally = Tally::default();
    tallies.iter().for_each(|other| tally.merge(other));
    Ok(tally)
}

async fn send(pace: &impl Pace, mut connection: Connection, requests: &Requests) -> Tally {
    drive(pace, async |number| connection.ask(requests.bytes(number)).await).await
}
