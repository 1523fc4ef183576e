//! `ingest relay` carries events to RabbitMQ, lands behaviour and imports what came over HTTP; `ingest import …` brings
//! orders, products and click histories in; `ingest events …` and `ingest dead-letters …` send again.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use ingest::clicks::ImportEvents;
use ingest::dead_letters::DeadLetters;
use ingest::events::Events;
use ingest::orders::ImportOrders;
use ingest::products::ImportProducts;
use serde::Deserialize;
use store::mongo::connection::Mongo;
use store::pg::pool::PgPools;
use store::settings::{AmqpSettings, MongoSettings, PostgresSettings};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "What comes in: importers and event relays")]
struct Arguments {
    /// Settings file
    #[arg(long, global = true, default_value = "entrepot.toml")]
    settings: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Carry the events of both outboxes to RabbitMQ, land behaviour events in the lake and import uploaded catalogues,
    /// until stopped
    Relay,
    /// Bring in a file
    #[command(subcommand)]
    Import(Import),
    /// Send events again
    #[command(subcommand)]
    Events(Events),
    /// What consumers gave up: read it, send it again, or drop it
    #[command(subcommand)]
    DeadLetters(DeadLetters),
}

#[derive(Subcommand)]
enum Import {
    /// An order history
    Orders(ImportOrders),
    /// A catalogue
    Products(ImportProducts),
    /// A click history
    Events(ImportEvents),
}

#[derive(Deserialize)]
struct Settings {
    postgres: PostgresSettings,
    mongo: MongoSettings,
    amqp: AmqpSettings,
    lake: LakeSettings,
    ingest: IngestSettings,
}

#[derive(Deserialize)]
struct LakeSettings {
    path: PathBuf,
}

#[derive(Deserialize)]
struct IngestSettings {
    metrics: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let settings: Settings = process::settings::load(&arguments.settings)?;
    match arguments.verb {
        Verb::Relay => Box::pin(relay(&settings)).await,
        Verb::Import(Import::Orders(import)) => ingest::orders::run(import, &settings.postgres).await,
        Verb::Import(Import::Products(import)) => {
            ingest::products::run(import, &settings.postgres, &settings.mongo).await
        }
        Verb::Import(Import::Events(import)) => {
            ingest::clicks::run(import, &settings.postgres, &settings.lake.path).await
        }
        Verb::Events(verb) => events(verb, &settings).await,
        Verb::DeadLetters(verb) => {
            ingest::dead_letters::run(verb, &PgPools::new(&settings.postgres)?, &settings.amqp).await
        }
    }
}

async fn events(verb: Events, settings: &Settings) -> anyhow::Result<()> {
    let mongo = Mongo::connect(&settings.mongo).await?;
    let outcome = ingest::events::run(verb, &settings.postgres, &mongo, &settings.amqp).await;
    mongo.close().await;
    outcome
}

async fn relay(settings: &Settings) -> anyhow::Result<()> {
    let _telemetry = process::telemetry::init("ingest", Some(settings.ingest.metrics))?;
    let stop = process::shutdown::signal();
    let pools = PgPools::new(&settings.postgres)?;
    let mongo = Mongo::connect(&settings.mongo).await?;
    let (lake, amqp) = (settings.lake.path.clone(), settings.amqp.clone());
    let behaviour = tokio::spawn(ingest::behaviour::run(lake, amqp, stop.clone()));
    tokio::join!(
        ingest::relay::pg_outbox::run(&pools, &settings.amqp, &stop),
        ingest::relay::mongo_outbox::run(&mongo, &settings.amqp, &stop),
        ingest::products::upload::run(&pools, &settings.postgres, &mongo, &stop),
    );
    behaviour.await?;
    mongo.close().await;
    Ok(())
}
