//! A new index from the stores, filled beside the one in use.
//!
//! # What is guaranteed
//! The shop goes on while it runs. When the alias is switched, in one step, the new index holds every product
//! as it was when its last event was consumed, or newer: consumers write to both indexes from before the scan
//! begins ([`crate::projection`] says why none is missed), tickets keep the newest, and before the switch a
//! second scan compares every document's content hash and writes those that differ. A change whose event is
//! still in the queue comes with its event. A document that the engine refuses stops the rebuild before the
//! switch. When it fails, the index in use is untouched and the new one is removed. The index that was
//! replaced is kept, to go back to; older ones go.

use std::time::Duration;

use domain::ids::ProductId;
use domain::product::Product;
use store::mongo::products;

use crate::bulk::{self, ItemResult};
use crate::document::ProductDocument;
use crate::error::SearchError;
use crate::index::{self, Target};
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

/// Fills the new index `name` and puts it in use.
pub async fn run(
    projection: &Projection,
    name: &str,
    analysis: Analysis,
    mut report: impl FnMut(Progress),
) -> Result<Rebuilt, ProjectionError> {
    let before = index::aliases(&projection.client).await?;
    if let Some(abandoned) = before.next {
        index::delete(&projection.client, &abandoned).await?;
    }
    let filled = fill_and_switch(projection, name, analysis, &mut report).await;
    let (products, different) = match filled {
        Ok(counts) => counts,
        Err(error) => {
            // Without it consumers would write to a half-filled index for ever; the first error is what
            // matters.
            if let Err(left) = index::delete(&projection.client, name).await {
                tracing::warn!(index = name, error = %left, "a half-filled index is left over");
            }
            return Err(error);
        }
    };
    let kept = [Some(name), before.current.as_deref()];
    for old in before.all.iter().filter(|old| !kept.contains(&Some(old.as_str()))) {
        index::delete(&projection.client, old).await?;
    }
    Ok(Rebuilt { index: name.to_owned(), replaced: before.current, products, different })
}

async fn fill_and_switch(
    projection: &Projection,
    name: &str,
    analysis: Analysis,
    report: &mut impl FnMut(Progress),
) -> Result<(u64, u64), ProjectionError> {
    index::create(&projection.client, name, analysis).await?;
    index::begin_filling(&projection.client, name).await?;
    let pass = Pass { projection, name, only_different: false };
    let (products, _) = pass.run(|products, _| report(Progress::Filled(products))).await?;
    let pass = Pass { only_different: true, ..pass };
    let compared = |products, different| report(Progress::Compared { products, different });
    let (_, different) = pass.run(compared).await?;
    index::refresh(&projection.client, name).await?;
    index::switch(&projection.client, name).await?;
    Ok((products, different))
}

/// One scan over all products.
struct Pass<'a> {
    projection: &'a Projection,
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
    async fn run(&self, mut report: impl FnMut(u64, u64)) -> Result<(u64, u64), ProjectionError> {
        let (mut read, mut written, mut after) = (0, 0, None);
        loop {
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

    async fn page_with_patience(&self, after: Option<ProductId>) -> Result<Page, ProjectionError> {
        let mut attempts = 1;
        loop {
            match within_deadline(self.page(after)).await {
                Err(error) if error.is_unavailable() && attempts < ATTEMPT_COUNT_MAX => {
                    tracing::warn!(%error, attempts, "the rebuild waits");
                    tokio::time::sleep(ATTEMPT_PAUSE).await;
                    attempts += 1;
                }
                other => return other,
            }
        }
    }

    async fn page(&self, after: Option<ProductId>) -> Result<Page, ProjectionError> {
        let ticket = self.projection.ticket().await?;
        let found = products::scan(&self.projection.mongo, after, PAGE_SIZE).await?;
        let documents: Vec<ProductDocument> = found.iter().map(ProductDocument::of).collect();
        let documents = if self.only_different { self.different(documents).await? } else { documents };
        let target = Target::Index(self.name.to_owned());
        let results = bulk::index(&self.projection.client, &target, ticket, &documents).await?;
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
