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
//! reads them. What the index being filled does not take is counted and holds no event back, unless the aliases
//! have changed meanwhile. The verification before the switch compares everything and finds it; what was not taken
//! after its window was verified is found by the pass of the repair that follows the switch.
//!
//! # Which changes come without an event
//! The count of what was sold lately, which is made once a day, and reviews, whose event is that of the product's
//! rating: documents take them up when they are built again, by an event or by the repair.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use domain::ids::{ProductId, VariantId};
use domain::product::Product;
use jiff::Timestamp;
use process::error_chain;
use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::mongo::{products, reviews};
use store::pg::pool::PgPools;
use store::pg::{index_ticket, popularity, sold_out};

use crate::bulk::{self, ItemResult};
use crate::client::SearchClient;
use crate::count;
use crate::document::{Facts, ProductDocument, REVIEW_COUNT_MAX, REVIEW_LENGTH_MAX};
use crate::error::SearchError;
use crate::index;
use crate::rest::Rest;

/// Longest time of one bulk with all that it reads.
const DEADLINE: Duration = Duration::from_secs(60);
/// Longest waits for the indexes that are not searched: who does not answer by then is left alone for a minute.
const NEXT_TIMEOUT: Duration = Duration::from_secs(5);
const PREVIOUS_TIMEOUT: Duration = Duration::from_secs(1);

/// What it means when the index that a rebuild is filling does not take a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is counted: the rebuild will find it.
    Counted,
    /// The call fails, when the document could be taken later: the rebuild itself asks.
    Needed,
}

