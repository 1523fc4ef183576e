//! Starts the API on a listener, and stops it gracefully.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App, HttpServer, web};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::access_log::observe;
use crate::app_state::AppState;
use crate::settings::Settings;
use crate::start_error::StartError;
use crate::{invalidation, known_completions, live_tuning, router};

/// How long requests that are under way may take once the API stops.
const DRAIN_SECONDS: u64 = 30;
/// How long whoever balances the load has to see that the API is not ready any more.
const NOT_READY_PAUSE: Duration = Duration::from_millis(500);
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Memory for callers is bound by how many can come meanwhile.
const RATE_LIMIT_SWEEP_PERIOD: Duration = Duration::from_secs(1);
const POOL_REPORT_PERIOD: Duration = Duration::from_secs(5);

/// An API that listens.
#[derive(Debug)]
pub struct RunningApi {
    /// Where.
    pub address: SocketAddr,
    state: Arc<AppState>,
    handle: ServerHandle,
    server: JoinHandle<io::Result<()>>,
    tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

/// Starts the API. Returns when it listens; no store needs to be up.
pub async fn serve(settings: Settings, listener: TcpListener) -> Result<RunningApi, StartError> {
    let address = listener.local_addr()?;
    let state = Arc::new(AppState::new(&settings).await?);
    let stop = CancellationToken::new();
    let shared = web::Data::from(Arc::clone(&state));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .wrap(Compress::default())
            .wrap(from_fn(observe))
            .configure(router::configure)
    })
    .client_request_timeout(REQUEST_HEAD_TIMEOUT)
    .keep_alive(KEEP_ALIVE)
    // A compressed answer is sent in pieces: the last would wait 40 ms for a client that acknowledges late.
    .tcp_nodelay(true)
    .shutdown_timeout(DRAIN_SECONDS)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    let server = tokio::spawn(server);
    let tasks = vec![
        tokio::spawn(invalidation::run(Arc::clone(&state), settings.amqp, stop.clone())),
        tokio::spawn(live_tuning::follow(Arc::clone(&state), stop.clone())),
        tokio::spawn(known_completions::follow(Arc::clone(&state), stop.clone())),
        tokio::spawn(report_pools(Arc::clone(&state), stop.clone())),
        tokio::spawn(sweep_rate_limits(Arc::clone(&state), stop.clone())),
    ];
    tracing::info!(%address, "the API listens");
    Ok(RunningApi { address, state, handle, server, tasks, stop })
}

impl RunningApi {
    /// Ends by itself only when the server fails.
    pub async fn failed(&mut self) -> io::Result<()> {
        (&mut self.server).await.map_err(io::Error::other)?
    }

    /// Not ready, then no new connections, then what is under way is answered, for 30 s at most.
    pub async fn stop(self) -> io::Result<()> {
        self.state.is_stopping.store(true, Ordering::SeqCst);
        tokio::time::sleep(NOT_READY_PAUSE).await;
        self.handle.stop(true).await;
        let ended = self.server.await.map_err(io::Error::other)?;
        self.stop.cancel();
        for task in self.tasks {
            task.await.map_err(io::Error::other)?;
        }
        ended
    }
}

async fn sweep_rate_limits(state: Arc<AppState>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RATE_LIMIT_SWEEP_PERIOD) => state.rate_limits.sweep(),
        }
    }
}

async fn report_pools(state: Arc<AppState>, stop: CancellationToken) {
    loop {
        for (pool, load) in state.pools.loads() {
            let gauge = |name, count: usize| {
                metrics::gauge!(name, "pool" => pool).set(u32::try_from(count).unwrap_or(u32::MAX));
            };
            gauge("pg_pool_connections", load.size);
            gauge("pg_pool_idle", load.available);
            gauge("pg_pool_waiting", load.waiting);
        }
        metrics::gauge!("cache_bypassed").set(u32::from(state.products.is_bypassed()));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(POOL_REPORT_PERIOD) => {}
        }
    }
}
