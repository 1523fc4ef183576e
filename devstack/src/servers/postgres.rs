//! PostgreSQL: one primary and two streaming standbys, each of which can become the primary.
//!
//! Nobody has a fixed role. Who is the primary is written on the nodes' disks (`disk`); the failover script
//! promotes, and a node that comes back is made to follow whoever was promoted (`rejoin`).

mod disk;
mod election;
mod live;
mod rejoin;
mod seed;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use rustix::process::Signal;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use crate::{
    error::{Result, StackError},
    process,
    server::{Launch, Server, Step},
    servers::pgpool,
    stack::{Stack, StackKind},
};

/// The password file of the superuser, beside the data folder.
pub(crate) const SUPERUSER_PASSWORD: &str = "superuser.pgpass";

/// How many nodes there are.
pub(crate) const NODES: usize = 3;

const CONFIGURATION: &str = include_str!("../../../deploy/postgres/postgresql.conf.template");
const ACCESS: &str = include_str!("../../../deploy/postgres/pg_hba.conf");

/// Above Pgpool-II's children: bulk COPY, polls of the standbys, migrations, tests, people.
const OTHER_CONNECTIONS: u16 = 56;

/// A node may have to be rewound or copied before it starts.
const START_DEADLINE: Duration = Duration::from_secs(180);

/// How long a standby that has started may take until WAL arrives.
const STREAMING_DEADLINE: Duration = Duration::from_secs(30);

/// How long a running standby may receive nothing from a primary that it is pointed at.
const SILENCE_DEADLINE: Duration = Duration::from_secs(120);

/// How often Pgpool-II is asked while it serves. Every question is a new session with its hashing.
const POOL_QUESTIONS: Duration = Duration::from_secs(10);

/// How long Pgpool-II may refuse queries while there is a primary.
const POOL_SILENCE_DEADLINE: Duration = Duration::from_secs(20);

const STOP_GRACE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(100);

/// The nodes of one stack, seen together.
struct Cluster {
    stack: Arc<Stack>,
    /// Where `postgres`, `initdb` and the others are.
    programs: PathBuf,
    /// Whether the data folders were looked at; held while a fresh cluster is made, so that one node makes
    /// it.
    seeded: Mutex<bool>,
    /// Held while somebody finds out who begins as the primary.
    election: Mutex<()>,
    /// How the nodes are watched.
    sessions: live::Sessions,
    pool: Mutex<PoolWatch>,
}

/// What is known of Pgpool-II from outside.
#[derive(Default)]
struct PoolWatch {
    /// Since when it should serve and does not.
    silent_since: Option<Instant>,
    /// When it is asked again.
    ask_at: Option<Instant>,
}

struct Node {
    cluster: Arc<Cluster>,
    index: usize,
    name: String,
    /// Since when WAL should arrive and does not.
    silent_since: Mutex<Option<Instant>>,
}

/// The nodes of a stack.
///
/// # Errors
/// When PostgreSQL is not installed.
pub fn servers(stack: &Arc<Stack>) -> Result<Vec<Arc<dyn Server>>> {
    let cluster = Arc::new(Cluster {
        stack: Arc::clone(stack),
        programs: programs()?,
        seeded: Mutex::new(false),
        election: Mutex::new(()),
        sessions: live::Sessions::default(),
        pool: Mutex::default(),
    });
    let node = |index| {
        Arc::new(Node {
            cluster: Arc::clone(&cluster),
            index,
            name: server_name(index),
            silent_since: Mutex::new(None),
        }) as Arc<dyn Server>
    };
    Ok((0..NODES).map(node).collect())
}

/// A session of the superuser on one node. It ends when the client is dropped.
pub(crate) async fn connect(stack: &Stack, index: usize) -> Result<tokio_postgres::Client> {
    live::connect(stack, index).await
}

/// How a node reaches a primary, from its data folder.
pub(crate) fn conninfo(index: usize, primary_port: u16) -> String {
    format!("host=127.0.0.1 port={primary_port} application_name={} {REPLICATION}", node_name(index))
}

/// Marks a data folder that is not whole, beside it.
pub(crate) const SPOILT: &str = rejoin::SPOILT;

