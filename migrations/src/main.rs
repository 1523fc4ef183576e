//! `migrations`: brings both stores to their newest shape, once, and ends. For deployments; `./dev up` does it itself.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use serde::Deserialize;
use tokio_postgres::NoTls;
use tokio_postgres::config::TargetSessionAttrs;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Parser)]
#[command(about = "Brings PostgreSQL and MongoDB to their newest shape")]
struct Arguments {
    /// Settings file
    #[arg(long, default_value = "entrepot.toml")]
    settings: PathBuf,
}

#[derive(Deserialize)]
struct Settings {
    postgres: Postgres,
    mongo: Mongo,
}

#[derive(Deserialize)]
struct Postgres {
    nodes: Vec<String>,
    database: String,
    user: String,
    password: String,
}

#[derive(Deserialize)]
struct Mongo {
    url: String,
    database: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings: Settings = process::settings::load(&Arguments::parse().settings)?;
    let applied = postgres(&settings.postgres).await?;
    println!("PostgreSQL: {} applied", applied.len());
    let client = mongodb::Client::with_uri_str(&settings.mongo.url).await?;
    let applied = migrations::mongo::run(&client.database(&settings.mongo.database)).await?;
    println!("MongoDB: {} applied", applied.len());
    client.shutdown().await;
    Ok(())
}

/// Straight to the primary: the pool in between would hide which session holds the runner's locks.
async fn postgres(settings: &Postgres) -> anyhow::Result<Vec<String>> {
    let mut config = tokio_postgres::Config::new();
    config
        .dbname(&settings.database)
        .user(&settings.user)
        .password(&settings.password)
        .application_name("migrations")
        .connect_timeout(CONNECT_TIMEOUT)
        .target_session_attrs(TargetSessionAttrs::ReadWrite);
    for node in &settings.nodes {
        let (host, port) = node.rsplit_once(':').with_context(|| format!("{node:?} is no host:port"))?;
        config.host(host).port(port.parse()?);
    }
    let (mut client, connection) = config.connect(NoTls).await.context("no primary answers")?;
    let connection = tokio::spawn(connection);
    let applied = migrations::pg::run(&mut client).await?;
    drop(client);
    connection.abort();
    Ok(applied)
}
