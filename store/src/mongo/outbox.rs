//! The outbox of MongoDB: events committed with their fact, watched by a change stream, scanned when one was missed.

use std::collections::HashSet;
use std::time::Duration;

use bson::{DateTime, Document, doc};
use domain::event::{CloudEvent, Event};
use futures_util::stream::ReadyChunks;
use futures_util::{StreamExt, TryStreamExt};
use mongodb::change_stream::event::{ChangeStreamEvent, ResumeToken};
use mongodb::{ClientSession, Collection};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::mongo::connection::Mongo;
use crate::mongo::product_document::date;

const COLLECTION: &str = "outbox";
/// Most events that one call reads.
const BATCH_MAX: usize = 500;

#[derive(Debug, Serialize, Deserialize)]
struct OutboxDocument {
    #[serde(rename = "_id")]
    id: String,
    aggregate_kind: String,
    aggregate_id: String,
    aggregate_version: i64,
    event_type: String,
    /// The CloudEvent as JSON text: published as it is.
    envelope: String,
    created_at: DateTime,
    sent_at: Option<DateTime>,
}

/// An event that waits to be sent.
#[derive(Debug, Clone)]
pub struct UnsentEvent {
    /// Document key.
    pub id: String,
    /// What is published.
    pub envelope: CloudEvent,
}

impl TryFrom<OutboxDocument> for UnsentEvent {
    type Error = StoreError;

    fn try_from(document: OutboxDocument) -> Result<Self, StoreError> {
        let envelope = CloudEvent::from_bytes(document.envelope.as_bytes())
            .map_err(|error| StoreError::Inconsistent(format!("outbox {}: {error}", document.id)))?;
        Ok(Self { id: document.id, envelope })
    }
}

/// Writes events in the transaction of their facts.
pub(super) async fn append(
    mongo: &Mongo,
    session: &mut ClientSession,
    events: &[Event],
) -> Result<(), StoreError> {
    let documents = events.iter().map(|event| {
        let envelope =
            serde_json::to_string(&event.to_cloud_event()).map_err(|error| StoreError::Driver(error.into()));
        Ok(OutboxDocument {
            id: event.id.to_string(),
            aggregate_kind: event.aggregate.kind.to_owned(),
            aggregate_id: event.aggregate.id.clone(),
            aggregate_version: event.aggregate.version,
            event_type: event.data.event_type().to_owned(),
            envelope: envelope?,
            created_at: date(event.time),
            sent_at: None,
        })
    });
    let documents: Vec<_> = documents.collect::<Result<_, StoreError>>()?;
    collection(mongo).insert_many(documents).session(session).await?;
    Ok(())
}

/// New events as they are committed, in commit order.
pub struct OutboxStream {
    inner: ReadyChunks<Changes>,
}

type Changes = mongodb::change_stream::ChangeStream<ChangeStreamEvent<OutboxDocument>>;

/// Watches the outbox from a saved place, or from now. Fails when the place is too old for the server's log; then watch
/// from now and [`scan`].
pub async fn watch(mongo: &Mongo, from: Option<ResumeToken>) -> Result<OutboxStream, StoreError> {
    let changes = collection(mongo)
        .watch()
        .pipeline([doc! {"$match": {"operationType": "insert"}}])
        .resume_after(from)
        .max_await_time(Duration::from_millis(500))
        .await?;
    Ok(OutboxStream { inner: changes.ready_chunks(BATCH_MAX) })
}

impl OutboxStream {
    /// Waits for news: what is there by then, and the place after it. Safe to cancel.
    pub async fn next(&mut self) -> Result<(Vec<UnsentEvent>, ResumeToken), StoreError> {
        let ended = || StoreError::unavailable("the change stream ended");
        let changes = self.inner.next().await.ok_or_else(ended)?;
        let mut place = None;
        let mut events = Vec::with_capacity(changes.len());
        for change in changes {
            let change = change?;
            events.extend(change.full_document.map(UnsentEvent::try_from).transpose()?);
            place = Some(change.id);
        }
        Ok((events, place.ok_or_else(ended)?))
    }
}

/// Unsent events older than `age`, oldest first: what a lost token or a refused publish left behind.
pub async fn scan(mongo: &Mongo, age: Duration, limit: i64) -> Result<Vec<UnsentEvent>, StoreError> {
    let age_ms = i64::try_from(age.as_millis()).expect("a short time");
    let before = DateTime::from_millis(DateTime::now().timestamp_millis() - age_ms);
    let documents: Vec<_> = collection(mongo)
        .find(doc! {"sent_at": null, "created_at": {"$lt": before}})
        .sort(doc! {"created_at": 1, "aggregate_version": 1})
        .limit(limit)
        .await?
        .try_collect()
        .await?;
    documents.into_iter().map(UnsentEvent::try_from).collect()
}

/// Which of the events are not sent yet, by key.
pub async fn still_unsent(mongo: &Mongo, ids: &[&str]) -> Result<HashSet<String>, StoreError> {
    let keys = mongo.database.collection::<Document>(COLLECTION);
    let unsent = doc! {"_id": {"$in": ids}, "sent_at": null};
    let documents: Vec<_> = keys.find(unsent).projection(doc! {"_id": 1}).await?.try_collect().await?;
    Ok(documents.iter().filter_map(|document| document.get_str("_id").ok().map(str::to_owned)).collect())
}

/// Marks events as sent.
pub async fn mark_sent(mongo: &Mongo, ids: &[String]) -> Result<(), StoreError> {
    collection(mongo)
        .update_many(doc! {"_id": {"$in": ids}, "sent_at": null}, doc! {"$currentDate": {"sent_at": true}})
        .await?;
    Ok(())
}

/// How many events wait.
pub async fn backlog(mongo: &Mongo) -> Result<u64, StoreError> {
    Ok(collection(mongo).count_documents(doc! {"sent_at": null}).await?)
}

fn collection(mongo: &Mongo) -> Collection<OutboxDocument> {
    mongo.database.collection(COLLECTION)
}
