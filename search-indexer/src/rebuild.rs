//! A new index from the stores, filled beside the one in use.
//!
//! # What is guaranteed
//! The shop goes on while it runs. When the alias is switched, in one step, the new index holds every product
//! as it was when its last event was consumed, or newer: consumers write to both indexes from before the scan
//! begins ([`crate::projection`] says why none is missed), tickets keep the newest, and before the switch a
//! second scan compares every document's content hash and writes those that differ. A change whose event is
//! still in the queue comes with its event. A document that the engine refuses stops the rebuild before the
//! switch. When it fails or is stopped, the index in use is untouched and the new one is removed, or, when
//! the engine is away, left to the next rebuild. The index that was replaced is kept, to go back to; older
//! ones go. One rebuild of an alias runs at a time: it holds a lock of PostgreSQL.

use std::time::Duration;

use domain::ids::ProductId;
use domain::product::Product;
use store::error::StoreError;
use store::mongo::products;
use store::pg::advisory_lock::{self, Right};
use store::pg::direct::{self, DirectClient};
use store::settings::PostgresSettings;
use tokio_util::sync::CancellationToken;

use crate::bulk::{self, ItemResult};
use crate::client::SearchClient;
use crate::document::ProductDocument;
use crate::error::SearchError;
use crate::index;
use crate::mapping::Analysis;
use crate::projection::{Projection, ProjectionError, within_deadline};

/// Products read and written at a time.
const PAGE_SIZE: i64 = 500;
/// Tries of one page while a store or the engine is away, and the wait between them.
const ATTEMPT_COUNT_MAX: u32 = 12;
const ATTEMPT_PAUSE: Duration = Duration::from_secs(5);

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Products written by the first scan so far.
    Filled(u64),
    /// Products compared by the second scan so far, and how many of them differed.
    Compared {
        /// Products read.
        products: u64,
        /// Documents that were missing or other, and were written again.
        different: u64,
    },
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The index now in use.
    pub index: String,
    /// The index that was in use, if any.
    pub replaced: Option<String>,
    /// Products in it.
    pub products: u64,
    /// Documents that the second scan wrote again.
    pub different: u64,
}

/// Why the index in use is the one it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// One at a time.
    #[error("another rebuild of {0} is under way")]
    Busy(String),
    /// The program was told to stop.
    #[error("stopped")]
    Stopped,
    /// A store or the engine is away for too long, or refuses a product.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
}

impl From<SearchError> for RebuildError {
    fn from(error: SearchError) -> Self {
        Self::Projection(error.into())
    }
}

impl From<StoreError> for RebuildError {
    fn from(error: StoreError) -> Self {
        Self::Projection(error.into())
    }
}

/// Fills the new index `name` and puts it in use. Stops between two pages when it is told to.
pub async fn run(
    projection: &Projection,
    postgres: &PostgresSettings,
    name: &str,
    analysis: Analysis,
    stop: &CancellationToken,
    mut report: impl FnMut(Progress),
) -> Result<Rebuilt, RebuildError> {
    let client = &projection.client;
    let lock = direct::primary(postgres).await?;
    if !advisory_lock::take(&lock, Right::RebuildIndex(client.alias())).await? {
        return Err(RebuildError::Busy(client.alias().to_owned()));
    }
    let before = index::aliases(client).await?;
    if let Some(abandoned) = before.next {
        index::delete(client, &abandoned).await?;
    }
    let pass = Pass { projection, lock: &lock, stop, name, only_different: false };
    let (products, different) = match fill_and_switch(pass, analysis, &mut report).await {
        Ok(counts) => counts,
        Err(error) => {
            remove_unused(client, name).await;
            return Err(error);
        }
    };
    let kept = [Some(name), before.current.as_deref()];
    for old in before.all.iter().filter(|old| !kept.contains(&Some(old.as_str()))) {
        if let Err(error) = index::delete(client, old).await {
            tracing::warn!(index = old, %error, "an old index stays until the next rebuild");
        }
    }
    Ok(Rebuilt { index: name.to_owned(), replaced: before.current, products, different })
}

