//! Writing a batch of products: the new ones in one transaction, the changed ones one by one, the same ones not at all.

use std::collections::HashMap;

use domain::event::{Cause, Event};
use domain::ids::{EventId, ProductId};
use domain::product::Product;
use jiff::Timestamp;
use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::mongo::products::{self, Inserted};

use crate::products::{Candidate, ImportError};
use crate::refused_rows::RefusedRows;

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
            Some(before) => match after(before, &candidate.product) {
                None => outcome.unchanged += 1,
                Some(product) => {
                    if settle(replace(mongo, &product, cause).await, &candidate, refused)? {
                        outcome.changed += 1;
                    }
                }
            },
        }
    }
    outcome.added = insert(mongo, new, cause, refused).await?;
    Ok(outcome)
}

/// The stored product with what the file says; `None` when it says nothing new.
fn after(before: &Product, file: &Product) -> Option<Product> {
    let same_but_for_the_count = Product {
        version: before.version,
        created_at: before.created_at,
        updated_at: before.updated_at,
        rating: before.rating.clone(),
        images: before.images.clone(),
        ..file.clone()
    };
    (same_but_for_the_count != *before).then(|| Product {
        version: before.version + 1,
        updated_at: file.updated_at,
        ..same_but_for_the_count
    })
}

async fn replace(mongo: &Mongo, product: &Product, cause: &Cause) -> Result<(), StoreError> {
    let changed = || StoreError::Conflict { constraint: "version".to_owned() };
    products::replace(mongo, product, &event(product, cause)).await?.then_some(()).ok_or_else(changed)
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
                added += u64::from(settle(inserted.map(|_: Inserted| ()), candidate, refused)?);
            }
            Ok(added)
        }
        Err(error) => Err(error.into()),
    }
}

/// `true` when written; a row that a unique key refused is reported.
fn settle(
    written: Result<(), StoreError>,
    candidate: &Candidate,
    refused: &mut RefusedRows,
) -> Result<bool, ImportError> {
    match written {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict { constraint }) => {
            let reason = format!("another product has this {constraint}");
            refused.refuse(candidate.line, "taken", &reason, &candidate.raw)?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

fn event(product: &Product, cause: &Cause) -> Event {
    let now = Timestamp::now();
    Event::product_changed(EventId::new(now, rand::random()), now, product.id, product.version, cause.clone())
}
