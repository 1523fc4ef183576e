//! Stock: three warehouses, what lies there, what comes in when, and the ledger of it all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use domain::ids::{MovementId, OrderId};
use domain::stock::{MovementCause, StockLevel, StockMovement, Warehouse};
use rand::{Rng, RngExt};

use crate::assortment::Assortment;
use crate::calendar::at_millisecond;
use crate::country::Country;
use crate::random::stream;
use crate::shop::Size;

mod ledger;
mod plan;

pub use ledger::Ledger;
use plan::Plan;

/// Code, name and country of the warehouses; the first one has everything.
pub const WAREHOUSES: [(&str, &str, &str); 3] =
    [("leeds", "Leeds", "GB"), ("dublin", "Dublin", "IE"), ("rotterdam", "Rotterdam", "NL")];

const DAY_MS: i64 = 86_400_000;
/// Share of what customers send back that cannot be sold again: assumed.
const WRITTEN_OFF: f64 = 0.08;
/// Share of counts that find a difference: assumed.
const MISCOUNTED: f64 = 0.03;
/// How often a smaller warehouse is filled from the main one rather than by the supplier: assumed.
const TRANSFERRED: f64 = 0.4;
/// Share of the deliveries that are late: assumed.
const LATE: f64 = 0.1;

/// What will happen to stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// A product's first pieces come in.
    Opening { item: u32 },
    /// A delivery of the supplier.
    Receipt { slot: u32, quantity: i64 },
    /// From the main warehouse to this one.
    Transfer { slot: u32, quantity: i64 },
    /// A paid order takes its pieces.
    Sale { slot: u32, quantity: i64, order_id: OrderId },
    /// An order that was given up leaves its pieces.
    Release { slot: u32, quantity: i64 },
    /// A customer's pieces are back on the shelf.
    Return { slot: u32, quantity: i64, order_id: OrderId },
    /// Somebody counts.
    Count { slot: u32 },
}

/// What lies of a variant in a warehouse.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    on_hand: i64,
    reserved: i64,
    /// Ordered and not here yet.
    inbound: i64,
    /// Changes so far; 0: never any stock.
    version: u32,
}

/// The stock of all warehouses at one moment, which only ever goes on.
#[derive(Debug)]
pub struct Stock<'a> {
    seed: u64,
    end: i64,
    assortment: &'a Assortment<'a>,
    plan: Plan,
    /// By variant, then by warehouse.
    slots: Vec<Slot>,
    agenda: BinaryHeap<Reverse<(i64, u64, Happening)>>,
    planned: u64,
    ledger: Ledger,
}

/// The warehouses.
pub fn warehouses() -> Vec<Warehouse> {
    WAREHOUSES
        .iter()
        .map(|(code, name, country)| Warehouse {
            code: (*code).to_owned(),
            name: (*name).to_owned(),
            country: (*country).to_owned(),
        })
        .collect()
}

impl<'a> Stock<'a> {
    /// Empty shelves before the start; each product's first pieces come with its launch.
    pub fn new(size: &Size, assortment: &'a Assortment<'a>) -> Self {
        let (start, end) = (size.start().as_millisecond(), size.end.as_millisecond());
        let mut stock = Self {
            seed: size.seed,
            end,
            assortment,
            plan: Plan::new(size, assortment),
            slots: vec![Slot::default(); assortment.variants() as usize * WAREHOUSES.len()],
            agenda: BinaryHeap::new(),
            planned: 0,
            ledger: Ledger::new(size.seed),
        };
        for (place, item) in (0..).zip(assortment.items()) {
            // A millisecond for each thousand products: so many movements of one moment still have ids in order.
            let opening = start + i64::from(place / 1000);
            stock.plan_at(item.sold.start.as_millisecond().max(opening), Happening::Opening { item: place });
        }
        stock
    }

    /// Lets everything happen that is due before or at that moment.
    pub fn advance(&mut self, until: i64) {
        while let Some(Reverse((at, _, happening))) = self.agenda.peek().copied() {
            if at > until {
                break;
            }
            self.agenda.pop();
            self.happen(at, happening);
        }
    }

