//! Who watches the outbox, and how far they have come.

use bson::{Bson, DateTime, doc};
use mongodb::Collection;
use mongodb::change_stream::event::ResumeToken;
use mongodb::options::ReturnDocument;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::mongo::connection::Mongo;

const ID: &str = "outbox";

#[derive(Debug, Serialize, Deserialize)]
struct RelayState {
    #[serde(rename = "_id")]
    id: String,
    owner: String,
    /// Grows with each owner.
    fence: i64,
    leased_until: DateTime,
    token: Option<ResumeToken>,
}

/// The right to watch, until it ends.
#[derive(Debug, Clone)]
pub struct WatchLease {
    owner: String,
    fence: i64,
    /// The place after the last event that the broker confirmed.
    pub token: Option<ResumeToken>,
}

/// Takes or renews the lease; `None` while another one holds it.
pub async fn lease(mongo: &Mongo, owner: &str, lease_ms: i64) -> Result<Option<WatchLease>, StoreError> {
    ensure(mongo).await?;
    take(mongo, owner, lease_ms).await
}

async fn take(mongo: &Mongo, owner: &str, lease_ms: i64) -> Result<Option<WatchLease>, StoreError> {
    let is_free = doc! {"$expr": {"$lt": ["$leased_until", "$$NOW"]}};
    // A pipeline, so that the fence grows only with a new owner and the server's clock decides.
    let change = doc! {"$set": {
        "fence": {"$cond": [{"$eq": ["$owner", owner]}, "$fence", {"$add": ["$fence", 1_i64]}]},
        "owner": owner,
        "leased_until": {"$add": ["$$NOW", lease_ms]},
    }};
    let state = collection(mongo)
        .find_one_and_update(doc! {"_id": ID, "$or": [{"owner": owner}, is_free]}, vec![change])
        .return_document(ReturnDocument::After)
        .await?;
    Ok(state.map(|state| WatchLease { owner: state.owner, fence: state.fence, token: state.token }))
}

/// Makes the document that is leased, free, if it is missing.
async fn ensure(mongo: &Mongo) -> Result<(), StoreError> {
    let past = DateTime::from_millis(0);
    let free = doc! {"owner": "", "fence": 0_i64, "leased_until": past, "token": Bson::Null};
    collection(mongo).update_one(doc! {"_id": ID}, doc! {"$setOnInsert": free}).upsert(true).await?;
    Ok(())
}

/// Saves the place, as long as the lease still holds; `false` when another one has taken over.
pub async fn save_token(mongo: &Mongo, lease: &WatchLease, token: &ResumeToken) -> Result<bool, StoreError> {
    let token = bson::serialize_to_bson(token).map_err(|error| StoreError::Driver(error.into()))?;
    let filter = doc! {"_id": ID, "owner": &lease.owner, "fence": lease.fence};
    let result = collection(mongo).update_one(filter, doc! {"$set": {"token": token}}).await?;
    Ok(result.matched_count == 1)
}

/// Gives the lease back.
pub async fn release(mongo: &Mongo, owner: &str) -> Result<(), StoreError> {
    let past = DateTime::from_millis(0);
    collection(mongo)
        .update_one(doc! {"_id": ID, "owner": owner}, doc! {"$set": {"leased_until": past}})
        .await?;
    Ok(())
}

fn collection(mongo: &Mongo) -> Collection<RelayState> {
    mongo.database.collection("relay_state")
}
