//! `GET /health/ready`

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, web};
use serde::Serialize;
use store::pg::health;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use crate::app_state::AppState;
use process::error_chain;

/// Longest wait for one dependency.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long an answer of the dependencies is told to all who ask, so that asking often costs them nothing.
const PROBE_LIFETIME: Duration = Duration::from_secs(1);
/// When to ask again: a store that is away is seldom back sooner.
const RETRY_AFTER_SECONDS: u16 = 2;
/// Without these nothing works; without the others the shop is slower, or a part of it is away.
const NEEDED: [&str; 3] = ["postgres_write", "postgres_read", "mongo"];

/// Whether the API can work.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// `ok`, `degraded`, `unavailable` or `stopping`.
    status: &'static str,
    /// Each dependency by name.
    #[schema(value_type = BTreeMap<&'static str, Dependency>)]
    dependencies: Arc<Dependencies>,
}

type Dependencies = BTreeMap<&'static str, Dependency>;

/// What the dependencies last answered, and when: asked once for all who come at the same time.
#[derive(Debug, Default)]
pub struct LastProbe(Mutex<Option<(Instant, Arc<Dependencies>)>>);

impl LastProbe {
    async fn get_or_ask(&self, ask: impl AsyncFnOnce() -> Dependencies) -> Arc<Dependencies> {
        let mut last = self.0.lock().await;
        if let Some((asked_at, dependencies)) = last.as_ref()
            && asked_at.elapsed() < PROBE_LIFETIME
        {
            return Arc::clone(dependencies);
        }
        let dependencies = Arc::new(ask().await);
        *last = Some((Instant::now(), Arc::clone(&dependencies)));
        dependencies
    }
}

/// How a dependency is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Dependency {
    /// `ok` or `error`.
    status: &'static str,
    /// Whether the API is useless without it.
    needed: bool,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Whether the API can work: each dependency by name.
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "health",
    responses(
        (status = 200, description = "It can work, perhaps degraded", body = Ready),
        (status = 503, description = "A needed dependency is down, or it is stopping", body = Ready,
         headers(("Retry-After" = String))),
    ),
    security(()),
)]
pub async fn ready(state: web::Data<AppState>) -> HttpResponse {
    let dependencies = state.last_probe.get_or_ask(async || ask_all(&state).await).await;
    let is_down = |needed: bool| dependencies.values().any(|it| it.needed == needed && it.status != "ok");
    let status = match (state.is_stopping.load(Ordering::SeqCst), is_down(true), is_down(false)) {
        (true, _, _) => "stopping",
        (_, true, _) => "unavailable",
        (_, _, true) => "degraded",
        _ => "ok",
    };
    let mut answer = HttpResponse::Ok();
    if !matches!(status, "ok" | "degraded") {
        answer = HttpResponse::ServiceUnavailable();
        answer.insert_header((header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS)));
    }
    answer.json(Ready { status, dependencies })
}

async fn ask_all(state: &AppState) -> Dependencies {
    let rabbitmq =
        async { if state.hears_changes() { Ok(()) } else { Err("changes are not heard".to_owned()) } };
    let (write, read, mongo, rabbitmq, redis, memcached, search) = futures_util::join!(
        ask("postgres_write", async { health::ping_write(&state.pools).await.map_err(|error| told(&error)) }),
        ask("postgres_read", async { health::ping_read(&state.pools).await.map_err(|error| told(&error)) }),
        ask("mongo", async { state.mongo.ping().await.map_err(|error| told(&error)) }),
        ask("rabbitmq", rabbitmq),
        ask("redis", state.searches.ping()),
        ask("memcached", state.products.ping()),
        ask("search", async { state.search.ping().await.map_err(|error| told(&error)) }),
    );
    [write, read, mongo, rabbitmq, redis, memcached, search].into()
}

/// What anybody may read: the causes name hosts, so they go to the log.
fn told(error: &dyn std::error::Error) -> String {
    tracing::debug!(error = error_chain::text(error), "a dependency does not answer");
    error.to_string()
}

async fn ask(
    name: &'static str,
    ping: impl Future<Output = Result<(), String>>,
) -> (&'static str, Dependency) {
    let error = match tokio::time::timeout(TIMEOUT, ping).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error),
        Err(_) => Some("no answer in a second".to_owned()),
    };
    let status = if error.is_none() { "ok" } else { "error" };
    (name, Dependency { status, needed: NEEDED.contains(&name), error })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_cause_one_probe() {
        let (last, probes) = (LastProbe::default(), AtomicUsize::new(0));
        let probe = || {
            last.get_or_ask(async || {
                probes.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                Dependencies::from([ask("mongo", async { Ok(()) }).await])
            })
        };
        let answers = futures_util::future::join_all((0..20).map(|_| probe())).await;
        assert!(answers.iter().all(|dependencies| dependencies["mongo"].status == "ok"));
        assert_eq!(probes.load(Ordering::SeqCst), 1);
    }
}
