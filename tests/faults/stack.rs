//! The running stack as a fault finds it: whether it has healed, and a process of it that is killed.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use store::settings::PostgresSettings;
use support::running::Running;

const HEALING_DEADLINE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(250);

/// A server of the stack with the process that it has now.
#[derive(Debug, Clone)]
pub struct Victim {
    name: String,
    pid: i32,
}

impl Victim {
    /// The server of that name.
    pub fn find(running: &Running, name: &str) -> anyhow::Result<Self> {
        let server = running.servers.get(name).with_context(|| format!("the stack has no {name}"))?;
        let pid = server.pid.with_context(|| format!("{name} has no process"))?;
        Ok(Self { name: name.to_owned(), pid })
    }

    /// Kills its process with what it has started: each server leads a group of its own.
    pub fn kill(&self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(self.pid).context("a process")?;
        kill_process_group(pid, Signal::KILL).with_context(|| format!("kill {} ({})", self.name, self.pid))
    }

    /// Whether another process serves under its name.
    pub fn is_back(&self, running: &Running) -> bool {
        let server = running.servers.get(&self.name);
        server.is_some_and(|server| server.ready && server.pid.is_some_and(|pid| pid != self.pid))
    }
}

/// Waits until every server answers and the primary has two streaming standbys again.
pub async fn healed(postgres: &PostgresSettings) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        if let Ok(standbys) = standbys(postgres).await
            && standbys >= 2
            && Running::find().is_ok_and(|running| running.servers.values().all(|server| server.ready))
        {
            return Ok(());
        }
        ensure!(began.elapsed() < HEALING_DEADLINE, "the stack did not heal within {HEALING_DEADLINE:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn standbys(postgres: &PostgresSettings) -> anyhow::Result<i64> {
    let primary = store::pg::direct::primary(postgres).await?;
    // The application's role sees who streams, not how far they are.
    let row = primary.query_one("SELECT count(*) FROM pg_stat_replication", &[]).await?;
    Ok(row.get(0))
}
