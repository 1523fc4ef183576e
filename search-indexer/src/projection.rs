//! From products of the stores to documents of the index.
//!
//! # Why nothing newer is ever overwritten
//! A ticket is taken once per bulk, on the primary, before the facts are read, and is the documents' external
//! version. Whoever holds a later ticket has read what every change before an earlier ticket left, so a
//! document that loses with a 409 is not missed. Documents are always built whole.
//!
//! # Why a rebuild misses nothing
//! Which indexes are written to is asked after the events of a batch were received. If the index being filled
//! was not there yet, their changes were committed before it was, and the rebuild's scan, which begins later,
//! reads them.

use std::collections::HashMap;
use std::time::Duration;

use domain::ids::ProductId;
use domain::product::Product;
use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::mongo::products;
use store::pg::index_ticket;
use store::pg::pool::PgPools;

use crate::bulk::{self, ItemResult};
use crate::client::SearchClient;
use crate::document::ProductDocument;
use crate::error::SearchError;
use crate::index;

/// Longest time of one bulk with all that it reads.
const DEADLINE: Duration = Duration::from_secs(60);

/// The stores that are read and the index that is written.
#[derive(Debug, Clone)]
pub struct Projection {
    /// The search engine.
    pub client: SearchClient,
    /// Gives the tickets.
    pub pools: PgPools,
    /// Owns the products.
    pub mongo: Mongo,
}

/// Why no result is known for any product of a call.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// The engine did not take them.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// A store did not give their facts.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ProjectionError {
    /// Whether a store or the engine is away, so that waiting helps and no product is to blame.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Search(error) => error.is_unavailable(),
            Self::Store(error) => error.is_unavailable() || error.is_retryable(),
        }
    }

    /// Whether the same product will fail again.
    fn blames_the_product(&self) -> bool {
        matches!(self, Self::Search(SearchError::Refused { .. }) | Self::Store(StoreError::Inconsistent(_)))
    }
}

impl Projection {
    /// Writes what the stores now hold of those products. One result per product, in their order. When a call
    /// fails for many products though nothing is away, each is tried alone, so that one cannot hold back the
    /// others.
    pub async fn project(&self, products: &[ProductId]) -> Result<Vec<ItemResult>, ProjectionError> {
        match self.project_together(products).await {
            Err(error) if error.is_unavailable() => Err(error),
            Err(error) if products.len() == 1 => Ok(vec![alone(&error)]),
            Err(_) => {
                let mut results = Vec::with_capacity(products.len());
                for product in products {
                    match self.project_together(std::slice::from_ref(product)).await {
                        Ok(result) => results.extend(result),
                        Err(error) if error.is_unavailable() => return Err(error),
                        Err(error) => results.push(alone(&error)),
                    }
                }
                Ok(results)
            }
            Ok(results) => Ok(results),
        }
    }

    async fn project_together(&self, products: &[ProductId]) -> Result<Vec<ItemResult>, ProjectionError> {
        within_deadline(self.project_now(products)).await
    }

    async fn project_now(&self, products: &[ProductId]) -> Result<Vec<ItemResult>, ProjectionError> {
        let aliases = index::aliases(&self.client).await?;
        let ticket = self.ticket().await?;
        let documents = documents(products, products::find_many(&self.mongo, products).await?);
        let mut results = bulk::index(&self.client, self.client.alias(), ticket, &documents).await?;
        if aliases.next.is_some() {
            let next = self.client.next_alias();
            for (result, other) in
                results.iter_mut().zip(bulk::index(&self.client, &next, ticket, &documents).await?)
            {
                join(result, other);
            }
        }
        Ok(results)
    }

    /// A version for documents whose facts are read from now on.
    pub(crate) async fn ticket(&self) -> Result<i64, StoreError> {
        let connection = self.pools.write().await?;
        index_ticket::next(&**connection).await
    }
}

/// A store that accepts a request and never answers is away too.
pub(crate) async fn within_deadline<T>(
    work: impl Future<Output = Result<T, ProjectionError>>,
) -> Result<T, ProjectionError> {
    let late = |elapsed| Err(StoreError::unavailable(elapsed).into());
    tokio::time::timeout(DEADLINE, work).await.unwrap_or_else(late)
}

/// The current index decides, but a write that the next one did not take is tried again: it may be in use in
/// a moment. A document that it will never take ends its rebuild, and with it the next index.
fn join(current: &mut ItemResult, next: ItemResult) {
    if let (
        ItemResult::Indexed | ItemResult::Superseded,
        ItemResult::Retryable(reason) | ItemResult::Refused(reason),
    ) = (&current, next)
    {
        *current = ItemResult::Retryable(format!("the next index: {reason}"));
    }
}

fn alone(error: &ProjectionError) -> ItemResult {
    let reason = error.to_string();
    if error.blames_the_product() { ItemResult::Refused(reason) } else { ItemResult::Retryable(reason) }
}

/// One document per id, in their order; a product that was not found is gone.
fn documents(products: &[ProductId], found: Vec<Product>) -> Vec<ProductDocument> {
    let mut found: HashMap<ProductId, Product> =
        found.into_iter().map(|product| (product.id, product)).collect();
    let document = |id: &ProductId| match found.remove(id) {
        Some(product) => ProductDocument::of(&product),
        None => ProductDocument::gone(*id),
    };
    products.iter().map(document).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_product_is_marked_as_gone() {
        let id = ProductId::new(jiff::Timestamp::UNIX_EPOCH, [0; 10]);
        assert_eq!(documents(&[id], Vec::new()), [ProductDocument::gone(id)]);
    }

    #[test]
    fn the_next_index_can_only_ask_for_another_try() {
        let joined = |mut current: ItemResult, next: ItemResult| {
            join(&mut current, next);
            current
        };
        let retryable = || ItemResult::Retryable("404".to_owned());
        let refused = || ItemResult::Refused("400".to_owned());
        let again = |why: &str| ItemResult::Retryable(format!("the next index: {why}"));
        assert_eq!(joined(ItemResult::Indexed, retryable()), again("404"));
        assert_eq!(joined(ItemResult::Superseded, refused()), again("400"));
        assert_eq!(joined(refused(), retryable()), refused());
        assert_eq!(joined(ItemResult::Superseded, ItemResult::Indexed), ItemResult::Superseded);
    }

    #[test]
    fn only_what_is_away_is_waited_for() {
        let away = ProjectionError::from(StoreError::unavailable("down"));
        assert!(away.is_unavailable());
        let broken = ProjectionError::from(StoreError::Inconsistent("status".to_owned()));
        assert!(!broken.is_unavailable());
        assert!(matches!(alone(&broken), ItemResult::Refused(_)));
        let driver = ProjectionError::from(StoreError::Driver("odd".into()));
        assert!(matches!(alone(&driver), ItemResult::Retryable(_)));
    }
}
