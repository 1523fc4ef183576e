//! A test's own database, queues, index, keys and folder.

use std::path::PathBuf;
use std::time::Duration;

use store::mongo::connection::Mongo;
use store::pg::pool::PgPools;
use store::settings::{AmqpSettings, MongoSettings, ObjectSettings, PostgresSettings};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::database::{self, Database};
use crate::{files, stack, virtual_host, wait};

/// What belongs to one test alone.
pub struct Scope {
    database: Database,
    /// PostgreSQL with a database of its own, migrated and empty.
    pub postgres: PostgresSettings,
    /// MongoDB with a database of its own, migrated and empty.
    pub mongo: MongoSettings,
    /// RabbitMQ with a virtual host of its own.
    pub amqp: AmqpSettings,
    /// Prefix of cache keys and index names.
    pub prefix: String,
    /// Folder of the Parquet lake.
    pub lake: PathBuf,
    /// Folder of the objects.
    pub objects: ObjectSettings,
}

impl Scope {
    /// Takes a database and makes the rest.
    pub async fn new() -> Self {
        let prefix = format!("it-{}", Uuid::new_v4().simple());
        let database = Database::take().await;
        let postgres = postgres_settings(&database.name);
        let mongo = mongo_settings(&prefix).await;
        let amqp = virtual_host::make(&prefix).await;
        let objects = ObjectSettings { folder: files::folder("objects") };
        Self { database, postgres, mongo, amqp, lake: files::folder("lake"), objects, prefix }
    }

    /// A connection to the primary itself, as the application.
    pub async fn primary(&self) -> Client {
        database::connect(&self.database.name).await
    }

    /// The pools through Pgpool-II.
    pub fn pools(&self) -> PgPools {
        PgPools::new(&self.postgres).expect("valid settings")
    }

    /// MongoDB as the store uses it.
    pub async fn mongo(&self) -> Mongo {
        Mongo::connect(&self.mongo).await.expect("valid settings")
    }

    /// Waits until both standbys have replayed what the primary has written.
    pub async fn standbys_caught_up(&self) {
        database::standbys_caught_up().await;
    }

    /// Waits until every transaction that runs now has ended, also those of other databases, and both standbys know
    /// it: what an extract sees from here on is below its watermark, so the next one need not read it again.
    pub async fn older_transactions_ended(&self) {
        let server = database::connect_as_superuser("postgres").await;
        let newest: String =
            server.query_one("SELECT pg_current_xact_id()::text", &[]).await.expect("an id").get(0);
        wait::until("older transactions end", Duration::from_secs(120), async || {
            const ENDED: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8";
            let ended: bool = server.query_one(ENDED, &[&newest]).await.expect("asked").get(0);
            ended.then_some(())
        })
        .await;
        self.standbys_caught_up().await;
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        virtual_host::give_up(&self.prefix);
        // The system's temporary folder is swept anyway.
        let _ = std::fs::remove_dir_all(&self.lake);
        let _ = std::fs::remove_dir_all(&self.objects.folder);
    }
}

fn postgres_settings(database: &str) -> PostgresSettings {
    let postgres = &stack().postgres;
    PostgresSettings {
        pgpools: postgres.pgpools.clone(),
        nodes: postgres.nodes.clone(),
        database: database.to_owned(),
        user: postgres.application.user.clone(),
        password: postgres.application.password.clone().into(),
        pool_max: 4,
    }
}

async fn mongo_settings(prefix: &str) -> MongoSettings {
    let url = &stack().mongo_url;
    let client = mongodb::Client::with_uri_str(url).await.expect("a connection string");
    migrations::mongo::run(&client.database(prefix)).await.expect("the database migrates");
    MongoSettings { url: url.clone().into(), database: prefix.to_owned() }
}
