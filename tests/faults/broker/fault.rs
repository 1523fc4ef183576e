//! What a run does to the broker. Whatever is undone in the end is also undone when the run fails.

use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use devstack::process::{Mark, wait_for_end};
use devstack::servers::rabbitmq::{MEMORY_SHARE, NAME, control, data_folder};
use devstack::stack::Stack;
use lapin::{Connection, ConnectionProperties};
use secrecy::ExposeSecret;
use store::settings::AmqpSettings;

use crate::stack::{Victim, look};

/// How long the broker may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a killed one may take to be there again.
const RETURN_DEADLINE: Duration = Duration::from_secs(120);
const RETURN_PAUSE: Duration = Duration::from_millis(100);
/// Between two looks at whether it is back, to be killed again.
const LOOK_PAUSE: Duration = Duration::from_millis(250);
const CONTROL_DEADLINE: Duration = Duration::from_secs(30);
/// Far less than a broker needs to run.
const NO_MEMORY: &str = "0.0001";
const WATERMARK: &str = "set_vm_memory_high_watermark";
/// How long a killed process may take to be gone: shorter than the pause before the next one is started.
const END_DEADLINE: Duration = Duration::from_millis(900);

/// A connection as the shop's programs have it.
pub async fn connect(amqp: &AmqpSettings) -> anyhow::Result<Connection> {
    let connecting = Connection::connect(amqp.url.expose_secret(), ConnectionProperties::default());
    Ok(tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.context("the broker does not answer")??)
}

/// Waits until the broker takes a connection; when that was.
pub async fn returned(amqp: &AmqpSettings) -> anyhow::Result<Instant> {
    let began = Instant::now();
    loop {
        if let Ok(connection) = connect(amqp).await {
            let at = Instant::now();
            connection.close(200, "done".into()).await?;
            return Ok(at);
        }
        ensure!(began.elapsed() < RETURN_DEADLINE, "the broker was not back within {RETURN_DEADLINE:?}");
        tokio::time::sleep(RETURN_PAUSE).await;
    }
}

/// Kills the broker, and again each time it is back, for so long. How often.
pub async fn kill_again_and_again(length: Duration) -> anyhow::Result<u64> {
    let until = Instant::now() + length;
    let mut victim = Victim::find(&look().await?, NAME)?;
    victim.kill()?;
    let mut kills = 1;
    while Instant::now() < until {
        tokio::time::sleep(LOOK_PAUSE).await;
        let running = look().await?;
        if victim.is_back(&running) {
            victim = Victim::find(&running, NAME)?;
            victim.kill()?;
            kills += 1;
        }
    }
    Ok(kills)
}

/// A broker whose memory is full, so that it takes nothing from publishers, until this is lifted or dropped.
pub struct Alarm {
    stack: Arc<Stack>,
    is_raised: bool,
}

impl Alarm {
    /// Lets the broker have less memory than it uses.
    pub async fn raise(stack: &Arc<Stack>) -> anyhow::Result<Self> {
        // Before the command: one that is cut off may have done it.
        let alarm = Self { stack: Arc::clone(stack), is_raised: true };
        alarm.set(NO_MEMORY).await?;
        Ok(alarm)
    }

    /// Gives it what its configuration says.
    pub async fn lift(mut self) -> anyhow::Result<()> {
        self.set(MEMORY_SHARE).await?;
        self.is_raised = false;
        Ok(())
    }

    async fn set(&self, share: &str) -> anyhow::Result<()> {
        let launch = control(&self.stack, &[WATERMARK, share]);
        self.stack.run(NAME, &launch, CONTROL_DEADLINE).await?;
        Ok(())
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if !self.is_raised {
            return;
        }
        let launch = control(&self.stack, &[WATERMARK, MEMORY_SHARE]);
        let mut command = self.stack.command(NAME, &launch).into_std();
        let is_lifted = command.stdout(Stdio::null()).status().is_ok_and(|status| status.success());
        if !is_lifted {
            eprintln!("the broker's memory alarm may still be raised: ./dev doctor says how it is lifted");
        }
    }
}

/// Kills the broker and removes all that it keeps, before it is started again.
pub async fn wipe(stack: &Stack) -> anyhow::Result<()> {
    let running = look().await?;
    let pid = running.servers.get(NAME).and_then(|server| server.pid).context("the broker has no process")?;
    let process = Mark::of(pid.unsigned_abs()).context("the broker's process is gone")?;
    Victim::find(&running, NAME)?.kill()?;
    wait_for_end(&process, END_DEADLINE).await?;
    for entry in fs::read_dir(data_folder(stack))? {
        let path = entry?.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(())
}
