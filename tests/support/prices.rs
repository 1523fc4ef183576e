//! The history of prices as it is stored.

use bson::{Bson, Document, doc};
use domain::event::{CloudEvent, EventData, event_type};
use futures_util::TryStreamExt;
use secrecy::ExposeSecret;

use crate::Scope;

/// Every price that any variant ever had, in minor units, oldest first.
pub async fn history(scope: &Scope) -> Vec<i64> {
    let client = mongodb::Client::with_uri_str(scope.mongo.url.expose_secret()).await.expect("a client");
    let changes = client.database(&scope.mongo.database).collection::<Document>("price_changes");
    let found = changes.find(doc! {}).sort(doc! {"changed_at": 1}).await.expect("a cursor");
    let found: Vec<_> = found.try_collect().await.expect("documents");
    let prices = found.iter().flat_map(|change| change.get_array("prices").expect("prices"));
    let amount =
        |price: &Bson| price.as_document().expect("a price").get_i64("amount_minor").expect("an amount");
    prices.map(amount).collect()
}

/// Version and amount in minor units of every price that an event tells of, by version.
pub async fn told(scope: &Scope) -> Vec<(i64, i64)> {
    let client = mongodb::Client::with_uri_str(scope.mongo.url.expose_secret()).await.expect("a client");
    let outbox = client.database(&scope.mongo.database).collection::<Document>("outbox");
    let found = outbox.find(doc! {"event_type": event_type::PRICE_CHANGED});
    let found = found.sort(doc! {"aggregate_version": 1}).await.expect("a cursor");
    let found: Vec<_> = found.try_collect().await.expect("documents");
    let mut told = Vec::new();
    for event in found {
        let envelope = event.get_str("envelope").expect("an envelope");
        let envelope = CloudEvent::from_bytes(envelope.as_bytes()).expect("an event");
        let EventData::PriceChanged(change) = envelope.event_data().expect("known") else {
            panic!("{envelope:?}")
        };
        assert_eq!(
            (envelope.subject, envelope.aggregateversion),
            (format!("price/{}", change.product_id), change.version)
        );
        told.extend(change.prices.iter().map(|price| (change.version, price.amount_minor)));
    }
    told
}
