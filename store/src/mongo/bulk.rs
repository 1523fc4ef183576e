//! Many documents at once, outside a transaction: those that are there already stay as they are.

use mongodb::Collection;
use mongodb::error::{Error, ErrorKind};
use serde::Serialize;

use crate::error::StoreError;

/// Most documents of one call.
pub(super) const BATCH_MAX: usize = 1_000;
const DUPLICATE_KEY: i32 = 11_000;

/// Inserts what is not there by its `_id`. Another unique index that refuses a document is an error. Returns how many
/// were new.
pub(super) async fn insert_missing<D: Serialize + Send + Sync>(
    collection: &Collection<D>,
    documents: &[D],
) -> Result<usize, StoreError> {
    let mut inserted = 0;
    for batch in documents.chunks(BATCH_MAX) {
        match collection.insert_many(batch).ordered(false).await {
            Ok(result) => inserted += result.inserted_ids.len(),
            Err(error) => {
                let known = known(&error).ok_or(error)?;
                inserted += batch.len() - known;
            }
        }
    }
    Ok(inserted)
}

/// How many documents were refused for their `_id`, when nothing else went wrong.
fn known(error: &Error) -> Option<usize> {
    let ErrorKind::InsertMany(many) = error.kind.as_ref() else { return None };
    let refused = many.write_errors.as_ref().filter(|_| many.write_concern_error.is_none())?;
    let is_known = |message: &str| message.contains("index: _id_ ");
    refused
        .iter()
        .all(|write| write.code == DUPLICATE_KEY && is_known(&write.message))
        .then_some(refused.len())
}