/// What people know the nodes by, by their stable names: `postgres_primary`, `postgres_standby_1`,
/// `postgres_standby_2`, as their roles are now. A node keeps its stable name while there is no primary.
pub async fn names_by_role(stack: &Stack) -> BTreeMap<String, String> {
    let roles = live::roles(stack).await;
    let Some(primary) = live::primary_of(&roles) else {
        return BTreeMap::new();
    };
    let mut standbys = 0;
    (0..NODES)
        .map(|index| {
            let shown = if index == primary {
                "postgres_primary".to_owned()
            } else {
                standbys += 1;
                format!("postgres_standby_{standbys}")
            };
            (server_name(index), shown)
        })
        .collect()
}

/// The primary and the standbys that WAL arrives at; nobody without a primary.
pub(crate) async fn in_order(stack: &Stack) -> Vec<usize> {
    nodes_in_order(&live::roles(stack).await)
}

fn nodes_in_order(roles: &[Option<live::Role>]) -> Vec<usize> {
    let Some(primary) = live::primary_of(roles) else {
        return Vec::new();
    };
    let follows = |index: &usize| roles[*index] == Some(live::Role::Standby { streaming: true });
    (0..roles.len()).filter(|index| *index == primary || follows(index)).collect()
}

/// The stable name of a node among all servers.
pub(crate) fn server_name(index: usize) -> String {
    format!("postgres_{}", index + 1)
}

/// The name that a node gives itself when it streams, and that commits wait for.
pub(crate) fn node_name(index: usize) -> String {
    format!("node{}", index + 1)
}

/// The data folder of a node.
pub(crate) fn data_folder(stack: &Stack, index: usize) -> PathBuf {
    stack.folders.server(&server_name(index)).join("data")
}

/// What is common to every connection of a standby to a primary; the password file lies beside the data
/// folder.
pub(super) const REPLICATION: &str = "user=replicator passfile=../replicator.pgpass connect_timeout=3";

/// The newest installed programs.
pub(crate) fn programs() -> Result<PathBuf> {
    fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, programs)| programs.join("initdb").is_file())
        .max()
        .map(|(_, programs)| programs)
        .ok_or_else(|| StackError::refused("PostgreSQL is not installed"))
}

/// Fills in a template: each `@KEY@` becomes its value.
pub(super) fn render(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (key, value)| text.replace(&format!("@{key}@"), value))
}

/// A literal in SQL and in both configuration files.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Cluster {
    fn data(&self, index: usize) -> PathBuf {
        data_folder(&self.stack, index)
    }

    fn configuration(&self, index: usize) -> PathBuf {
        self.stack.folders.server(&server_name(index)).join("postgresql.conf")
    }

    fn failover_lock(&self) -> PathBuf {
        pgpool::failover_lock(&self.stack)
    }

    /// The node that may be the primary. A folder that is not whole says nothing.
    fn primary_on_disk(&self) -> Option<usize> {
        let role = |index| {
            let data = self.data(index);
            if data.with_file_name(rejoin::SPOILT).exists() { disk::Role::Missing } else { disk::role(&data) }
        };
        let roles: Vec<disk::Role> = (0..NODES).map(role).collect();
        disk::primary_of(&roles)
    }

    /// How a running node reaches its primary.
    fn conninfo(&self, index: usize, primary: usize) -> String {
        conninfo(index, self.stack.ports.postgres[primary])
    }

    /// The same for a program that runs in the folder above the data.
    fn conninfo_from_folder(&self, index: usize, primary: usize) -> String {
        self.conninfo(index, primary).replace("../", "")
    }

    /// Makes a data folder that of a standby of `primary`.
    fn make_standby(&self, index: usize, data: &Path, primary: usize) -> Result<()> {
        let setting = format!("primary_conninfo = {}\n", quoted(&self.conninfo(index, primary)));
        self.stack.account.write_private(&data.join("postgresql.auto.conf"), &setting)?;
        self.stack.account.write_private(&data.join("standby.signal"), "")
    }

    async fn seed_once(&self) -> Result<()> {
        let mut seeded = self.seeded.lock().await;
        if !*seeded && seed::is_needed(self) {
            seed::run(self).await?;
        }
        *seeded = true;
        Ok(())
    }

    fn write_configuration(&self, index: usize) -> Result<()> {
        let stack = &self.stack;
        let folder = stack.server_folder(&server_name(index))?;
        let access = folder.join("pg_hba.conf");
        let names: Vec<String> = (0..NODES).map(node_name).collect();
        let connections = pgpool::children(stack.kind) + OTHER_CONNECTIONS;
        let text = render(
            CONFIGURATION,
            &[
                ("DATA", &self.data(index).display().to_string().replace('\'', "''")),
                ("HBA", &access.display().to_string().replace('\'', "''")),
                ("NAME", &node_name(index)),
                ("PORT", &stack.ports.postgres[index].to_string()),
                ("MAX_CONNECTIONS", &connections.to_string()),
                ("FSYNC", if stack.kind == StackKind::Test { "off" } else { "on" }),
                ("STANDBY_NAMES", &names.join(", ")),
            ],
        );
        stack.account.write_private(&self.configuration(index), &text)?;
        stack.account.write_private(&access, ACCESS)?;
        let password = format!("*:*:*:replicator:{}\n", stack.secrets.postgres_replicator);
        stack.account.write_private(&folder.join("replicator.pgpass"), &password)?;
        // For people: no command that they copy has to hold it.
        let password = format!("*:*:*:postgres:{}\n", stack.secrets.postgres_superuser);
        stack.account.write_private(&folder.join(SUPERUSER_PASSWORD), &password)
    }
}

