//! The rows of the ledger as they come.

use domain::stock::{MovementCause, StockMovement};
use jiff::Timestamp;
use rand::Rng;
use rand::rngs::SmallRng;
use uuid::Uuid;

use crate::calendar::at_millisecond;
use crate::random::stream;

/// Movements with ids that go up, within a millisecond too: what lay there after each of them is in order.
#[derive(Debug)]
pub struct Ledger {
    chance: SmallRng,
    millisecond: i64,
    within: u32,
    movements: Vec<StockMovement>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(seed: u64) -> Self {
        Self { chance: stream(seed, "ledger", 0), millisecond: 0, within: 0, movements: Vec::new() }
    }

    /// The id of the next movement; moments only ever go on.
    pub fn next_id(&mut self, at: i64) -> Uuid {
        self.within = if at == self.millisecond { self.within + 1 } else { 0 };
        self.millisecond = at;
        id_within(at_millisecond(at), self.within, &mut self.chance)
    }

    /// Adds a row.
    pub fn add(&mut self, movement: StockMovement) {
        self.movements.push(movement);
    }

    /// The rows since the last call.
    pub fn take(&mut self) -> Vec<StockMovement> {
        std::mem::take(&mut self.movements)
    }
}

/// Who did it, and why in words.
pub fn who_and_why(cause: MovementCause) -> (&'static str, Option<&'static str>) {
    match cause {
        MovementCause::Receipt => ("role:warehouse", None),
        MovementCause::Sale | MovementCause::Return => ("system:orders", None),
        MovementCause::Adjustment => ("role:warehouse", Some("came back damaged")),
        MovementCause::Transfer => ("role:warehouse", Some("refilled from the main warehouse")),
        MovementCause::StockTake => ("role:warehouse", Some("yearly count")),
    }
}

/// A UUIDv7 whose highest random bits count within the millisecond, up to 2^18 - 1.
fn id_within(at: Timestamp, within: u32, chance: &mut impl Rng) -> Uuid {
    let mut random = [0; 10];
    chance.fill_bytes(&mut random);
    // Version and variant take the upper four bits of the first byte and the upper two of the third.
    random[0] = (within >> 14) as u8 & 0x0f;
    random[1] = (within >> 6) as u8;
    random[2] = within as u8 & 0x3f;
    domain::ids::uuid_v7(at, random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_up_within_a_millisecond() {
        let mut ledger = Ledger::new(1);
        let mut ids: Vec<_> = (0..100_000).map(|_| ledger.next_id(1_700_000_000_000)).collect();
        ids.extend((0..10).map(|_| ledger.next_id(1_700_000_000_001)));
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
    }
}