async fn fill_and_switch(
    pass: Pass<'_>,
    analysis: Analysis,
    report: &mut impl FnMut(Progress),
) -> Result<(u64, u64), RebuildError> {
    let (client, name, lock) = (&pass.projection.client, pass.name, pass.lock);
    index::create(client, name, analysis).await?;
    index::begin_filling(client, name).await?;
    let (products, _) = pass.run(|products, _| report(Progress::Filled(products))).await?;
    let pass = Pass { only_different: true, ..pass };
    let compared = |products, different| report(Progress::Compared { products, different });
    let (_, different) = pass.run(compared).await?;
    index::refresh(client, name).await?;
    // Another rebuild may have begun since the lock was lost, and removed this index.
    advisory_lock::check_held(lock).await?;
    if let Err(error) = index::switch(client, name).await {
        // An answer that was lost may have been a success.
        let is_in_use = index::aliases(client).await.is_ok_and(|now| now.current.as_deref() == Some(name));
        if !is_in_use {
            return Err(error.into());
        }
        tracing::warn!(%error, "the switch was made, though its answer was lost");
    }
    Ok((products, different))
}

/// Removes the new index when it is certain that it is not, and will not be, the one in use: until then
/// consumers write to it. What it cannot remove the next rebuild does.
async fn remove_unused(client: &SearchClient, name: &str) {
    let removed = async {
        index::end_filling(client, name).await?;
        if index::aliases(client).await?.current.as_deref() == Some(name) {
            tracing::warn!(index = name, "the new index is in use");
            return Ok(());
        }
        index::delete(client, name).await
    };
    let removed: Result<(), SearchError> = removed.await;
    if let Err(error) = removed {
        tracing::warn!(index = name, %error, "the new index is left over");
    }
}

/// One scan over all products.
struct Pass<'a> {
    projection: &'a Projection,
    lock: &'a DirectClient,
    stop: &'a CancellationToken,
    name: &'a str,
    only_different: bool,
}

/// One page of a scan.
struct Page {
    last: Option<ProductId>,
    read: u64,
    written: u64,
}

impl Pass<'_> {
    /// How many products were read and how many documents were written.
    async fn run(&self, mut report: impl FnMut(u64, u64)) -> Result<(u64, u64), RebuildError> {
        let (mut read, mut written, mut after) = (0, 0, None);
        loop {
            if self.stop.is_cancelled() {
                return Err(RebuildError::Stopped);
            }
            advisory_lock::check_held(self.lock).await?;
            let page = self.page_with_patience(after).await?;
            read += page.read;
            written += page.written;
            report(read, written);
            if page.read < PAGE_SIZE.unsigned_abs() {
                return Ok((read, written));
            }
            after = page.last;
        }
    }

    async fn page_with_patience(&self, after: Option<ProductId>) -> Result<Page, RebuildError> {
        let mut attempts = 1;
        loop {
            match within_deadline(self.page(after)).await {
                Err(error) if error.is_unavailable() && attempts < ATTEMPT_COUNT_MAX => {
                    tracing::warn!(%error, attempts, "the rebuild waits");
                    tokio::select! {
                        () = tokio::time::sleep(ATTEMPT_PAUSE) => {}
                        () = self.stop.cancelled() => return Err(RebuildError::Stopped),
                    }
                    attempts += 1;
                }
                other => return Ok(other?),
            }
        }
    }

    async fn page(&self, after: Option<ProductId>) -> Result<Page, ProjectionError> {
        let client = &self.projection.client;
        let ticket = self.projection.ticket().await?;
        let found = products::scan(&self.projection.mongo, after, PAGE_SIZE).await?;
        let documents: Vec<ProductDocument> = found.iter().map(ProductDocument::of).collect();
        let documents = if self.only_different { self.different(documents).await? } else { documents };
        let results = bulk::index(client, &client.next_alias(), ticket, &documents).await?;
        for (document, result) in documents.iter().zip(results) {
            check(document, result)?;
        }
        Ok(Page { last: last_id(&found), read: length(&found), written: length(&documents) })
    }

    async fn different(&self, documents: Vec<ProductDocument>) -> Result<Vec<ProductDocument>, SearchError> {
        let ids: Vec<ProductId> = documents.iter().map(|document| document.product_id).collect();
        let known = bulk::content_hashes(&self.projection.client, self.name, &ids).await?;
        let is_different =
            |document: &ProductDocument| known.get(&document.product_id) != Some(&document.content_hash);
        Ok(documents.into_iter().filter(is_different).collect())
    }
}

fn check(document: &ProductDocument, result: ItemResult) -> Result<(), SearchError> {
    match result {
        ItemResult::Indexed | ItemResult::Superseded => Ok(()),
        ItemResult::Retryable(reason) => Err(SearchError::unavailable(reason)),
        ItemResult::Refused(reason) => {
            let reason = format!("product {}: {reason}", document.product_id);
            Err(SearchError::Refused { status: 400, reason })
        }
    }
}

fn last_id(products: &[Product]) -> Option<ProductId> {
    products.last().map(|product| product.id)
}

fn length<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).expect("a list's length fits 64 bits")
}
