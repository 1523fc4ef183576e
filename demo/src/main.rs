//! `demo seed` makes the demonstration shop and writes it into the stores.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use demo::write::{Seed, Settings};

#[derive(Parser)]
#[command(about = "The demonstration shop")]
struct Arguments {
    /// Settings file
    #[arg(long, global = true, default_value = "entrepot.toml")]
    settings: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make the shop: a catalogue, two years of orders, what shoppers did
    Seed(Seed),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let settings: Settings = process::settings::load(&arguments.settings)?;
    let stop = process::shutdown::signal();
    match arguments.verb {
        Verb::Seed(seed) => demo::write::run(seed, &settings, &stop).await,
    }
}
