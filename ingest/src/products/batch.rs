//! What becomes of a batch of products: the new ones are written in one transaction, the changed ones in another, the
//! same ones not at all. A dry run writes nothing and tells the same.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use domain::event::{Cause, Event};
use domain::ids::{EventId, ProductId};
use domain::product::Product;
use jiff::Timestamp;
use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::mongo::products::{self, Inserted, NewProduct, Replacement};

use super::bound_map::BoundMap;
use super::difference;
use super::reading::{Batch, Candidate, Item, Refusal};
use crate::row_report::{Entry, Outcome};

/// Tries to change a product that people change in the same moment.
const ATTEMPT_MAX: u32 = 5;

/// How long a batch is tried: longer than MongoDB keeps the open transaction of a program that is gone.
const PATIENCE: Duration = Duration::from_secs(90);
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// What every batch of a run needs.
pub(super) struct Context {
    pub(super) mongo: Mongo,
    pub(super) map: std::sync::Arc<BoundMap>,
    pub(super) cause: Cause,
    /// `updated_at` of all that the run writes: so it knows its own after a kill.
    pub(super) started_at: Timestamp,
    pub(super) is_dry: bool,
}

/// What became of a row.
pub(super) enum Told {
    Same,
    Noted(Entry),
    /// With the row as it was.
    Refused(Entry, Vec<u8>),
}

/// A batch, each row in its place.
pub(super) struct Settled {
    pub(super) told: Vec<Told>,
    pub(super) rows_read: u64,
    pub(super) read_bytes: u64,
    pub(super) damage: Option<String>,
}

type Place = usize;

/// Waits while MongoDB is away, or holds the transaction of a run that was killed: it gives it up after a minute.
pub(super) async fn settle_patiently(context: &Context, batch: Batch) -> Result<Settled, StoreError> {
    let started = Instant::now();
    loop {
        match settle(context, &batch).await {
            Err(error)
                if (error.is_retryable() || error.is_unavailable()) && started.elapsed() < PATIENCE =>
            {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            settled => return settled,
        }
    }
}

async fn settle(context: &Context, batch: &Batch) -> Result<Settled, StoreError> {
    let Batch { items, rows_read, read_bytes, damage } = batch;
    let ids: Vec<_> = items.iter().filter_map(Item::product_id).collect();
    let known = products::find_many(&context.mongo, &ids).await?;
    let known: HashMap<ProductId, Product> = known.into_iter().map(|product| (product.id, product)).collect();
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    let mut told = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        told.push(Told::Same);
        match item {
            Item::Refused(refusal) => told[place] = refusal.told(),
            Item::Candidate(candidate) => match known.get(&candidate.product.id) {
                None => new.push((place, &**candidate)),
                Some(before) => match context.map.merge(before, &candidate.product) {
                    Err(error) => told[place] = candidate.refused(error.code, &error.detail),
                    Ok(Some(merged)) => changed.push((place, &**candidate, merged, before)),
                    Ok(None) => told[place] = context.told_of_earlier(before, candidate),
                },
            },
        }
    }
    context.add(new, &mut told).await?;
    context.change(changed, &mut told).await?;
    Ok(Settled { told, rows_read: *rows_read, read_bytes: *read_bytes, damage: damage.clone() })
}

impl Context {
    /// What the file says is stored: since long, or by this run before it was killed.
    fn told_of_earlier(&self, stored: &Product, candidate: &Candidate) -> Told {
        if self.is_dry || stored.updated_at != self.started_at {
            return Told::Same;
        }
        let is_new = stored.created_at == self.started_at;
        candidate.noted(if is_new { Outcome::Added } else { Outcome::Changed })
    }

