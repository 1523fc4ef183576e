//! PostgreSQL migrations, run by refinery, which keeps their checksums in `refinery_schema_history`.

use refinery::{Migration, Runner, Target};
use tokio_postgres::Client;

/// Name and text of every migration, oldest first.
pub const FILES: [(&str, &str); 28] = [
    ("0001_create_partition_functions", include_str!("../pg/0001_create_partition_functions.sql")),
    ("0002_create_users", include_str!("../pg/0002_create_users.sql")),
    ("0003_create_orders", include_str!("../pg/0003_create_orders.sql")),
    ("0004_create_outbox", include_str!("../pg/0004_create_outbox.sql")),
    ("0005_create_idempotency_keys", include_str!("../pg/0005_create_idempotency_keys.sql")),
    ("0006_create_index_ticket", include_str!("../pg/0006_create_index_ticket.sql")),
    ("0007_create_daily_sales", include_str!("../pg/0007_create_daily_sales.sql")),
    ("0008_create_shop_facts", include_str!("../pg/0008_create_shop_facts.sql")),
    ("0009_create_catalogue_imports", include_str!("../pg/0009_create_catalogue_imports.sql")),
    ("0010_create_demo_seed", include_str!("../pg/0010_create_demo_seed.sql")),
    ("0011_add_seed_generator", include_str!("../pg/0011_add_seed_generator.sql")),
    ("0012_free_order_numbers", include_str!("../pg/0012_free_order_numbers.sql")),
    ("0013_faster_uuid_v7_time", include_str!("../pg/0013_faster_uuid_v7_time.sql")),
    ("0014_load_without_autovacuum", include_str!("../pg/0014_load_without_autovacuum.sql")),
    ("0015_add_availability", include_str!("../pg/0015_add_availability.sql")),
    ("0016_create_dead_letters", include_str!("../pg/0016_create_dead_letters.sql")),
    ("0017_create_webhooks", include_str!("../pg/0017_create_webhooks.sql")),
    ("0018_create_popularity", include_str!("../pg/0018_create_popularity.sql")),
    ("0019_add_seed_products", include_str!("../pg/0019_add_seed_products.sql")),
    ("0020_unsent_events_by_index", include_str!("../pg/0020_unsent_events_by_index.sql")),
    ("0021_create_index_tasks", include_str!("../pg/0021_create_index_tasks.sql")),
    ("0022_create_search_tuning", include_str!("../pg/0022_create_search_tuning.sql")),
    ("0023_create_search_terms", include_str!("../pg/0023_create_search_terms.sql")),
    ("0024_schedule_search_releases", include_str!("../pg/0024_schedule_search_releases.sql")),
    ("0025_create_search_experiments", include_str!("../pg/0025_create_search_experiments.sql")),
    ("0026_create_reports", include_str!("../pg/0026_create_reports.sql")),
    ("0027_import_behaviour", include_str!("../pg/0027_import_behaviour.sql")),
    ("0028_add_up_sales_by_month", include_str!("../pg/0028_add_up_sales_by_month.sql")),
];

/// Why a database could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum PgMigrationError {
    /// A migration failed, or an applied one was edited.
    #[error("migrating PostgreSQL failed")]
    Migration(#[from] refinery::Error),
    /// The partitions ahead could not be made.
    #[error("creating partitions failed")]
    Partitions(#[from] tokio_postgres::Error),
}

/// Brings a database to the newest version and gives it partitions ahead. The client must reach the primary itself.
/// Returns the names of the migrations that were applied now.
pub async fn run(client: &mut Client) -> Result<Vec<String>, PgMigrationError> {
    let applied = run_to(client, FILES.len()).await?;
    client.execute("SELECT ensure_partitions_ahead(now())", &[]).await?;
    Ok(applied)
}

/// Applies the first `count` migrations, without partitions: what an upgrade test starts from.
pub async fn run_to(client: &mut Client, count: usize) -> Result<Vec<String>, PgMigrationError> {
    let migrations = migrations()?;
    let version = migrations[..count].last().map_or(0, Migration::version);
    let report = Runner::new(&migrations).set_target(Target::Version(version)).run_async(client).await?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

/// Number and checksum of every migration, as a database that ran it keeps them.
pub fn checksums() -> Result<Vec<(i32, u64)>, PgMigrationError> {
    Ok(migrations()?.iter().map(|migration| (migration.version(), migration.checksum())).collect())
}

fn migrations() -> Result<Vec<Migration>, refinery::Error> {
    FILES
        .iter()
        .map(|(file, sql)| {
            let (number, name) = file.split_once('_').expect("NNNN_verb_noun");
            Migration::unapplied(&format!("V{}__{name}", number.trim_start_matches('0')), sql)
        })
        .collect()
}
