//! Rows by day added up by month, for reports that are asked for a range of days and show none: two years of days are
//! millions of rows.

use std::collections::BTreeSet;

use jiff::civil::Date;
use tokio_postgres::Transaction;

use super::Report;
use crate::error::StoreError;

/// Months that are whole between the days `$3` and `$4` begin on this day or later.
const FIRST_WHOLE: &str = "(date_trunc('month', $3::date + interval '1 month - 1 day'))::date";
/// And before this one, which is not later than the other when there is none.
const AFTER_WHOLE: &str = "(date_trunc('month', $4::date + 1))::date";

/// Adds up the months of these days anew.
pub(super) async fn add_up(
    transaction: &Transaction<'_>,
    report: &Report,
    (channel, time_zone): (&str, &str),
    days: &[Date],
) -> Result<(), StoreError> {
    let Some(months) = report.months else { return Ok(()) };
    let keys = keys(report);
    let names: Vec<_> = report.sums.iter().map(|sum| sum.name).collect();
    let names = names.join(", ");
    let sums: Vec<_> = report.sums.iter().map(|sum| format!("sum({})", sum.name)).collect();
    let sums = sums.join(", ");
    let removed = format!("DELETE FROM {months} WHERE channel = $1 AND time_zone = $2 AND month = $3");
    let added = format!(
        "INSERT INTO {months} (channel, time_zone, month, {keys}, {names}) \
         SELECT channel, time_zone, $3, {keys}, {sums} FROM {table} \
         WHERE channel = $1 AND time_zone = $2 AND date BETWEEN $3 AND $4 \
         GROUP BY channel, time_zone, {keys}",
        table = report.table,
    );
    for month in days.iter().map(|day| day.first_of_month()).collect::<BTreeSet<_>>() {
        transaction.execute(&removed, &[&channel, &time_zone, &month]).await?;
        transaction.execute(&added, &[&channel, &time_zone, &month, &month.last_of_month()]).await?;
    }
    Ok(())
}

/// The rows of the days from `$3` to `$4`: those of whole months as one.
pub(super) fn rows(report: &Report, months: &str) -> String {
    let (keys, sums) = (keys(report), report.sums.iter().map(|sum| sum.name).collect::<Vec<_>>().join(", "));
    let of = |table: &str, days: &str| {
        format!("SELECT {keys}, {sums} FROM {table} WHERE channel = $1 AND time_zone = $2 AND {days}")
    };
    let table = report.table;
    let before = format!("date BETWEEN $3 AND least({FIRST_WHOLE} - 1, $4)");
    let whole = format!("month >= {FIRST_WHOLE} AND month < {AFTER_WHOLE}");
    let after = format!("date BETWEEN greatest({FIRST_WHOLE}, {AFTER_WHOLE}) AND $4");
    format!("({} UNION ALL {} UNION ALL {})", of(table, &before), of(months, &whole), of(table, &after))
}

/// What a row is of besides its day.
fn keys(report: &Report) -> String {
    let keys = report.keys.iter().map(|key| key.name).filter(|name| Some(*name) != report.day());
    keys.collect::<Vec<_>>().join(", ")
}