    async fn add(&self, new: Vec<(Place, &Candidate)>, told: &mut [Told]) -> Result<(), StoreError> {
        if self.is_dry {
            return self.foresee(new, told).await;
        }
        let written = new.iter().map(|(_, candidate)| {
            let event = self.event(&candidate.product);
            NewProduct::new(candidate.product.clone(), event)
        });
        let written: Vec<_> = written.collect();
        match products::insert_many(&self.mongo, &written).await {
            Ok(()) => {
                for (place, candidate) in &new {
                    told[*place] = candidate.noted(Outcome::Added);
                }
                Ok(())
            }
            // One of them collides: find out which, one by one.
            Err(StoreError::Conflict { .. }) => {
                for ((place, candidate), one) in new.iter().zip(&written) {
                    let inserted = products::insert(&self.mongo, &one.product, &one.event).await;
                    let outcome = inserted.map(|_| candidate.noted(Outcome::Added));
                    told[*place] = settled(outcome, candidate)?;
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// What adding would do: a SKU of another product is the only key that a file can collide with.
    async fn foresee(&self, new: Vec<(Place, &Candidate)>, told: &mut [Told]) -> Result<(), StoreError> {
        let skus = new.iter().flat_map(|(_, candidate)| &candidate.product.variants);
        let skus: Vec<_> = skus.map(|variant| variant.sku.as_str()).collect();
        let taken: HashMap<_, _> = products::find_skus(&self.mongo, &skus).await?.into_iter().collect();
        for (place, candidate) in &new {
            let is_taken = candidate.product.variants.iter().any(|variant| taken.contains_key(&variant.sku));
            told[*place] = if is_taken { candidate.taken("sku") } else { candidate.noted(Outcome::Added) };
        }
        Ok(())
    }

    /// What changing would do: a variant that is new to its product may have the SKU of another one.
    async fn foresee_changes(
        &self,
        changed: &[(Place, &Candidate, Product, &Product)],
        told: &mut [Told],
    ) -> Result<(), StoreError> {
        let skus: Vec<_> =
            changed.iter().flat_map(|(_, _, merged, before)| new_skus(merged, before)).collect();
        let taken: HashMap<_, _> = products::find_skus(&self.mongo, &skus).await?.into_iter().collect();
        for (place, candidate, merged, before) in changed {
            let is_taken = new_skus(merged, before).any(|sku| taken.contains_key(sku));
            told[*place] = if is_taken { candidate.taken("sku") } else { candidate.changed(before, merged) };
        }
        Ok(())
    }

    async fn change(
        &self,
        changed: Vec<(Place, &Candidate, Product, &Product)>,
        told: &mut [Told],
    ) -> Result<(), StoreError> {
        if changed.is_empty() {
            return Ok(());
        }
        if self.is_dry {
            return self.foresee_changes(&changed, told).await;
        }
        let written = changed.iter().map(|(_, _, merged, before)| {
            let event = self.event(merged);
            Replacement { before, product: merged.clone(), event }
        });
        let written: Vec<_> = written.collect();
        let is_done = products::replace_many(&self.mongo, &written).await?;
        for (place, candidate, merged, before) in &changed {
            let outcome = if is_done {
                Ok(candidate.changed(before, merged))
            } else {
                self.change_one(before, candidate).await
            };
            told[*place] = settled(outcome, candidate)?;
        }
        Ok(())
    }

    /// A person who changes the product in the same moment is not overwritten: it is read again.
    async fn change_one(&self, before: &Product, candidate: &Candidate) -> Result<Told, StoreError> {
        let mut before = before.clone();
        for _ in 0..ATTEMPT_MAX {
            let merged = match self.map.merge(&before, &candidate.product) {
                Ok(None) => return Ok(Told::Same),
                Ok(Some(merged)) => merged,
                Err(error) => return Ok(candidate.refused(error.code, &error.detail)),
            };
            let event = self.event(&merged);
            if products::replace(&self.mongo, &before, &merged, &event).await? {
                return Ok(candidate.changed(&before, &merged));
            }
            before = match products::find(&self.mongo, before.id).await? {
                Some(present) => present,
                // Deleted in the same moment, and the file brings it back.
                None => {
                    match products::insert(&self.mongo, &candidate.product, &self.event(&candidate.product))
                        .await?
                    {
                        Inserted::Existing(present) => *present,
                        Inserted::New | Inserted::Returned(_) => return Ok(candidate.noted(Outcome::Added)),
                    }
                }
            };
        }
        Err(StoreError::unavailable("the product changes all the time"))
    }

    fn event(&self, product: &Product) -> Event {
        let now = Timestamp::now();
        let id = EventId::new(now, rand::random());
        Event::product_changed(id, now, product.id, product.version, self.cause.clone())
    }
}

fn new_skus<'a>(merged: &'a Product, before: &'a Product) -> impl Iterator<Item = &'a str> {
    let skus = merged.variants.iter().map(|variant| variant.sku.as_str());
    skus.filter(move |sku| !before.variants.iter().any(|known| known.sku == **sku))
}

/// A row that a unique key refused is told of; any other error is the run's.
fn settled(outcome: Result<Told, StoreError>, candidate: &Candidate) -> Result<Told, StoreError> {
    match outcome {
        Err(StoreError::Conflict { constraint }) => Ok(candidate.taken(&constraint)),
        outcome => outcome,
    }
}

impl Item {
    fn product_id(&self) -> Option<ProductId> {
        match self {
            Self::Candidate(candidate) => Some(candidate.product.id),
            Self::Refused(_) => None,
        }
    }
}

impl Refusal {
    fn told(&self) -> Told {
        let Self { line, id, code, detail, raw } = self;
        Told::Refused(Entry::refused(*line, id.clone(), code, detail), raw.clone())
    }
}

impl Candidate {
    fn noted(&self, outcome: Outcome) -> Told {
        Told::Noted(Entry::new(self.line, self.product.external_id.clone(), outcome))
    }

    fn changed(&self, before: &Product, merged: &Product) -> Told {
        let entry = Entry::new(self.line, self.product.external_id.clone(), Outcome::Changed);
        Told::Noted(Entry { changes: difference::between(before, merged), ..entry })
    }

    fn taken(&self, constraint: &str) -> Told {
        self.refused("taken", &format!("another product has this {constraint}"))
    }

    fn refused(&self, code: &'static str, detail: &str) -> Told {
        let entry = Entry::refused(self.line, self.product.external_id.clone(), code, detail);
        Told::Refused(entry, self.raw.clone())
    }
}
