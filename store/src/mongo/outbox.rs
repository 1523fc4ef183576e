//! The outbox of MongoDB: events committed with their fact. A change stream says which aggregates have news; what is
//! sent is always read anew, in version order, so that neither a stream that lags nor one that begins again can
//! reorder it.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use bson::{DateTime, Document, doc};
use domain::event::{CloudEvent, Event, InvalidEvent};
use domain::ids::{EventId, uuid_v7};
use futures_util::stream::ReadyChunks;
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use mongodb::change_stream::event::ChangeStreamEvent;
/// A place in the news.
pub use mongodb::change_stream::event::ResumeToken;
use mongodb::options::Hint;
use mongodb::{ClientSession, Collection};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::error::StoreError;
use crate::mongo::connection::Mongo;
use crate::mongo::product_document::{date, timestamp};
use crate::sent_event::{PAGE_MAX, SentEvent};

const COLLECTION: &str = "outbox";
/// Most news that one call reads.
const NEWS_MAX: usize = 500;
/// A server that says nothing for this long has no news.
const QUIET: Duration = Duration::from_millis(50);
/// Longest pause before an event is tried again.
const RETRY_PAUSE_MAX_MS: i64 = 300_000;

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
    #[serde(default)]
    attempts: i64,
    #[serde(default)]
    retry_at: Option<DateTime>,
}

/// An event that waits to be sent.
#[derive(Debug)]
pub struct UnsentEvent {
    /// Document key.
    pub id: String,
    /// What is published, or why it cannot be.
    pub envelope: Result<CloudEvent, InvalidEvent>,
}

/// Writes events in the transaction of their facts.
pub(super) async fn append<'a>(
    mongo: &Mongo,
    session: &mut ClientSession,
    events: impl Iterator<Item = &'a Event>,
) -> Result<(), StoreError> {
    let documents = events.map(|event| {
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
            attempts: 0,
            retry_at: None,
        })
    });
    let documents: Vec<_> = documents.collect::<Result<_, StoreError>>()?;
    collection(mongo).insert_many(documents).session(session).await?;
    Ok(())
}

/// The aggregates of new events, as they are committed.
pub struct News {
    inner: ReadyChunks<Changes>,
    /// Heard, and not taken yet.
    aggregates: HashSet<String>,
    place: Option<ResumeToken>,
}

type Changes = mongodb::change_stream::ChangeStream<ChangeStreamEvent<Document>>;

/// Watches the outbox from a saved place, or from now. Fails when the place is too old for the server's log; then watch
/// from now and ask for what [`waiting`] knows.
pub async fn watch(mongo: &Mongo, from: Option<ResumeToken>) -> Result<News, StoreError> {
    let inserted = doc! {"$match": {"operationType": "insert"}};
    let aggregate = doc! {"$project": {"operationType": 1, "ns": 1, "fullDocument.aggregate_id": 1}};
    let changes = mongo
        .database
        .collection::<Document>(COLLECTION)
        .watch()
        .pipeline([inserted, aggregate])
        .resume_after(from)
        .max_await_time(Duration::from_millis(500))
        .await?;
    Ok(News { inner: changes.ready_chunks(NEWS_MAX), aggregates: HashSet::new(), place: None })
}

impl News {
    /// Waits for news, and then for those that come until a moment, unless there are many already: the aggregates that
    /// have some, and the place after them. Safe to cancel: what was heard by then comes with the next call.
    pub async fn next(&mut self, until: Instant) -> Result<(Vec<String>, ResumeToken), StoreError> {
        while self.place.is_none() {
            self.hear().await?;
        }
        if self.aggregates.len() < NEWS_MAX && Instant::now() < until {
            tokio::time::sleep_until(until).await;
            // Asked for now and not before: one answer has all that came meanwhile.
            if let Ok(heard) = tokio::time::timeout(QUIET, self.hear()).await {
                heard?;
            }
        }
        let place = self.place.take().ok_or_else(ended)?;
        Ok((self.aggregates.drain().collect(), place))
    }

