//! One shared server seen through a short timeout: when it is away it is left alone for a second.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// Longest time that a request waits for a shared cache.
pub const OPERATION_TIMEOUT: Duration = Duration::from_millis(100);
/// How long a server that failed is not asked again.
const PAUSE_MS: i64 = 1_000;

/// An error that tells a server that is away from a request that it refused.
pub(crate) trait TierError: std::fmt::Display {
    fn means_away(&self) -> bool;
}

impl TierError for memcache::exp::Error {
    fn means_away(&self) -> bool {
        use memcache::exp::Error;
        !matches!(self, Error::Server(_) | Error::Rejected(_) | Error::EmptyValue | Error::Usage(_))
    }
}

impl TierError for redis::RedisError {
    fn means_away(&self) -> bool {
        self.is_io_error()
            || self.is_timeout()
            || self.is_connection_dropped()
            || self.is_connection_refusal()
    }
}

/// A server, and since when it is away.
#[derive(Debug)]
pub(crate) struct Tier {
    cache: &'static str,
    name: &'static str,
    paused_until_ms: AtomicI64,
}

impl Tier {
    pub(crate) fn new(cache: &'static str, name: &'static str) -> Self {
        Self { cache, name, paused_until_ms: AtomicI64::new(0) }
    }

    /// The answer, or `None` when there is none in time. The future is not polled while the server is left
    /// alone.
    pub(crate) async fn run<T, E: TierError>(
        &self,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        let now_ms = Timestamp::now().as_millisecond();
        if now_ms < self.paused_until_ms.load(Ordering::Relaxed) {
            return None;
        }
        let reason = match tokio::time::timeout(OPERATION_TIMEOUT, operation).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) if !error.means_away() => {
                tracing::warn!(cache = self.cache, tier = self.name, %error, "a cache refused");
                self.count("error");
                return None;
            }
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        self.count("error");
        self.paused_until_ms.store(now_ms + PAUSE_MS, Ordering::Relaxed);
        tracing::warn!(cache = self.cache, tier = self.name, reason, "a cache is away");
        None
    }

    pub(crate) fn count(&self, result: &'static str) {
        self.count_many(result, 1);
    }

    pub(crate) fn count_many(&self, result: &'static str, times: usize) {
        count_many(self.cache, self.name, result, times);
    }
}

pub(crate) fn count(cache: &'static str, tier: &'static str, result: &'static str) {
    count_many(cache, tier, result, 1);
}

pub(crate) fn count_many(cache: &'static str, tier: &'static str, result: &'static str, times: usize) {
    metrics::counter!("cache_requests_total", "cache" => cache, "tier" => tier, "result" => result)
        .increment(times.try_into().unwrap_or(u64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_silent_server_is_left_alone() {
        let tier = Tier::new("test", "silent");
        let never = std::future::pending::<Result<(), redis::RedisError>>();
        assert!(tier.run(never).await.is_none());
        let answered = async { Ok::<_, redis::RedisError>(1) };
        assert!(tier.run(answered).await.is_none(), "the pause is not over");
    }
}
