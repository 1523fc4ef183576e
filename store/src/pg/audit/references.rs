//! What PostgreSQL says of products, variants and reviews, to be compared with MongoDB.

use domain::ids::{ProductId, VariantId};
use domain::order::SHOP_CHANNEL;
use futures_util::{Stream, TryStreamExt};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::error::StoreError;

/// A variant that was sold, or lies in stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoldVariant {
    /// The product; `None` where only the variant is known.
    pub product_id: Option<ProductId>,
    /// The variant.
    pub variant_id: VariantId,
    /// Its code.
    pub sku: String,
}

/// What a verified review claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReviewedPurchase {
    /// The review.
    pub review_id: Uuid,
    /// The order.
    pub order_id: Uuid,
    /// Who wrote it.
    pub user_id: Uuid,
    /// Of what.
    pub product_id: Uuid,
}

/// Each variant that the shop's orders have, once.
pub async fn sold_variants(
    client: &Client,
) -> Result<impl Stream<Item = Result<SoldVariant, StoreError>>, StoreError> {
    const SQL: &str = "SELECT DISTINCT line.product_id, line.variant_id, line.sku FROM order_lines line \
                       JOIN orders ON orders.created_at = line.created_at AND orders.id = line.order_id \
                       WHERE channel = $1";
    variants(client, SQL, &[&SHOP_CHANNEL]).await
}

/// Each variant that has stock, once.
pub async fn stocked_variants(
    client: &Client,
) -> Result<impl Stream<Item = Result<SoldVariant, StoreError>>, StoreError> {
    variants(client, "SELECT DISTINCT NULL::uuid, variant_id, sku FROM stock", &[]).await
}

async fn variants(
    client: &Client,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<impl Stream<Item = Result<SoldVariant, StoreError>>, StoreError> {
    let rows = client.query_raw(sql, parameters.iter().copied()).await?;
    Ok(rows.map_err(StoreError::from).and_then(async |row| {
        let variant: Option<Uuid> = row.get(1);
        Ok(SoldVariant {
            product_id: row.get::<_, Option<Uuid>>(0).map(ProductId),
            variant_id: VariantId(variant.unwrap_or_default()),
            sku: row.get(2),
        })
    }))
}

/// The products that were judged, each once.
pub async fn judged_products(client: &Client) -> Result<Vec<ProductId>, StoreError> {
    let rows = client.query("SELECT DISTINCT product_id FROM judgments", &[]).await?;
    Ok(rows.iter().map(|row| ProductId(row.get(0))).collect())
}

/// Those of the purchases that no paid order of that customer has. At most some thousands at once.
pub async fn missing_purchases(
    client: &Client,
    claimed: &[ReviewedPurchase],
) -> Result<Vec<Uuid>, StoreError> {
    // LATERAL with a limit: each order is looked up in the month of its id, however many there are of them.
    const SQL: &str = "SELECT review_id FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) \
                           AS claimed (review_id, order_id, user_id, product_id) \
                       LEFT JOIN LATERAL ( \
                           SELECT true AS is_there FROM orders \
                           JOIN order_lines line ON line.created_at = orders.created_at AND line.order_id = orders.id \
                           WHERE orders.created_at = uuid_v7_time(claimed.order_id) AND orders.id = claimed.order_id \
                             AND orders.user_id = claimed.user_id AND line.product_id = claimed.product_id \
                             AND orders.status IN ('paid', 'completed') LIMIT 1) AS bought ON true \
                       WHERE bought.is_there IS NULL";
    let column = |of: fn(&ReviewedPurchase) -> Uuid| claimed.iter().map(of).collect::<Vec<_>>();
    let (reviews, orders) = (column(|claim| claim.review_id), column(|claim| claim.order_id));
    let (users, products) = (column(|claim| claim.user_id), column(|claim| claim.product_id));
    let rows = client.query(SQL, &[&reviews, &orders, &users, &products]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
