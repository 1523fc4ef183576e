//! Keeps the search index true to the stores: consumes change events, or builds a new index.

mod backoff;
mod batch;
mod collect;
mod consume;
mod error_chain;
mod rebuild;
mod settings;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use search_indexer::client::SearchClient;
use search_indexer::projection::Projection;
use store::mongo::connection::Mongo;
use store::pg::pool::PgPools;

use crate::settings::Settings;

/// Keeps the search index true to the stores.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The settings file.
    #[arg(long)]
    settings: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Indexes products as their change events arrive, until told to stop.
    Consume,
    /// Fills a new index beside the one in use and switches to it.
    Rebuild,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let settings: Settings = process::settings::load(&arguments.settings)?;
    let metrics = match arguments.verb {
        Verb::Consume => Some(settings.search_indexer.metrics),
        Verb::Rebuild => None,
    };
    let _telemetry = process::telemetry::init("search-indexer", metrics)?;
    let projection = Projection {
        client: SearchClient::new(&settings.search)?,
        pools: PgPools::new(&settings.postgres)?,
        mongo: Mongo::connect(&settings.mongo).await?,
    };
    let stop = process::shutdown::signal();
    match arguments.verb {
        Verb::Consume => {
            consume::run(&projection, &settings.amqp, &stop).await;
            Ok(())
        }
        Verb::Rebuild => rebuild::run(&projection, &stop).await,
    }
}
