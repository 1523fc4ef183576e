//! `GET /analytics/live`
#![expect(unused_qualifications, reason = "in what utoipa::path generates for query parameters")]

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use cache::report_cache::ReportAnswer;
use domain::money::{self, Currency};
use domain::order::SHOP_CHANNEL;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::Serialize;
use store::pg::channels;
use store::pg::live_sales::{self, LiveDay, LiveQuery};
use store::pg::pool::Connection;
use store::pg::reports::{self, Cell, Published, Report, ReportQuery};
use utoipa::{IntoParams, ToSchema};

use crate::app_state::AppState;
use crate::authorized::{Authorized, ReadReports};
use crate::problem::{Problem, ReadProblems};
use crate::query_string::{self, Parameters, ReadQuery};
use crate::routes::analytics::get_report::{known_zone, report_turn};

/// Minutes that are shown.
const MINUTES: i64 = 60;
/// The confirmed figures.
const REPORT: &str = "daily-sales";

/// Of which channel, in which zone.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LiveParameters {
    /// Code of the channel.
    #[param(max_length = 60, default = "shop", required = false)]
    pub channel: Option<String>,
    /// IANA name of a zone that the channel is counted in; its own without it.
    #[param(max_length = 60)]
    pub time_zone: Option<String>,
}

impl ReadQuery for LiveParameters {
    fn read(parameters: &mut Parameters) -> Self {
        Self { channel: parameters.text("channel", 60), time_zone: parameters.text("time_zone", 60) }
    }
}

/// What today has sold so far. Amounts are decimals in major units, as texts.
#[derive(Debug, Serialize, ToSchema)]
pub struct LiveSales {
    /// Today in the zone.
    #[schema(value_type = String, format = Date)]
    date: Date,
    /// Whose day it is.
    time_zone: String,
    /// When it was looked at.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// Always true: no run has counted these orders and checked them against anything.
    provisional: bool,
    /// Until when a run has counted; what is in `confirmed`.
    #[schema(value_type = Option<String>, format = DateTime)]
    confirmed_as_of: Option<Timestamp>,
    /// By currency.
    today: Vec<LiveCurrency>,
    /// Paid orders by the minute in which they were placed: the last sixty, oldest first; the last one is not over.
    orders_per_minute: Vec<LiveMinute>,
}

/// Today in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct LiveCurrency {
    /// ISO 4217 code.
    currency: String,
    /// So far.
    #[serde(flatten)]
    sales: Sales,
    /// What `daily-sales` says of today; nothing before the day's first run.
    confirmed: Option<Sales>,
}

/// Figures as `daily-sales` defines them.
#[derive(Debug, Default, Serialize, ToSchema, PartialEq, Eq)]
pub struct Sales {
    /// Orders that sold something.
    orders: i64,
    /// Pieces sold.
    units: i64,
    /// What they were sold for, net of discounts and tax.
    gross_revenue: String,
    /// What was given back; negative.
    refunds: String,
    /// Both together.
    net_revenue: String,
}

/// A minute.
#[derive(Debug, Serialize, ToSchema)]
pub struct LiveMinute {
    /// Its beginning.
    #[schema(value_type = String, format = DateTime)]
    minute: Timestamp,
    /// Orders placed in it that are paid.
    orders: i64,
}

/// What was sold today so far, and how many orders each of the last sixty minutes had.
///
/// Read from the order ledger as it is now, with the definitions of `daily-sales`, beside what the last run has
/// confirmed (which may be some milliseconds newer). Up to ten seconds old.
#[utoipa::path(
    get,
    path = "/api/v1/analytics/live",
    tag = "analytics",
    params(LiveParameters),
    responses(
        (status = 200, description = "Today so far, provisional", body = LiveSales),
        ReadProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn get_live_sales(
    _caller: Authorized<ReadReports>,
    state: web::Data<AppState>,
    http: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let parameters: LiveParameters = query_string::read(&http)?;
    let channel = parameters.channel.as_deref().unwrap_or(SHOP_CHANNEL);
    let question = format!("live {channel} {}", parameters.time_zone.as_deref().unwrap_or_default());
    if let Some(answer) = state.reports.get(&question) {
        return Ok(respond(&answer));
    }
    let _turn = report_turn(&state).await?;
    if let Some(answer) = state.reports.peek(&question) {
        return Ok(respond(&answer));
    }
    let client = state.pools.read().await?;
    let live = live(&client, channel, parameters.time_zone.as_deref(), Timestamp::now()).await?;
    drop(client);
    let answer = Arc::new(ReportAnswer {
        body: serde_json::to_vec(&live).map_err(Problem::internal)?.into(),
        etag: String::new(),
        has_more: false,
        as_of: Some(live.as_of),
        time_zone: live.time_zone,
    });
    state.reports.keep(&question, &answer);
    Ok(respond(&answer))
}

fn respond(answer: &ReportAnswer) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("cache-control", "private, no-cache"))
        .content_type("application/json")
        .body(answer.body.clone())
}

