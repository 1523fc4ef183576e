//! `worker`: every job on a clock, until stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cache::settings::MemcachedSettings;
use clap::{Parser, Subcommand};
use domain::webhook::url_policy::UrlPolicy;
use jiff::Timestamp;
use serde::Deserialize;
use store::mongo::connection::Mongo;
use store::pg::pool::PgPools;
use store::settings::{AmqpSettings, MongoSettings, PostgresSettings};
use worker::audit::Audit;
use worker::clock::every;
use worker::webhooks::sender::Sender;
use worker::{dead_letters, expiry, partitions, popularity, store_gauges, webhooks};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Parser)]
#[command(about = "What happens after the reply: jobs on a clock")]
struct Arguments {
    /// Settings file
    #[arg(long, global = true, default_value = "entrepot.toml")]
    settings: PathBuf,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Check every invariant, once; the jobs are not run
    Audit(Audit),
}

#[derive(Deserialize)]
struct Settings {
    postgres: PostgresSettings,
    mongo: MongoSettings,
    amqp: AmqpSettings,
    memcached: MemcachedSettings,
    #[serde(default)]
    webhooks: UrlPolicy,
    worker: WorkerSettings,
}

#[derive(Deserialize)]
struct WorkerSettings {
    metrics: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.verb {
        Some(Verb::Audit(audit)) => audit.run(&process::settings::load(&arguments.settings)?).await,
        None => run_jobs(&process::settings::load(&arguments.settings)?).await,
    }
}

async fn run_jobs(settings: &Settings) -> anyhow::Result<()> {
    let _telemetry = process::telemetry::init("worker", Some(settings.worker.metrics))?;
    let stop = process::shutdown::signal();
    let pools = PgPools::new(&settings.postgres)?;
    let mongo = Mongo::connect(&settings.mongo).await?;
    let memcached = &settings.memcached;
    let sender = Sender::new(pools.clone(), settings.webhooks.clone())?;
    tokio::join!(
        dead_letters::run(&pools, &settings.amqp, &stop),
        every(dead_letters::COUNT_PERIOD, "dead_letter_gauges", &stop, async || {
            dead_letters::count_waiting(&pools).await
        }),
        webhooks::run(&pools, &settings.amqp, &sender, &stop),
        every(HOUR, "partitions", &stop, async || partitions::ensure(&pools, Timestamp::now()).await),
        every(HOUR, "expiry", &stop, async || expiry::expire(&pools, Timestamp::now()).await),
        every(popularity::PERIOD, "popularity", &stop, async || {
            popularity::count(&settings.postgres, Timestamp::now()).await
        }),
        every(store_gauges::PERIOD, "pgpool_gauges", &stop, async || store_gauges::pgpool(&pools).await),
        every(store_gauges::PERIOD, "mongodb_gauges", &stop, async || store_gauges::mongo(&mongo).await),
        every(store_gauges::PERIOD, "memcached_gauges", &stop, async || store_gauges::memcached(memcached)
            .await),
    );
    mongo.close().await;
    Ok(())
}
