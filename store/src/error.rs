//! The one error of the stores.

/// An error of a driver, with its whole chain.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error of a use case that may hold one of a store.
pub trait MayBeStoreError: From<StoreError> {
    /// The store's error, if that is what it is.
    fn store_error(&self) -> Option<&StoreError>;
}

impl MayBeStoreError for StoreError {
    fn store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

/// What a store answers when it does not do what was asked. Missing is not an error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique key or another constraint refused the write.
    #[error("the constraint {constraint} refused the write")]
    Conflict {
        /// The constraint's name.
        constraint: String,
    },
    /// The store cannot be reached or did not answer in time. A write may have happened: ask by its key.
    #[error("the store cannot be reached")]
    Unavailable(#[source] BoxError),
    /// A transaction lost against another one and may be run again.
    #[error("the transaction lost against another one")]
    Contention(#[source] BoxError),
    /// What was read cannot be: a value that the shop never writes.
    #[error("the store holds what cannot be: {0}")]
    Inconsistent(String),
    /// Anything else that the driver says.
    #[error("the store refused")]
    Driver(#[source] BoxError),
}

impl StoreError {
    /// Whether the same transaction may be run again at once.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Contention(_))
    }

    /// Whether the store is away: worth a later try.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// A store that is away, with the reason.
    pub fn unavailable(error: impl Into<BoxError>) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState;
        let Some(database) = error.as_db_error() else {
            // Without an answer of the server only a wrong parameter or column type is not the connection's fault.
            return if error.is_closed() || std::error::Error::source(&error).is_some_and(is_io) {
                Self::Unavailable(error.into())
            } else {
                Self::Driver(error.into())
            };
        };
        let code = database.code();
        if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED {
            return Self::Contention(error.into());
        }
        // A violation without a constraint's name is a missing partition or value: nobody's conflict.
        if let Some(constraint) = database.constraint().filter(|_| code.code().starts_with("23")) {
            return Self::Conflict { constraint: constraint.to_owned() };
        }
        // 08 connection, 53 out of resources, 57 operator intervention (shutdown, statement timeout), 25006 a primary
        // that has become a standby, 55P03 a lock not got in time, 58 a Pgpool-II that has no server.
        let class = &code.code()[..2];
        if matches!(class, "08" | "53" | "57" | "58") || matches!(code.code(), "25006" | "55P03") {
            return Self::Unavailable(error.into());
        }
        Self::Driver(error.into())
    }
}

fn is_io(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<std::io::Error>()
}

impl From<deadpool_postgres::PoolError> for StoreError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => match Self::from(error) {
                // No connection can be had, whatever the server's words were.
                Self::Driver(source) => Self::Unavailable(source),
                other => other,
            },
            other => Self::Unavailable(other.into()),
        }
    }
}

impl From<mongodb::error::Error> for StoreError {
    fn from(error: mongodb::error::Error) -> Self {
        use mongodb::error::ErrorKind;
        const DUPLICATE_KEY: i32 = 11_000;
        const WRITE_CONFLICT: i32 = 112;
        let duplicate = |message: &str| Self::Conflict { constraint: duplicate_index(message).to_owned() };
        match error.kind.as_ref() {
            ErrorKind::Write(mongodb::error::WriteFailure::WriteError(write))
                if write.code == DUPLICATE_KEY =>
            {
                duplicate(&write.message)
            }
            ErrorKind::Command(command) if command.code == DUPLICATE_KEY => duplicate(&command.message),
            ErrorKind::Command(command) if command.code == WRITE_CONFLICT => Self::Contention(error.into()),
            ErrorKind::InsertMany(many) => many
                .write_errors
                .iter()
                .flatten()
                .find(|write| write.code == DUPLICATE_KEY)
                .map(|write| duplicate(&write.message))
                .unwrap_or_else(|| Self::Driver(error.clone().into())),
            // A password that is being changed: nothing is wrong with what was asked.
            ErrorKind::Authentication { .. }
            | ErrorKind::Io(_)
            | ErrorKind::ServerSelection { .. }
            | ErrorKind::ConnectionPoolCleared { .. }
            | ErrorKind::DnsResolve { .. } => Self::Unavailable(error.into()),
            _ if error.contains_label(mongodb::error::TRANSIENT_TRANSACTION_ERROR)
                || error.contains_label(mongodb::error::UNKNOWN_TRANSACTION_COMMIT_RESULT)
                || error.contains_label(mongodb::error::RETRYABLE_WRITE_ERROR) =>
            {
                Self::Unavailable(error.into())
            }
            _ => Self::Driver(error.into()),
        }
    }
}

/// The index in "… collection: db.products index: slug dup key: …".
fn duplicate_index(message: &str) -> &str {
    message.split_once("index: ").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or("unnamed")
}

impl From<lapin::Error> for StoreError {
    fn from(error: lapin::Error) -> Self {
        // Whatever the broker refuses, the way out is a new connection with its topology declared again.
        Self::Unavailable(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_a_duplicate_is_named() {
        let message =
            "E11000 duplicate key error collection: shop.products index: slug dup key: { slug: \"a\" }";
        assert_eq!(duplicate_index(message), "slug");
        assert_eq!(duplicate_index("anything"), "unnamed");
    }
}
