//! Processes of ours that listen, for as long as somebody measures or breaks something.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

const READY_DEADLINE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);
/// Requests of one caller in a minute while load is sent: the limit is raised, never off.
const RAISED_REQUESTS: &str = "600000000";

/// A process that listens; killed when dropped.
#[derive(Debug)]
pub struct Listening {
    child: Child,
    /// Where.
    pub address: SocketAddr,
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Listening {
    /// A process that was started, to be killed with this.
    pub fn new(child: Child, address: SocketAddr) -> Self {
        Self { child, address }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it answers, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Another API process on the stores of a settings file, with ports of its own, that takes any number of requests from
/// one address. Returns when it is ready. It is the program beside the running one.
pub async fn raised_api(settings: &Path) -> anyhow::Result<Listening> {
    raised_api_with(settings, &[]).await
}

/// The same with variables that say something else than the settings.
pub async fn raised_api_with(settings: &Path, variables: &[(&str, &str)]) -> anyhow::Result<Listening> {
    let free = || anyhow::Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?);
    let (address, metrics) = (free()?, free()?);
    let child = Command::new(std::env::current_exe()?.with_file_name("api"))
        .arg("--settings")
        .arg(settings)
        .envs(variables.iter().copied())
        .env("ENTREPOT__API__LISTEN", address.to_string())
        .env("ENTREPOT__API__METRICS", metrics.to_string())
        .env("ENTREPOT__API__RATE_LIMIT__ANONYMOUS__REQUESTS", RAISED_REQUESTS)
        .env("ENTREPOT__API__RATE_LIMIT__STAFF__REQUESTS", RAISED_REQUESTS)
        .stdout(Stdio::null())
        .spawn()
        .context("start the api beside this program")?;
    let listening = Listening::new(child, address);
    let ready = format!("{}/health/ready", listening.url());
    let began = Instant::now();
    while !reqwest::get(&ready).await.is_ok_and(|response| response.status().is_success()) {
        ensure!(began.elapsed() < READY_DEADLINE, "the API process is not ready");
        tokio::time::sleep(PAUSE).await;
    }
    Ok(listening)
}
