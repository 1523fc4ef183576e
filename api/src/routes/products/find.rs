//! Finds a product by the id or slug of a path.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use cache::kept_product::KeptProduct;
use domain::ids::ProductId;
use domain::product::Product;
use domain::slug::is_slug;
use store::mongo::products;

use crate::app_state::AppState;
use crate::etag::IfMatch;
use crate::problem::Problem;

/// What a path names a product by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductName {
    /// Its id.
    Id(ProductId),
    /// Its slug.
    Slug(String),
}

impl ProductName {
    /// Reads the part of a path; `None` when no product can have that name.
    pub fn from_path(text: &str) -> Option<Self> {
        match ProductId::from_str(text) {
            Ok(id) => Some(Self::Id(id)),
            Err(_) => is_slug(text).then(|| Self::Slug(text.to_owned())),
        }
    }
}

/// The product from the nearest cache, otherwise from MongoDB's primary.
pub async fn cached(state: &AppState, name: &ProductName) -> Result<Option<Arc<KeptProduct>>, Problem> {
    let slug = match name {
        ProductName::Id(id) => return by_id(state, *id).await,
        ProductName::Slug(slug) => slug,
    };
    if let Some(id) = state.products.id_of_slug(slug).await {
        match by_id(state, id).await? {
            Some(product) if product.slug == *slug => return Ok(Some(product)),
            _ => state.products.forget_slug(slug).await,
        }
    }
    let Some(product) = products::find_by_slug(&state.mongo, slug).await? else {
        return Ok(None);
    };
    state.products.remember_slug(slug, product.id).await;
    // Found past the cache: nobody else gets it.
    Ok(Some(Arc::new(KeptProduct::new(product, Instant::now()))))
}

/// The only version of a product that a change may replace, if this process has it. Whether it is still the stored one
/// is told by the write; one version is the same wherever it was read.
pub async fn at_hand(state: &AppState, name: &ProductName, condition: &IfMatch) -> Option<Product> {
    let ProductName::Id(id) = name else {
        return None;
    };
    let product = state.products.at_hand(*id).await?;
    condition.is_only(*id, product.version).then(|| Product::clone(&product))
}

/// The product as it is stored now, when a change may replace it.
pub async fn stored(state: &AppState, name: &ProductName, condition: &IfMatch) -> Result<Product, Problem> {
    let product = match name {
        ProductName::Id(id) => products::find(&state.mongo, *id).await?,
        ProductName::Slug(slug) => products::find_by_slug(&state.mongo, slug).await?,
    };
    let product = product.ok_or_else(|| Problem::not_found("product"))?;
    condition.check_product(product.id, product.version)?;
    Ok(product)
}

async fn by_id(state: &AppState, id: ProductId) -> Result<Option<Arc<KeptProduct>>, Problem> {
    Ok(state.products.get_or_load(id, || products::find(&state.mongo, id)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_an_id_or_a_slug() {
        let id = "01900000-0000-7000-8000-000000000001";
        assert!(matches!(ProductName::from_path(id), Some(ProductName::Id(_))));
        assert!(matches!(ProductName::from_path("blue-shirt"), Some(ProductName::Slug(_))));
        assert_eq!(ProductName::from_path("Blue Shirt"), None);
        assert_eq!(ProductName::from_path("..%2f"), None);
    }
}