    async fn hear(&mut self) -> Result<(), StoreError> {
        for change in self.inner.next().await.ok_or_else(ended)? {
            let change = change?;
            let document = change.full_document.unwrap_or_default();
            self.aggregates.extend(document.get_str("aggregate_id").map(str::to_owned).ok());
            self.place = Some(change.id);
        }
        Ok(())
    }
}

fn ended() -> StoreError {
    StoreError::unavailable("the change stream ended")
}

/// A page of unsent events.
#[derive(Debug)]
pub struct Waiting {
    /// Their aggregates.
    pub aggregates: Vec<String>,
    /// When the last of them was written.
    pub written_at: Timestamp,
}

/// Unsent events that may be tried now and were written after one moment and not after another, the longest waiting
/// first; `None` when there is none. Some of them may be held back by an earlier event of their aggregate.
pub async fn waiting(
    mongo: &Mongo,
    after: Option<Timestamp>,
    until: Timestamp,
    limit: i64,
) -> Result<Option<Waiting>, StoreError> {
    let now = DateTime::now();
    let mut ready = doc! {"sent_at": null, "$or": [{"retry_at": null}, {"retry_at": {"$lte": now}}]};
    let mut written = doc! {"$lte": date(until)};
    if let Some(after) = after {
        written.insert("$gt", date(after));
    }
    ready.insert("created_at", written);
    let documents: Vec<Document> = mongo
        .database
        .collection::<Document>(COLLECTION)
        .find(ready)
        .projection(doc! {"aggregate_id": 1, "created_at": 1})
        .sort(doc! {"created_at": 1})
        .limit(limit)
        .await?
        .try_collect()
        .await?;
    let Some(last) = documents.last() else { return Ok(None) };
    let written_at = last.get_datetime("created_at").map_err(|error| StoreError::Driver(error.into()))?;
    let written_at = timestamp(*written_at)?;
    let ids = documents.iter().filter_map(|document| document.get_str("aggregate_id").ok());
    let aggregates: HashSet<_> = ids.map(str::to_owned).collect();
    Ok(Some(Waiting { aggregates: aggregates.into_iter().collect(), written_at }))
}

/// The unsent events of aggregates in version order. An aggregate whose event waits for a retry is left out whole; one
/// of another kind that has the same id is not.
pub async fn unsent_of(
    mongo: &Mongo,
    aggregates: &[String],
    limit: i64,
) -> Result<Vec<UnsentEvent>, StoreError> {
    let mut held_back: Vec<Document> = Vec::new();
    loop {
        let mut free = doc! {"aggregate_id": {"$in": aggregates}, "sent_at": null};
        if !held_back.is_empty() {
            free.insert("$nor", held_back.clone());
        }
        let page: Vec<OutboxDocument> = collection(mongo)
            .find(free)
            .sort(doc! {"aggregate_id": 1, "aggregate_version": 1})
            .limit(limit)
            .await?
            .try_collect()
            .await?;
        let postponed = postponed(&page, DateTime::now());
        if postponed.is_empty() {
            return Ok(page.into_iter().map(UnsentEvent::from).collect());
        }
        // They may have filled the page.
        held_back.extend(postponed);
    }
}

/// The aggregates that have an event which waits for a retry; each is a filter of its aggregate as it is.
fn postponed(page: &[OutboxDocument], now: DateTime) -> Vec<Document> {
    let is_postponed = |event: &&OutboxDocument| event.retry_at.is_some_and(|retry_at| retry_at > now);
    let aggregates: BTreeSet<_> = page
        .iter()
        .filter(is_postponed)
        .map(|event| (event.aggregate_kind.as_str(), event.aggregate_id.as_str()))
        .collect();
    let filter = |(kind, id)| doc! {"aggregate_kind": kind, "aggregate_id": id};
    aggregates.into_iter().map(filter).collect()
}

