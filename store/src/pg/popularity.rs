//! How many pieces of each product were sold lately: counted anew once a day.

use std::collections::HashMap;

use domain::ids::ProductId;
use domain::order::SHOP_CHANNEL;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Transaction};
use uuid::Uuid;

use crate::error::StoreError;

/// How far back a sale counts.
const PERIOD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Pieces sold of those of the products that sold any.
pub async fn units(
    client: &impl GenericClient,
    products: &[ProductId],
) -> Result<HashMap<ProductId, i64>, StoreError> {
    const SQL: &str = "SELECT product_id, units FROM product_popularity WHERE product_id = ANY ($1)";
    if products.is_empty() {
        return Ok(HashMap::new());
    }
    let products: Vec<Uuid> = products.iter().map(|product| product.0).collect();
    let rows = client.query_typed(SQL, &[(&products, Type::UUID_ARRAY)]).await?;
    Ok(rows.iter().map(|row| (ProductId(row.get(0)), row.get(1))).collect())
}

/// Counts what the shop's paid orders of the 30 days before `now` sold; a product that sold none is forgotten.
/// Returns how many products sold something. Takes as long as reading the lines of those days takes: use a
/// connection of its own.
pub async fn count(transaction: &Transaction<'_>, now: Timestamp) -> Result<u64, StoreError> {
    // In the order of their ids, so that two counts at once wait for each other. The bounds are said of both tables:
    // each is partitioned by month.
    const COUNT: &str = "INSERT INTO product_popularity (product_id, units, counted_at) \
         SELECT line.product_id, sum(line.quantity)::bigint, $2::timestamptz FROM order_lines line \
         JOIN orders ON orders.created_at = line.created_at AND orders.id = line.order_id \
         WHERE line.created_at >= $1 AND line.created_at < $2 \
           AND orders.created_at >= $1 AND orders.created_at < $2 \
           AND orders.channel = $3 AND orders.kind = 'sale' AND orders.status IN ('paid', 'completed') \
           AND line.product_id IS NOT NULL \
         GROUP BY line.product_id HAVING sum(line.quantity) > 0 ORDER BY line.product_id \
         ON CONFLICT (product_id) DO UPDATE SET units = excluded.units, counted_at = excluded.counted_at";
    const FORGET: &str = "DELETE FROM product_popularity WHERE counted_at <> $1";
    let counted = transaction.execute(COUNT, &[&(now - PERIOD), &now, &SHOP_CHANNEL]).await?;
    transaction.execute(FORGET, &[&now]).await?;
    Ok(counted)
}
