//! Products as far as they can be read: one that cannot be does not hold back the others.

use domain::ids::ProductId;
use domain::product::Product;
use process::error_chain;
use store::mongo::products;

use crate::projection::{Projection, ProjectionError};

/// What was read of some products; those that do not exist are in neither list.
pub(crate) struct Readable {
    /// By id.
    pub(crate) products: Vec<Product>,
    /// They exist, but the store holds what cannot be. Nothing is known of them.
    pub(crate) unreadable: Vec<ProductId>,
}

/// Reads products, as many as the store gives at once. When that fails though nothing is away, each is read alone.
pub(crate) async fn read(projection: &Projection, ids: &[ProductId]) -> Result<Readable, ProjectionError> {
    let mongo = &projection.mongo;
    match products::find_many(mongo, ids).await.map_err(ProjectionError::from) {
        Ok(mut products) => {
            products.sort_unstable_by_key(|product| product.id);
            return Ok(Readable { products, unreadable: Vec::new() });
        }
        Err(error) if error.is_unavailable() => return Err(error),
        Err(_) => {}
    }
    let mut readable = Readable { products: Vec::with_capacity(ids.len()), unreadable: Vec::new() };
    for id in ids {
        match products::find(mongo, *id).await.map_err(ProjectionError::from) {
            Ok(product) => readable.products.extend(product),
            Err(error) if error.is_unavailable() => return Err(error),
            Err(error) => {
                tracing::error!(product.id = %id, error = error_chain::text(&error), "a product cannot be read");
                metrics::counter!("search_unreadable_products_total").increment(1);
                readable.unreadable.push(*id);
            }
        }
    }
    readable.products.sort_unstable_by_key(|product| product.id);
    Ok(readable)
}
