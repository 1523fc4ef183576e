//! Judgments of search results, in named sets.

use domain::ids::ProductId;
use domain::judgment::Judgment;
use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use crate::error::StoreError;

/// Most judgments of a set that are read.
pub const COUNT_MAX: i64 = 1_000_000;

/// Most sets that are read.
pub const SET_COUNT_MAX: i64 = 20;

/// Names of the sets.
pub async fn sets(client: &impl GenericClient) -> Result<Vec<String>, StoreError> {
    const SQL: &str = "SELECT DISTINCT judgment_set FROM judgments ORDER BY judgment_set LIMIT $1";
    let rows = client.query_typed(SQL, &[(&SET_COUNT_MAX, Type::INT8)]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Queries that somebody judged, in whichever set.
pub async fn queries(client: &impl GenericClient, limit: i64) -> Result<Vec<String>, StoreError> {
    const SQL: &str = "SELECT DISTINCT query FROM judgments ORDER BY query LIMIT $1";
    let rows = client.query_typed(SQL, &[(&limit, Type::INT8)]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The judgments of a set, by query and product; none when there is no such set.
pub async fn of_set(client: &impl GenericClient, set: &str) -> Result<Vec<Judgment>, StoreError> {
    const SQL: &str = "SELECT query, product_id, judge, grade, judged_at FROM judgments \
                       WHERE judgment_set = $1 ORDER BY query, product_id, judge LIMIT $2";
    let rows = client.query_typed(SQL, &[(&set, Type::TEXT), (&COUNT_MAX, Type::INT8)]).await?;
    let judgment = |row: &tokio_postgres::Row| {
        Ok(Judgment {
            query: row.try_get(0)?,
            product_id: ProductId(row.try_get(1)?),
            judge: row.try_get(2)?,
            grade: u8::try_from(row.try_get::<_, i16>(3)?).unwrap_or(0),
            judged_at: row.try_get(4)?,
        })
    };
    rows.iter().map(judgment).collect()
}
