//! MongoDB migrations: each file is a list of database commands (validators, indexes) in relaxed extended JSON.

use bson::{Bson, Document, doc};
use mongodb::Database;
use mongodb::error::{Error, ErrorKind};

/// Name and text of every migration, oldest first.
pub const FILES: [(&str, &str); 7] = [
    ("0001_create_products", include_str!("../mongo/0001_create_products.json")),
    ("0002_create_outbox", include_str!("../mongo/0002_create_outbox.json")),
    (
        "0003_create_categories_reviews_prices",
        include_str!("../mongo/0003_create_categories_reviews_prices.json"),
    ),
    ("0004_one_document_per_price_change", include_str!("../mongo/0004_one_document_per_price_change.json")),
    ("0005_expire_sent_events_only", include_str!("../mongo/0005_expire_sent_events_only.json")),
    ("0006_create_deleted_products", include_str!("../mongo/0006_create_deleted_products.json")),
    ("0007_index_product_words", include_str!("../mongo/0007_index_product_words.json")),
];

const APPLIED: &str = "schema_migrations";
/// What these commands are refused with when a cut-off run did them before: the collection is there, the index is gone.
const DONE_BEFORE: [(&str, i32); 2] = [("create", 48), ("dropIndexes", 27)];

/// Why a database could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MongoMigrationError {
    /// A file is no list of commands.
    #[error("{0} is not a list of commands: {1}")]
    Malformed(&'static str, String),
    /// A command failed.
    #[error("migrating MongoDB with {0} failed")]
    Command(&'static str, #[source] Error),
}

/// Brings a database to the newest version. Each command may be run twice, so a cut-off run is finished by the next.
/// Returns the names of the migrations that were applied now.
pub async fn run(database: &Database) -> Result<Vec<&'static str>, MongoMigrationError> {
    run_to(database, FILES.len()).await
}

/// Applies the first `count` migrations: what an upgrade test starts from.
pub async fn run_to(database: &Database, count: usize) -> Result<Vec<&'static str>, MongoMigrationError> {
    let applied = database.collection::<Document>(APPLIED);
    let mut names = Vec::new();
    for (name, text) in FILES.into_iter().take(count) {
        let failed = |error| MongoMigrationError::Command(name, error);
        if applied.find_one(doc! {"_id": name}).await.map_err(failed)?.is_some() {
            continue;
        }
        for command in commands(name, text)? {
            run_command(database, command).await.map_err(failed)?;
        }
        applied
            .update_one(doc! {"_id": name}, doc! {"$currentDate": {"applied_at": true}})
            .upsert(true)
            .await
            .map_err(failed)?;
        names.push(name);
    }
    Ok(names)
}

async fn run_command(database: &Database, command: Document) -> Result<(), Error> {
    let name = command.keys().next().cloned().unwrap_or_default();
    match database.run_command(command).await {
        Err(error) if !is_done_before(&name, &error) => Err(error),
        _ => Ok(()),
    }
}

fn is_done_before(name: &str, error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Command(command) if DONE_BEFORE.contains(&(name, command.code)))
}

fn commands(name: &'static str, text: &str) -> Result<Vec<Document>, MongoMigrationError> {
    let malformed = |reason: String| MongoMigrationError::Malformed(name, reason);
    let json: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
    json.into_iter()
        .map(|command| match Bson::try_from(serde_json::Value::Object(command)) {
            Ok(Bson::Document(document)) => Ok(document),
            Ok(other) => Err(malformed(format!("{other} is no command"))),
            Err(error) => Err(malformed(error.to_string())),
        })
        .collect()
}
