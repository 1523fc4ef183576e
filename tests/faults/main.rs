//! `./dev faults`: breaks the running shop on purpose and counts what was lost.

mod behaviour;
mod broker;
mod check;
mod events;
mod index;
mod load;
mod primary_kill;
mod recorder;
mod results;
mod shop;
mod stack;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "faults", about = "Breaks the running shop on purpose")]
struct Arguments {
    /// Settings of the running stack
    #[arg(long, global = true, default_value = "entrepot.toml")]
    settings: std::path::PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Kill the PostgreSQL primary under writes
    PrimaryKill {
        /// How many times
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        runs: u32,
    },
    /// Kill processes under changes of products and stock: no event may be lost or come out of order
    Events(events::Options),
    /// Kill processes under behaviour events: none that was answered with 202 may be lost, or be there twice
    Behaviour(behaviour::Options),
    /// A broker that is down, full or fed with poison: writes do not notice, all events are out soon after it is back
    Broker(broker::Options),
    /// Rebuild the search index under changes and searches, and damage it: no search fails, nothing is lost
    Index(index::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.verb {
        Verb::PrimaryKill { runs } => primary_kill::run(&arguments.settings, runs).await,
        Verb::Behaviour(options) => Box::pin(behaviour::run(&arguments.settings, options)).await,
        Verb::Broker(options) => Box::pin(broker::run(&arguments.settings, options)).await,
        Verb::Events(options) => Box::pin(events::run(&arguments.settings, options)).await,
        Verb::Index(options) => Box::pin(index::run(&arguments.settings, options)).await,
    }
}
