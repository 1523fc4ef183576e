//! Starts the API from a settings file, or makes the documents of what it promises: OpenAPI, events.

use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::Context;
use api::settings::Settings;
use clap::Parser;

/// The shop's HTTP API.
#[derive(Debug, Parser)]
struct Arguments {
    /// The settings file.
    #[arg(long, required_unless_present_any = ["print_openapi", "print_event_documents"])]
    settings: Option<PathBuf>,
    /// Prints the OpenAPI document and ends.
    #[arg(long)]
    print_openapi: bool,
    /// Writes the schemas of the events and their AsyncAPI document into a folder and ends; refuses, with the places,
    /// what would break a consumer.
    #[arg(long, value_name = "FOLDER")]
    print_event_documents: Option<PathBuf>,
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
    if let Some(folder) = arguments.print_event_documents {
        for name in api::event_documents::write(&folder, &domain::event::documents())? {
            println!("released {name}");
        }
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
