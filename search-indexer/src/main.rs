//! Keeps the search index true to the stores: consumes change events, repairs, builds a new index.

mod evaluate;
mod progress;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use search_indexer::client::SearchClient;
use search_indexer::consume::{self, name_random};
use search_indexer::index::new_name;
use search_indexer::mapping::Analysis;
use search_indexer::projection::Projection;
use search_indexer::rebuild::{self, Plan};
use search_indexer::settings::SearchSettings;
use search_indexer::{clock, repair, rollback};
use serde::Deserialize;
use store::mongo::connection::Mongo;
use store::pg::pool::PgPools;
use store::settings::{AmqpSettings, MongoSettings, PostgresSettings};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Indexes products as their change events arrive, and repairs the index, until told to stop.
    Consume {
        /// Time that one pass of the repair over the whole catalogue is spread over.
        #[arg(
            long,
            value_name = "SECONDS",
            default_value_t = 240,
            value_parser = clap::value_parser!(u64).range(1..=600)
        )]
        repair_pass: u64,
    },
    /// Fills a new index beside the one in use, verifies it and switches to it. Stopped, it can be resumed.
    Rebuild(Rebuild),
    /// Goes back to the index that was in use before, and mends what that one has missed. Again: goes forth.
    Rollback,
    /// Removes the index that was in use before: there is no way back then. It goes after a day by itself.
    Retire,
    /// Compares every document with the stores, once, and writes what differs.
    Repair,
    /// Searches for judged queries and prints how well they are answered.
    Evaluate(evaluate::Evaluate),
}

#[derive(Args)]
struct Rebuild {
    /// Most products of a second.
    #[arg(long, value_name = "PRODUCTS")]
    rate: Option<NonZeroU32>,
    /// Go on with the index that a stopped rebuild left, if it has the same mapping; otherwise begin anew.
    #[arg(long)]
    resume: bool,
    /// Remove the index that a stopped rebuild left, and do nothing else.
    #[arg(long, conflicts_with_all = ["rate", "resume"])]
    abandon: bool,
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
    let metrics = matches!(arguments.verb, Verb::Consume { .. }).then_some(settings.search_indexer.metrics);
    let _telemetry = process::telemetry::init("search-indexer", metrics)?;
    let projection = Projection {
        client: SearchClient::new(&settings.search)?,
        pools: PgPools::new(&settings.postgres)?,
        mongo: Mongo::connect(&settings.mongo).await?,
    };
    let stop = process::shutdown::signal();
    let outcome = Box::pin(run(&projection, &settings, &arguments.verb, &stop)).await;
    projection.mongo.close().await;
    outcome
}

async fn run(
    projection: &Projection,
    settings: &Settings,
    verb: &Verb,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let postgres = &settings.postgres;
    match verb {
        Verb::Consume { repair_pass } => {
            tokio::join!(
                Box::pin(consume::run(projection, &settings.amqp, stop)),
                Box::pin(clock::run(projection, postgres, Duration::from_secs(*repair_pass), stop)),
            );
            Ok(())
        }
        Verb::Rebuild(Rebuild { abandon: true, .. }) => abandon(projection, postgres).await,
        Verb::Rebuild(arguments) => rebuild(projection, postgres, arguments, stop).await,
        Verb::Rollback => roll_back(projection, postgres, stop).await,
        Verb::Retire => {
            match rollback::retire(projection, postgres).await? {
                Some(index) => println!("retire: removed {index}"),
                None => println!("retire: there is no index of before"),
            }
            Ok(())
        }
        Verb::Repair => repair_once(projection, Duration::ZERO, stop).await,
        Verb::Evaluate(arguments) => evaluate::run(projection, arguments).await,
    }
}

/// Fills a new index, or the one that was left, and switches to it.
async fn rebuild(
    projection: &Projection,
    postgres: &PostgresSettings,
    arguments: &Rebuild,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let name = new_name(projection.client.alias(), Timestamp::now(), name_random());
    let Rebuild { rate, resume, .. } = *arguments;
    let plan = Plan { rate, resume, ..Plan::new(&name, Analysis::English) };
    let mut lines = progress::Lines::new();
    let report = |progress| lines.print(progress);
    let rebuilt = match Box::pin(rebuild::run(projection, postgres, plan, stop, report)).await {
        Ok(rebuilt) => rebuilt,
        Err(error) => {
            if error.keeps_the_index() {
                println!(
                    "rebuild: what was filled is kept and consumers write to it: \
                     `rebuild --resume` goes on, `rebuild --abandon` removes it"
                );
            }
            return Err(error).context("no new index was put in use");
        }
    };
    let verified = &rebuilt.verified;
    println!(
        "rebuild: verified {} products and {} documents, {} were written again, checksum {}",
        verified.products, verified.documents, verified.different, verified.checksum
    );
    if verified.unreadable > 0 {
        println!("rebuild: {} products cannot be read and were left out: see the log", verified.unreadable);
    }
    println!(
        "rebuild: {} holds {} products; replaced {}",
        rebuilt.index,
        rebuilt.products,
        rebuilt.replaced.as_deref().unwrap_or("nothing"),
    );
    if rebuilt.replaced.is_some() {
        println!("rebuild: `rollback` goes back to it for a day, `retire` removes it");
    }
    let each_second = rate.map_or(u64::MAX, |rate| rate.get().into());
    repair_once(projection, Duration::from_secs(rebuilt.products / each_second), stop)
        .await
        .context("the new index is in use, but the comparison after the switch did not end well")
}

async fn abandon(projection: &Projection, postgres: &PostgresSettings) -> anyhow::Result<()> {
    match rebuild::abandon(projection, postgres).await? {
        Some(index) => println!("rebuild: removed {index}"),
        None => println!("rebuild: no index was left to be resumed"),
    }
    Ok(())
}

async fn roll_back(
    projection: &Projection,
    postgres: &PostgresSettings,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let done = rollback::run(projection, postgres).await.context("the index in use is the one it was")?;
    println!(
        "rollback: {} is in use; {} is kept: `rollback` again goes forth to it",
        done.index,
        done.replaced.as_deref().unwrap_or("nothing")
    );
    repair_once(projection, Duration::ZERO, stop).await
}

async fn repair_once(
    projection: &Projection,
    whole: Duration,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let pass = stop.run_until_cancelled(Box::pin(repair::pass(projection, whole))).await;
    let repaired = pass.context("stopped before every product was compared")??;
    println!(
        "repair: {} products compared, {} differed, {} mended",
        repaired.products, repaired.different, repaired.mended
    );
    anyhow::ensure!(repaired.different == repaired.mended, "some documents stay different: see the log");
    Ok(())
}
