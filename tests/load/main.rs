//! `./dev bench`: what the running shop does in which time.

mod freshness;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "bench", about = "Measures the running shop")]
struct Arguments {
    /// Settings of the running stack
    #[arg(long, global = true, default_value = "entrepot.toml")]
    settings: std::path::PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// From a product's change to the search, and to a second API process
    Freshness {
        /// How many changes
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        changes: u32,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.verb {
        Verb::Freshness { changes } => freshness::measure(&arguments.settings, changes).await,
    }
}
