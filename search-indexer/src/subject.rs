//! Which product an event asks to be indexed: one that is named, or the one that has a SKU.

use std::collections::HashMap;

use domain::event::{CloudEvent, EventData};
use domain::ids::ProductId;
use process::error_chain;
use store::mongo::products;

use crate::projection::{Projection, ProjectionError, within_deadline};

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A product.
    Product(ProductId),
    /// The product that has a variant of this SKU.
    Sku(String),
}

/// The product of each SKU, `None` when no product has it. A SKU is missing when its product cannot be read though
/// nothing is away.
pub(crate) type Owners = HashMap<String, Option<ProductId>>;

impl Subject {
    /// What an event that changes a document is about; any other is refused, in words.
    pub(crate) fn of(event: &CloudEvent) -> Result<Self, String> {
        match event.event_data() {
            Ok(EventData::ProductChanged(changed)) => Ok(Self::Product(changed.product_id)),
            Ok(EventData::ProductDeleted(deleted)) => Ok(Self::Product(deleted.product_id)),
            Ok(EventData::OutOfStock(variant) | EventData::BackInStock(variant)) => {
                Ok(Self::Sku(variant.sku))
            }
            Ok(other) => Err(format!("unexpected event {}: {}", event.id, other.event_type())),
            Err(error) => Err(format!("event {}: {error}", event.id)),
        }
    }
}

/// Looks for the products of some SKUs. When that fails for many though nothing is away, each is looked for alone, so
/// that one cannot hold back the others.
pub(crate) async fn owners(projection: &Projection, skus: &[&str]) -> Result<Owners, ProjectionError> {
    match owners_together(projection, skus).await {
        Err(error) if !error.is_unavailable() => {}
        result => return result,
    }
    let mut owners = Owners::new();
    for sku in skus {
        match owners_together(projection, std::slice::from_ref(sku)).await {
            Ok(found) => owners.extend(found),
            Err(error) if error.is_unavailable() => return Err(error),
            Err(error) => tracing::error!(sku, error = error_chain::text(&error), "a product cannot be read"),
        }
    }
    Ok(owners)
}

async fn owners_together(projection: &Projection, skus: &[&str]) -> Result<Owners, ProjectionError> {
    let found = within_deadline(find(projection, skus)).await?;
    Ok(skus.iter().map(|sku| ((*sku).to_owned(), found.get(*sku).copied())).collect())
}

async fn find(projection: &Projection, skus: &[&str]) -> Result<HashMap<String, ProductId>, ProjectionError> {
    let found = products::find_skus(&projection.mongo, skus).await?;
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use domain::event::{Cause, Event, OrdersImported, ProductDeleted, VariantAvailability};
    use domain::ids::{EventId, ImportRunId, VariantId};
    use jiff::Timestamp;

    use super::*;

    fn event(data: EventData) -> CloudEvent {
        let at = Timestamp::UNIX_EPOCH;
        Event::new(EventId::new(at, [1; 10]), at, data, 1, Cause::default()).to_cloud_event()
    }

    fn availability() -> VariantAvailability {
        let variant_id = VariantId::new(Timestamp::UNIX_EPOCH, [3; 10]);
        VariantAvailability { variant_id, sku: "SHIRT-M".to_owned(), available: 0 }
    }

    #[test]
    fn products_are_named_and_stock_by_its_sku() {
        let product_id = ProductId::new(Timestamp::UNIX_EPOCH, [2; 10]);
        let deleted = EventData::ProductDeleted(ProductDeleted { product_id, version: 2 });
        assert_eq!(Subject::of(&event(deleted)), Ok(Subject::Product(product_id)));
        for data in [EventData::OutOfStock(availability()), EventData::BackInStock(availability())] {
            assert_eq!(Subject::of(&event(data)), Ok(Subject::Sku("SHIRT-M".to_owned())));
        }
    }

    #[test]
    fn what_changes_no_document_is_refused() {
        let import_run_id = ImportRunId::new(Timestamp::UNIX_EPOCH, [4; 10]);
        let imported = OrdersImported { import_run_id, channel: "old".to_owned(), orders: 1, lines: 1 };
        for data in [EventData::OrdersImported(imported), EventData::InventoryLow(availability())] {
            assert!(Subject::of(&event(data)).is_err_and(|reason| reason.contains("unexpected event")));
        }
        let unreadable =
            CloudEvent { data: serde_json::json!({}), ..event(EventData::OutOfStock(availability())) };
        assert!(Subject::of(&unreadable).is_err());
    }
}
