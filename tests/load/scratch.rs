//! A database and virtual hosts of the running stack that only the bench uses: the same servers as the shop's, and
//! nothing of the shop in them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use devstack::StackKind;
use devstack::folders::Folders;
use devstack::ports::Ports;
use devstack::secrets::Secrets;
use devstack::servers::rabbitmq::{ADMINISTRATOR, APPLICATION};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store::pg::direct;
use store::settings::{AmqpSettings, PostgresSettings};
use tokio_postgres::NoTls;
use tokio_postgres::config::TargetSessionAttrs;

const SUPERUSER: &str = "postgres";
const TIMEOUT: Duration = Duration::from_secs(15);

/// What was made.
pub struct Scratch {
    /// PostgreSQL with the bench's database, migrated and empty.
    pub postgres: PostgresSettings,
    database: &'static str,
    secrets: Secrets,
    ports: Ports,
    http: reqwest::Client,
}

impl Scratch {
    /// Makes the database of that name beside that of the shop.
    pub async fn make(
        database: &'static str,
        shop: &PostgresSettings,
        checkout: &Path,
    ) -> anyhow::Result<Self> {
        let folders =
            Folders::existing(StackKind::Development, checkout).context("nothing is running: ./dev up")?;
        let secrets = Secrets::load(&folders.secrets())?;
        let postgres = PostgresSettings { database: database.to_owned(), ..shop.clone() };
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        let scratch = Self { postgres, database, secrets, ports: Ports::of(StackKind::Development), http };
        let server = scratch.superuser().await?;
        drop_database(&server, database).await?;
        server.batch_execute(&format!("CREATE DATABASE {database} OWNER {}", shop.user)).await?;
        let mut client = direct::primary(&scratch.postgres).await?;
        migrations::pg::run(&mut client).await?;
        Ok(scratch)
    }

    /// A virtual host, empty, in which the application may do everything.
    pub async fn virtual_host(&self, name: &str) -> anyhow::Result<AmqpSettings> {
        self.remove_virtual_host(name).await?;
        self.manage(Method::PUT, &format!("vhosts/{name}"), &json!({})).await?;
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        self.manage(Method::PUT, &format!("permissions/{name}/{APPLICATION}"), &all).await?;
        let (password, port) = (&self.secrets.rabbitmq_application, self.ports.rabbitmq);
        let url = format!("amqp://{APPLICATION}:{password}@127.0.0.1:{port}/{name}");
        Ok(AmqpSettings { url: url.into() })
    }

    /// Removes a virtual host with its queues; one that is not there is no error.
    pub async fn remove_virtual_host(&self, name: &str) -> anyhow::Result<()> {
        self.manage(Method::DELETE, &format!("vhosts/{name}"), &Value::Null).await
    }

    /// Removes the database.
    pub async fn remove(self) -> anyhow::Result<()> {
        drop_database(&self.superuser().await?, self.database).await
    }

    async fn manage(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<()> {
        let address = format!("http://127.0.0.1:{}/api/{path}", self.ports.rabbitmq_management);
        let request = self.http.request(method.clone(), address);
        let request = request.basic_auth(ADMINISTRATOR, Some(&self.secrets.rabbitmq_administrator));
        let request = if body.is_null() { request } else { request.json(body) };
        let status = request.send().await?.status();
        let is_gone = method == Method::DELETE && status == StatusCode::NOT_FOUND;
        ensure!(status.is_success() || is_gone, "the broker's management: {path}: {status}");
        Ok(())
    }

    async fn superuser(&self) -> anyhow::Result<tokio_postgres::Client> {
        let mut config = tokio_postgres::Config::new();
        config
            .dbname(SUPERUSER)
            .user(SUPERUSER)
            .password(&self.secrets.postgres_superuser)
            .connect_timeout(TIMEOUT)
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        for node in &self.postgres.nodes {
            let (host, port) = node.rsplit_once(':').context("host:port")?;
            config.host(host).port(port.parse()?);
        }
        let (client, connection) = config.connect(NoTls).await.context("connect to the primary")?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// With whoever is connected to it, as Pgpool-II keeps connections.
async fn drop_database(server: &tokio_postgres::Client, database: &str) -> anyhow::Result<()> {
    Ok(server.batch_execute(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await?)
}
