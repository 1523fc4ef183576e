//! What tests need to know of the running test stack: every address and password.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Result, StackError},
    servers::{elasticsearch, mongo, opensearch, rabbitmq},
    settings::{DATABASE, loopback},
    stack::Stack,
    tools,
};

/// The environment variable that names the file.
pub const VARIABLE: &str = "ENTREPOT_TEST_STACK";

/// A name and its password.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct SignIn {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

/// PostgreSQL of the test stack.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct TestPostgres {
    /// The servers themselves, `host:port`; the first was the primary at the start.
    pub nodes: Vec<String>,
    /// Pgpool-II, `host:port`.
    pub pgpools: Vec<String>,
    /// Superuser, for the nodes.
    pub superuser: SignIn,
    /// The application's role; it may create databases.
    pub application: SignIn,
}

/// RabbitMQ of the test stack.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct TestRabbitMq {
    /// AMQP, `host:port`.
    pub address: String,
    /// The management API, without a path.
    pub management_url: String,
    /// Who may make virtual hosts and users.
    pub administrator: SignIn,
    /// The user of our processes; a new virtual host needs permissions for it.
    pub application: SignIn,
}

/// The test stack.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct TestStack {
    /// A settings file as our processes read it; tests override what they isolate.
    pub settings: PathBuf,
    /// PostgreSQL.
    pub postgres: TestPostgres,
    /// The replica set's connection string, without a database.
    pub mongo_url: String,
    /// RabbitMQ.
    pub rabbitmq: TestRabbitMq,
    /// Redis.
    pub redis_url: String,
    /// Memcached, `host:port`.
    pub memcached: String,
    /// OpenSearch.
    pub opensearch_url: String,
    /// Elasticsearch.
    pub elasticsearch_url: String,
    /// The Elasticsearch of the version before.
    pub elasticsearch_8_url: String,
    /// Folder of the Python library of DuckDB.
    pub duckdb: PathBuf,
    /// Folder of the Python library of Spark.
    pub pyspark: PathBuf,
    /// The Java that it runs on; `None`: the one on the path.
    pub java_home: Option<PathBuf>,
}

impl TestStack {
    /// The test stack that `./dev test` has started.
    ///
    /// # Errors
    /// When there is none, or its file cannot be read.
    pub fn load() -> Result<Self> {
        let file = env::var_os(VARIABLE).ok_or_else(|| {
            StackError::refused(format!("{VARIABLE} is not set: run ./dev test, which starts the servers"))
        })?;
        Self::read(Path::new(&file))
    }

    fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).map_err(|error| {
            StackError::refused(format!(
                "{}: {error}: run ./dev test, which starts the servers",
                file.display()
            ))
        })?;
        serde_json::from_str(&text).map_err(|error| StackError::Malformed {
            file: file.display().to_string(),
            reason: error.to_string(),
        })
    }

    fn of(stack: &Stack) -> Self {
        let (ports, secrets) = (&stack.ports, &stack.secrets);
        let sign_in =
            |user: &str, password: &str| SignIn { user: user.to_owned(), password: password.to_owned() };
        Self {
            settings: stack.folders.settings(),
            postgres: TestPostgres {
                nodes: ports.postgres.map(loopback).to_vec(),
                pgpools: vec![loopback(ports.pgpool)],
                superuser: sign_in("postgres", &secrets.postgres_superuser),
                application: sign_in(DATABASE, &secrets.postgres_application),
            },
            mongo_url: mongo::url(stack),
            rabbitmq: TestRabbitMq {
                address: loopback(ports.rabbitmq),
                management_url: rabbitmq::management_url(stack),
                administrator: sign_in(rabbitmq::ADMINISTRATOR, &secrets.rabbitmq_administrator),
                application: sign_in(rabbitmq::APPLICATION, &secrets.rabbitmq_application),
            },
            redis_url: format!("redis://{}", loopback(ports.redis)),
            memcached: loopback(ports.memcached),
            opensearch_url: opensearch::url(stack),
            elasticsearch_url: elasticsearch::url(stack),
            elasticsearch_8_url: elasticsearch::url_8(stack),
            duckdb: stack.tools.folder(tools::DUCKDB),
            pyspark: stack.tools.folder(tools::PYSPARK),
            java_home: stack.tools.java_home(),
        }
    }
}

/// Writes the file that [`TestStack::load`] reads.
///
/// # Errors
/// When it cannot be written.
pub fn write(stack: &Stack) -> Result<()> {
    let text = serde_json::to_string_pretty(&TestStack::of(stack))
        .map_err(|error| StackError::refused(error.to_string()))?;
    stack.account.write_private(&stack.folders.test_stack(), &text)
}
