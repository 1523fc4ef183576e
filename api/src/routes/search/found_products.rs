//! The products that the search engine found, as they are now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use cache::kept_product::KeptProduct;
use cache::product_cache::LOCAL_LIFETIME;
use domain::ids::ProductId;
use domain::product::ProductStatus;
use store::mongo::products;

use crate::app_state::AppState;
use crate::problem::Problem;

/// Those that are on sale, and until when that may be kept.
pub(super) async fn load(
    state: &AppState,
    ids: &[ProductId],
) -> Result<(HashMap<ProductId, Arc<KeptProduct>>, Instant), Problem> {
    let found = state
        .products
        .get_or_load_many(ids, |ids| async move { products::find_many(&state.mongo, &ids).await })
        .await?;
    let kept_until = found.iter().map(|product| product.kept_until()).min();
    let on_sale = found.into_iter().filter(|product| product.status == ProductStatus::Active);
    let by_id = on_sale.map(|product| (product.id, product)).collect();
    Ok((by_id, kept_until.unwrap_or_else(|| Instant::now() + LOCAL_LIFETIME)))
}
