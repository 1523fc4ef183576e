//! What can go wrong while a stack is installed, started, watched or stopped.

use std::{io, path::Path, time::Duration};

/// The result of every fallible function of this crate.
pub type Result<T, E = StackError> = std::result::Result<T, E>;

/// Why a stack could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A file or a process could not be used.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program that runs once came back with a failure.
    #[error("{program} failed ({outcome}): {output}")]
    Command {
        /// The program that was run.
        program: String,
        /// Its exit code, or that it ran out of time.
        outcome: String,
        /// The last lines that it wrote.
        output: String,
    },
    /// A port that a server needs belongs to somebody else.
    #[error("port {port}, needed by {server}, is taken{holder}")]
    PortTaken {
        /// The port.
        port: u16,
        /// The server that needs it.
        server: String,
        /// Who holds it, when that can be seen.
        holder: String,
    },
    /// A server did not answer in time.
    #[error("{server} did not start within {} s: {reason}", waited.as_secs())]
    NotReady {
        /// The server.
        server: String,
        /// How long was waited.
        waited: Duration,
        /// What the last probe said.
        reason: String,
    },
    /// PostgreSQL refused.
    #[error("PostgreSQL: {}", with_cause(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// MongoDB refused.
    #[error("MongoDB: {0}")]
    Mongo(#[from] mongodb::error::Error),
    /// An HTTP request to a server failed.
    #[error("HTTP: {0}")]
    Http(#[from] reqwest::Error),
    /// A migration failed.
    #[error("migrations: {0}")]
    Migrations(String),
    /// A file of ours does not parse.
    #[error("{file}: {reason}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Anything else that has to be said in words.
    #[error("{0}")]
    Refused(String),
    /// The person pressed Ctrl-C, or `down` came during the start.
    #[error("interrupted")]
    Interrupted,
}

impl StackError {
    /// An [`StackError::Io`] for `map_err`, with what was being done.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// An [`StackError::Io`] for `map_err` about one path.
    pub fn path(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io(format!("{verb} {}", path.display()))
    }

    /// A plain refusal in words.
    pub fn refused(words: impl Into<String>) -> Self {
        Self::Refused(words.into())
    }
}

/// tokio-postgres says only "db error" by itself; the cause is what a person needs.
fn with_cause(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
