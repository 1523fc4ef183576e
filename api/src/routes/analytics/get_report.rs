//! `GET /analytics/{report}`

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{self, EntityTag, Header, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use cache::report_cache::ReportAnswer;
use domain::money::Currency;
use domain::order::SHOP_CHANNEL;
use jiff::civil::Date;
use serde_json::{Map, Value, json};
use store::pg::channels::{self, Channel};
use store::pg::reports::{self, Cell, Grain, Published, Report, ReportQuery};
use tokio::sync::SemaphorePermit;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ReadReports};
use crate::problem::Problem;
use crate::query_string::{self, Parameters, ReadQuery};
use crate::routes::analytics::csv_form::csv_bytes;
use crate::routes::analytics::parquet_form::parquet_bytes;
use crate::turn::turn;

/// Most days of one report.
const DAY_COUNT_MAX: i32 = 3_700;
/// Years that a day may be in.
const YEARS: RangeInclusive<i16> = 1970..=9999;
/// Rows that come when no limit is given.
pub const LIMIT_DEFAULT: u32 = 10_000;
/// How long a report waits for others.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest question whose answer is kept.
const QUESTION_LENGTH_MAX: usize = 300;
/// What a report without days is asked for.
const ALWAYS: (Date, Date) = (jiff::civil::date(1970, 1, 1), jiff::civil::date(9999, 12, 31));

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
    Parquet,
}

/// Which rows of which channel.
#[derive(Debug)]
struct ReportParameters {
    from: Option<Date>,
    to: Option<Date>,
    currency: Option<String>,
    channel: Option<String>,
    time_zone: Option<String>,
    limit: Option<u32>,
    format: Format,
}

impl ReadQuery for ReportParameters {
    fn read(parameters: &mut Parameters) -> Self {
        let formats = [("json", Format::Json), ("csv", Format::Csv), ("parquet", Format::Parquet)];
        let read = Self {
            from: parameters.parsed("from", "a day like 2010-12-01"),
            to: parameters.parsed("to", "a day like 2010-12-01"),
            currency: parameters.text("currency", 3),
            channel: parameters.text("channel", 60),
            time_zone: parameters.text("time_zone", 60),
            limit: parameters.parsed("limit", "a whole number"),
            format: parameters.choice("format", &formats).unwrap_or(Format::Json),
        };
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
        if read.limit.is_some_and(|limit| !(1..=reports::LIMIT_MAX).contains(&limit)) {
            parameters.refuse("limit", "out_of_range", format!("1 to {}", reports::LIMIT_MAX));
        }
        read
    }
}

fn days(from: Date, to: Date) -> i32 {
    to.since(from).map_or(i32::MAX, |span| span.get_days().saturating_add(1))
}

/// A report, in one of three forms. Documented for each report in `report_documentation`.
pub async fn get_report(
    _caller: Authorized<ReadReports>,
    state: web::Data<AppState>,
    http: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let name = http.match_info().get("report").unwrap_or_default();
    let report = reports::find(name).ok_or_else(|| Problem::not_found("report"))?;
    let parameters: ReportParameters = query_string::read(&http)?;
    let question = format!("{name}?{}", http.query_string());
    if let Some(answer) = state.reports.get(&question) {
        return Ok(respond(&http, report, parameters.format, &answer));
    }
    let _turn = report_turn(&state).await?;
    // Whoever was before may have asked the same.
    if let Some(answer) = state.reports.peek(&question) {
        return Ok(respond(&http, report, parameters.format, &answer));
    }
    let answer = Arc::new(answer(&state, report, &parameters).await?);
    if question.len() <= QUESTION_LENGTH_MAX {
        state.reports.keep(&question, &answer);
    }
    Ok(respond(&http, report, parameters.format, &answer))
}

/// Waits for the turn to read a report.
pub(super) async fn report_turn(state: &AppState) -> Result<SemaphorePermit<'_>, Problem> {
    turn(&state.report_turns, TURN_TIMEOUT, "other reports are being read").await
}

async fn answer(
    state: &AppState,
    report: &Report,
    parameters: &ReportParameters,
) -> Result<ReportAnswer, Problem> {
    let days = asked_days(report, parameters)?;
    if parameters.currency.is_some() && !report.has_currency() {
        return Err(Problem::invalid_field("/currency", "unsupported", "this report is not by currency"));
    }
    let channel = parameters.channel.as_deref().unwrap_or(SHOP_CHANNEL);
    let client = state.pools.read().await?;
    let found = channels::find(&**client, channel).await?.ok_or_else(|| Problem::not_found("channel"))?;
    let currency = parameters.currency.as_deref().map(known_currency).transpose()?;
    let query = ReportQuery {
        channel,
        time_zone: known_zone(&found, parameters.time_zone.as_deref())?,
        days,
        currency: currency.map(|currency| currency.code()),
        limit: parameters.limit.unwrap_or(LIMIT_DEFAULT),
    };
    let published = reports::read(&**client, report, &query).await?;
    drop(client);
    let has_more = published.has_more;
    let (as_of, time_zone) = (published.as_of, query.time_zone.to_owned());
    let body = match parameters.format {
        Format::Json => json_bytes(report, query.time_zone, published),
        Format::Csv => {
            csv_bytes(report, published.rows).map_err(|error| Problem::internal(error.to_string()))?
        }
        Format::Parquet => {
            parquet_bytes(report, published.rows).map_err(|error| Problem::internal(error.to_string()))?
        }
    };
    let etag = format!("\"{:016x}\"", hash(&body));
    Ok(ReportAnswer { body, etag, has_more, as_of, time_zone })
}

