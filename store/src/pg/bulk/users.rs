//! Accounts, without an address: nobody signs in to one of them.

use domain::ids::{UserId, uuid_v7_time};
use jiff::Timestamp;
use tokio_postgres::Transaction;

use super::copy::CopyRows;
use crate::error::StoreError;

/// Rows of accounts.
#[derive(Debug)]
pub struct UserRows {
    rows: CopyRows,
    registered: Option<(Timestamp, Timestamp)>,
}

impl Default for UserRows {
    fn default() -> Self {
        Self { rows: CopyRows::new(2), registered: None }
    }
}

impl UserRows {
    /// How many there are.
    pub fn row_count(&self) -> u64 {
        self.rows.rows()
    }

    /// Adds an account, registered in the millisecond of its id.
    pub fn push(&mut self, id: UserId) {
        let at = uuid_v7_time(id.0).expect("user ids are UUIDs of version 7");
        let (first, last) = self.registered.unwrap_or((at, at));
        self.registered = Some((first.min(at), last.max(at)));
        self.rows.row().uuid(id.0).time(at);
    }
}

pub(super) async fn copy_users(transaction: &Transaction<'_>, users: UserRows) -> Result<(), StoreError> {
    const MONTHS: &str = "SELECT ensure_month_partitions('users', $1, $2)";
    if let Some((first, last)) = users.registered {
        transaction.query_one(MONTHS, &[&first, &last]).await?;
    }
    users.rows.send(transaction, "users (id, registered_at)", "").await?;
    Ok(())
}
