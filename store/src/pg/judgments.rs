//! Judgments of search results, in named sets.

use domain::ids::ProductId;
use domain::judgment::Judgment;
use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use crate::error::StoreError;

/// Most judgments of a set that are read.
pub const COUNT_MAX: i64 = 1_000_000;

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
