//! From deliveries to requests: what is due is leased, sent outside of any transaction, and recorded under the lease.
//! A program that dies between the two sends again when its lease ends: at least once.

use std::pin::pin;
use std::time::{Duration, Instant};

use domain::webhook::endpoint::DisabledReason;
use domain::webhook::schedule::{Answer, JITTER_MAX, Verdict, is_given_up, judge};
use domain::webhook::url_policy::UrlPolicy;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use process::error_chain;
use store::error::StoreError;
use store::pg::pool::PgPools;
use store::pg::transaction;
use store::pg::webhooks::lanes::{self, Finished, LeaseLimits, LeasedDelivery};
use tokio_util::sync::CancellationToken;

use crate::webhooks::log_wait;
use crate::webhooks::request::{Outcome, WebhookClient};

/// Requests at once.
const REQUEST_COUNT_MAX: usize = 8;
/// Of them to one endpoint.
const REQUESTS_OF_ENDPOINT_MAX: i64 = 4;
/// Longer than a request and the recording of its result take together.
const LEASE_MS: i64 = 60_000;
/// Between two looks at what is due.
const PAUSE: Duration = Duration::from_millis(250);
/// The same while the store is away.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How long a result is tried to be recorded; after it the delivery is sent again.
const RECORD_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends deliveries.
#[derive(Debug)]
pub struct Sender {
    pools: PgPools,
    client: WebhookClient,
}

impl Sender {
    /// A sender that asks only where the policy allows it.
    pub fn new(pools: PgPools, policy: UrlPolicy) -> Result<Self, reqwest::Error> {
        Ok(Self { pools, client: WebhookClient::new(policy)? })
    }

    /// Sends what is due until told to stop; what is under way then is ended.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut requests = FuturesUnordered::new();
        while !stop.is_cancelled() {
            let mut leasing = pin!(self.lease(REQUEST_COUNT_MAX - requests.len()));
            let leased = loop {
                tokio::select! {
                    leased = &mut leasing => break leased,
                    Some(()) = requests.next() => {}
                }
            };
            let pause = match leased {
                Ok(leased) => {
                    requests.extend(leased.into_iter().map(|delivery| self.attempt(delivery)));
                    PAUSE
                }
                Err(error) => {
                    log_wait(&error, "deliveries of webhooks cannot be read");
                    PAUSE_AFTER_FAILURE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
                Some(()) = requests.next() => {}
            }
        }
        while requests.next().await.is_some() {}
    }

    async fn lease(&self, free: usize) -> Result<Vec<LeasedDelivery>, StoreError> {
        if free == 0 {
            return Ok(Vec::new());
        }
        let limits = LeaseLimits {
            lanes: i64::try_from(free).expect("a few"),
            lanes_of_endpoint: REQUESTS_OF_ENDPOINT_MAX,
            lease_ms: LEASE_MS,
        };
        transaction::run(&self.pools, "lease_webhooks", async |transaction| {
            lanes::lease(transaction, limits).await
        })
        .await
    }

    async fn attempt(&self, delivery: LeasedDelivery) {
        let at = Timestamp::now();
        let outcome = self.client.post(&delivery, at).await;
        let finished = finished(&delivery, at, outcome, rand::random_range(-JITTER_MAX..=JITTER_MAX));
        self.record(&delivery, &finished).await;
    }

    async fn record(&self, delivery: &LeasedDelivery, finished: &Finished) {
        let started = Instant::now();
        let id = delivery.id;
        loop {
            let recorded = transaction::run(&self.pools, "finish_webhook", async |transaction| {
                lanes::finish(transaction, delivery, finished).await
            });
            let error = match recorded.await {
                Ok(true) => return tell(delivery, finished),
                // Also when an earlier try was committed without our knowing.
                Ok(false) => {
                    tracing::info!(delivery.id = %id, "a delivery is recorded already, or leased anew");
                    return;
                }
                Err(error) => error,
            };
            if started.elapsed() > RECORD_TIMEOUT {
                let error = error_chain::text(&error);
                tracing::error!(delivery.id = %id, error, "a webhook is sent again: its result is lost");
                return;
            }
            log_wait(&error, "the result of a webhook cannot be recorded yet");
            tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
        }
    }
}

/// What is recorded of a request.
fn finished(delivery: &LeasedDelivery, at: Timestamp, outcome: Outcome, jitter: i64) -> Finished {
    let attempt = u32::try_from(delivery.attempt).expect("attempts are counted from 1");
    let verdict = judge(outcome.answer, attempt, jitter).within_schedule(delivery.schedule_began_at, at);
    let has_failed_long = delivery.failing_since.is_some_and(|since| is_given_up(since, at));
    let disable = match verdict {
        Verdict::Gone => Some(DisabledReason::Gone),
        Verdict::Retry(_) | Verdict::Failed => has_failed_long.then_some(DisabledReason::Failing),
        Verdict::Delivered => None,
    };
    let status = match outcome.answer {
        Answer::Status { code, .. } => Some(code),
        Answer::Missing => None,
    };
    metrics::histogram!("webhook_attempt_seconds").record(outcome.elapsed.as_secs_f64());
    Finished {
        at,
        status,
        error: outcome.error,
        duration_ms: i32::try_from(outcome.elapsed.as_millis()).unwrap_or(i32::MAX),
        verdict,
        disable,
    }
}

fn tell(delivery: &LeasedDelivery, finished: &Finished) {
    let result = match finished.verdict {
        Verdict::Delivered => "delivered",
        Verdict::Gone => "gone",
        Verdict::Retry(_) => "retried",
        Verdict::Failed => "failed",
    };
    metrics::counter!("webhook_attempts_total", "result" => result).increment(1);
    tracing::info!(
        delivery.id = %delivery.id,
        endpoint.id = %delivery.endpoint,
        event.id = %delivery.event_id,
        attempt = delivery.attempt,
        status = finished.status,
        result,
        "a webhook was sent"
    );
    if let Some(reason) = finished.disable {
        let reason = reason.name();
        tracing::warn!(endpoint.id = %delivery.endpoint, reason, "an endpoint of webhooks is disabled");
    }
}
