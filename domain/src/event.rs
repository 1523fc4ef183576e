//! Change events: what happened to which aggregate, as CloudEvents 1.0.

mod asyncapi;
mod compatible;
mod data;
mod schema;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{EventId, ProductId};
use crate::tuning::release::Release;

pub use asyncapi::EXCHANGE;
pub use compatible::breaking_changes;
pub use data::{
    EventData, OrdersImported, PriceChanged, PricedVariant, ProductChanged, ProductDeleted,
    SearchTuningPublished, StockChanged, VariantAvailability, event_type,
};
pub use schema::documents;

/// Number of shards that aggregates are spread over; order is kept within an aggregate, hence within a shard.
pub const SHARD_COUNT: u16 = 16;
/// CloudEvents `source` of every event.
pub const SOURCE: &str = "/entrepot";
/// AMQP content type of an event in structured mode.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// The thing that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// `product`, `price`, `stock`, `availability`, `import_run`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// Its version after the change, from 1; gapless, but for `price`, which takes those of its product.
    pub version: i64,
}

impl Aggregate {
    /// The shard of the aggregate: all its events share it.
    pub fn shard(&self) -> i16 {
        shard(self.kind, &self.id)
    }
}

/// The shard of an aggregate, 0 to `SHARD_COUNT - 1`.
pub fn shard(kind: &str, id: &str) -> i16 {
    let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(id).finalize();
    i16::try_from(u16::from_be_bytes([digest[0], digest[1]]) % SHARD_COUNT).expect("below 16")
}

/// Who did it, because of what, in which trace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Such as `role:admin` or `import:<run>`. Never a name or an address.
    pub actor: String,
    /// Id of the request or event that led here.
    pub request_id: Option<String>,
    /// W3C Trace Context.
    pub traceparent: Option<String>,
}

/// An event as a store keeps it and the broker carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique; a consumer that has seen it is done.
    pub id: EventId,
    /// When it happened.
    pub time: Timestamp,
    /// To what.
    pub aggregate: Aggregate,
    /// By whom and why.
    pub cause: Cause,
    /// What.
    pub data: EventData,
}

/// The CloudEvents 1.0 envelope: attributes and extensions in lower case, as the standard asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudEvent {
    /// Always `1.0`.
    pub specversion: String,
    /// Event id.
    pub id: EventId,
    /// Always [`SOURCE`].
    pub source: String,
    /// One of [`event_type`].
    #[serde(rename = "type")]
    pub event_type: String,
    /// `<aggregate kind>/<aggregate id>`.
    pub subject: String,
    /// When it happened.
    pub time: Timestamp,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// Version of the aggregate after the event.
    pub aggregateversion: i64,
    /// Who did it.
    pub actor: String,
    /// Request or event that led here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub causeid: Option<String>,
    /// Distributed tracing extension.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub traceparent: Option<String>,
    /// The event's own data.
    pub data: serde_json::Value,
}

/// Why a message is no event of ours.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEvent {
    /// Not a CloudEvent, or its data has another shape.
    #[error("not a well-formed event")]
    Malformed(#[from] serde_json::Error),
    /// A type that this build does not know.
    #[error("unknown event type {0:?}")]
    UnknownType(String),
}

impl Event {
    /// A product was made or changed.
    pub fn product_changed(
        id: EventId,
        time: Timestamp,
        product: ProductId,
        version: i64,
        cause: Cause,
    ) -> Self {
        let data = ProductChanged { product_id: product, version };
        Self::new(id, time, EventData::ProductChanged(data), version, cause)
    }

    /// An import of an order history ended. A run ends once, so its version is 1.
    pub fn orders_imported(id: EventId, time: Timestamp, data: OrdersImported, cause: Cause) -> Self {
        Self::new(id, time, EventData::OrdersImported(data), 1, cause)
    }

    /// A release of search tuning went live. The releases of the shop are the versions of one aggregate.
    pub fn search_tuning_published(id: EventId, release: &Release, cause: Cause) -> Self {
        let Release { number, restores, published_at, .. } = *release;
        let is_rollback = restores.is_some();
        let data = SearchTuningPublished { scope: "shop".to_owned(), release: number, is_rollback };
        Self::new(id, published_at, EventData::SearchTuningPublished(data), number, cause)
    }

    /// Something happened to what the data is about, which has that version now.
    pub fn new(id: EventId, time: Timestamp, data: EventData, version: i64, cause: Cause) -> Self {
        let (kind, aggregate_id) = data.aggregate();
        Self { id, time, aggregate: Aggregate { kind, id: aggregate_id, version }, cause, data }
    }

    /// The envelope that stores and the broker carry.
    pub fn to_cloud_event(&self) -> CloudEvent {
        CloudEvent {
            specversion: "1.0".to_owned(),
            id: self.id,
            source: SOURCE.to_owned(),
            event_type: self.data.event_type().to_owned(),
            subject: format!("{}/{}", self.aggregate.kind, self.aggregate.id),
            time: self.time,
            datacontenttype: "application/json".to_owned(),
            aggregateversion: self.aggregate.version,
            actor: self.cause.actor.clone(),
            causeid: self.cause.request_id.clone(),
            traceparent: self.cause.traceparent.clone(),
            data: self.data.to_json(),
        }
    }
}

impl CloudEvent {
    /// Reads a message of the broker.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidEvent> {
        Ok(serde_json::from_slice(bytes)?)
    }

    /// Reads an envelope that a store kept as JSON.
    pub fn from_json(envelope: serde_json::Value) -> Result<Self, InvalidEvent> {
        Ok(serde_json::from_value(envelope)?)
    }

    /// The event's own data by its type.
    pub fn event_data(&self) -> Result<EventData, InvalidEvent> {
        EventData::read(&self.event_type, self.data.clone())
    }

    /// The shard of the aggregate that it is about.
    pub fn shard(&self) -> i16 {
        let (kind, id) = self.subject.split_once('/').unwrap_or((&self.subject, ""));
        shard(kind, id)
    }

    /// What the broker routes it by: type and shard, such as `product.changed.v1.07`.
    pub fn routing_key(&self) -> String {
        format!("{}.{:02}", self.event_type, self.shard())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let at = Timestamp::from_second(1_700_000_000).expect("in range");
        let cause = Cause { actor: "role:admin".into(), request_id: Some("r".into()), traceparent: None };
        Event::product_changed(EventId::new(at, [1; 10]), at, ProductId::new(at, [2; 10]), 3, cause)
    }

    #[test]
    fn an_event_survives_the_wire() {
        let event = event();
        let bytes = serde_json::to_vec(&event.to_cloud_event()).expect("JSON");
        let read = CloudEvent::from_bytes(&bytes).expect("well-formed");
        assert_eq!(read.event_data().expect("known"), event.data);
        assert_eq!(read.aggregateversion, 3);
        assert_eq!(read.shard(), event.aggregate.shard());
        assert_eq!(read.routing_key(), format!("product.changed.v1.{:02}", event.aggregate.shard()));
    }

    #[test]
    fn shards_are_spread_and_stable() {
        let mut seen = std::collections::HashSet::new();
        for number in 0..500 {
            let shard = shard("product", &number.to_string());
            assert!((0..16).contains(&shard));
            seen.insert(shard);
        }
        assert_eq!(seen.len(), 16);
        assert_eq!(shard("product", "1"), shard("product", "1"));
    }

    #[test]
    fn an_unknown_type_is_named() {
        let mut envelope = event().to_cloud_event();
        envelope.event_type = "cart.abandoned.v9".into();
        assert!(matches!(envelope.event_data(), Err(InvalidEvent::UnknownType(_))));
    }
}
