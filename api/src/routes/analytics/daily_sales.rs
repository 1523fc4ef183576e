//! `GET /analytics/daily-sales`

#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use std::ops::RangeInclusive;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use domain::daily_sales::DailySales;
use domain::money::Currency;
use domain::order::SHOP_CHANNEL;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use store::pg::{channels, daily_sales};
use utoipa::{IntoParams, ToSchema};

use crate::app_state::AppState;
use crate::authorized::{Authorized, ReadReports};
use crate::error_code::ErrorCode;
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{FromQuery, Parameters, ReadQuery};

/// Most days of one report.
const DAY_COUNT_MAX: i32 = 3_700;
/// Years that a day may be in.
const YEARS: RangeInclusive<i16> = 1970..=9999;
/// The columns of the CSV, in the order of [`DailySalesJson`].
const COLUMNS: [&str; 12] = [
    "date",
    "currency",
    "orders",
    "cancelled_orders",
    "customers",
    "units",
    "gross_revenue",
    "refunds",
    "net_revenue",
    "aov",
    "cancellation_rate",
    "raw_sum",
];
const DEFINITION: &str = "Per calendar day of the channel's time zone and currency. \
    orders: sale documents with a sale line. cancelled_orders: credit documents, which are the refunds of the shop. \
    customers: distinct known customers of sale lines. units, gross_revenue: sums over sale lines, net of tax \
    and after discounts in the shop, as written in an imported history. refunds: sum over credit lines, negative. \
    net_revenue = gross_revenue + refunds. \
    raw_sum: sum over every line, adjustments included. aov = gross_revenue / orders. \
    cancellation_rate = cancelled_orders / (orders + cancelled_orders).";

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// CSV with a header line.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// The forms that there are.
#[derive(Debug, ToSchema)]
#[schema(as = Format, rename_all = "snake_case")]
pub enum FormatName {
    /// JSON.
    Json,
    /// CSV with a header line.
    Csv,
}

/// Which days of which channel.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DailySalesQuery {
    /// First day; 1970 at the earliest.
    #[param(value_type = String, format = Date)]
    pub from: Option<Date>,
    /// Last day, included.
    #[param(value_type = String, format = Date)]
    pub to: Option<Date>,
    /// Only this ISO 4217 code.
    #[param(value_type = Option<String>)]
    pub currency: Option<Currency>,
    /// `shop` when missing, or the name of an imported history.
    #[param(max_length = 60)]
    pub channel: Option<String>,
    /// Days are counted in the channel's own time zone; another one is refused.
    #[param(max_length = 60)]
    pub time_zone: Option<String>,
    /// JSON when missing.
    #[param(value_type = Option<FormatName>, inline)]
    pub format: Format,
}

impl ReadQuery for DailySalesQuery {
    fn read(parameters: &mut Parameters) -> Self {
        let formats = [("json", Format::Json), ("csv", Format::Csv), ("parquet", Format::Parquet)];
        let currency = parameters.text("currency", 3);
        let read = Self {
            from: parameters.parsed("from", "a day like 2010-12-01"),
            to: parameters.parsed("to", "a day like 2010-12-01"),
            currency: currency.as_deref().and_then(Currency::from_code),
            channel: parameters.text("channel", 60),
            time_zone: parameters.text("time_zone", 60),
            format: parameters.choice("format", &formats).unwrap_or(Format::Json),
        };
        if currency.is_some() && read.currency.is_none() {
            parameters.refuse("currency", "invalid", "expected an ISO 4217 code");
        }
        for (name, day) in [("from", read.from), ("to", read.to)] {
            if day.is_some_and(|day| !YEARS.contains(&day.year())) {
                let detail = format!("a year from {} to {}", YEARS.start(), YEARS.end());
                parameters.refuse(name, "out_of_range", detail);
            }
        }
        match (read.from, read.to) {
            (Some(from), Some(to)) if from > to => {
                parameters.refuse("to", "out_of_range", "not before `from`")
            }
            (Some(from), Some(to)) if days(from, to) > DAY_COUNT_MAX => {
                parameters.refuse("to", "out_of_range", format!("at most {DAY_COUNT_MAX} days"));
            }
            _ => {}
        }
        read
    }
}

fn days(from: Date, to: Date) -> i32 {
    to.since(from).map_or(i32::MAX, |span| span.get_days().saturating_add(1))
}

/// A day. Amounts are exact decimals in major units, as text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DailySales)]
pub struct DailySalesJson {
    /// Day.
    #[schema(value_type = String, format = Date)]
    date: Date,
    /// ISO 4217 code.
    currency: String,
    /// Sale documents.
    orders: i64,
    /// Credit documents; refunds in the shop.
    cancelled_orders: i64,
    /// Distinct known customers.
    customers: i64,
    /// Pieces sold.
    units: i64,
    /// Sum of the sale lines.
    gross_revenue: String,
    /// Sum of the credit lines.
    refunds: String,
    /// Gross revenue and refunds.
    net_revenue: String,
    /// Average order value.
    aov: String,
    /// Credits among all documents.
    cancellation_rate: String,
    /// Sum over every line.
    raw_sum: String,
}

