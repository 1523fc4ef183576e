use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const WAREHOUSES: [&str; 3] = ["bristol", "dublin", "leeds"];
const VARIANT: VariantId = VariantId(Uuid::from_u128(7));

fn adjustment(warehouse: &str, delta: i64) -> StockAdjustment {
    StockAdjustment {
        variant_id: VARIANT,
        warehouse: warehouse.to_owned(),
        delta,
        cause: MovementCause::Adjustment,
        reason: "counted".to_owned(),
    }
}

fn adjust(stock: &VariantStock, warehouse: &str, delta: i64) -> Result<AdjustedStock, AdjustmentError> {
    stock.adjust(&adjustment(warehouse, delta), "SHIRT-M", "role:admin", (Timestamp::UNIX_EPOCH, [1; 10]))
}

/// The stock as a store has it afterwards.
fn store(stock: &mut VariantStock, adjusted: &AdjustedStock) {
    let level = adjusted.level.clone();
    match stock.levels.iter_mut().find(|stored| stored.warehouse == level.warehouse) {
        Some(stored) => *stored = level,
        None => stock.levels.push(level),
    }
    stock.recorded = adjusted.recorded.or(stock.recorded);
}

/// Never 0, as it is checked before.
fn delta() -> impl Strategy<Value = i64> {
    prop_oneof![-15_i64..=-1, 1_i64..=15]
}

fn reserve(stock: &mut VariantStock, pieces: i64) {
    stock.levels[0].reserved += pieces;
}

proptest! {
    #[test]
    fn what_is_there_is_the_sum_of_what_came_and_went(
        asked in proptest::collection::vec((0_usize..3, delta()), 0..120),
    ) {
        let (mut stock, mut sums, mut changes) = (VariantStock::default(), [0_i64; 3], [0_i64; 3]);
        for (place, delta) in asked {
            let warehouse = WAREHOUSES[place];
            match adjust(&stock, warehouse, delta) {
                Err(error) => {
                    prop_assert!(sums[place] + delta < 0);
                    prop_assert_eq!(error, AdjustmentError::TooFew { on_hand: sums[place], reserved: 0 });
                }
                Ok(adjusted) => {
                    sums[place] += delta;
                    changes[place] += 1;
                    prop_assert_eq!(adjusted.movement.on_hand_after, sums[place]);
                    prop_assert_eq!(adjusted.level.version, changes[place]);
                    prop_assert_eq!(adjusted.available, sums.iter().sum::<i64>());
                    store(&mut stock, &adjusted);
                }
            }
            for level in &stock.levels {
                let place = WAREHOUSES.iter().position(|code| *code == level.warehouse);
                prop_assert_eq!(Some(level.on_hand), place.map(|place| sums[place]));
                prop_assert!(level.on_hand >= 0);
            }
        }
    }

    #[test]
    fn what_is_told_alternates_and_its_versions_have_no_gap(
        asked in proptest::collection::vec((0_usize..3, delta()), 0..120),
    ) {
        let (mut stock, mut told) = (VariantStock::default(), Vec::new());
        for (place, delta) in asked {
            let Ok(adjusted) = adjust(&stock, WAREHOUSES[place], delta) else { continue };
            let mut number = 0_u8;
            let events = adjusted.events(Timestamp::UNIX_EPOCH, &Cause::default(), || {
                number += 1;
                EventId::new(Timestamp::UNIX_EPOCH, [number; 10])
            });
            prop_assert_eq!(events[0].aggregate.version, adjusted.level.version);
            prop_assert_eq!(events.len(), if adjusted.crossing.is_some() { 2 } else { 1 });
            if let (Some(event), Some(crossing)) = (events.get(1), adjusted.crossing) {
                told.push(crossing);
                prop_assert_eq!(event.aggregate.kind, "availability");
                prop_assert_eq!(usize::try_from(event.aggregate.version).ok(), Some(told.len()));
            }
            store(&mut stock, &adjusted);
            prop_assert_eq!(stock.availability(), Availability::of(stock.available()));
            // BecameLow says nothing about whether there is anything.
            let last = told.iter().rfind(|crossing| **crossing != Crossing::BecameLow);
            prop_assert_eq!(last == Some(&Crossing::RanOut), stock.available() == 0);
        }
        for pair in told.windows(2) {
            prop_assert!(pair[0] != Crossing::RanOut || pair[1] == Crossing::CameBack, "{:?}", told);
            prop_assert!(pair[1] != Crossing::CameBack || pair[0] == Crossing::RanOut, "{:?}", told);
        }
        prop_assert_ne!(told.first(), Some(&Crossing::CameBack));
    }
}

