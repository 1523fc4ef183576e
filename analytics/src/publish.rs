//! From a frame of exact integers to the rows that are published.

use polars::prelude::*;
use rust_decimal::Decimal;
use store::pg::reports::{Column as ReportColumn, Kind, Report, Rows, Values};

use crate::extract::MICROS_SCALE;
use crate::reports::{ReportError, date_of};

/// The keys and sums of a report. Amounts become decimals with at least `price_scale` digits; what does not fit is an
/// error.
pub fn rows(report: &Report, frame: &DataFrame, price_scale: u32) -> Result<Rows, ReportError> {
    let columns = report.keys.iter().chain(report.sums);
    let columns =
        columns.map(|column| values(report, column, frame, price_scale)).collect::<Result<_, _>>()?;
    Ok(Rows { columns, count: frame.height() })
}

fn values(
    report: &Report,
    column: &ReportColumn,
    frame: &DataFrame,
    price_scale: u32,
) -> Result<Values, ReportError> {
    let overflow = || ReportError::Overflow { report: report.name, column: column.name };
    let found = frame.column(column.name)?;
    Ok(match column.kind {
        Kind::Date => {
            let days = found.cast(&DataType::Int32)?;
            let date = |days: Option<i32>| date_of(days.unwrap_or_default());
            Values::Dates(days.i32()?.iter().map(date).collect())
        }
        Kind::Text => {
            Values::Texts(found.str()?.iter().map(|text| text.unwrap_or_default().to_owned()).collect())
        }
        Kind::Count => {
            let wide = found.cast(&DataType::Int128)?;
            let count =
                |number: Option<i128>| i64::try_from(number.unwrap_or_default()).map_err(|_| overflow());
            Values::Counts(wide.i128()?.iter().map(count).collect::<Result<_, _>>()?)
        }
        Kind::Amount | Kind::Ratio(_) => {
            let wide = found.cast(&DataType::Int128)?;
            let amount = |micros: Option<i128>| {
                decimal(micros.unwrap_or_default(), MICROS_SCALE, price_scale).ok_or_else(overflow)
            };
            Values::Amounts(wide.i128()?.iter().map(amount).collect::<Result<_, _>>()?)
        }
    })
}

/// The exact decimal of `units` of 10^-`scale`, with as few digits as hold it, but at least `least_scale`.
fn decimal(mut units: i128, mut scale: u32, least_scale: u32) -> Option<Decimal> {
    while scale > least_scale && units % 10 == 0 {
        units /= 10;
        scale -= 1;
    }
    Decimal::try_from_i128_with_scale(units, scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_the_digits_that_it_needs() {
        let text = |micros, least| decimal(micros, 6, least).map(|amount| amount.to_string());
        assert_eq!(text(30_605_000, 2).as_deref(), Some("30.605"));
        assert_eq!(text(-5_100_000, 2).as_deref(), Some("-5.10"));
        assert_eq!(text(0, 3).as_deref(), Some("0.000"));
        assert_eq!(text(i128::MAX, 2), None);
    }
}