impl From<OutboxDocument> for UnsentEvent {
    fn from(document: OutboxDocument) -> Self {
        Self { envelope: CloudEvent::from_bytes(document.envelope.as_bytes()), id: document.id }
    }
}

/// Marks events as sent.
pub async fn mark_sent(mongo: &Mongo, ids: &[String]) -> Result<(), StoreError> {
    let change = doc! {"$currentDate": {"sent_at": true}, "$inc": {"attempts": 1_i64}};
    collection(mongo).update_many(doc! {"_id": {"$in": ids}, "sent_at": null}, change).await?;
    Ok(())
}

/// Puts off an event that the broker refused, longer with each attempt, five minutes at most.
pub async fn postpone(mongo: &Mongo, id: &str) -> Result<(), StoreError> {
    let pause =
        doc! {"$multiply": [1_000_i64, {"$pow": [2, {"$min": [{"$ifNull": ["$attempts", 0_i64]}, 10]}]}]};
    let change = doc! {"$set": {
        "retry_at": {"$add": ["$$NOW", {"$min": [RETRY_PAUSE_MAX_MS, pause]}]},
        "attempts": {"$add": [{"$ifNull": ["$attempts", 0_i64]}, 1_i64]},
    }};
    collection(mongo).update_one(doc! {"_id": id, "sent_at": null}, vec![change]).await?;
    Ok(())
}

/// Sent events of some types that were made from `from` on and before `to`, after a place, in the order of their
/// making; at most `limit`, and never more than [`PAGE_MAX`].
pub async fn sent_between(
    mongo: &Mongo,
    (from, to): (Timestamp, Timestamp),
    types: &[&str],
    after: Option<EventId>,
    limit: i64,
) -> Result<Vec<SentEvent>, StoreError> {
    // Ids sort by the time of their making, and have an index.
    let first = |at| uuid_v7(at, [0; 10]).to_string();
    let mut made = doc! {"$gte": first(from), "$lt": first(to)};
    if let Some(place) = after {
        made.insert("$gt", place.to_string());
    }
    let filter = doc! {"_id": made, "sent_at": {"$ne": null}, "event_type": {"$in": types}};
    let index = Hint::Name("_id_".to_owned());
    let found =
        collection(mongo).find(filter).sort(doc! {"_id": 1}).limit(limit.min(PAGE_MAX)).hint(index).await?;
    let documents: Vec<_> = found.try_collect().await?;
    documents.iter().map(sent_event).collect()
}

fn sent_event(document: &OutboxDocument) -> Result<SentEvent, StoreError> {
    let id = document.id.parse::<EventId>();
    let id = id.map_err(|error| StoreError::Inconsistent(format!("an event's id: {error}")))?;
    Ok(SentEvent { id, envelope: CloudEvent::from_bytes(document.envelope.as_bytes()) })
}

/// How many events wait.
pub async fn backlog(mongo: &Mongo) -> Result<u64, StoreError> {
    let index = Hint::Name("unsent_oldest".to_owned());
    Ok(collection(mongo).count_documents(doc! {"sent_at": null}).hint(index).await?)
}

/// When the oldest event that waits was written; `None` when none does.
pub async fn oldest_unsent_at(mongo: &Mongo) -> Result<Option<Timestamp>, StoreError> {
    let index = Hint::Name("unsent_oldest".to_owned());
    let oldest =
        collection(mongo).find_one(doc! {"sent_at": null}).sort(doc! {"created_at": 1}).hint(index).await?;
    let Some(event) = oldest else {
        return Ok(None);
    };
    let at = Timestamp::from_millisecond(event.created_at.timestamp_millis());
    at.map(Some).map_err(|error| StoreError::Inconsistent(format!("an event's time: {error}")))
}

fn collection(mongo: &Mongo) -> Collection<OutboxDocument> {
    mongo.database.collection(COLLECTION)
}
