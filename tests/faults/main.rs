//! `./dev faults`: breaks the running shop on purpose and counts what was lost.

mod events;
mod primary_kill;
mod results;
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
    /// Kill one process at a time under changes of products and stock: no event may be lost or come out of order
    Events(events::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.verb {
        Verb::PrimaryKill { runs } => primary_kill::run(&arguments.settings, runs).await,
        Verb::Events(options) => Box::pin(events::run(&arguments.settings, options)).await,
    }
}