/// The stores that are read and the index that is written.
#[derive(Debug, Clone)]
pub struct Projection {
    /// The search engine.
    pub client: SearchClient,
    /// Gives the tickets, and owns stock and what was sold.
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
        self.project_as(products, Next::Counted).await
    }

    pub(crate) async fn project_as(
        &self,
        products: &[ProductId],
        next: Next,
    ) -> Result<Vec<ItemResult>, ProjectionError> {
        match self.project_together(products, next).await {
            Err(error) if error.is_unavailable() => Err(error),
            Err(error) if products.len() == 1 => Ok(vec![alone(&error)]),
            Err(_) => {
                let mut results = Vec::with_capacity(products.len());
                for product in products {
                    match self.project_together(std::slice::from_ref(product), next).await {
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

    async fn project_together(
        &self,
        products: &[ProductId],
        next: Next,
    ) -> Result<Vec<ItemResult>, ProjectionError> {
        within_deadline(Box::pin(self.project_now(products, next))).await
    }

    async fn project_now(
        &self,
        products: &[ProductId],
        next: Next,
    ) -> Result<Vec<ItemResult>, ProjectionError> {
        let client = &self.client;
        // Both to their ends: a question that is dropped would be in the way of the connection's next one.
        let (aliases, ticket) = tokio::join!(index::aliases(client), self.ticket());
        let (aliases, ticket) = (aliases?, ticket?);
        let found = products::find_many(&self.mongo, products).await?;
        let documents = in_order(products, self.documents(&found).await?, Timestamp::now());
        if let Some(vectors) = client.vectors() {
            vectors.prepare(&documents).await;
        }
        let results = bulk::index(client, client.alias(), ticket, &documents).await?;
        if aliases.next.is_some() {
            let alias = client.next_alias();
            let beside = Beside { client, alias: &alias, rest: client.next_rest(), timeout: NEXT_TIMEOUT };
            match next {
                Next::Needed => taken(bulk::index(client, &alias, ticket, &documents).await?)?,
                Next::Counted => {
                    let refused = beside.write(ticket, &documents).await;
                    metrics::counter!("search_next_refused_total").increment(refused);
                    // It may have been put in use after the aliases were asked: look again.
                    if refused > 0 && index::aliases(client).await?.next != aliases.next {
                        return Err(SearchError::unavailable("the next index is another one now").into());
                    }
                }
            }
        }
        if aliases.previous.is_some() {
            let (alias, rest) = (client.previous_alias(), client.previous_rest());
            let beside = Beside { client, alias: &alias, rest, timeout: PREVIOUS_TIMEOUT };
            let refused = beside.write(ticket, &documents).await;
            metrics::counter!("search_previous_refused_total").increment(refused);
        }
        Ok(results)
    }

    /// The documents of products, in their order, with what the other stores know now. The products were read after
    /// the ticket was taken that the documents are written with.
    pub async fn documents(&self, products: &[Product]) -> Result<Vec<ProductDocument>, ProjectionError> {
        let facts = self.facts(products).await?;
        Ok(products.iter().map(|product| ProductDocument::of(product, &facts)).collect())
    }

    async fn facts(&self, products: &[Product]) -> Result<Facts, StoreError> {
        if products.is_empty() {
            return Ok(Facts::default());
        }
        let ids: Vec<ProductId> = products.iter().map(|product| product.id).collect();
        let variants: Vec<VariantId> =
            products.iter().flat_map(|product| &product.variants).map(|variant| variant.id).collect();
        let rated = products.iter().filter(|product| product.rating.count > 0);
        let rated: Vec<ProductId> = rated.map(|product| product.id).collect();
        let counted = async || {
            let connection = self.pools.write().await?;
            let sold_out = sold_out::sold_out(&**connection, &variants).await?;
            Ok::<_, StoreError>((sold_out, popularity::units(&**connection, &ids).await?))
        };
        let (counted, reviews) = tokio::join!(
            counted(),
            reviews::newest_texts(&self.mongo, &rated, REVIEW_COUNT_MAX, REVIEW_LENGTH_MAX)
        );
        let (sold_out, popularity) = counted?;
        Ok(Facts { sold_out, popularity, reviews: reviews? })
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

/// An index that is written to beside the one in use, and holds nothing back.
struct Beside<'a> {
    client: &'a SearchClient,
    alias: &'a str,
    rest: &'a Rest,
    timeout: Duration,
}

impl Beside<'_> {
    /// How many documents it did not take: what is missing there is found when it is compared.
    async fn write(&self, ticket: i64, documents: &[ProductDocument]) -> u64 {
        let all = count::of(documents.len());
        if self.rest.is_on(Instant::now()) {
            return all;
        }
        let write = bulk::index(self.client, self.alias, ticket, documents);
        match tokio::time::timeout(self.timeout, write).await {
            Ok(Ok(results)) => return bulk::not_taken(&results),
            Ok(Err(error)) => {
                let error = error_chain::text(&error);
                tracing::warn!(alias = self.alias, error, "an index beside the one in use is left alone");
            }
            Err(_) => tracing::warn!(alias = self.alias, "an index beside the one in use answers too late"),
        }
        self.rest.begin(Instant::now());
        all
    }
}

/// Fails when a document could be taken later; one that never will be stays different.
fn taken(results: Vec<ItemResult>) -> Result<(), SearchError> {
    let later = results.into_iter().find_map(|result| match result {
        ItemResult::Retryable(reason) => Some(reason),
        _ => None,
    });
    later.map_or(Ok(()), |reason| Err(SearchError::unavailable(reason)))
}

fn alone(error: &ProjectionError) -> ItemResult {
    let reason = error.to_string();
    if error.blames_the_product() { ItemResult::Refused(reason) } else { ItemResult::Retryable(reason) }
}

/// One document per id, in their order; a product that was not found is gone.
fn in_order(products: &[ProductId], found: Vec<ProductDocument>, now: Timestamp) -> Vec<ProductDocument> {
    let mut found: HashMap<ProductId, ProductDocument> =
        found.into_iter().map(|document| (document.product_id, document)).collect();
    let document = |id: &ProductId| found.remove(id).unwrap_or_else(|| ProductDocument::gone(*id, now));
    products.iter().map(document).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_product_is_marked_as_gone() {
        let [first, second] = [1, 2].map(|random| ProductId::new(Timestamp::UNIX_EPOCH, [random; 10]));
        let gone = |id| ProductDocument::gone(id, Timestamp::UNIX_EPOCH);
        let found = ProductDocument { deleted: false, ..gone(second) };
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(in_order(&[first, second], vec![found.clone()], now), [gone(first), found]);
    }

    #[test]
    fn a_rebuild_waits_for_what_can_be_taken_later() {
        let refused = ItemResult::Refused("400".to_owned());
        assert!(taken(vec![ItemResult::Indexed, ItemResult::Superseded, refused]).is_ok());
        let later = taken(vec![ItemResult::Indexed, ItemResult::Retryable("429".to_owned())]);
        assert!(later.is_err_and(|error| error.is_unavailable()));
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