/// The report.
#[derive(Debug, Serialize, ToSchema)]
pub struct DailySalesReport {
    /// A row per day and currency with any document.
    data: Vec<DailySalesJson>,
    /// The moment of the snapshot that was counted; `null` when nothing was counted yet.
    #[schema(required = true)]
    as_of: Option<Timestamp>,
    /// What each column means.
    definition: String,
}

impl From<DailySales> for DailySalesJson {
    fn from(row: DailySales) -> Self {
        Self {
            date: row.date,
            currency: row.currency,
            orders: row.orders,
            cancelled_orders: row.cancelled_orders,
            customers: row.customers,
            units: row.units,
            gross_revenue: row.gross_revenue.to_string(),
            refunds: row.refunds.to_string(),
            net_revenue: row.net_revenue.to_string(),
            aov: row.aov.to_string(),
            cancellation_rate: row.cancellation_rate.to_string(),
            raw_sum: row.raw_sum.to_string(),
        }
    }
}

/// What each day sold.
#[utoipa::path(
    get,
    path = "/api/v1/analytics/daily-sales",
    tag = "analytics",
    params(DailySalesQuery),
    responses(
        (status = 200, description = "The report", content(
            (DailySalesReport = "application/json"),
            (String = "text/csv"),
        )),
        ReadProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn daily_sales(
    _caller: Authorized<ReadReports>,
    query: FromQuery<DailySalesQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let FromQuery(DailySalesQuery { from, to, currency, channel, time_zone, format }) = query;
    let missing = |name: &str| Problem::invalid_field(format!("/{name}"), "required", "give a day");
    let from = from.ok_or_else(|| missing("from"))?;
    let to = to.ok_or_else(|| missing("to"))?;
    if format == Format::Parquet {
        return Err(Problem::new(ErrorCode::UnsupportedFormat, "this report comes as json or csv"));
    }
    let channel = channel.unwrap_or_else(|| SHOP_CHANNEL.to_owned());
    let client = state.pools.read().await?;
    let found = channels::find(&**client, &channel).await?.ok_or_else(|| Problem::not_found("channel"))?;
    if time_zone.is_some_and(|time_zone| time_zone != found.time_zone) {
        let detail = format!("days of this channel are counted in {}", found.time_zone);
        return Err(Problem::invalid_field("/time_zone", "unsupported", detail));
    }
    let currency = currency.map(|currency| currency.code());
    let (rows, as_of) = daily_sales::read(&**client, &channel, from, to, currency).await?;
    drop(client);
    let data: Vec<_> = rows.into_iter().map(DailySalesJson::from).collect();
    if format == Format::Csv {
        return to_csv(data);
    }
    Ok(HttpResponse::Ok().json(DailySalesReport { data, as_of, definition: DEFINITION.to_owned() }))
}

fn to_csv(rows: Vec<DailySalesJson>) -> Result<HttpResponse, Problem> {
    let bytes = csv_bytes(rows).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8; header=present")
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"daily-sales.csv\""))
        .body(bytes))
}

/// The header line is there also when there is no row.
fn csv_bytes(rows: Vec<DailySalesJson>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for mut row in rows {
        row.currency = plain_text(row.currency);
        writer.serialize(row)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// A text that a spreadsheet does not take for a formula. Amounts are numbers and stay as they are.
fn plain_text(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_no_formula() {
        assert_eq!(plain_text("=1+1".into()), "'=1+1");
        assert_eq!(plain_text("GBP".into()), "GBP");
    }

    #[test]
    fn both_ends_are_counted() {
        let day = |text: &str| text.parse().expect("a day");
        assert_eq!(days(day("2010-12-01"), day("2010-12-01")), 1);
        assert_eq!(days(day("2010-12-01"), day("2011-12-09")), 374);
    }

    #[test]
    fn the_header_line_names_the_columns_and_is_always_there() {
        let header = COLUMNS.join(",") + "\n";
        assert_eq!(csv_bytes(Vec::new()).expect("a text"), header.as_bytes());
        let row = || DailySalesJson {
            date: "2010-12-01".parse().expect("a day"),
            currency: "GBP".to_owned(),
            orders: 1,
            cancelled_orders: 2,
            customers: 3,
            units: 4,
            gross_revenue: "5".to_owned(),
            refunds: "-6".to_owned(),
            net_revenue: "-1".to_owned(),
            aov: "7".to_owned(),
            cancellation_rate: "0.5".to_owned(),
            raw_sum: "8".to_owned(),
        };
        let mut by_field_names = csv::Writer::from_writer(Vec::new());
        by_field_names.serialize(row()).expect("a row");
        let expected = by_field_names.into_inner().expect("a text");
        assert_eq!(csv_bytes(vec![row()]).expect("a text"), expected);
    }
}
