//! Writing a batch of products: the new ones in one transaction, the changed ones one by one, the same ones not at all.

use std::collections::HashMap;

use domain::event::{Cause, Event};
use domain::ids::{EventId, ProductId};
use domain::product::Product;
use jiff::Timestamp;
use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::mongo::products;

use crate::products::column_map::BoundMap;
use crate::products::{Candidate, ImportError};
use crate::refused_rows::RefusedRows;

/// Tries to change a product that people change in the same moment.
const ATTEMPT_MAX: u32 = 5;

/// What became of the products.
#[derive(Debug, Default)]
pub struct Outcome {
    /// New.
    pub added: u64,
    /// There, and now different.
    pub changed: u64,
    /// There and the same.
    pub unchanged: u64,
}

impl Outcome {
    /// Sums up.
    pub fn add(&mut self, other: Self) {
        self.added += other.added;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
    }
}

/// Writes a batch; a product that a unique key refuses goes to the refused rows.
pub(crate) async fn write(
    mongo: &Mongo,
    map: &BoundMap,
    candidates: Vec<Candidate>,
    cause: &Cause,
    refused: &mut RefusedRows,
) -> Result<Outcome, ImportError> {
    let ids: Vec<_> = candidates.iter().map(|candidate| candidate.product.id).collect();
    let known = products::find_many(mongo, &ids).await?;
    let known: HashMap<ProductId, Product> = known.into_iter().map(|product| (product.id, product)).collect();
    let mut outcome = Outcome::default();
    let mut new = Vec::new();
    for candidate in candidates {
        match known.get(&candidate.product.id) {
            None => new.push(candidate),
            Some(before) => {
                let updated = update(mongo, map, before, &candidate.product, cause).await;
                match settle(updated, &candidate, refused)? {
                    Some(true) => outcome.changed += 1,
                    Some(false) => outcome.unchanged += 1,
                    None => {}
                }
            }
        }
    }
    outcome.added = insert(mongo, new, cause, refused).await?;
    Ok(outcome)
}

/// Writes what the file changes in a stored product; `false` when it changes nothing. A person who changes the
/// product in the same moment is not overwritten: it is read again.
async fn update(
    mongo: &Mongo,
    map: &BoundMap,
    before: &Product,
    file: &Product,
    cause: &Cause,
) -> Result<bool, StoreError> {
    let mut before = before.clone();
    for _ in 0..ATTEMPT_MAX {
        let Some(product) = map.merge(&before, file) else { return Ok(false) };
        if products::replace(mongo, &product, &event(&product, cause)).await? {
            return Ok(true);
        }
        before = products::find(mongo, file.id)
            .await?
            .ok_or_else(|| StoreError::Inconsistent(format!("product {} is gone", file.id)))?;
    }
    Err(StoreError::unavailable("the product changes all the time"))
}

async fn insert(
    mongo: &Mongo,
    new: Vec<Candidate>,
    cause: &Cause,
    refused: &mut RefusedRows,
) -> Result<u64, ImportError> {
    let written: Vec<_> =
        new.iter().map(|candidate| (candidate.product.clone(), event(&candidate.product, cause))).collect();
    match products::insert_many(mongo, &written).await {
        Ok(()) => Ok(written.len() as u64),
        // One of them collides: find out which, one by one.
        Err(StoreError::Conflict { .. }) => {
            let mut added = 0;
            for (candidate, (product, event)) in new.iter().zip(&written) {
                let inserted = products::insert(mongo, product, event).await;
                added += u64::from(settle(inserted, candidate, refused)?.is_some());
            }
            Ok(added)
        }
        Err(error) => Err(error.into()),
    }
}

/// What was written; `None` for a row that a unique key refused, which is reported.
fn settle<T>(
    written: Result<T, StoreError>,
    candidate: &Candidate,
    refused: &mut RefusedRows,
) -> Result<Option<T>, ImportError> {
    match written {
        Ok(written) => Ok(Some(written)),
        Err(StoreError::Conflict { constraint }) => {
            let reason = format!("another product has this {constraint}");
            refused.refuse(candidate.line, "taken", &reason, &candidate.raw)?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn event(product: &Product, cause: &Cause) -> Event {
    let now = Timestamp::now();
    Event::product_changed(EventId::new(now, rand::random()), now, product.id, product.version, cause.clone())
}
