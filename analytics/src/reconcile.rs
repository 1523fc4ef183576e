//! The report beside the order ledger: what PostgreSQL adds up by itself, at the snapshot that was extracted.

use std::collections::BTreeMap;

use jiff::civil::Date;
use polars::prelude::*;
use rust_decimal::Decimal;
use store::pg::reports::{Rows, Values};
use store::pg::sales_extract::LedgerDay;

use crate::count::Counted;
use crate::extract::{MICROS_SCALE, minor_unit_micros};
use crate::lake::column;
use crate::reports::derived::DATE;
use crate::reports::{ReportError, date_of};

/// What a day's report and ledger say, in millionths of the major unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sides {
    /// Net revenue as counted.
    pub net: i128,
    /// The same, each line rounded.
    pub rounded: i128,
    /// Net revenue as the ledger has it.
    pub ledger: i128,
}

/// A day of a currency.
type Key = (Date, String);

/// Both sides of every day that one of them has.
pub fn sides(daily_sales: &Counted, ledger: &[LedgerDay]) -> Result<BTreeMap<Key, Sides>, ReportError> {
    let mut sides: BTreeMap<Key, Sides> = BTreeMap::new();
    let frame = &daily_sales.frame;
    let days = frame.column(DATE)?.cast(&DataType::Int32)?;
    let dates = days.i32()?.iter().map(|days| date_of(days.unwrap_or_default()));
    let number = |name: &str| -> PolarsResult<Vec<i128>> {
        let wide = frame.column(name)?.cast(&DataType::Int128)?;
        Ok(wide.i128()?.iter().map(Option::unwrap_or_default).collect())
    };
    let (gross, refunds, rounded) = (number("gross_revenue")?, number("refunds")?, number("rounded_net")?);
    let currencies = frame.column(column::CURRENCY)?.str()?;
    for (place, date) in dates.enumerate() {
        let currency = currencies.get(place).unwrap_or_default().to_owned();
        let side = sides.entry((date, currency)).or_default();
        (side.net, side.rounded) = (gross[place] + refunds[place], rounded[place]);
    }
    let wanted = daily_sales.days.as_deref().unwrap_or_default();
    for day in ledger.iter().filter(|day| wanted.binary_search(&day.date).is_ok()) {
        let unit = minor_unit_micros(&day.currency).unwrap_or(1);
        let minor = day.net_minor.checked_mul(i128::from(unit));
        let overflow = || ReportError::Overflow { report: "reconciliation", column: "ledger_net" };
        sides.entry((day.date, day.currency.clone())).or_default().ledger = minor.ok_or_else(overflow)?;
    }
    Ok(sides)
}

/// How many days differ, though lines are rounded alike.
pub fn differences(sides: &BTreeMap<Key, Sides>) -> u64 {
    sides.values().filter(|side| side.rounded != side.ledger).count() as u64
}

/// As they are published.
pub fn rows(sides: &BTreeMap<Key, Sides>) -> Rows {
    let amounts = |of: fn(&Sides) -> i128| {
        let amount = |side: &Sides| {
            Decimal::try_from_i128_with_scale(of(side), MICROS_SCALE).unwrap_or_default().normalize()
        };
        Values::Amounts(sides.values().map(amount).collect())
    };
    let columns = vec![
        Values::Dates(sides.keys().map(|(date, _)| *date).collect()),
        Values::Texts(sides.keys().map(|(_, currency)| currency.clone()).collect()),
        amounts(|side| side.net),
        amounts(|side| side.net - side.rounded),
        amounts(|side| side.ledger),
    ];
    Rows { columns, count: sides.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_penny_is_a_difference_and_rounding_is_none() {
        let side = |net, rounded, ledger| Sides { net, rounded, ledger };
        let day = |number| (jiff::civil::date(2025, 1, number), "GBP".to_owned());
        let sides = [
            (day(1), side(1_005_000, 1_010_000, 1_010_000)),
            (day(2), side(1_000_000, 1_000_000, 990_000)),
            (day(3), side(0, 0, 10_000)),
        ];
        let sides = sides.into_iter().collect();
        assert_eq!(differences(&sides), 2);
        assert_eq!(rows(&sides).count, 3);
    }
}
