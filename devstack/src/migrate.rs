//! Brings the stores of a person's stack to their newest shape.

use std::time::Duration;

use mongodb::Client;
use tokio_postgres::{NoTls, config::TargetSessionAttrs};

use crate::{
    error::{Result, StackError},
    servers::mongo,
    settings::DATABASE,
    stack::Stack,
};

/// The servers that have to be ready before.
pub const AFTER: [&str; 2] = ["pgpool", "mongo_1"];

/// Runs every migration that has not been run.
///
/// # Errors
/// When a store cannot be reached or a migration fails.
pub async fn run(stack: &Stack) -> Result<()> {
    migrate_postgres(stack).await?;
    let client = Client::with_uri_str(mongo::url(stack)).await?;
    migrations::mongo::run(&client.database(DATABASE)).await.map_err(in_words)?;
    Ok(())
}

/// Straight to the primary: the pool in between would hide which session holds the runner's locks.
async fn migrate_postgres(stack: &Stack) -> Result<()> {
    let mut config = tokio_postgres::Config::new();
    config
        .dbname(DATABASE)
        .user(DATABASE)
        .password(&stack.secrets.postgres_application)
        .application_name("migrations")
        .connect_timeout(Duration::from_secs(5))
        .target_session_attrs(TargetSessionAttrs::ReadWrite);
    for port in stack.ports.postgres {
        config.host("127.0.0.1").port(port);
    }
    let (mut client, connection) = config.connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    let outcome = migrations::pg::run(&mut client).await.map(drop).map_err(in_words);
    drop(client);
    connection.abort();
    outcome
}

/// An error with everything that caused it, as the words go to a person.
fn in_words(error: impl std::error::Error) -> StackError {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    StackError::Migrations(words)
}
