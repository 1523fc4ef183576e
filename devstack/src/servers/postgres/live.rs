//! What the running nodes say.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};

use crate::{
    error::{Result, StackError},
    stack::Stack,
};

/// How long one question may take, with its connection.
const DEADLINE: Duration = Duration::from_secs(2);

/// What a running node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It takes writes on this timeline.
    Primary {
        /// Of the WAL that it writes.
        timeline: u32,
    },
    /// It follows, or tries to.
    Standby {
        /// Whether WAL arrives.
        streaming: bool,
    },
}

/// Sessions that stay open for the questions that are asked every few seconds: signing in costs a thousand
/// times as much as the question. Nothing is asked through them twice after a failure.
#[derive(Default)]
pub(super) struct Sessions {
    open: [Mutex<Option<Arc<Client>>>; super::NODES],
}

impl Sessions {
    /// Asks one node for its role.
    pub(super) async fn role(&self, stack: &Stack, index: usize) -> Result<Role> {
        let answer = within(DEADLINE, index, async { ask_role(&*self.session(stack, index).await?).await });
        let answer = answer.await;
        if answer.is_err() {
            *self.slot(index) = None;
        }
        answer
    }

    /// Asks all nodes at once; those that do not answer are `None`.
    pub(super) async fn roles(&self, stack: &Stack) -> Vec<Option<Role>> {
        let questions = (0..super::NODES).map(|index| self.role(stack, index));
        join_all(questions).await.into_iter().map(Result::ok).collect()
    }

    async fn session(&self, stack: &Stack, index: usize) -> Result<Arc<Client>> {
        let known = self.slot(index).clone().filter(|client| !client.is_closed());
        if let Some(client) = known {
            return Ok(client);
        }
        let client = Arc::new(connect(stack, index).await?);
        *self.slot(index) = Some(Arc::clone(&client));
        Ok(client)
    }

    fn slot(&self, index: usize) -> MutexGuard<'_, Option<Arc<Client>>> {
        self.open[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks one node for its role, in a session of its own.
pub(super) async fn role(stack: &Stack, index: usize) -> Result<Role> {
    within(DEADLINE, index, async { ask_role(&connect(stack, index).await?).await }).await
}

async fn ask_role(client: &Client) -> Result<Role> {
    const QUESTION: &str = "SELECT CASE WHEN pg_is_in_recovery() THEN NULL \
         ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END, \
         EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')";
    let row = client.query_one(QUESTION, &[]).await?;
    let timeline: Option<String> = row.get(0);
    Ok(match timeline {
        None => Role::Standby { streaming: row.get(1) },
        Some(digits) => Role::Primary {
            timeline: u32::from_str_radix(&digits, 16)
                .map_err(|_| StackError::refused(format!("{digits} is no timeline")))?,
        },
    })
}

/// The primary among the running nodes: the one on the latest timeline.
pub(super) fn primary_of(roles: &[Option<Role>]) -> Option<usize> {
    let primaries = roles.iter().enumerate().filter_map(|(index, role)| match role {
        Some(Role::Primary { timeline }) => Some((*timeline, index)),
        Some(Role::Standby { .. }) | None => None,
    });
    primaries.max().map(|(_, index)| index)
}

/// Asks all nodes at once, in sessions of their own; those that do not answer are `None`.
pub(super) async fn roles(stack: &Stack) -> Vec<Option<Role>> {
    let questions = (0..super::NODES).map(|index| role(stack, index));
    join_all(questions).await.into_iter().map(Result::ok).collect()
}

/// Makes a running standby follow the node that `conninfo` names.
pub(super) async fn point(stack: &Stack, index: usize, conninfo: &str) -> Result<()> {
    let statement = format!("ALTER SYSTEM SET primary_conninfo = '{}'", conninfo.replace('\'', "''"));
    within(DEADLINE, index, async {
        let client = connect(stack, index).await?;
        client.batch_execute(&statement).await?;
        client.batch_execute("SELECT pg_reload_conf()").await?;
        Ok(())
    })
    .await
}

/// The connection to the primary that a running standby was given.
pub(super) async fn conninfo(stack: &Stack, index: usize) -> Result<String> {
    within(DEADLINE, index, async {
        let client = connect(stack, index).await?;
        Ok(client.query_one("SELECT current_setting('primary_conninfo')", &[]).await?.get(0))
    })
    .await
}

/// Writes a checkpoint: pg_rewind reads from it on which timeline its source is.
pub(super) async fn checkpoint(stack: &Stack, index: usize) -> Result<()> {
    const CHECKPOINT_DEADLINE: Duration = Duration::from_secs(60);
    within(CHECKPOINT_DEADLINE, index, async {
        let client = connect(stack, index).await?;
        Ok(client.batch_execute("CHECKPOINT").await?)
    })
    .await
}

/// Gives a node a slot for each of the others, and frees those that hold WAL on a standby: it was a primary
/// once, and nobody reads from it now.
pub(super) async fn arrange_slots(stack: &Stack, index: usize, others: &[String]) -> Result<()> {
    const FREE: &str = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
         WHERE pg_is_in_recovery() AND slot_type = 'physical' AND NOT active AND restart_lsn IS NOT NULL";
    const MAKE: &str = "SELECT pg_create_physical_replication_slot(name) FROM unnest($1::text[]) AS name \
         WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = name)";
    within(DEADLINE, index, async {
        let client = connect(stack, index).await?;
        client.batch_execute(FREE).await?;
        client.execute(MAKE, &[&others]).await?;
        Ok(())
    })
    .await
}

/// A session of the superuser on one node. It ends when the client is dropped.
pub(super) async fn connect(stack: &Stack, index: usize) -> Result<Client> {
    let (client, connection) = tokio_postgres::Config::new()
        .host("127.0.0.1")
        .port(stack.ports.postgres[index])
        .user("postgres")
        .password(&stack.secrets.postgres_superuser)
        .dbname("postgres")
        .application_name("devstack")
        .connect(NoTls)
        .await?;
    // A broken connection is seen by the question that waits for it.
    tokio::spawn(async move { connection.await.ok() });
    Ok(client)
}

async fn within<T>(deadline: Duration, index: usize, exchange: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(deadline, exchange).await.unwrap_or_else(|_| {
        let seconds = deadline.as_secs();
        Err(StackError::refused(format!("{} does not answer within {seconds} s", super::server_name(index))))
    })
}
