//! The running stack as a fault finds it: whether it has healed, and a process of it that is killed.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use store::settings::PostgresSettings;
use support::running::Running;

const HEALING_DEADLINE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(250);
/// Standbys of a primary in good order.
const STANDBYS: i64 = 2;

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
        self.signal(Signal::KILL)
    }

    /// Stops its process with what it has started, in the middle of whatever they do, until that is dropped.
    pub fn freeze(self) -> anyhow::Result<Frozen> {
        self.signal(Signal::STOP)?;
        Ok(Frozen { victim: self })
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let group = Pid::from_raw(self.pid).context("a process")?;
        let sent = kill_process_group(group, signal);
        sent.with_context(|| format!("send {signal:?} to {} ({})", self.name, self.pid))
    }

    /// Whether another process serves under its name.
    pub fn is_back(&self, running: &Running) -> bool {
        let server = running.servers.get(&self.name);
        server.is_some_and(|server| server.ready && server.pid.is_some_and(|pid| pid != self.pid))
    }
}

/// What the stack says of itself. It runs a program, away from the threads that send a load.
pub async fn look() -> anyhow::Result<Running> {
    tokio::task::spawn_blocking(Running::find).await.context("look at the stack")?
}

/// A server that takes nothing and answers nothing, until this is dropped.
#[derive(Debug)]
pub struct Frozen {
    victim: Victim,
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if let Err(error) = self.victim.signal(Signal::CONT) {
            eprintln!("{error:#}");
        }
    }
}

/// Waits until every server answers and the primary has two streaming standbys again. The error says what was amiss
/// last.
pub async fn healed(postgres: &PostgresSettings) -> anyhow::Result<()> {
    // Nothing that heals would bring it.
    ensure!(std::env::var_os("ENTREPOT_CHECKOUT").is_some(), "ENTREPOT_CHECKOUT is missing: run it by ./dev");
    let began = Instant::now();
    while let Err(reason) = ensure_healed(postgres).await {
        if began.elapsed() >= HEALING_DEADLINE {
            return Err(reason.context(format!("the stack did not heal within {HEALING_DEADLINE:?}")));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn ensure_healed(postgres: &PostgresSettings) -> anyhow::Result<()> {
    let standbys = standbys(postgres).await.context("ask the PostgreSQL primary")?;
    ensure!(standbys >= STANDBYS, "{standbys} of {STANDBYS} standbys stream");
    let running = look().await?;
    let silent = silent(&running);
    ensure!(silent.is_empty(), "not ready: {}", silent.join(", "));
    Ok(())
}

fn silent(running: &Running) -> Vec<&str> {
    let servers = running.servers.iter().filter(|(_, server)| !server.ready);
    servers.map(|(name, _)| name.as_str()).collect()
}

async fn standbys(postgres: &PostgresSettings) -> anyhow::Result<i64> {
    let primary = store::pg::direct::primary(postgres).await?;
    // The application's role sees who streams, not how far they are.
    let row = primary.query_one("SELECT count(*) FROM pg_stat_replication", &[]).await?;
    Ok(row.get(0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn running(pid: Option<i32>, ready: bool) -> Running {
        let servers = json!({
            "api": {"address": "127.0.0.1:1", "pid": 7, "ready": true},
            "worker": {"address": "127.0.0.1:2", "pid": pid, "ready": ready}
        });
        serde_json::from_value(json!({"api": "", "sign_ins": {}, "servers": servers})).expect("a stack")
    }

    #[test]
    fn who_does_not_answer_is_named() {
        assert!(silent(&running(Some(8), true)).is_empty());
        assert_eq!(silent(&running(None, false)), ["worker"]);
    }

    #[test]
    fn a_victim_is_back_as_another_process_that_answers() {
        let victim = Victim::find(&running(Some(8), true), "worker").expect("a process");
        for (pid, ready) in [(Some(8), true), (None, false), (Some(9), false)] {
            assert!(!victim.is_back(&running(pid, ready)), "{pid:?} {ready}");
        }
        assert!(victim.is_back(&running(Some(9), true)));
    }

    #[test]
    fn only_a_process_can_be_a_victim() {
        assert!(Victim::find(&running(None, false), "worker").is_err());
        assert!(Victim::find(&running(Some(8), true), "ingest").is_err());
    }
}
