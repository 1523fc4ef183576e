//! What is published of daily sales, and what it is made of: for the tests of whoever leads to it.

use analytics::run::Stores;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use store::pg::channels;
use store::pg::reports::{self, Cell, ReportQuery};
use support::Scope;
use tokio_postgres::Client;

/// A row; the columns are those of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailySales {
    pub date: Date,
    pub currency: String,
    pub orders: i64,
    pub cancelled_orders: i64,
    pub customers: i64,
    pub new_customers: i64,
    pub units: i64,
    pub gross_revenue: Decimal,
    pub refunds: Decimal,
    pub net_revenue: Decimal,
    pub tax: Decimal,
    pub shipping: Decimal,
    pub discounts: Decimal,
    pub raw_sum: Decimal,
    pub rounding_difference: Decimal,
    pub aov: Decimal,
    pub cancellation_rate: Decimal,
}

/// Where the facts of a test are.
pub fn stores(scope: &Scope) -> Stores {
    Stores { postgres: scope.postgres.clone(), mongo: scope.mongo.clone() }
}

/// The rows of a channel in its own zone, and when they were counted.
pub async fn read(
    client: &Client,
    channel: &str,
    days: (Date, Date),
    currency: Option<&str>,
) -> (Vec<DailySales>, Option<Timestamp>) {
    let Some(found) = channels::find(client, channel).await.expect("asked") else {
        return (Vec::new(), None);
    };
    let query =
        ReportQuery { channel, time_zone: &found.time_zone, days, currency, limit: reports::LIMIT_MAX };
    let report = reports::find("daily-sales").expect("a report");
    let published = reports::read(client, report, &query).await.expect("reads");
    let names: Vec<_> = report.columns().map(|column| column.name).collect();
    let row = |cells: &Vec<Cell>| {
        let cell = |name: &str| &cells[names.iter().position(|other| *other == name).expect("a column")];
        let count = |name| if let Cell::Count(count) = cell(name) { *count } else { panic!("{name}") };
        let number = |name| if let Cell::Number(number) = cell(name) { *number } else { panic!("{name}") };
        let Cell::Date(date) = cell("date") else { panic!("a day") };
        let Cell::Text(currency) = cell("currency") else { panic!("a currency") };
        DailySales {
            date: *date,
            currency: currency.clone(),
            orders: count("orders"),
            cancelled_orders: count("cancelled_orders"),
            customers: count("customers"),
            new_customers: count("new_customers"),
            units: count("units"),
            gross_revenue: number("gross_revenue"),
            refunds: number("refunds"),
            net_revenue: number("net_revenue"),
            tax: number("tax"),
            shipping: number("shipping"),
            discounts: number("discounts"),
            raw_sum: number("raw_sum"),
            rounding_difference: number("rounding_difference"),
            aov: number("aov"),
            cancellation_rate: number("cancellation_rate"),
        }
    };
    (published.rows.iter().map(row).collect(), published.as_of)
}
