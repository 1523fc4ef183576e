//! Which port belongs to whom, and who holds one that should be free.

use std::{fs, net::TcpListener, path::Path};

use crate::{
    error::{Result, StackError},
    stack::StackKind,
};

/// What is added to every port of the test stack, so that it runs beside a running shop.
const TEST_OFFSET: u16 = 10_000;

/// Every port of one stack, all on 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// The API, which is the one that people choose.
    pub api: u16,
    /// Pgpool-II.
    pub pgpool: u16,
    /// Pgpool-II's control port.
    pub pgpool_pcp: u16,
    /// The PostgreSQL nodes 1, 2, 3.
    pub postgres: [u16; 3],
    /// The members of the MongoDB replica set.
    pub mongo: [u16; 3],
    /// RabbitMQ, AMQP.
    pub rabbitmq: u16,
    /// RabbitMQ, management over HTTP.
    pub rabbitmq_management: u16,
    /// RabbitMQ, Prometheus plugin.
    pub rabbitmq_prometheus: u16,
    /// RabbitMQ, Erlang port mapper.
    pub rabbitmq_epmd: u16,
    /// RabbitMQ, Erlang distribution.
    pub rabbitmq_distribution: u16,
    /// Redis, the cache.
    pub redis: u16,
    /// Memcached.
    pub memcached: u16,
    /// OpenSearch over HTTP.
    pub opensearch: u16,
    /// OpenSearch between nodes.
    pub opensearch_transport: u16,
    /// Elasticsearch over HTTP, in the test stack only.
    pub elasticsearch: u16,
    /// Elasticsearch between nodes.
    pub elasticsearch_transport: u16,
    /// The Elasticsearch of the version before, over HTTP, in the test stack only.
    pub elasticsearch_8: u16,
    /// It, between nodes.
    pub elasticsearch_8_transport: u16,
    /// Prometheus.
    pub prometheus: u16,
    /// Exporters of the PostgreSQL nodes 1, 2, 3.
    pub postgres_exporters: [u16; 3],
    /// The exporter of Redis.
    pub redis_exporter: u16,
    /// The exporter of OpenSearch.
    pub opensearch_exporter: u16,
    /// Metrics of api, ingest, worker, search-indexer, analytics, in this order.
    pub metrics: [u16; 5],
}

impl Ports {
    /// The layout of one kind of stack.
    #[must_use]
    pub fn of(kind: StackKind) -> Self {
        let offset = match kind {
            StackKind::Development => 0,
            StackKind::Test => TEST_OFFSET,
        };
        Self {
            api: 8_080 + offset,
            pgpool: 15_432 + offset,
            pgpool_pcp: 15_436 + offset,
            postgres: [15_433, 15_434, 15_435].map(|port| port + offset),
            mongo: [15_441, 15_442, 15_443].map(|port| port + offset),
            rabbitmq: 15_451 + offset,
            rabbitmq_management: 15_452 + offset,
            rabbitmq_prometheus: 15_453 + offset,
            rabbitmq_epmd: 15_454 + offset,
            rabbitmq_distribution: 15_455 + offset,
            redis: 15_461 + offset,
            memcached: 15_471 + offset,
            opensearch: 15_481 + offset,
            opensearch_transport: 15_482 + offset,
            elasticsearch: 15_483 + offset,
            elasticsearch_transport: 15_484 + offset,
            elasticsearch_8: 15_485 + offset,
            elasticsearch_8_transport: 15_486 + offset,
            prometheus: 15_491 + offset,
            postgres_exporters: [15_492, 15_493, 15_494].map(|port| port + offset),
            redis_exporter: 15_495 + offset,
            opensearch_exporter: 15_496 + offset,
            metrics: [15_501, 15_502, 15_503, 15_504, 15_505].map(|port| port + offset),
        }
    }
}

/// Fails when somebody listens on `port`.
///
/// # Errors
/// [`StackError::PortTaken`] with the holder when the system lets us see it.
pub fn require_free(server: &str, port: u16) -> Result<()> {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(_) => Err(StackError::PortTaken {
            port,
            server: server.to_owned(),
            holder: holder(port).map(|who| format!(" by {who}")).unwrap_or_default(),
        }),
    }
}

/// A process that holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub pid: u32,
    /// What its program is called.
    pub program: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} (pid {})", self.program, self.pid)
    }
}

/// The process that listens on `port`, found through /proc; `None` too when it is somebody else's.
#[must_use]
pub fn holder(port: u16) -> Option<Holder> {
    let tables = [fs::read_to_string("/proc/net/tcp"), fs::read_to_string("/proc/net/tcp6")];
    let inode = tables.into_iter().flatten().find_map(|table| listening_inode(&table, port))?;
    let wanted = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if holds(&entry.path(), &wanted) {
            let program = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some(Holder { pid, program: program.trim().to_owned() });
        }
    }
    None
}

fn holds(process: &Path, socket: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors
        .flatten()
        .any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|target| target.as_os_str() == socket))
}

/// The inode of the listening socket in one table of /proc/net.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let local = u16::from_str_radix(fields.get(1)?.rsplit(':').next()?, 16).ok()?;
        (local == port && *fields.get(3)? == LISTEN).then(|| fields.get(9)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, net::TcpListener};

    use super::*;

    fn all(ports: &Ports) -> Vec<u16> {
        let mut all = vec![
            ports.api,
            ports.pgpool,
            ports.pgpool_pcp,
            ports.rabbitmq,
            ports.rabbitmq_management,
            ports.rabbitmq_prometheus,
            ports.rabbitmq_epmd,
            ports.rabbitmq_distribution,
            ports.redis,
            ports.memcached,
            ports.opensearch,
            ports.opensearch_transport,
            ports.elasticsearch,
            ports.elasticsearch_transport,
            ports.elasticsearch_8,
            ports.elasticsearch_8_transport,
            ports.prometheus,
            ports.redis_exporter,
            ports.opensearch_exporter,
        ];
        all.extend(ports.postgres_exporters);
        all.extend(ports.postgres);
        all.extend(ports.mongo);
        all.extend(ports.metrics);
        all
    }

    #[test]
    fn the_two_stacks_share_no_port() {
        let mut seen = HashSet::new();
        for kind in [StackKind::Development, StackKind::Test] {
            for port in all(&Ports::of(kind)) {
                assert!(seen.insert(port), "{port} is given twice");
            }
        }
    }

    #[test]
    fn a_taken_port_names_its_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = require_free("api", port).unwrap_err().to_string();
        assert!(error.contains(&format!("port {port}, needed by api, is taken by ")), "{error}");
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        drop(listener);
        require_free("api", port).unwrap();
    }
}
