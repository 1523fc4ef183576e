//! What turns a server's own figures into metrics, where the server does not: PostgreSQL, Redis, OpenSearch. MongoDB,
//! Memcached and Pgpool-II are asked by the worker: the distribution has no exporter of theirs that is any good.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{FutureExt, future::BoxFuture};

use super::opensearch;
use crate::{
    error::Result,
    probe,
    server::{Launch, Server, Step},
    settings::loopback,
    stack::Stack,
};

/// What is asked of each PostgreSQL node.
const POSTGRES_QUESTIONS: &str = include_str!("../../../deploy/postgres/metrics.yaml");
/// The role of the health checks: it may see what every session and every standby does.
const POSTGRES_ROLE: &str = "pgpool_check";

/// The exporter of one PostgreSQL node, given as `host:port`; it listens at `listen`. `questions` is the file
/// `deploy/postgres/metrics.yaml`.
#[must_use]
pub fn postgres(node: &str, user: &str, password: &str, questions: &Path, listen: &str) -> Launch {
    Launch::new("/usr/bin/prometheus-postgres-exporter")
        .args(["--disable-default-metrics", "--disable-settings-metrics"])
        .arg(format!("--extend.query-path={}", questions.display()))
        .arg(format!("--web.listen-address={listen}"))
        .env("DATA_SOURCE_URI", format!("{node}/postgres?sslmode=disable"))
        .env("DATA_SOURCE_USER", user)
        .env("DATA_SOURCE_PASS", password)
}

/// The exporter of a Redis.
#[must_use]
pub fn redis(url: &str, listen: &str) -> Launch {
    Launch::new("/usr/bin/prometheus-redis-exporter").args([
        "-redis.addr",
        url,
        "-web.listen-address",
        listen,
    ])
}

/// The exporter of an OpenSearch, which speaks as Elasticsearch does.
#[must_use]
pub fn opensearch(url: &str, listen: &str) -> Launch {
    Launch::new("/usr/bin/prometheus-elasticsearch-exporter")
        .arg(format!("--es.uri={url}"))
        .arg(format!("--web.listen-address={listen}"))
}

/// Which server an exporter asks.
enum Target {
    /// The node with this index.
    Postgres(usize),
    Redis,
    OpenSearch,
}

struct Exporter {
    stack: Arc<Stack>,
    http: reqwest::Client,
    name: String,
    port: u16,
    target: Target,
}

/// The exporters of a stack.
#[must_use]
pub fn servers(stack: &Arc<Stack>) -> Vec<Arc<dyn Server>> {
    let ports = &stack.ports;
    let postgres =
        ports.postgres_exporters.iter().enumerate().map(|(index, port)| {
            (format!("postgres_exporter_{}", index + 1), *port, Target::Postgres(index))
        });
    let others = [
        ("redis_exporter".to_owned(), ports.redis_exporter, Target::Redis),
        ("opensearch_exporter".to_owned(), ports.opensearch_exporter, Target::OpenSearch),
    ];
    postgres
        .chain(others)
        .map(|(name, port, target)| {
            let http = reqwest::Client::new();
            Arc::new(Exporter { stack: Arc::clone(stack), http, name, port, target }) as Arc<dyn Server>
        })
        .collect()
}

impl Exporter {
    fn questions(&self) -> PathBuf {
        self.stack.folders.server(&self.name).join("metrics.yaml")
    }
}

impl Server for Exporter {
    fn name(&self) -> &str {
        &self.name
    }

    fn address(&self) -> String {
        loopback(self.port)
    }

    fn ports(&self) -> Vec<u16> {
        vec![self.port]
    }

    fn prepare(&self) -> Step<'_> {
        async {
            self.stack.server_folder(&self.name)?;
            match self.target {
                Target::Postgres(_) => {
                    self.stack.account.write_private(&self.questions(), POSTGRES_QUESTIONS)
                }
                Target::Redis | Target::OpenSearch => Ok(()),
            }
        }
        .boxed()
    }

    fn launch(&self) -> Result<Launch> {
        let (ports, listen) = (&self.stack.ports, self.address());
        Ok(match self.target {
            Target::Postgres(index) => {
                let password = &self.stack.secrets.postgres_check;
                let node = loopback(ports.postgres[index]);
                postgres(&node, POSTGRES_ROLE, password, &self.questions(), &listen)
            }
            Target::Redis => redis(&format!("redis://{}", loopback(ports.redis)), &listen),
            Target::OpenSearch => opensearch(&opensearch::url(&self.stack), &listen),
        })
    }

    /// Whether it serves its first page: the server that it asks may be away, which is what its metrics say.
    fn ready(&self) -> BoxFuture<'_, Result<bool>> {
        async { probe::http(&self.http, &format!("http://{}/", self.address())).await }.boxed()
    }
}