async fn live(
    client: &Connection,
    channel: &str,
    asked_zone: Option<&str>,
    now: Timestamp,
) -> Result<LiveSales, Problem> {
    let found = channels::find(&***client, channel).await?.ok_or_else(|| Problem::not_found("channel"))?;
    let time_zone = known_zone(&found, asked_zone)?;
    let zone = TimeZone::get(time_zone).map_err(|error| Problem::internal(error.to_string()))?;
    let date = now.to_zoned(zone).date();
    let last = now.as_second().div_euclid(60) * 60;
    let first = from_second(last)? - SignedDuration::from_mins(MINUTES - 1);
    let query = LiveQuery { channel, time_zone, date, minutes: (first, now) };
    let found = live_sales::read(&***client, &query).await?;
    let query =
        ReportQuery { channel, time_zone, days: (date, date), currency: None, limit: reports::LIMIT_MAX };
    let report = reports::find(REPORT).ok_or_else(|| Problem::not_found("report"))?;
    let published = reports::read(&***client, report, &query).await?;
    Ok(LiveSales {
        date,
        time_zone: time_zone.to_owned(),
        as_of: now,
        provisional: true,
        confirmed_as_of: published.as_of,
        today: by_currency(&found.days, confirmed(report, &published))?,
        orders_per_minute: (0..MINUTES).map(|place| minute(first, place, &found.minutes)).collect(),
    })
}

fn from_second(second: i64) -> Result<Timestamp, Problem> {
    Timestamp::from_second(second).map_err(|error| Problem::internal(error.to_string()))
}

fn minute(first: Timestamp, place: i64, counted: &[(Timestamp, i64)]) -> LiveMinute {
    let minute = first + SignedDuration::from_mins(place);
    let found = counted.binary_search_by_key(&minute, |(minute, _)| *minute);
    LiveMinute { minute, orders: found.map_or(0, |found| counted[found].1) }
}

/// Every currency that one of both has.
fn by_currency(
    days: &[LiveDay],
    mut confirmed: BTreeMap<String, Sales>,
) -> Result<Vec<LiveCurrency>, Problem> {
    let mut live = BTreeMap::new();
    for day in days {
        live.insert(day.currency.clone(), sales(day)?);
    }
    for currency in confirmed.keys() {
        live.entry(currency.clone()).or_default();
    }
    let both = live.into_iter().map(|(currency, sales)| {
        let confirmed = confirmed.remove(&currency);
        LiveCurrency { currency, sales, confirmed }
    });
    Ok(both.collect())
}

fn sales(day: &LiveDay) -> Result<Sales, Problem> {
    let unknown = || Problem::internal(format!("{} is no currency", day.currency));
    let digits = money::exponent(Currency::from_code(&day.currency).ok_or_else(unknown)?);
    let amount = |minor| {
        let amount = Decimal::try_from_i128_with_scale(minor, digits);
        amount.map(|amount| amount.to_string()).map_err(Problem::internal)
    };
    Ok(Sales {
        orders: day.orders,
        units: day.units,
        gross_revenue: amount(day.gross_minor)?,
        refunds: amount(day.refunds_minor)?,
        net_revenue: amount(day.gross_minor + day.refunds_minor)?,
    })
}

/// What is published, by currency.
fn confirmed(report: &Report, published: &Published) -> BTreeMap<String, Sales> {
    let of = |row: &Vec<Cell>| {
        let named: BTreeMap<_, _> = report.columns().map(|column| column.name).zip(row).collect();
        let count = |name| match named.get(name) {
            Some(Cell::Count(count)) => Some(*count),
            _ => None,
        };
        let text = |name| match named.get(name) {
            Some(Cell::Number(amount)) => Some(amount.to_string()),
            Some(Cell::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let sales = Sales {
            orders: count("orders")?,
            units: count("units")?,
            gross_revenue: text("gross_revenue")?,
            refunds: text("refunds")?,
            net_revenue: text("net_revenue")?,
        };
        Some((text("currency")?, sales))
    };
    published.rows.iter().filter_map(of).collect()
}