    /// Plans the counts of a day that begins at that moment: every shelf has one day of the year.
    pub fn plan_counts(&mut self, midnight: i64) {
        const YEAR: usize = 365;
        let day = usize::try_from(midnight / DAY_MS).unwrap_or(0) % YEAR;
        let open = (day..self.slots.len()).step_by(YEAR).filter(|slot| self.slots[*slot].version > 0);
        let open: Vec<_> = open.map(|slot| slot as u32).collect();
        for slot in open {
            let mut stream =
                stream(self.seed, "count", u64::from(slot) ^ ((midnight / DAY_MS).unsigned_abs() << 32));
            if stream.random_bool(MISCOUNTED) {
                let at = midnight + stream.random_range(8 * 3_600_000..16 * 3_600_000);
                self.plan_at(at, Happening::Count { slot });
            }
        }
    }

    /// Promises pieces of a variant to an order, from the nearest warehouse that has all of them; `None` when none
    /// has. `variant` is a place among all variants.
    pub fn reserve(&mut self, country: &Country, variant: u32, quantity: i64) -> Option<u32> {
        let first = variant * WAREHOUSES.len() as u32;
        let slot = country
            .nearest
            .iter()
            .map(|warehouse| first + *warehouse as u32)
            .find(|slot| self.slots[*slot as usize].available() >= quantity)?;
        self.change_reserved(slot, quantity);
        Some(slot)
    }

    /// Brings pieces in at once, when an order would have nothing else.
    pub fn deliver_now(&mut self, at: i64, variant: u32, quantity: i64) {
        let slot = variant * WAREHOUSES.len() as u32;
        self.change(at, slot, quantity, MovementCause::Receipt, None);
    }

    /// Gives up a promise of this very moment.
    pub fn take_back(&mut self, slot: u32, quantity: i64) {
        self.change_reserved(slot, -quantity);
    }

    /// Plans that a paid order takes what was promised to it.
    pub fn sell(&mut self, at: i64, slot: u32, quantity: i64, order_id: OrderId) {
        self.plan_at(at, Happening::Sale { slot, quantity, order_id });
    }

    /// Plans that an order is given up.
    pub fn release(&mut self, at: i64, slot: u32, quantity: i64) {
        self.plan_at(at, Happening::Release { slot, quantity });
    }

    /// Plans that sold pieces come back.
    pub fn give_back(&mut self, at: i64, slot: u32, quantity: i64, order_id: OrderId) {
        self.plan_at(at, Happening::Return { slot, quantity, order_id });
    }

    /// The movements since the last call, by time and id.
    pub fn take_movements(&mut self) -> Vec<StockMovement> {
        self.ledger.take()
    }

    /// What lies there now, by variant and warehouse.
    pub fn levels(&self) -> Vec<StockLevel> {
        let variants = self.assortment.items().iter().flat_map(|item| {
            (0..item.variants()).map(move |place| (item.first_variant as usize + place, item.variant(place)))
        });
        let of_variant = |(place, variant): (usize, &domain::product::Variant)| {
            let first = place * WAREHOUSES.len();
            let slots = self.slots[first..first + WAREHOUSES.len()].iter().zip(WAREHOUSES);
            let levels: Vec<_> = slots
                .filter(|(slot, _)| slot.version > 0)
                .map(|(slot, (code, ..))| StockLevel {
                    variant_id: variant.id,
                    sku: variant.sku.clone(),
                    warehouse: code.to_owned(),
                    on_hand: slot.on_hand,
                    reserved: slot.reserved,
                    version: i64::from(slot.version),
                })
                .collect();
            levels
        };
        variants.flat_map(of_variant).collect()
    }

    fn plan_at(&mut self, at: i64, happening: Happening) {
        if at < self.end {
            self.planned += 1;
            self.agenda.push(Reverse((at, self.planned, happening)));
        }
    }

    fn happen(&mut self, at: i64, happening: Happening) {
        match happening {
            Happening::Opening { item } => self.open(at, item),
            Happening::Receipt { slot, quantity } => {
                self.slots[slot as usize].inbound -= quantity;
                self.change(at, slot, quantity, MovementCause::Receipt, None);
            }
            Happening::Transfer { slot, quantity } => self.transfer(at, slot, quantity),
            Happening::Sale { slot, quantity, order_id } => {
                self.slots[slot as usize].reserved -= quantity;
                self.change(at, slot, -quantity, MovementCause::Sale, Some(order_id));
                self.replenish(at, slot);
            }
            Happening::Release { slot, quantity } => self.change_reserved(slot, -quantity),
            Happening::Return { slot, quantity, order_id } => {
                self.change(at, slot, quantity, MovementCause::Return, Some(order_id));
                if self.stream("written-off", slot).random_bool(WRITTEN_OFF) {
                    self.change(at, slot, -quantity, MovementCause::Adjustment, None);
                }
            }
            Happening::Count { slot } => self.count(at, slot),
        }
    }

