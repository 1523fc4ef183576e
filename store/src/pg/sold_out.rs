//! Variants that have run out, for many at a time.

use std::collections::HashSet;

use domain::ids::VariantId;
use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::error::StoreError;

/// Those of the variants that are counted in a warehouse and of which nothing is left to sell in any. One without a
/// row is not counted, and so never among them.
pub async fn sold_out(
    client: &impl GenericClient,
    variants: &[VariantId],
) -> Result<HashSet<VariantId>, StoreError> {
    const SQL: &str = "SELECT variant_id FROM stock WHERE variant_id = ANY ($1) \
                       GROUP BY variant_id HAVING NOT bool_or(on_hand > reserved)";
    if variants.is_empty() {
        return Ok(HashSet::new());
    }
    let variants: Vec<Uuid> = variants.iter().map(|variant| variant.0).collect();
    let rows = client.query_typed(SQL, &[(&variants, Type::UUID_ARRAY)]).await?;
    Ok(rows.iter().map(|row| VariantId(row.get(0))).collect())
}
