//! Stock that a person changes: a delivery, something lost or found, a count that differed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::availability::{Availability, Crossing};
use super::{MovementCause, StockLevel, StockMovement};
use crate::event::{Cause, Event, EventData, StockChanged, VariantAvailability};
use crate::field_error::FieldError;
use crate::ids::{EventId, MovementId, VariantId, uuid_v7_time};

/// Most pieces that come or go at once.
pub const DELTA_MAX: i64 = 1_000_000;
/// Most pieces of a variant in a warehouse.
pub const ON_HAND_MAX: i64 = 1_000_000_000_000;
/// Longest reason, in characters.
pub const REASON_LENGTH_MAX: usize = 200;
/// Longest code of a warehouse, in bytes.
pub const WAREHOUSE_LENGTH_MAX: usize = 60;
/// Why a person may change stock; sales, returns and transfers write their rows of the ledger themselves.
const CAUSES: [MovementCause; 3] =
    [MovementCause::Receipt, MovementCause::Adjustment, MovementCause::StockTake];

/// A change of what lies in a warehouse, as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockAdjustment {
    /// Of which variant.
    pub variant_id: VariantId,
    /// Code of the warehouse.
    pub warehouse: String,
    /// Pieces that came (positive) or went (negative).
    pub delta: i64,
    /// Why.
    pub cause: MovementCause,
    /// Why, in words.
    pub reason: String,
}

/// Why stock cannot be changed so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdjustmentError {
    /// More would go than is there and not reserved.
    #[error("{on_hand} are there, {reserved} of them reserved")]
    TooFew {
        /// Pieces there.
        on_hand: i64,
        /// Of them promised to orders.
        reserved: i64,
    },
    /// More would lie there than any warehouse holds.
    #[error("{on_hand} are there, and there cannot be more than {ON_HAND_MAX}")]
    TooMany {
        /// Pieces there.
        on_hand: i64,
    },
}

/// What was last told of a variant's availability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedAvailability {
    /// How it was.
    pub state: Availability,
    /// Counts the borders that were crossed.
    pub version: i64,
}

/// What there is of a variant in all warehouses, and what was told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VariantStock {
    /// What lies in each warehouse that ever had it.
    pub levels: Vec<StockLevel>,
    /// `None`: no border was ever crossed.
    pub recorded: Option<RecordedAvailability>,
}

/// What an adjustment makes of a variant's stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustedStock {
    /// What lies in the warehouse now.
    pub level: StockLevel,
    /// The row of the ledger.
    pub movement: StockMovement,
    /// Pieces that are left to sell in all warehouses.
    pub available: i64,
    /// What is to be recorded of the availability; `None`: what is recorded still holds.
    pub recorded: Option<RecordedAvailability>,
    /// What somebody wants to be told.
    pub crossing: Option<Crossing>,
}

