//! What a run kills.

use anyhow::Context;
use bson::doc;
use clap::ValueEnum;
use mongodb::Database;
use support::running::Running;

use crate::stack::Victim;

/// A process of the stack that an event passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// Takes the changes.
    Api,
    /// Relays both outboxes.
    Ingest,
    /// Writes the index.
    SearchIndexer,
    /// Consumes events and keeps dead letters.
    Worker,
    /// The broker.
    Rabbitmq,
    /// The search engine: holds the index.
    Opensearch,
    /// Has the outbox of stock.
    PostgresPrimary,
    /// Has the outbox of products.
    MongoPrimary,
}

impl Target {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Api,
        Self::Ingest,
        Self::SearchIndexer,
        Self::Worker,
        Self::Rabbitmq,
        Self::Opensearch,
        Self::PostgresPrimary,
        Self::MongoPrimary,
    ];

    /// Its name in results and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Ingest => "ingest",
            Self::SearchIndexer => "search-indexer",
            Self::Worker => "worker",
            Self::Rabbitmq => "rabbitmq",
            Self::Opensearch => "opensearch",
            Self::PostgresPrimary => "postgres-primary",
            Self::MongoPrimary => "mongo-primary",
        }
    }

    /// The process that it is now.
    pub async fn victim(self, running: &Running, database: &Database) -> anyhow::Result<Victim> {
        if self == Self::MongoPrimary {
            return Victim::find(running, &mongo_primary(running, database).await?);
        }
        Victim::find(running, &self.name().replace('-', "_"))
    }
}

/// The name of the server that the replica set says is its primary.
async fn mongo_primary(running: &Running, database: &Database) -> anyhow::Result<String> {
    let hello = database.run_command(doc! {"hello": 1}).await?;
    let address = hello.get_str("primary")?;
    let found = running.servers.iter().find(|(_, server)| server.address == address);
    found.map(|(name, _)| name.clone()).with_context(|| format!("the stack has no server at {address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_its_name_on_the_command_line() {
        assert_eq!(Target::ALL, Target::value_variants());
        for target in Target::ALL {
            assert_eq!(Target::from_str(target.name(), false), Ok(target));
        }
    }
}
