//! Keeps the search index true to the stores: consumes change events, or builds a new index.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use search_indexer::client::SearchClient;
use search_indexer::consume::{self, name_random};
use search_indexer::index::new_name;
use search_indexer::mapping::Analysis;
use search_indexer::projection::Projection;
use search_indexer::rebuild::{self, Progress};
use search_indexer::settings::SearchSettings;
use serde::Deserialize;
use store::mongo::connection::Mongo;
use store::pg::pool::PgPools;
use store::settings::{AmqpSettings, MongoSettings, PostgresSettings};
use tokio_util::sync::CancellationToken;

/// Products between two lines of progress.
const REPORT_EVERY: u64 = 5_000;

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

/// The sections that it needs.
#[derive(Deserialize)]
struct Settings {
    postgres: PostgresSettings,
    mongo: MongoSettings,
    amqp: AmqpSettings,
    search: SearchSettings,
    search_indexer: Own,
}

/// Its own section.
#[derive(Deserialize)]
struct Own {
    metrics: SocketAddr,
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
    let outcome = match arguments.verb {
        Verb::Consume => {
            consume::run(&projection, &settings.amqp, &stop).await;
            Ok(())
        }
        Verb::Rebuild => rebuild(&projection, &settings.postgres, &stop).await,
    };
    projection.mongo.close().await;
    outcome
}

/// Fills a new index and switches to it. Told to stop, it removes the new one.
async fn rebuild(
    projection: &Projection,
    postgres: &PostgresSettings,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let name = new_name(projection.client.alias(), Timestamp::now(), name_random());
    println!("rebuild: filling {name}");
    let rebuilt = rebuild::run(projection, postgres, &name, Analysis::English, stop, print_progress).await;
    let rebuilt = rebuilt.context("no new index was put in use")?;
    println!(
        "rebuild: {} holds {} products ({} were written again by the second scan); replaced {}",
        rebuilt.index,
        rebuilt.products,
        rebuilt.different,
        rebuilt.replaced.as_deref().unwrap_or("nothing"),
    );
    Ok(())
}

fn print_progress(progress: Progress) {
    match progress {
        Progress::Filled(products) if products % REPORT_EVERY == 0 => {
            println!("rebuild: {products} products written")
        }
        Progress::Compared { products, different } if products % REPORT_EVERY == 0 => {
            println!("rebuild: {products} products compared, {different} differed");
        }
        _ => {}
    }
}