impl Node {
    fn stack(&self) -> &Stack {
        &self.cluster.stack
    }

    /// Waits until a standby receives WAL, or was promoted meanwhile. One that cannot follow is copied before
    /// its next start.
    async fn wait_for_streaming(&self) -> Result<()> {
        let deadline = Instant::now() + STREAMING_DEADLINE;
        loop {
            let roles = self.cluster.sessions.roles(self.stack()).await;
            let silent = roles[self.index] == Some(live::Role::Standby { streaming: false });
            if roles[self.index].is_some() && !silent {
                return Ok(());
            }
            if Instant::now() >= deadline {
                // Nothing to follow is no fault of this node.
                if !silent || live::primary_of(&roles).is_none() {
                    return Ok(());
                }
                self.mark_spoilt()?;
                return Err(StackError::refused(format!("{} does not follow the primary", self.name)));
            }
            sleep(POLL).await;
        }
    }

    /// The number in the file may belong to another process by now, which would keep the node from starting.
    fn remove_stale_pid_file(&self) -> Result<()> {
        let data = self.cluster.data(self.index);
        let argument = format!("postgres -D {}", data.display());
        process::remove_stale_pid_file(&data.join("postmaster.pid"), &argument)
    }

    /// Before its next start the node is copied from the primary.
    fn mark_spoilt(&self) -> Result<()> {
        let spoilt = self.cluster.data(self.index).with_file_name(rejoin::SPOILT);
        self.stack().account.write_private(&spoilt, "the node could not follow\n")
    }

    /// Stops the process, so that it is started again by way of [`rejoin::after_death`].
    async fn stop_because(&self, reason: &str) -> Result<()> {
        eprintln!("{}: {reason}, so it is stopped and will follow", self.name);
        let launch = Launch::new(self.cluster.programs.join("pg_ctl"))
            .args(["stop", "--mode=immediate", "--no-wait", "--pgdata"])
            .arg(self.cluster.data(self.index));
        self.stack().run(&self.name, &launch, Duration::from_secs(10)).await.map(drop)
    }

    /// Points a standby that receives nothing at the primary. When it is pointed there already and stays
    /// silent, it cannot follow any more.
    async fn point(&self, primary: usize) -> Result<()> {
        let wanted = self.cluster.conninfo(self.index, primary);
        if live::conninfo(self.stack(), self.index).await? == wanted {
            let since = *self.silent_since.lock().await.get_or_insert_with(Instant::now);
            if since.elapsed() < SILENCE_DEADLINE {
                return Ok(());
            }
            self.mark_spoilt()?;
            return self.stop_because("no WAL arrives").await;
        }
        eprintln!("{}: pointed at {}", self.name, server_name(primary));
        live::point(self.stack(), self.index, &wanted).await
    }
}

impl Cluster {
    /// What the primary looks after: that Pgpool-II holds the nodes in order for up, and serves.
    async fn tend_pool(&self, in_order: &[usize]) -> Result<()> {
        let attached = pgpool::attach_if_down(&self.stack, in_order).await;
        let mut pool = self.pool.lock().await;
        if pool.ask_at.is_some_and(|at| Instant::now() < at) {
            return attached;
        }
        if pgpool::answers(&self.stack).await.unwrap_or(false) {
            *pool = PoolWatch { silent_since: None, ask_at: Some(Instant::now() + POOL_QUESTIONS) };
        } else if pool.silent_since.get_or_insert_with(Instant::now).elapsed() >= POOL_SILENCE_DEADLINE {
            *pool = PoolWatch::default();
            pgpool::kill(&self.stack);
        } else {
            pool.ask_at = None;
        }
        attached
    }
}