#[test]
fn what_is_reserved_stays() {
    let mut stock = VariantStock::default();
    store(&mut stock, &adjust(&VariantStock::default(), "leeds", 10).expect("a receipt"));
    reserve(&mut stock, 4);
    let refused = adjust(&stock, "leeds", -7).expect_err("4 are reserved");
    assert_eq!(refused, AdjustmentError::TooFew { on_hand: 10, reserved: 4 });
    assert_eq!(refused.to_string(), "10 are there, 4 of them reserved");
    let adjusted = adjust(&stock, "leeds", -6).expect("6 are free");
    assert_eq!((adjusted.level.on_hand, adjusted.available), (4, 0));
    assert_eq!(adjusted.crossing, Some(Crossing::RanOut));
}

#[test]
fn a_warehouse_has_an_end() {
    let mut stock = VariantStock::default();
    store(&mut stock, &adjust(&VariantStock::default(), "leeds", 1).expect("a receipt"));
    stock.levels[0].on_hand = ON_HAND_MAX;
    assert_eq!(adjust(&stock, "leeds", 1), Err(AdjustmentError::TooMany { on_hand: ON_HAND_MAX }));
    assert!(adjust(&stock, "leeds", -1).is_ok());
}

#[test]
fn few_pieces_are_told_again_after_there_were_many() {
    let mut stock = VariantStock::default();
    let mut told = Vec::new();
    for delta in [10, -7, 20, -19, -4, 3, 20] {
        let adjusted = adjust(&stock, "leeds", delta).expect("enough");
        store(&mut stock, &adjusted);
        told.push(adjusted.crossing.map(|crossing| (crossing, stock.recorded.map(|told| told.version))));
    }
    let expected = [
        None,
        Some((Crossing::BecameLow, Some(1))),
        None,
        Some((Crossing::BecameLow, Some(2))),
        Some((Crossing::RanOut, Some(3))),
        Some((Crossing::CameBack, Some(4))),
        None,
    ];
    assert_eq!(told, expected);
    assert_eq!(stock.recorded, Some(RecordedAvailability { state: Availability::InStock, version: 4 }));
}

#[test]
fn stock_of_before_there_were_events_is_counted() {
    let mut stock = VariantStock::default();
    store(&mut stock, &adjust(&VariantStock::default(), "leeds", 1).expect("a receipt"));
    (stock.levels[0].on_hand, stock.recorded) = (0, None);
    let back = adjust(&stock, "dublin", 8).expect("a receipt");
    assert_eq!(back.crossing, Some(Crossing::CameBack));
    assert_eq!(back.recorded, Some(RecordedAvailability { state: Availability::InStock, version: 1 }));
}

#[test]
fn every_wrong_field_is_named() {
    let wrong = StockAdjustment {
        warehouse: "Leeds 1".to_owned(),
        delta: 0,
        cause: MovementCause::Sale,
        reason: " ".to_owned(),
        ..adjustment("leeds", 1)
    };
    let pointers = |adjustment: &StockAdjustment| -> Vec<String> {
        adjustment.check().expect_err("wrong").into_iter().map(|error| error.pointer).collect()
    };
    assert_eq!(pointers(&wrong), ["/warehouse", "/delta", "/cause", "/reason"]);
    for delta in [DELTA_MAX + 1, -DELTA_MAX - 1, i64::MIN] {
        assert_eq!(pointers(&adjustment("leeds", delta)), ["/delta"]);
    }
    let long = StockAdjustment { reason: "x\0".repeat(101), ..adjustment("leeds", 1) };
    assert_eq!(pointers(&long), ["/reason", "/reason"]);
    for delta in [DELTA_MAX, -DELTA_MAX] {
        assert_eq!(adjustment("leeds", delta).check(), Ok(()));
    }
    for code in ["", "-leeds", "le_eds", &"x".repeat(61)] {
        assert_eq!(pointers(&adjustment(code, 1)), ["/warehouse"], "{code}");
    }
}
