//! The thread that reads a catalogue: rows become products to be written, or refusals, in batches.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use domain::field_error::FieldError;
use domain::ids::{ProductId, VariantId};
use domain::product::Product;
use jiff::Timestamp;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::bound_map::BoundMap;
use super::{ImportError, PRODUCT_COUNT_MAX};
use crate::input::records::{Record, Records};

/// Rows of a batch. Ids are spread over the whole of each index, so a transaction holds as many changed pages as it has
/// rows, times the indexes: a small MongoDB cache that is full of them stands still.
const BATCH_ROWS: usize = 250;
/// Bytes of the file after which a batch is full, however few its rows.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Namespace of the ids of imported products (RFC 9562, version 5).
const NAMESPACE: Uuid = Uuid::from_u128(0x4f2d_94a5_6b7e_5c0a_9d53_1c5e_8a70_32b1);

/// A row that became a product, with what the refused rows need of it.
pub(super) struct Candidate {
    pub(super) product: Product,
    pub(super) line: u64,
    pub(super) raw: Vec<u8>,
}

/// A row that did not.
pub(super) struct Refusal {
    pub(super) line: u64,
    pub(super) id: Option<String>,
    pub(super) code: &'static str,
    pub(super) detail: String,
    pub(super) raw: Vec<u8>,
}

pub(super) enum Item {
    Candidate(Box<Candidate>),
    Refused(Refusal),
}

impl Item {
    fn raw_length(&self) -> usize {
        match self {
            Self::Candidate(candidate) => candidate.raw.len(),
            Self::Refused(refusal) => refusal.raw.len(),
        }
    }
}

/// Rows in the order of the file.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    /// Rows of the file up to its end.
    pub(super) rows_read: u64,
    /// Bytes of the file as it lies on disk.
    pub(super) read_bytes: u64,
    /// Why the file ends here although it goes on.
    pub(super) damage: Option<String>,
}

/// An open catalogue.
pub(super) struct Reader {
    records: Records,
    map: Arc<BoundMap>,
    /// When products are made, or changed.
    at: Timestamp,
    /// Rows that an earlier part of the run has dealt with.
    done_rows: u64,
    rows: u64,
    seen: HashSet<ProductId>,
    seen_skus: HashSet<(u64, u64)>,
}

impl Reader {
    pub(super) fn new(records: Records, map: Arc<BoundMap>, at: Timestamp, done_rows: u64) -> Self {
        Self { records, map, at, done_rows, rows: 0, seen: HashSet::new(), seen_skus: HashSet::new() }
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.records.size_bytes()
    }

    /// Reads to the end, or until nobody receives any more.
    pub(super) fn read_all(mut self, sender: &mpsc::Sender<Batch>) -> Result<(), ImportError> {
        let read_bytes = self.records.read_bytes();
        let (mut batch, mut bytes) = (Batch::default(), 0);
        while let Some((item, damage)) = self.read_row()? {
            self.rows += 1;
            if self.seen.len() > PRODUCT_COUNT_MAX {
                return Err(ImportError::TooMany);
            }
            if self.rows <= self.done_rows {
                continue;
            }
            bytes += item.raw_length();
            batch.items.push(item);
            batch.damage = damage;
            if batch.items.len() == BATCH_ROWS || bytes >= BATCH_BYTES {
                bytes = 0;
                let full = Batch {
                    rows_read: self.rows,
                    read_bytes: read_bytes.get(),
                    ..std::mem::take(&mut batch)
                };
                if sender.blocking_send(full).is_err() {
                    return Ok(());
                }
            }
        }
        let last = Batch { rows_read: self.rows, read_bytes: read_bytes.get(), ..batch };
        // Nobody receives it when the import has failed already.
        let _ = sender.blocking_send(last);
        Ok(())
    }

    fn read_row(&mut self) -> Result<Option<(Item, Option<String>)>, ImportError> {
        let Some(record) = self.records.read()? else {
            return Ok(None);
        };
        Ok(Some(match record {
            Record::Broken { line, fault, raw } => {
                let damage = fault.ends_the_file().then(|| format!("line {line}: {fault}"));
                let (detail, raw) = (fault.to_string(), raw.to_vec());
                (Item::Refused(Refusal { line, id: None, code: fault.kind(), detail, raw }), damage)
            }
            Record::Row { line, fields, raw, .. } => {
                let made = product(&self.map, fields, self.at);
                let raw = raw.to_vec();
                let made =
                    made.and_then(|product| match repeat(&product, &mut self.seen, &mut self.seen_skus) {
                        Some((code, detail)) => Err((product.external_id, code, detail)),
                        None => Ok(product),
                    });
                let item = match made {
                    Ok(product) => Item::Candidate(Box::new(Candidate { product, line, raw })),
                    Err((id, code, detail)) => Item::Refused(Refusal { line, id, code, detail, raw }),
                };
                (item, None)
            }
        }))
    }
}

type Refused = (Option<String>, &'static str, String);

fn product(map: &BoundMap, fields: &[String], at: Timestamp) -> Result<Product, Refused> {
    let (external_id, draft) = map.draft(fields).map_err(|error| told(None, &[error]))?;
    let id = ProductId(Uuid::new_v5(&NAMESPACE, format!("{}\n{external_id}", map.source).as_bytes()));
    let variant = |position: usize| VariantId(Uuid::new_v5(&id.0, position.to_string().as_bytes()));
    match draft.into_product(id, at, variant) {
        Ok(product) => {
            Ok(Product { source: Some(map.source.clone()), external_id: Some(external_id), ..product })
        }
        Err(errors) => Err(told(Some(external_id), &errors)),
    }
}

fn told(id: Option<String>, errors: &[FieldError]) -> Refused {
    let reasons: Vec<_> = errors.iter().map(|error| format!("{} {}", error.pointer, error.detail)).collect();
    (id, errors.first().map_or("invalid", |error| error.code), reasons.join("; "))
}

/// What an earlier row of the file has already. Batches are written side by side, so the stores cannot tell which of
/// two rows came first.
fn repeat(
    product: &Product,
    seen: &mut HashSet<ProductId>,
    seen_skus: &mut HashSet<(u64, u64)>,
) -> Option<(&'static str, String)> {
    let hash = |sku: &str, salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, sku).hash(&mut hasher);
        hasher.finish()
    };
    if seen.contains(&product.id) {
        let id = product.external_id.as_deref().unwrap_or_default();
        return Some(("repeated id", format!("the id {id:?} is in the file already")));
    }
    let skus: Vec<_> =
        product.variants.iter().map(|variant| (hash(&variant.sku, 0), hash(&variant.sku, 1))).collect();
    if let Some(place) = skus.iter().position(|sku| seen_skus.contains(sku)) {
        let sku = &product.variants[place].sku;
        return Some(("repeated sku", format!("the SKU {sku:?} is in the file already")));
    }
    seen.insert(product.id);
    seen_skus.extend(skus);
    None
}
