//! What the order ledger says of a day that no run has counted yet.

use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use crate::error::StoreError;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct LiveQuery<'a> {
    /// Code of the channel.
    pub channel: &'a str,
    /// IANA name of the zone of the day.
    pub time_zone: &'a str,
    /// The day.
    pub date: Date,
    /// The minutes are those from one time up to another.
    pub minutes: (Timestamp, Timestamp),
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveSales {
    /// The day by currency.
    pub days: Vec<LiveDay>,
    /// Orders that are paid by the minute in which they were placed, oldest first; minutes without any are left out.
    pub minutes: Vec<(Timestamp, i64)>,
}

/// A day of a currency, so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveDay {
    /// ISO 4217 code.
    pub currency: String,
    /// Orders with a sale line of that day.
    pub orders: i64,
    /// Pieces of their sale lines.
    pub units: i64,
    /// Sum of the sale lines, in minor units.
    pub gross_minor: i128,
    /// Sum of the credit lines and refunds of that day, in minor units; negative.
    pub refunds_minor: i128,
}

/// What a day has sold so far, and what each minute did.
pub async fn read(client: &impl GenericClient, query: &LiveQuery<'_>) -> Result<LiveSales, StoreError> {
    let LiveQuery { channel, time_zone, date, minutes: (from, until) } = query;
    let rows = client
        .query_typed(
            include_str!("live_sales.sql"),
            &[
                (channel, Type::TEXT),
                (time_zone, Type::TEXT),
                (date, Type::DATE),
                (from, Type::TIMESTAMPTZ),
                (until, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    let mut live = LiveSales::default();
    for row in &rows {
        match row.get(0) {
            Some(currency) => live.days.push(live_day(currency, row)?),
            None => live.minutes.push((row.get(1), row.get(2))),
        }
    }
    Ok(live)
}

fn live_day(currency: String, row: &Row) -> Result<LiveDay, StoreError> {
    let minor = |place| {
        let text: &str = row.get(place);
        text.parse().map_err(|_| StoreError::Inconsistent(format!("{text:?} is no sum")))
    };
    Ok(LiveDay {
        currency,
        orders: row.get(2),
        units: row.get(3),
        gross_minor: minor(4)?,
        refunds_minor: minor(5)?,
    })
}