impl StockAdjustment {
    /// Every field that is wrong.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut add = |pointer: &str, code, detail: String| {
            errors.push(FieldError::new(pointer, code, detail));
        };
        if !is_warehouse_code(&self.warehouse) {
            add("/warehouse", "invalid", "lower-case letters, digits and hyphens, at most 60".to_owned());
        }
        if self.delta == 0 || !(-DELTA_MAX..=DELTA_MAX).contains(&self.delta) {
            add("/delta", "out_of_range", format!("not 0, between -{DELTA_MAX} and {DELTA_MAX}"));
        }
        if !CAUSES.contains(&self.cause) {
            let names = CAUSES.map(MovementCause::name).join(", ");
            add("/cause", "invalid", format!("one of {names}"));
        }
        if self.reason.trim().is_empty() {
            add("/reason", "required", "must not be empty".to_owned());
        }
        if self.reason.chars().count() > REASON_LENGTH_MAX {
            add("/reason", "too_long", format!("at most {REASON_LENGTH_MAX} characters"));
        }
        if self.reason.contains('\0') {
            add("/reason", "invalid", "must not hold a NUL character".to_owned());
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

fn is_warehouse_code(text: &str) -> bool {
    (1..=WAREHOUSE_LENGTH_MAX).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

impl VariantStock {
    /// Its code, as far as any warehouse has it.
    pub fn sku(&self) -> Option<&str> {
        self.levels.first().map(|level| level.sku.as_str())
    }

    /// What lies in a warehouse; `None`: it never had the variant.
    pub fn level(&self, warehouse: &str) -> Option<&StockLevel> {
        self.levels.iter().find(|level| level.warehouse == warehouse)
    }

    /// Pieces that are left to sell in all warehouses.
    pub fn available(&self) -> i64 {
        self.levels.iter().map(StockLevel::available).sum()
    }

    /// How much there was when it was last told. What no warehouse ever had is not counted, and so not missing.
    fn availability(&self) -> Availability {
        match self.recorded {
            Some(recorded) => recorded.state,
            None if self.levels.is_empty() => Availability::InStock,
            None => Availability::of(self.available()),
        }
    }

    /// The stock after an adjustment that was checked. `at` is later than the warehouse's last row of the ledger; the
    /// row's id is made of it and of `random`.
    pub fn adjust(
        &self,
        adjustment: &StockAdjustment,
        sku: &str,
        actor: &str,
        (at, random): (Timestamp, [u8; 10]),
    ) -> Result<AdjustedStock, AdjustmentError> {
        let StockAdjustment { variant_id, warehouse, delta, cause, reason } = adjustment;
        let before = self.level(warehouse);
        let (on_hand, reserved) = before.map_or((0, 0), |level| (level.on_hand, level.reserved));
        let after = on_hand.saturating_add(*delta);
        if *delta < 0 && after < reserved {
            return Err(AdjustmentError::TooFew { on_hand, reserved });
        }
        if after > ON_HAND_MAX {
            return Err(AdjustmentError::TooMany { on_hand });
        }
        let id = MovementId::new(at, random);
        let level = StockLevel {
            variant_id: *variant_id,
            sku: before.map_or(sku, |level| level.sku.as_str()).to_owned(),
            warehouse: warehouse.clone(),
            on_hand: after,
            reserved,
            version: before.map_or(0, |level| level.version) + 1,
        };
        let movement = StockMovement {
            id,
            occurred_at: uuid_v7_time(id.0).expect("made as version 7"),
            variant_id: *variant_id,
            warehouse: warehouse.clone(),
            delta: *delta,
            on_hand_after: after,
            cause: *cause,
            actor: actor.to_owned(),
            reason: Some(reason.clone()),
            order_id: None,
        };
        let available = self.available() + delta;
        let (recorded, crossing) = self.told_after(Availability::of(available));
        Ok(AdjustedStock { level, movement, available, recorded, crossing })
    }

    /// What is to be recorded and told when the availability is that now. The version counts what is told.
    fn told_after(&self, state: Availability) -> (Option<RecordedAvailability>, Option<Crossing>) {
        let version = self.recorded.map_or(0, |recorded| recorded.version);
        let crossing = self.availability().crossing(state);
        let recorded = match crossing {
            Some(_) => Some(RecordedAvailability { state, version: version + 1 }),
            None => self
                .recorded
                .filter(|recorded| recorded.state != state)
                .map(|recorded| RecordedAvailability { state, ..recorded }),
        };
        (recorded, crossing)
    }
}

impl AdjustedStock {
    /// What happened, as events: of the level, and of the variant when a border was crossed.
    pub fn events(&self, time: Timestamp, cause: &Cause, mut id: impl FnMut() -> EventId) -> Vec<Event> {
        let Self { level, movement, available, recorded, crossing } = self;
        let changed = EventData::InventoryChanged(StockChanged {
            variant_id: level.variant_id,
            sku: level.sku.clone(),
            warehouse: level.warehouse.clone(),
            on_hand: level.on_hand,
            reserved: level.reserved,
            movement_id: movement.id,
            delta: movement.delta,
            cause: movement.cause,
        });
        let mut events = vec![Event::new(id(), time, changed, level.version, cause.clone())];
        if let (Some(crossing), Some(recorded)) = (crossing, recorded) {
            let of_variant = VariantAvailability {
                variant_id: level.variant_id,
                sku: level.sku.clone(),
                available: *available,
            };
            let data = match crossing {
                Crossing::RanOut => EventData::OutOfStock(of_variant),
                Crossing::BecameLow => EventData::InventoryLow(of_variant),
                Crossing::CameBack => EventData::BackInStock(of_variant),
            };
            events.push(Event::new(id(), time, data, recorded.version, cause.clone()));
        }
        events
    }
}

#[cfg(test)]
mod tests;
