//! Databases of PostgreSQL that tests take turns with: as many as there are tests at once, cleaned before each.

use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, NoTls};

use crate::{stack, wait};

/// Names that are free to be taken, and how many were made.
static FREE: LazyLock<Mutex<(Vec<String>, usize)>> = LazyLock::new(Mutex::default);

/// A migrated and empty database; given back when dropped.
pub struct Database {
    /// Its name.
    pub name: String,
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Ok(mut free) = FREE.lock() {
            free.0.push(std::mem::take(&mut self.name));
        }
    }
}

impl Database {
    /// Takes a free one, or makes one.
    pub async fn take() -> Self {
        let (known, number) = {
            let mut free = FREE.lock().expect("no holder panics");
            let known = free.0.pop();
            if known.is_none() {
                free.1 += 1;
            }
            (known, free.1)
        };
        if let Some(name) = known {
            clean(&mut connect(&name).await).await;
            // Until a standby has replayed the TRUNCATE it holds its locks, and whoever reads there waits.
            standbys_caught_up().await;
            return Self { name };
        }
        let name = format!("it_{}_{number}", std::process::id());
        create(&name).await;
        migrations::pg::run(&mut connect(&name).await).await.expect("the database migrates");
        Self { name }
    }
}

/// Makes an empty database that the application owns.
pub async fn create(name: &str) {
    remove(name).await;
    let server = connect_as_superuser("postgres").await;
    let owner = &stack().postgres.application.user;
    server.batch_execute(&format!("CREATE DATABASE {name} OWNER {owner}")).await.expect("created");
}

/// Removes a database and whoever is connected to it.
pub async fn remove(name: &str) {
    let server = connect_as_superuser("postgres").await;
    server.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.expect("dropped");
}

async fn clean(client: &mut Client) {
    const TABLES: &str = "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class \
                          WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition \
                          AND relname NOT IN ('refinery_schema_history', 'channels', 'outbox_leases')";
    let tables: String = client.query_one(TABLES, &[]).await.expect("tables").get(0);
    let reset = format!(
        "TRUNCATE {tables}; DELETE FROM channels WHERE code <> 'shop'; \
         UPDATE channels SET time_zone = 'UTC', price_scale = 2, report_time_zones = DEFAULT; \
         UPDATE outbox_leases SET owner = NULL, leased_until = '-infinity'"
    );
    client.batch_execute(&reset).await.expect("cleaned");
}

/// Waits until both standbys have replayed what the primary has written.
pub async fn standbys_caught_up() {
    let server = connect_as_superuser("postgres").await;
    let end: String =
        server.query_one("SELECT pg_current_wal_lsn()::text", &[]).await.expect("a place").get(0);
    wait::until("both standbys catch up", Duration::from_secs(60), async || {
        const BEHIND: &str = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= $1::text::pg_lsn";
        let count: i64 = server.query_one(BEHIND, &[&end]).await.expect("a count").get(0);
        (count >= 2).then_some(())
    })
    .await;
}

/// A connection to the primary itself, as the application.
pub async fn connect(database: &str) -> Client {
    let application = &stack().postgres.application;
    connect_as(database, &application.user, &application.password).await
}

/// A connection to the primary itself, as superuser.
pub async fn connect_as_superuser(database: &str) -> Client {
    let superuser = &stack().postgres.superuser;
    connect_as(database, &superuser.user, &superuser.password).await
}

async fn connect_as(database: &str, user: &str, password: &str) -> Client {
    let mut config = tokio_postgres::Config::new();
    config.dbname(database).user(user).password(password).target_session_attrs(TargetSessionAttrs::ReadWrite);
    for node in &stack().postgres.nodes {
        let (host, port) = node.rsplit_once(':').expect("host:port");
        config.host(host).port(port.parse().expect("a port"));
    }
    let (client, connection) = config.connect(NoTls).await.expect("the primary answers");
    tokio::spawn(connection);
    client
}
