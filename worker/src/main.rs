//! `worker`: every job on a clock, until stopped.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use serde::Deserialize;
use store::pg::pool::PgPools;
use store::settings::PostgresSettings;

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
    worker::partitions::run(&PgPools::new(&settings.postgres)?, &stop).await;
    Ok(())
}
