//! The tables that a run extracts.

use polars::prelude::*;

use super::column;

/// A table of the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Lines of orders and of refunds.
    Lines,
    /// Orders, and refunds as documents of their own.
    Documents,
    /// Attempts to pay.
    Payments,
    /// Movements of stock.
    Movements,
    /// Accounts.
    Users,
    /// The catalogue; not by day.
    Products,
}

impl Table {
    /// What an order's change changes.
    pub const OF_ORDERS: [Self; 3] = [Self::Lines, Self::Documents, Self::Payments];
    /// What lies in days.
    pub const BY_DAY: [Self; 5] =
        [Self::Lines, Self::Documents, Self::Payments, Self::Movements, Self::Users];

    /// Name of the folder, and in a manifest.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Lines => "orders",
            Self::Documents => "documents",
            Self::Payments => "payments",
            Self::Movements => "stock",
            Self::Users => "users",
            Self::Products => "products",
        }
    }

    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Lines => "lines.parquet",
            Self::Documents => "documents.parquet",
            Self::Payments => "payments.parquet",
            Self::Movements => "movements.parquet",
            Self::Users => "users.parquet",
            Self::Products => "products.parquet",
        }
    }

    /// Its columns, in order.
    pub fn schema(self) -> Schema {
        let time = || DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
        let (id, text, number) = (DataType::Binary, DataType::String, DataType::Int64);
        let document = [
            (column::ORDER_ID, id.clone()),
            (column::REFUND_ID, id.clone()),
            (column::NUMBER, text.clone()),
            (column::KIND, text.clone()),
            (column::STATUS, text.clone()),
            (column::CUSTOMER, text.clone()),
            (column::COUNTRY, text.clone()),
            (column::CURRENCY, text.clone()),
        ];
        let own = match self {
            Self::Lines => vec![
                (column::LINE_NUMBER, DataType::Int32),
                (column::OCCURRED_AT, time()),
                (column::SKU, text.clone()),
                (column::PRODUCT_ID, text),
                (column::QUANTITY, number.clone()),
                (column::UNIT_PRICE_MICROS, number.clone()),
                (column::DISCOUNT_MICROS, number.clone()),
                (column::AMOUNT_MICROS, number),
            ],
            Self::Documents => vec![
                (column::OCCURRED_AT, time()),
                (column::PROMOTION_CODE, text),
                (column::DISCOUNT_MINOR, number.clone()),
                (column::SHIPPING_MINOR, number.clone()),
                (column::TAX_MINOR, number.clone()),
                (column::TOTAL_MINOR, number),
            ],
            Self::Payments => vec![
                (column::PAYMENT_ID, id.clone()),
                (column::ORDER_ID, id),
                (column::OCCURRED_AT, time()),
                (column::PROVIDER, text.clone()),
                (column::STATUS, text.clone()),
                (column::FAILURE_CODE, text.clone()),
                (column::CURRENCY, text),
                (column::AMOUNT_MINOR, number),
            ],
            Self::Movements => vec![
                (column::MOVEMENT_ID, id.clone()),
                (column::OCCURRED_AT, time()),
                (column::VARIANT_ID, id.clone()),
                (column::SKU, text.clone()),
                (column::WAREHOUSE, text.clone()),
                (column::DELTA, number.clone()),
                (column::ON_HAND_AFTER, number),
                (column::CAUSE, text),
                (column::ORDER_ID, id),
            ],
            Self::Users => {
                vec![(column::USER_ID, id), (column::REGISTERED_AT, time()), (column::STATUS, text)]
            }
            Self::Products => {
                vec![
                    (column::PRODUCT_ID, text.clone()),
                    (column::TITLE, text.clone()),
                    (column::CATEGORY, text),
                ]
            }
        };
        let document = document.into_iter().filter(|_| matches!(self, Self::Lines | Self::Documents));
        Schema::from_iter(document.chain(own).map(|(name, dtype)| Field::new(name.into(), dtype)))
    }
}