impl Server for Node {
    fn name(&self) -> &str {
        &self.name
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.stack().ports.postgres[self.index])
    }

    fn ports(&self) -> Vec<u16> {
        vec![self.stack().ports.postgres[self.index]]
    }

    fn start_deadline(&self) -> Duration {
        START_DEADLINE
    }

    /// Longer than a copy of the primary and all that may come before it.
    fn preparation_deadline(&self) -> Duration {
        rejoin::DEADLINE
    }

    fn prepare(&self) -> Step<'_> {
        async {
            self.remove_stale_pid_file()?;
            self.cluster.write_configuration(self.index)?;
            pgpool::make_failover_lock(self.stack())?;
            self.cluster.seed_once().await?;
            rejoin::at_start(&self.cluster, self.index).await
        }
        .boxed()
    }

    fn launch(&self) -> Result<Launch> {
        Ok(Launch::new(self.cluster.programs.join("postgres"))
            .arg("-D")
            .arg(self.cluster.data(self.index))
            .arg("-c")
            .arg(format!("config_file={}", self.cluster.configuration(self.index).display()))
            .stop(Signal::INT, STOP_GRACE))
    }

    fn ready(&self) -> BoxFuture<'_, Result<bool>> {
        async { self.cluster.sessions.role(self.stack(), self.index).await.map(|_| true) }.boxed()
    }

    fn after_start(&self) -> Step<'_> {
        async {
            let others: Vec<String> =
                (0..NODES).filter(|other| *other != self.index).map(node_name).collect();
            live::arrange_slots(self.stack(), self.index, &others).await?;
            self.wait_for_streaming().await?;
            // Pgpool-II is not there yet at the first start; it looks at all nodes when it comes.
            pgpool::attach_if_down(self.stack(), &[self.index]).await.ok();
            Ok(())
        }
        .boxed()
    }

    fn before_restart(&self) -> Step<'_> {
        async {
            self.remove_stale_pid_file()?;
            rejoin::after_death(&self.cluster, self.index).await
        }
        .boxed()
    }

    /// What Pgpool-II and the failover script leave to others: a primary that was overtaken is stopped, a
    /// standby that receives nothing is pointed at the primary, and a node in good order is attached again.
    fn tend(&self) -> Step<'_> {
        async {
            if rejoin::failover_is_at_work(&self.cluster.failover_lock()) {
                return Ok(());
            }
            let roles = self.cluster.sessions.roles(self.stack()).await;
            if roles[self.index] != Some(live::Role::Standby { streaming: false }) {
                *self.silent_since.lock().await = None;
            }
            match (roles[self.index], live::primary_of(&roles)) {
                (Some(live::Role::Primary { .. }), Some(primary)) if primary != self.index => {
                    self.stop_because("another node was promoted").await
                }
                (Some(live::Role::Standby { streaming: false }), Some(primary)) => self.point(primary).await,
                (Some(live::Role::Primary { .. }), _) => {
                    self.cluster.tend_pool(&nodes_in_order(&roles)).await
                }
                _ => Ok(()),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_in_whole() {
        let keys = ["DATA", "HBA", "NAME", "PORT", "MAX_CONNECTIONS", "FSYNC", "STANDBY_NAMES"];
        let values: Vec<(&str, &str)> = keys.iter().map(|key| (*key, "x")).collect();
        let text = render(CONFIGURATION, &values);
        let left =
            text.lines().find(|line| !line.starts_with('#') && line.contains('@') && !line.contains("%u@%d"));
        assert_eq!(left, None);
    }

    #[test]
    fn a_standby_without_wal_is_not_in_order() {
        let standby = |streaming| Some(live::Role::Standby { streaming });
        let primary = |timeline| Some(live::Role::Primary { timeline });
        assert_eq!(nodes_in_order(&[standby(true), primary(2), standby(false)]), [0, 1]);
        assert_eq!(nodes_in_order(&[primary(1), primary(2), None]), [1]);
        assert!(nodes_in_order(&[standby(true), None, standby(true)]).is_empty());
    }

    #[test]
    fn a_quote_cannot_end_a_literal() {
        assert_eq!(quoted("it's"), "'it''s'");
    }
}
