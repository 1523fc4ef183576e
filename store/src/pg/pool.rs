//! The two pools of a process, told apart by `application_name`: Pgpool-II sends `shop-rw` to the primary and
//! `shop-ro` to a standby.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use secrecy::ExposeSecret;
use tokio_postgres::NoTls;

use crate::error::StoreError;
use crate::settings::PostgresSettings;

/// How long a caller waits for a free connection, and for a new one.
const WAIT_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long one address may take, so that the next one is still reached.
const ADDRESS_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a statement of a request may run on the server.
const STATEMENT_TIMEOUT_MS: u32 = 5_000;

/// A pooled connection; given back when dropped.
pub type Connection = Object;

/// The pools; cloning shares them.
#[derive(Debug, Clone)]
pub struct PgPools {
    write: Pool,
    read: Pool,
    /// Connections that were given up and are still busy on the server.
    abandoned: Arc<AtomicUsize>,
}

/// How many connections a pool has and how many are idle.
#[derive(Debug, Clone, Copy)]
pub struct PoolLoad {
    /// Open connections.
    pub size: usize,
    /// Of them idle.
    pub available: usize,
    /// Callers that wait for one.
    pub waiting: usize,
}

impl PgPools {
    /// Makes the pools; connects when a connection is asked for, so a process starts without its database.
    pub fn new(settings: &PostgresSettings) -> Result<Self, StoreError> {
        // Shown as 0 from the start: a series that first comes with a fault is no help to an alert.
        metrics::counter!("pg_connections_abandoned_total").increment(0);
        Ok(Self {
            write: pool(settings, "shop-rw")?,
            read: pool(settings, "shop-ro")?,
            abandoned: Arc::default(),
        })
    }

    /// A connection to the primary. Refused at once while an abandoned one is still busy there: a commit that waits
    /// for a standby holds its locks and its place in Pgpool-II, and the next one would wait as well.
    pub async fn write(&self) -> Result<Connection, StoreError> {
        if self.abandoned.load(Ordering::SeqCst) > 0 {
            return Err(StoreError::unavailable("an earlier write still waits for its confirmation"));
        }
        Ok(self.write.get().await?)
    }

    /// Gives a busy connection up without a cancel, and counts it until the server is done with it.
    pub fn abandon(&self, connection: Connection) {
        let client = Object::take(connection);
        let abandoned = Arc::clone(&self.abandoned);
        abandoned.fetch_add(1, Ordering::SeqCst);
        metrics::counter!("pg_connections_abandoned_total").increment(1);
        tokio::spawn(async move {
            // Answered after what was under way; whatever the answer is, the connection is closed then.
            let _ = client.simple_query("ROLLBACK").await;
            abandoned.fetch_sub(1, Ordering::SeqCst);
        });
    }

    /// A connection whose statements a standby answers, some milliseconds behind the primary.
    pub async fn read(&self) -> Result<Connection, StoreError> {
        Ok(self.read.get().await?)
    }

    /// Load of the write and of the read pool, for metrics.
    pub fn loads(&self) -> [(&'static str, PoolLoad); 2] {
        [("write", load(&self.write)), ("read", load(&self.read))]
    }
}

fn load(pool: &Pool) -> PoolLoad {
    let status = pool.status();
    PoolLoad { size: status.size, available: status.available, waiting: status.waiting }
}

fn pool(settings: &PostgresSettings, application_name: &str) -> Result<Pool, StoreError> {
    let mut config = server_config(settings, &settings.pgpools)?;
    config.application_name(application_name).options(format!("-c statement_timeout={STATEMENT_TIMEOUT_MS}"));
    let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    Pool::builder(Manager::from_config(config, NoTls, manager_config))
        .max_size(settings.pool_max)
        .wait_timeout(Some(WAIT_TIMEOUT))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| StoreError::Driver(error.into()))
}

/// What every connection has in common; `addresses` are tried in turn.
pub(super) fn server_config(
    settings: &PostgresSettings,
    addresses: &[String],
) -> Result<tokio_postgres::Config, StoreError> {
    let mut config = tokio_postgres::Config::new();
    config
        .dbname(&settings.database)
        .user(&settings.user)
        .password(settings.password.expose_secret())
        .connect_timeout(ADDRESS_TIMEOUT)
        .tcp_user_timeout(Duration::from_secs(5))
        .keepalives_idle(Duration::from_secs(5));
    for address in addresses {
        let (host, port) = address
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
            .ok_or_else(|| StoreError::Driver(format!("{address:?} is no host:port").into()))?;
        config.host(host).port(port);
    }
    Ok(config)
}
