//! The version of search documents.

use tokio_postgres::GenericClient;

use crate::error::StoreError;

/// The next ticket. Take it on the primary before the facts of a bulk are read.
pub async fn next(client: &impl GenericClient) -> Result<i64, StoreError> {
    let row = client.query_typed("SELECT nextval('index_ticket')", &[]).await?;
    row.first()
        .map(|row| row.get(0))
        .ok_or_else(|| StoreError::Inconsistent("nextval gives one row".to_owned()))
}
