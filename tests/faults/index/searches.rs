//! Searches for one word at a rate of their own, spread over API processes: each has to find something.

use std::time::Duration;

use anyhow::{Context, ensure};
use support::running::Client;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Searches in a second.
const RATE: u32 = 20;
/// Above what any probe costs.
const PRICE_MAX: u64 = 1_000;
/// Failures that are kept in words.
const FAILURES_MAX: usize = 5;

/// What became of them.
#[derive(Debug, Default)]
pub struct Log {
    /// How long each took that was answered.
    pub took: Vec<Duration>,
    /// Those that were answered with nothing.
    pub empty: u64,
    /// Those that were not answered, or by an error.
    pub failed: u64,
    /// Why, the first few times.
    pub failures: Vec<String>,
}

/// Searches that go on until they are told to end, or this is dropped.
pub struct Searches {
    sender: JoinSet<Log>,
    stop: CancellationToken,
}

impl Searches {
    /// Begins, once every process finds something.
    pub async fn start(clients: &[Client], word: &str) -> anyhow::Result<Self> {
        for (number, client) in (0..).zip(clients) {
            let (_, hits) = search(client.clone(), path(word, number)).await?;
            ensure!(hits > 0, "the probes are in the index, and a search does not find them");
        }
        let first = u64::try_from(clients.len())?;
        let (mut sender, stop) = (JoinSet::new(), CancellationToken::new());
        sender.spawn(send(clients.to_vec(), word.to_owned(), first, stop.clone()));
        Ok(Self { sender, stop })
    }

    /// Ends them, when every search under way has its answer.
    pub async fn end(mut self) -> anyhow::Result<Log> {
        self.stop.cancel();
        self.sender.join_next().await.context("the sender of searches")?.context("the sender of searches")
    }
}

async fn send(clients: Vec<Client>, word: String, first: u64, stop: CancellationToken) -> Log {
    let (mut log, mut under_way) = (Log::default(), JoinSet::new());
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    for (number, client) in (first..).zip(clients.iter().cycle()) {
        if stop.run_until_cancelled(ticks.tick()).await.is_none() {
            break;
        }
        while let Some(ended) = under_way.try_join_next() {
            log.settle(ended.unwrap_or_else(|error| Err(error.into())));
        }
        under_way.spawn(search(client.clone(), path(&word, number)));
    }
    while let Some(ended) = under_way.join_next().await {
        log.settle(ended.unwrap_or_else(|error| Err(error.into())));
    }
    log
}

/// Each is another question, so that no cache answers it.
fn path(word: &str, number: u64) -> String {
    format!("/search?q={word}&limit=5&price_max={}", PRICE_MAX + number)
}

async fn search(client: Client, path: String) -> anyhow::Result<(Duration, usize)> {
    let began = Instant::now();
    let page = client.get(&path).await?;
    anyhow::ensure!(page["query"]["plainer"].is_null(), "the store answered, not the index");
    let hits = page["data"].as_array().map_or(0, Vec::len);
    Ok((began.elapsed(), hits))
}

impl Log {
    fn settle(&mut self, ended: anyhow::Result<(Duration, usize)>) {
        match ended {
            Ok((took, hits)) => {
                self.took.push(took);
                self.empty += u64::from(hits == 0);
            }
            Err(error) => {
                self.failed += 1;
                if self.failures.len() < FAILURES_MAX {
                    self.failures.push(format!("a search failed: {error:#}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn an_empty_answer_is_no_failed_one() {
        let mut log = Log::default();
        log.settle(Ok((Duration::from_millis(3), 5)));
        log.settle(Ok((Duration::from_millis(4), 0)));
        (0..9).for_each(|_| log.settle(Err(anyhow!("503"))));
        assert_eq!((log.took.len(), log.empty, log.failed), (2, 1, 9));
        assert_eq!(log.failures.len(), FAILURES_MAX);
    }

    #[test]
    fn no_question_is_asked_twice() {
        assert_ne!(path("zq1", 0), path("zq1", 1));
    }
}
