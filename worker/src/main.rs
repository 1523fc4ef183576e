//! `worker`: every job on a clock, until stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use jiff::Timestamp;
use serde::Deserialize;
use store::pg::pool::PgPools;
use store::settings::PostgresSettings;
use worker::clock::every;
use worker::{expiry, partitions};

const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Parser)]
#[command(about = "What happens after the reply: jobs on a clock")]
struct Arguments {
    /// Settings file
    #[arg(long, default_value = "entrepot.toml")]
    settings: PathBuf,
}

#[derive(Deserialize)]
struct Settings {
    postgres: PostgresSettings,
    worker: WorkerSettings,
}

#[derive(Deserialize)]
struct WorkerSettings {
    metrics: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings: Settings = process::settings::load(&Arguments::parse().settings)?;
    let _telemetry = process::telemetry::init("worker", Some(settings.worker.metrics))?;
    let stop = process::shutdown::signal();
    let pools = PgPools::new(&settings.postgres)?;
    tokio::join!(
        every(HOUR, "partitions", &stop, async || partitions::ensure(&pools, Timestamp::now()).await),
        every(HOUR, "expiry", &stop, async || expiry::expire(&pools, Timestamp::now()).await),
    );
    Ok(())
}
