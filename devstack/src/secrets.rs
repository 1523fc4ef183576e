//! The passwords and tokens of one stack: random, made once per data folder, readable by its owner only.

use std::{collections::BTreeMap, fs, path::Path};

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::{
    account::Account,
    error::{Result, StackError},
};

/// The roles that get a development token until accounts exist.
pub const ROLES: [&str; 5] = ["admin", "vendor", "merchandiser", "analyst", "shopper"];

/// Every secret of one stack.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// PostgreSQL superuser `postgres`.
    pub postgres_superuser: String,
    /// PostgreSQL role `entrepot`, which our processes use.
    pub postgres_application: String,
    /// PostgreSQL role `replicator`.
    pub postgres_replicator: String,
    /// PostgreSQL role `pgpool_check`.
    pub postgres_check: String,
    /// PostgreSQL role `pgpool_failover`, which the failover script uses.
    pub postgres_failover: String,
    /// Pgpool-II's control user `entrepot`.
    pub pgpool_pcp: String,
    /// RabbitMQ user `entrepot`, which our processes use.
    pub rabbitmq_application: String,
    /// RabbitMQ user `administrator`, management.
    pub rabbitmq_administrator: String,
    /// RabbitMQ's Erlang cookie.
    pub rabbitmq_cookie: String,
    /// The key that signs cursors, 32 bytes in hex.
    pub cursor_key: String,
    /// One bearer token per role.
    pub tokens: BTreeMap<String, String>,
    /// One demonstration password per role.
    pub passwords: BTreeMap<String, String>,
}

impl Secrets {
    /// Reads the secrets of a data folder, making them when they are missing.
    ///
    /// # Errors
    /// When the file cannot be read, written or understood.
    pub fn load_or_make(file: &Path, account: &Account) -> Result<Self> {
        if file.exists() {
            let (secrets, is_new) = Self::load_file(file)?;
            if is_new {
                secrets.write(file, account)?;
            }
            return Ok(secrets);
        }
        let secrets = Self::random();
        secrets.write(file, account)?;
        Ok(secrets)
    }

    /// Reads the secrets of a data folder; nothing is made.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn load(file: &Path) -> Result<Self> {
        Self::load_file(file).map(|(secrets, _)| secrets)
    }

    fn load_file(file: &Path) -> Result<(Self, bool)> {
        let text = fs::read_to_string(file).map_err(StackError::path("read", file))?;
        Self::read(&text).map_err(|error| StackError::Malformed {
            file: file.display().to_string(),
            // Without the line that it was found in, which holds a secret.
            reason: error.message().to_owned(),
        })
    }

    /// The secrets in a text, and whether they differ from it: in older folders the failover script's role
    /// and the control user shared a secret. The role keeps it, being in the databases; the control user,
    /// whose files are written at each start, gets another.
    fn read(text: &str) -> Result<(Self, bool), toml::de::Error> {
        const ROLE: &str = "postgres_failover";
        let mut table: toml::Table = toml::from_str(text)?;
        let shared = table.get("pgpool_pcp").cloned().filter(|_| !table.contains_key(ROLE));
        let is_new = shared.is_some();
        if let Some(shared) = shared {
            table.insert(ROLE.to_owned(), shared);
            table.insert("pgpool_pcp".to_owned(), random_hex(16).into());
        }
        Ok((table.try_into()?, is_new))
    }

    fn write(&self, file: &Path, account: &Account) -> Result<()> {
        let text = toml::to_string(self).map_err(|error| StackError::refused(error.to_string()))?;
        account.write_private(file, &text)
    }

    /// New ones, which nobody knows until they are written.
    #[must_use]
    pub fn random() -> Self {
        let for_each_role = || ROLES.iter().map(|role| ((*role).to_owned(), random_hex(24))).collect();
        Self {
            postgres_superuser: random_hex(16),
            postgres_application: random_hex(16),
            postgres_replicator: random_hex(16),
            postgres_check: random_hex(16),
            postgres_failover: random_hex(16),
            pgpool_pcp: random_hex(16),
            rabbitmq_application: random_hex(16),
            rabbitmq_administrator: random_hex(16),
            rabbitmq_cookie: random_hex(16).to_uppercase(),
            cursor_key: random_hex(32),
            tokens: for_each_role(),
            passwords: for_each_role(),
        }
    }
}

/// `bytes` random bytes in hex: safe in any file, URL and command line.
fn random_hex(bytes: usize) -> String {
    let mut random = rand::rng();
    (0..bytes).map(|_| format!("{:02x}", random.random::<u8>())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_survive_their_file_and_differ_between_stacks() {
        let secrets = Secrets::random();
        let text = toml::to_string(&secrets).unwrap();
        assert_eq!(Secrets::read(&text).unwrap(), (secrets.clone(), false));
        assert_ne!(Secrets::random(), secrets);
        assert_eq!(secrets.cursor_key.len(), 64);
        assert_eq!(secrets.tokens.len(), ROLES.len());
    }

    #[test]
    fn a_shared_secret_stays_with_the_role_that_the_databases_know() {
        let secrets = Secrets::random();
        let text = toml::to_string(&secrets).unwrap();
        let older: String = text
            .lines()
            .filter(|line| !line.starts_with("postgres_failover"))
            .flat_map(|line| [line, "\n"])
            .collect();
        let (read, is_new) = Secrets::read(&older).unwrap();
        assert!(is_new);
        assert_eq!(read.postgres_failover, secrets.pgpool_pcp);
        assert_ne!(read.pgpool_pcp, secrets.pgpool_pcp);
        assert_eq!(read.tokens, secrets.tokens);
        assert!(Secrets::read("pgpool_pcp = 'x'").is_err());
    }
}
