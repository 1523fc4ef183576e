//! What an event says, by its type. A new fact is a new line; a shape that loses or changes a field is a new version.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::InvalidEvent;
use crate::ids::{ImportRunId, MovementId, ProductId, VariantId};
use crate::stock::MovementCause;

/// One line per type: its data, its constant, its name (also the first part of its routing key), its aggregate's kind
/// and the fields that name it.
macro_rules! event_types {
    ($(
        $(#[doc = $documentation:literal])*
        $name:ident($data:ident), $constant:ident = $event_type:literal, of $kind:literal by $($field:ident)/+;
    )*) => {
        /// What happened.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum EventData {
            $($(#[doc = $documentation])* $name($data),)*
        }

        /// Every event type.
        pub mod event_type {
            $($(#[doc = $documentation])* pub const $constant: &str = $event_type;)*
            /// All of them.
            pub const ALL: &[&str] = &[$($constant),*];
        }

        impl EventData {
            /// The CloudEvents `type`.
            pub fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => event_type::$constant,)*
                }
            }

            /// Kind and id of what it is about.
            pub(super) fn aggregate(&self) -> (&'static str, String) {
                match self {
                    $(Self::$name(data) => ($kind, [$(data.$field.to_string()),+].join("/")),)*
                }
            }

            pub(super) fn to_json(&self) -> serde_json::Value {
                match self {
                    $(Self::$name(data) => serde_json::to_value(data),)*
                }
                .expect("plain data becomes JSON")
            }

            pub(super) fn read(event_type: &str, data: serde_json::Value) -> Result<Self, InvalidEvent> {
                match event_type {
                    $(event_type::$constant => Ok(Self::$name(serde_json::from_value(data)?)),)*
                    unknown => Err(InvalidEvent::UnknownType(unknown.to_owned())),
                }
            }

            /// Every type with what it means, the kind of its aggregate, and the JSON Schema of its data.
            pub(super) fn schemas() -> Vec<EventSchema> {
                vec![$(EventSchema {
                    event_type: event_type::$constant,
                    name: stringify!($name),
                    description: concat!($($documentation),*).trim(),
                    aggregate_kind: $kind,
                    data: schemars::schema_for!($data),
                }),*]
            }
        }
    };
}

event_types! {
    /// A product was made or changed.
    ProductChanged(ProductChanged), PRODUCT_CHANGED = "product.changed.v1", of "product" by product_id;
    /// A product was deleted. Should it come back, its versions go on.
    ProductDeleted(ProductDeleted), PRODUCT_DELETED = "product.deleted.v1", of "product" by product_id;
    /// Variants of a product cost something else from now on.
    PriceChanged(PriceChanged), PRICE_CHANGED = "price.changed.v1", of "price" by product_id;
    /// What lies of a variant in a warehouse changed.
    InventoryChanged(StockChanged), INVENTORY_CHANGED = "inventory.changed.v1", of "stock" by variant_id/warehouse;
    /// Few pieces of a variant are left in all warehouses.
    InventoryLow(VariantAvailability), INVENTORY_LOW = "inventory.low.v1", of "availability" by variant_id;
    /// No piece of a variant is left to sell.
    OutOfStock(VariantAvailability), OUT_OF_STOCK = "inventory.out-of-stock.v1", of "availability" by variant_id;
    /// A variant that had run out can be bought again.
    BackInStock(VariantAvailability), BACK_IN_STOCK = "inventory.back-in-stock.v1", of "availability" by variant_id;
    /// An import of an order history ended.
    OrdersImported(OrdersImported), ORDERS_IMPORTED = "orders.imported.v1", of "import_run" by import_run_id;
    /// Searches are answered by another tuning from now on.
    SearchTuningPublished(SearchTuningPublished), SEARCH_TUNING_PUBLISHED = "search-tuning.published.v1",
        of "search_tuning" by scope;
}

/// A product that was made or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProductChanged {
    /// The product.
    #[schemars(with = "uuid::Uuid")]
    pub product_id: ProductId,
    /// Its version after the change.
    pub version: i64,
}

/// A product that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProductDeleted {
    /// The product.
    #[schemars(with = "uuid::Uuid")]
    pub product_id: ProductId,
    /// One more than the last version that it had.
    pub version: i64,
}

/// New prices of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PriceChanged {
    /// The product.
    #[schemars(with = "uuid::Uuid")]
    pub product_id: ProductId,
    /// The product's version after the change.
    pub version: i64,
    /// The variants whose price changed.
    pub prices: Vec<PricedVariant>,
}

/// What a variant costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PricedVariant {
    /// The variant.
    #[schemars(with = "uuid::Uuid")]
    pub variant_id: VariantId,
    /// Price with tax, in the currency's minor units.
    pub amount_minor: i64,
    /// ISO 4217 code.
    pub currency: String,
}

/// What lies of a variant in a warehouse, and what changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockChanged {
    /// The variant.
    #[schemars(with = "uuid::Uuid")]
    pub variant_id: VariantId,
    /// Its code.
    pub sku: String,
    /// Code of the warehouse.
    pub warehouse: String,
    /// Pieces there after the change.
    pub on_hand: i64,
    /// Of them promised to orders that are not paid yet.
    pub reserved: i64,
    /// The row of the ledger that says why.
    #[schemars(with = "uuid::Uuid")]
    pub movement_id: MovementId,
    /// Pieces that came (positive) or went (negative).
    pub delta: i64,
    /// Why.
    pub cause: MovementCause,
}

/// What is left of a variant in all warehouses together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VariantAvailability {
    /// The variant.
    #[schemars(with = "uuid::Uuid")]
    pub variant_id: VariantId,
    /// Its code.
    pub sku: String,
    /// Pieces that are left to sell.
    pub available: i64,
}

/// An import of an order history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrdersImported {
    /// The run that brought them.
    #[schemars(with = "uuid::Uuid")]
    pub import_run_id: ImportRunId,
    /// The channel that they belong to.
    pub channel: String,
    /// Documents added.
    pub orders: i64,
    /// Lines added.
    pub lines: i64,
}

/// A release of search tuning that went live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchTuningPublished {
    /// Whose searches: `shop` is all of them.
    pub scope: String,
    /// Number of the release.
    pub release: i64,
    /// Whether it has the tuning of a release of before again.
    pub is_rollback: bool,
}

/// A type of events, for documents.
pub(super) struct EventSchema {
    pub event_type: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    pub aggregate_kind: &'static str,
    pub data: schemars::Schema,
}