fn asked_days(report: &Report, parameters: &ReportParameters) -> Result<(Date, Date), Problem> {
    if report.grain == Grain::Whole {
        let asked = [("/from", parameters.from), ("/to", parameters.to)];
        return match asked.into_iter().find(|(_, day)| day.is_some()) {
            Some((name, _)) => {
                Err(Problem::invalid_field(name, "unsupported", "this report is of the whole history"))
            }
            None => Ok(ALWAYS),
        };
    }
    let missing = |name: &str| Problem::invalid_field(format!("/{name}"), "required", "give a day");
    Ok((parameters.from.ok_or_else(|| missing("from"))?, parameters.to.ok_or_else(|| missing("to"))?))
}

/// The currency of that code; a wrong one is told which there are.
fn known_currency(code: &str) -> Result<Currency, Problem> {
    Currency::from_code(code).ok_or_else(|| {
        let known: Vec<_> = domain::money::currencies().map(|currency| currency.code()).collect();
        let detail = format!("an ISO 4217 code: {}", known.join(", "));
        Problem::invalid_field("/currency", "invalid", detail)
    })
}

/// The zone that is asked for, or the channel's own; one that is not counted is told which are.
pub(super) fn known_zone<'a>(channel: &'a Channel, asked: Option<&str>) -> Result<&'a str, Problem> {
    let zones = channel.zones();
    let found = asked.map_or(Some(zones[0]), |asked| zones.iter().copied().find(|zone| *zone == asked));
    found.ok_or_else(|| {
        let detail = format!("this channel is counted in {}", zones.join(", "));
        Problem::invalid_field("/time_zone", "unsupported", detail)
    })
}

/// What tells an answer from another.
fn hash(body: &Bytes) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

fn respond(http: &HttpRequest, report: &Report, format: Format, answer: &ReportAnswer) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::ETAG, answer.etag.as_str()));
    response.insert_header((header::CACHE_CONTROL, "private, no-cache"));
    response.insert_header(("has-more", if answer.has_more { "true" } else { "false" }));
    response.insert_header(("time-zone", answer.time_zone.as_str()));
    if let Some(as_of) = answer.as_of {
        response.insert_header(("as-of", as_of.to_string()));
    }
    if is_known(http, &answer.etag) {
        response.status(actix_web::http::StatusCode::NOT_MODIFIED);
        return response.finish();
    }
    let (kind, extension) = match format {
        Format::Json => ("application/json", None),
        Format::Csv => ("text/csv; charset=utf-8; header=present", Some("csv")),
        Format::Parquet => ("application/vnd.apache.parquet", Some("parquet")),
    };
    if let Some(extension) = extension {
        let file = format!("attachment; filename=\"{}.{extension}\"", report.name);
        response.insert_header((header::CONTENT_DISPOSITION, file));
    }
    response.content_type(kind).body(answer.body.clone())
}

/// Whether the client has this answer already.
fn is_known(http: &HttpRequest, etag: &str) -> bool {
    let Ok(tag) = etag.parse::<EntityTag>() else { return false };
    match IfNoneMatch::parse(http) {
        Ok(IfNoneMatch::Any) => http.headers().contains_key(header::IF_NONE_MATCH),
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Err(_) => false,
    }
}

fn json_bytes(report: &Report, time_zone: &str, published: Published) -> Bytes {
    let Published { rows, has_more, as_of } = published;
    let row = |cells: Vec<Cell>| -> Value {
        let named =
            report.columns().map(|column| column.name.to_owned()).zip(cells.into_iter().map(json_cell));
        Value::Object(named.collect::<Map<_, _>>())
    };
    let data: Vec<_> = rows.into_iter().map(row).collect();
    let body = json!({
        "data": data,
        "has_more": has_more,
        "as_of": as_of,
        "time_zone": time_zone,
        "definition": definition(report),
    });
    body.to_string().into()
}

fn json_cell(cell: Cell) -> Value {
    match cell {
        Cell::Date(date) => json!(date),
        Cell::Text(text) => Value::String(text),
        Cell::Count(count) => json!(count),
        // Exact: a number of JSON would be read as a float.
        Cell::Number(number) => Value::String(number.to_string()),
    }
}

/// What a report and its columns mean, in one text.
pub fn definition(report: &Report) -> String {
    let columns: Vec<_> =
        report.columns().map(|column| format!("{}: {}.", column.name, column.about)).collect();
    format!("{} {}", report.about, columns.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_counted() {
        let day = |text: &str| text.parse().expect("a day");
        assert_eq!(days(day("2010-12-01"), day("2010-12-01")), 1);
        assert_eq!(days(day("2010-12-01"), day("2011-12-09")), 374);
    }

    #[test]
    fn each_report_says_what_it_means() {
        for report in reports::all() {
            assert!(definition(report).len() > 60, "{}", report.name);
        }
    }
}
