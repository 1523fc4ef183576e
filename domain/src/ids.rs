//! The typed ids. UUID version 7 (RFC 9562), so ids sort by the time of their making.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID: {0}")]
pub struct InvalidId(pub String);

/// Sixteen bytes of UUID version 7: 48 bits of milliseconds, then `random` without its version and variant bits.
pub fn uuid_v7(at: Timestamp, random: [u8; 10]) -> Uuid {
    let millisecond = at.as_millisecond().max(0).unsigned_abs();
    uuid::Builder::from_unix_timestamp_millis(millisecond, &random).into_uuid()
}

/// The millisecond that a UUID version 7 was made for; `None` for another version.
pub fn uuid_v7_time(id: Uuid) -> Option<Timestamp> {
    (id.get_version_num() == 7).then(|| {
        let millisecond = i64::try_from(id.as_u128() >> 80).expect("48 bits fit");
        Timestamp::from_millisecond(millisecond).expect("48 bits of milliseconds are within the calendar")
    })
}

macro_rules! typed_id {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id for that time; `random` comes from the caller.
            pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
                Self(uuid_v7(at, random))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId(text.to_owned()))
            }
        }
    };
}

typed_id!(
    /// A product of the catalogue.
    ProductId
);
typed_id!(
    /// A variant: what is bought, with a SKU of its own.
    VariantId
);
typed_id!(
    /// An order, or a document of an imported history.
    OrderId
);
typed_id!(
    /// A registered person.
    UserId
);
typed_id!(
    /// A change event: its CloudEvents `id`.
    EventId
);
typed_id!(
    /// One run of an importer.
    ImportRunId
);
typed_id!(
    /// A category of the catalogue.
    CategoryId
);
typed_id!(
    /// A review of a product.
    ReviewId
);
typed_id!(
    /// A draft of search tuning.
    DraftId
);
typed_id!(
    /// An experiment with the tuning of the search.
    ExperimentId
);
typed_id!(
    /// An attempt to pay an order.
    PaymentId
);
typed_id!(
    /// Money given back.
    RefundId
);
typed_id!(
    /// A change of stock: a row of the ledger.
    MovementId
);
typed_id!(
    /// One visit of a shopper.
    SessionId
);
typed_id!(
    /// An endpoint that gets webhooks.
    WebhookId
);
typed_id!(
    /// An event on its way to an endpoint.
    DeliveryId
);

impl OrderId {
    /// The order's `created_at`, which is its partition key: the id's own millisecond.
    pub fn created_at(self) -> Option<Timestamp> {
        uuid_v7_time(self.0)
    }
}

impl VariantId {
    /// The id of a variant that its product knows by nothing but its SKU: the same each time.
    pub fn of_sku(product: ProductId, sku: &str) -> Self {
        Self(Uuid::new_v5(&product.0, format!("sku\n{sku}").as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_gives_back_its_own_millisecond(millisecond in 0i64..200_000_000_000_000, random: [u8; 10]) {
            let at = Timestamp::from_millisecond(millisecond).expect("in range");
            prop_assert_eq!(OrderId::new(at, random).created_at(), Some(at));
        }

        #[test]
        fn ids_sort_by_time(first in 0i64..200_000_000_000_000, second in 0i64..200_000_000_000_000, random: [u8; 10]) {
            prop_assume!(first < second);
            let at = |millisecond| Timestamp::from_millisecond(millisecond).expect("in range");
            prop_assert!(OrderId::new(at(first), random) < OrderId::new(at(second), random));
        }
    }

    #[test]
    fn another_version_has_no_time() {
        assert_eq!(uuid_v7_time(Uuid::nil()), None);
        assert!("42".parse::<OrderId>().is_err());
    }
}
