//! Changes of products at a rate of their own, spread over API processes, and which of them were acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use support::running::Client;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::probes::Probe;
use crate::load::Change;

/// Changes in a second.
pub const RATE: u32 = 200;

/// What became of them.
#[derive(Debug, Default)]
pub struct Log {
    /// Those that were acknowledged.
    pub acknowledged: Vec<Change>,
    /// Those that were not.
    pub failed: u64,
    /// Those that were not sent, because every product was being changed.
    pub skipped: u64,
    /// How long changes were due.
    pub lasted: Duration,
}

impl Log {
    /// Acknowledged changes of a second.
    pub fn rate(&self) -> f64 {
        self.acknowledged.len() as f64 / self.lasted.as_secs_f64().max(f64::EPSILON)
    }
}

/// Changes that go on until they are told to end, or this is dropped.
pub struct Changes {
    sender: JoinSet<Log>,
    stop: CancellationToken,
}

impl Changes {
    /// Begins: each is sent when it is due, on the product whose last change is longest ago. Titles keep the word.
    pub fn start(clients: &[Client], probes: Vec<Probe>, word: &str) -> Self {
        let (mut sender, stop) = (JoinSet::new(), CancellationToken::new());
        sender.spawn(send(clients.to_vec(), probes, word.to_owned(), stop.clone()));
        Self { sender, stop }
    }

    /// Ends them, when every change under way has its answer.
    pub async fn end(mut self) -> anyhow::Result<Log> {
        self.stop.cancel();
        self.sender.join_next().await.context("the sender of changes")?.context("the sender of changes")
    }
}

async fn send(clients: Vec<Client>, probes: Vec<Probe>, word: String, stop: CancellationToken) -> Log {
    let (mut free, mut under_way) = (VecDeque::from(probes), JoinSet::new());
    let (mut log, mut ticks) = (Log::default(), tokio::time::interval(Duration::from_secs(1) / RATE));
    let began = Instant::now();
    for (number, client) in (0_u64..).zip(clients.iter().cycle()) {
        if stop.run_until_cancelled(ticks.tick()).await.is_none() {
            break;
        }
        while let Some(ended) = under_way.try_join_next() {
            settle(ended.unwrap_or_default(), &mut free, &mut log);
        }
        match free.pop_front() {
            Some(probe) => {
                let title = format!("Fault probe {word} {number}");
                under_way.spawn(change(client.clone(), probe, title));
            }
            None => log.skipped += 1,
        }
    }
    log.lasted = began.elapsed();
    while let Some(ended) = under_way.join_next().await {
        settle(ended.unwrap_or_default(), &mut free, &mut log);
    }
    log
}

/// What was acknowledged, and the product as it is now, when that is known.
type Ended = (Option<Change>, Option<Probe>);

fn settle((change, probe): Ended, free: &mut VecDeque<Probe>, log: &mut Log) {
    log.failed += u64::from(change.is_none());
    log.acknowledged.extend(change);
    free.extend(probe);
}

async fn change(client: Client, probe: Probe, title: String) -> Ended {
    let Probe { id, seen } = probe;
    match client.change(&seen, &json!({"title": title})).await {
        Ok(seen) => {
            let version = seen.product["version"].as_i64().unwrap_or_default();
            (Some(Change { product: id, version, title }), Some(Probe { id, seen }))
        }
        // Only the shop knows which version is the present one.
        Err(_) => {
            let seen = client.product(&id.to_string()).await.ok();
            (None, seen.map(|seen| Probe { id, seen }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_acknowledged_has_failed() {
        let (mut free, mut log) = (VecDeque::new(), Log::default());
        let product = support::shop::product("Fault probe");
        let change = Change { product: product.id, version: 2, title: "Fault probe 1".to_owned() };
        settle((Some(change), None), &mut free, &mut log);
        settle((None, None), &mut free, &mut log);
        assert_eq!((log.acknowledged.len(), log.failed, free.len()), (1, 1, 0));
        log.lasted = Duration::from_millis(500);
        assert!((log.rate() - 2.0).abs() < 1e-9);
    }
}
