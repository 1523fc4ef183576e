//! Starts the API from a settings file, or prints its OpenAPI document.

use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::Context;
use api::settings::Settings;
use clap::Parser;

/// The shop's HTTP API.
#[derive(Debug, Parser)]
struct Arguments {
    /// The settings file.
    #[arg(long, required_unless_present = "print_openapi")]
    settings: Option<PathBuf>,
    /// Prints the OpenAPI document and ends.
    #[arg(long)]
    print_openapi: bool,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.print_openapi {
        print!("{}", api::openapi::to_text());
        return Ok(());
    }
    let path = arguments.settings.context("--settings is missing")?;
    let settings: Settings = process::settings::load(&path)?;
    let _telemetry = process::telemetry::init("api", settings.api.metrics)?;
    let stop = process::shutdown::signal();
    let address = settings.api.listen;
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    listener.set_nonblocking(true)?;
    let mut running = api::serve(settings, listener).await?;
    tokio::select! {
        () = stop.cancelled() => running.stop().await.context("the server did not stop cleanly"),
        ended = running.failed() => ended.context("the server failed"),
    }
}
