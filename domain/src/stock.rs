//! Stock: what lies in which warehouse, and the ledger that says why.

pub mod adjustment;
pub mod availability;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{MovementId, OrderId, VariantId};

/// A place where stock lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warehouse {
    /// Short name, such as `leeds`.
    pub code: String,
    /// Its name.
    pub name: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}

/// What lies in a warehouse of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockLevel {
    /// The variant.
    pub variant_id: VariantId,
    /// Its code.
    pub sku: String,
    /// Code of the warehouse.
    pub warehouse: String,
    /// Pieces there: the sum of the ledger.
    pub on_hand: i64,
    /// Of them promised to orders that are not paid yet.
    pub reserved: i64,
    /// Counts every change, from 1.
    pub version: i64,
}

impl StockLevel {
    /// Pieces that are left to sell.
    pub fn available(&self) -> i64 {
        self.on_hand - self.reserved
    }
}

/// Why stock changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MovementCause {
    /// Goods came in.
    Receipt,
    /// An order took them.
    Sale,
    /// A customer sent them back.
    Return,
    /// Lost, broken or found.
    Adjustment,
    /// To or from another warehouse.
    Transfer,
    /// Counted, and the count differed.
    StockTake,
}

impl MovementCause {
    /// The cause's name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Sale => "sale",
            Self::Return => "return",
            Self::Adjustment => "adjustment",
            Self::Transfer => "transfer",
            Self::StockTake => "stock_take",
        }
    }

    /// The cause of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Receipt, Self::Sale, Self::Return, Self::Adjustment, Self::Transfer, Self::StockTake]
            .into_iter()
            .find(|cause| cause.name() == name)
    }
}

/// A row of the ledger: only ever added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockMovement {
    /// The id; its millisecond is `occurred_at`.
    pub id: MovementId,
    /// When.
    pub occurred_at: Timestamp,
    /// Of which variant.
    pub variant_id: VariantId,
    /// Where: code of the warehouse.
    pub warehouse: String,
    /// Pieces that came (positive) or went (negative); never 0.
    pub delta: i64,
    /// What lay there afterwards; never negative.
    pub on_hand_after: i64,
    /// Why.
    pub cause: MovementCause,
    /// Who: such as `role:admin`. Never a name.
    pub actor: String,
    /// In words.
    pub reason: Option<String>,
    /// The order of a sale or return.
    pub order_id: Option<OrderId>,
}