    fn open(&mut self, at: i64, item: u32) {
        let (first, variants) = {
            let item = &self.assortment.items()[item as usize];
            (item.first_variant, item.variants() as u32)
        };
        for variant in first..first + variants {
            for warehouse in 0..WAREHOUSES.len() as u32 {
                let slot = variant * WAREHOUSES.len() as u32 + warehouse;
                if let Some(levels) = self.plan.levels(item, warehouse) {
                    self.change(at, slot, levels.target, MovementCause::Receipt, None);
                }
            }
        }
    }

    /// Orders more when too little is there or on its way, unless the product runs out.
    fn replenish(&mut self, at: i64, slot: u32) {
        let (variant, warehouse) = (slot / WAREHOUSES.len() as u32, slot % WAREHOUSES.len() as u32);
        let item = self.assortment.item_of_variant(variant);
        let Some(levels) = self.plan.levels(item, warehouse) else { return };
        let there = self.slots[slot as usize];
        let position = there.available() + there.inbound;
        if position > levels.reorder || self.plan.runs_out(item, at) {
            return;
        }
        let quantity = levels.target - position;
        let mut stream = self.stream("supply", slot);
        self.slots[slot as usize].inbound += quantity;
        if warehouse > 0 && stream.random_bool(TRANSFERRED) {
            self.plan_at(at + stream.random_range(6..40) * 3_600_000, Happening::Transfer { slot, quantity });
            return;
        }
        let late = if stream.random_bool(LATE) { stream.random_range(7..30) } else { 0 };
        let days = stream.random_range(5..22) + late;
        // Lorries come between 6 and 16 o'clock.
        let hour = stream.random_range(6 * 3_600_000..16 * 3_600_000);
        self.plan_at((at / DAY_MS + days) * DAY_MS + hour, Happening::Receipt { slot, quantity });
    }

    fn transfer(&mut self, at: i64, slot: u32, quantity: i64) {
        self.slots[slot as usize].inbound -= quantity;
        let main = slot - slot % WAREHOUSES.len() as u32;
        let quantity = quantity.min(self.slots[main as usize].available());
        if quantity > 0 {
            self.change(at, main, -quantity, MovementCause::Transfer, None);
            self.change(at, slot, quantity, MovementCause::Transfer, None);
            self.replenish(at, main);
        }
    }

    fn count(&mut self, at: i64, slot: u32) {
        let difference = [-2, -1, -1, -1, 1, 1][self.stream("counted", slot).random_range(0..6_usize)];
        let found = difference.max(-self.slots[slot as usize].available());
        if found != 0 {
            self.change(at, slot, found, MovementCause::StockTake, None);
            self.replenish(at, slot);
        }
    }

    fn change(&mut self, at: i64, slot: u32, delta: i64, cause: MovementCause, order_id: Option<OrderId>) {
        let there = &mut self.slots[slot as usize];
        there.on_hand += delta;
        there.version += 1;
        let on_hand_after = there.on_hand;
        let (variant, warehouse) = (slot / WAREHOUSES.len() as u32, slot as usize % WAREHOUSES.len());
        let item = &self.assortment.items()[self.assortment.item_of_variant(variant) as usize];
        let (actor, reason) = ledger::who_and_why(cause);
        let movement = StockMovement {
            id: MovementId(self.ledger.next_id(at)),
            occurred_at: at_millisecond(at),
            variant_id: item.variant((variant - item.first_variant) as usize).id,
            warehouse: WAREHOUSES[warehouse].0.to_owned(),
            delta,
            on_hand_after,
            cause,
            actor: actor.to_owned(),
            reason: reason.map(str::to_owned),
            order_id,
        };
        self.ledger.add(movement);
    }

    fn change_reserved(&mut self, slot: u32, by: i64) {
        let there = &mut self.slots[slot as usize];
        there.reserved += by;
        there.version += 1;
    }

    /// Chance of what happens next on a shelf.
    fn stream(&self, kind: &str, slot: u32) -> impl Rng + use<> {
        let version = u64::from(self.slots[slot as usize].version);
        stream(self.seed, kind, u64::from(slot) ^ (version << 32))
    }
}

impl Slot {
    /// Pieces that are promised to nobody.
    fn available(&self) -> i64 {
        self.on_hand - self.reserved
    }
}
