//! What the supervisor says about itself and its servers, in one file that is replaced whole.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    account::Account,
    error::{Result, StackError},
    process::Mark,
};

/// How far a stack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Some server is not ready for the first time yet.
    Starting,
    /// Every server was ready; each is kept alive.
    Running,
    /// Servers are being stopped.
    Stopping,
    /// The supervisor is gone in good order.
    Stopped,
}

/// Why a start was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The server that did not start.
    pub server: String,
    /// What is known about why.
    pub reason: String,
    /// The last lines that it wrote.
    pub log: Vec<String>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerState {
    /// Its stable name.
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// The process, while there is one.
    pub process: Option<Mark>,
    /// Whether the last probe was answered.
    pub ready: bool,
    /// How often it was started again after it died.
    pub restarts: u32,
    /// When the present process was started.
    pub started_at: Option<jiff::Timestamp>,
    /// What is being done with it, for people.
    pub doing: String,
}

/// The whole stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The supervisor's own process.
    pub supervisor: Mark,
    /// How far it is.
    pub phase: Phase,
    /// Why the start was given up, if it was.
    pub failure: Option<Failure>,
    /// When the supervisor was started.
    pub started_at: jiff::Timestamp,
    /// The port that the API was given.
    pub api_port: u16,
    /// Every server, in the order of starting.
    pub servers: Vec<ServerState>,
}

impl State {
    /// Reads a state file; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn load(file: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StackError::path("read", file)(error)),
        };
        let state = serde_json::from_str(&text).map_err(|error| StackError::Malformed {
            file: file.display().to_string(),
            reason: error.to_string(),
        })?;
        Ok(Some(state))
    }

    /// Replaces the state file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, file: &Path, account: &Account) -> Result<()> {
        let text =
            serde_json::to_string_pretty(self).map_err(|error| StackError::refused(error.to_string()))?;
        account.write_private(file, &text)
    }

    /// Whether its supervisor still runs.
    #[must_use]
    pub fn is_supervised(&self) -> bool {
        self.phase != Phase::Stopped && self.supervisor.is_alive()
    }

    /// Kills what a supervisor that died left behind: only processes recorded here and still the same.
    /// Returns their names.
    #[must_use]
    pub fn sweep(&self) -> Vec<String> {
        let mut swept = Vec::new();
        for server in &self.servers {
            if let Some(process) = server.process.as_ref().filter(|process| process.is_alive()) {
                process.kill_group();
                swept.push(server.name.clone());
            }
        }
        swept
    }

    /// The names of the servers that have a process.
    #[must_use]
    pub fn running(&self) -> Vec<&str> {
        let running = self.servers.iter().filter(|server| server.process.is_some());
        running.map(|server| server.name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_its_file() {
        let state = State {
            supervisor: Mark::of(std::process::id()).unwrap(),
            phase: Phase::Starting,
            failure: None,
            started_at: jiff::Timestamp::UNIX_EPOCH,
            api_port: 8080,
            servers: vec![ServerState {
                name: "redis".to_owned(),
                address: "127.0.0.1:1".to_owned(),
                process: None,
                ready: false,
                restarts: 2,
                started_at: None,
                doing: "starting".to_owned(),
            }],
        };
        let file = std::env::temp_dir().join(format!("entrepot-state-{}.json", std::process::id()));
        let oneself = Account { uid: 0, gid: 0, change: false };
        state.save(&file, &oneself).unwrap();
        assert_eq!(State::load(&file).unwrap(), Some(state.clone()));
        assert!(state.is_supervised());
        assert!(state.running().is_empty());
        fs::remove_file(&file).unwrap();
        assert_eq!(State::load(&file).unwrap(), None);
    }
}
