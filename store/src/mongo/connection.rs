//! The connection to the replica set.

use std::time::Duration;

use bson::doc;
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, WriteConcern};
use mongodb::{Client, ClientSession, Database};
use secrecy::ExposeSecret;

use crate::error::StoreError;
use crate::settings::MongoSettings;

const SELECTION_TIMEOUT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const POOL_MAX: u32 = 32;

/// A connected client with its database; cloning shares it.
#[derive(Debug, Clone)]
pub struct Mongo {
    client: Client,
    pub(super) database: Database,
}

impl Mongo {
    /// Makes the client; it connects when something is asked of it, so a process starts without its database.
    pub async fn connect(settings: &MongoSettings) -> Result<Self, StoreError> {
        let mut options = ClientOptions::parse(settings.url.expose_secret()).await?;
        options.app_name = Some("entrepot".to_owned());
        options.server_selection_timeout = Some(SELECTION_TIMEOUT);
        options.connect_timeout = Some(CONNECT_TIMEOUT);
        options.max_pool_size = Some(POOL_MAX);
        options.read_concern = Some(ReadConcern::majority());
        options.write_concern = Some(majority());
        let client = Client::with_options(options)?;
        let database = client.database(&settings.database);
        Ok(Self { client, database })
    }

    /// Asks the primary.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.database.run_command(doc! {"ping": 1}).await?;
        Ok(())
    }

    /// Ends the sessions on the server and closes every connection. Before the runtime ends: the driver's own tasks
    /// would panic after it.
    pub async fn close(self) {
        self.client.shutdown().await;
    }

    pub(super) async fn session(&self) -> Result<ClientSession, StoreError> {
        Ok(self.client.start_session().await?)
    }
}

/// Confirmed by a majority, on disk; not confirmed in time means unknown.
pub(super) fn majority() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).w_timeout(WRITE_TIMEOUT).build()
}
