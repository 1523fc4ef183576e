//! One run of the daily sales report: extract what changed, count the days it touches, publish them.
//!
//! A run that is killed is done again by the next: files appear by rename, and the watermark moves in the
//! transaction that publishes.

use std::time::{Duration, Instant};

use domain::daily_sales::DailySales;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use polars::error::PolarsError;
use store::error::StoreError;
use store::pg::advisory_lock::{self, Right};
use store::pg::daily_sales::{Publication, ReplacedDates, Watermark};
use store::pg::{channels, daily_sales, direct, sales_extract};
use store::settings::PostgresSettings;

use crate::daily_sales::{Basis, ReportError};
use crate::extract::{self, ExtractError, Extracted};
use crate::lake::{Lake, LakeError};

/// How long a run waits for its standby to have what was committed when the run began.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest run. The lock that it holds lets no other one begin.
const RUN_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Dates that are counted at once: bounds the memory of a full run.
const DATES_AT_ONCE: usize = 62;

/// How much a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What changed since the last run; everything when the lake is not the one of the last run.
    Changed,
    /// Everything.
    Full,
}

/// What a run did.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// The channel.
    pub channel: String,
    /// Whether everything was read.
    pub was_full: bool,
    /// Days and lines written to the lake.
    pub extracted: Extracted,
    /// Dates that were counted.
    pub dates: usize,
    /// Rows that came of them.
    pub rows: usize,
    /// Time of the snapshot.
    pub as_of: Timestamp,
    /// Time for the extract.
    pub extract_elapsed: Duration,
    /// Time for counting and publishing.
    pub report_elapsed: Duration,
}

/// Why a run published nothing.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// One run per channel, and one for the experiment, at a time.
    #[error("another run for {0:?} is under way")]
    Busy(String),
    /// No such channel.
    #[error("no channel {0:?}")]
    UnknownChannel(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A day that cannot be extracted.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// The disk.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A number that cannot be computed.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A server that accepted a question and never answered.
    #[error("the run took longer than {} minutes", .0.as_secs() / 60)]
    Overdue(Duration),
    /// The counting thread panicked.
    #[error("counting failed")]
    Counter(#[source] tokio::task::JoinError),
}

/// What to do about a run that published nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Something is away or taken: wait for as long as it takes.
    Wait,
    /// Nobody knows: try again a bounded number of times.
    Retry,
    /// The same run will fail again.
    GiveUp,
}

impl RunError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Busy(_) | Self::Overdue(_) => Remedy::Wait,
            Self::Store(error) | Self::Extract(ExtractError::Store(error)) => of_store(error),
            Self::Lake(error) | Self::Extract(ExtractError::Lake(error)) => of_lake(error),
            _ => Remedy::GiveUp,
        }
    }
}

fn of_store(error: &StoreError) -> Remedy {
    match error {
        StoreError::Unavailable(_) | StoreError::Contention(_) => Remedy::Wait,
        StoreError::Driver(_) => Remedy::Retry,
        StoreError::Conflict { .. } | StoreError::Inconsistent(_) => Remedy::GiveUp,
    }
}

/// A full or missing disk is mended by a person; a damaged file of the lake stays damaged.
fn of_lake(error: &LakeError) -> Remedy {
    match error {
        LakeError::File { .. } | LakeError::Parquet { source: PolarsError::IO { .. }, .. } => Remedy::Wait,
        LakeError::Landed(lake::behaviour::LakeError::File { .. }) => Remedy::Wait,
        LakeError::Parquet { .. } | LakeError::Landed(_) => Remedy::Retry,
    }
}

/// The channels there are.
pub async fn channels(settings: &PostgresSettings) -> Result<Vec<String>, RunError> {
    let client = direct::primary(settings).await?;
    Ok(channels::list(&client).await?.into_iter().map(|channel| channel.code).collect())
}

/// Brings the daily sales of a channel up to what was committed when the run began.
pub async fn daily_sales(
    settings: &PostgresSettings,
    lake: &Lake,
    channel: &str,
    scope: Scope,
) -> Result<RunReport, RunError> {
    tokio::time::timeout(RUN_TIMEOUT, bring_up_to_date(settings, lake, channel, scope))
        .await
        .unwrap_or(Err(RunError::Overdue(RUN_TIMEOUT)))
}

async fn bring_up_to_date(
    settings: &PostgresSettings,
    lake: &Lake,
    channel: &str,
    scope: Scope,
) -> Result<RunReport, RunError> {
    let started = Instant::now();
    let mut primary = direct::primary(settings).await?;
    // The lock lives as long as the connection, and the connection publishes: a run without its lock cannot.
    if !advisory_lock::take(&primary, Right::CountDailySales(channel)).await? {
        return Err(RunError::Busy(channel.to_owned()));
    }
    let position = sales_extract::flushed_position(&primary).await?;
    let mut standby = direct::standby(settings).await?;
    sales_extract::wait_until_replayed(&standby, position, REPLAY_TIMEOUT).await?;
    let published = daily_sales::watermark(&primary, channel).await?;
    let since = since(scope, published, lake.watermark(channel)?);

    let snapshot = sales_extract::snapshot(&mut standby).await?;
    let known = snapshot.channel(channel).await?;
    let known = known.ok_or_else(|| RunError::UnknownChannel(channel.to_owned()))?;
    let basis = Basis { time_zone: known.time_zone, price_scale: known.price_scale };
    let days = snapshot.changed_days(channel, since).await?;
    let extracted = extract::write_days(&snapshot, lake, channel, &days).await?;
    if since.is_none() {
        lake.retain(channel, &days)?;
    }
    let (as_of, watermark) = (snapshot.taken_at, snapshot.watermark);
    drop(snapshot);
    let extract_elapsed = started.elapsed();

    let dates = dates_of(&days, &basis);
    let rows = count(lake, channel, &dates, &basis).await?;
    let replaced = if since.is_none() { ReplacedDates::All } else { ReplacedDates::Only(&dates) };
    let publication = Publication { channel, dates: replaced, rows: &rows, as_of, watermark };
    daily_sales::publish(&mut primary, &publication).await?;
    lake.save_watermark(channel, watermark)?;
    Ok(RunReport {
        channel: channel.to_owned(),
        was_full: since.is_none(),
        extracted,
        dates: dates.len(),
        rows: rows.len(),
        as_of,
        extract_elapsed,
        report_elapsed: started.elapsed() - extract_elapsed,
    })
}

/// Where to go on from: the last publication, if the lake still holds its extract; `None` for a full run.
fn since(scope: Scope, published: Option<Watermark>, held: Option<Watermark>) -> Option<Watermark> {
    published.filter(|_| scope == Scope::Changed && published == held)
}

/// The dates in the channel's zone that the lines of those UTC days can be of.
fn dates_of(days: &[Date], basis: &Basis) -> Vec<Date> {
    let reach = reach_days(basis);
    let mut dates: Vec<Date> = days
        .iter()
        .flat_map(|day| (-reach..=reach).map(move |offset| day.saturating_add(offset.days())))
        .collect();
    dates.sort_unstable();
    dates.dedup();
    dates
}

/// A zone's midnight is less than a day away from UTC's.
fn reach_days(basis: &Basis) -> i32 {
    if matches!(basis.time_zone.as_str(), "UTC" | "Etc/UTC") { 0 } else { 1 }
}

async fn count(
    lake: &Lake,
    channel: &str,
    dates: &[Date],
    basis: &Basis,
) -> Result<Vec<DailySales>, RunError> {
    let (lake, channel, dates, basis) = (lake.clone(), channel.to_owned(), dates.to_owned(), basis.clone());
    tokio::task::spawn_blocking(move || {
        let mut rows = Vec::new();
        for part in dates.chunks(DATES_AT_ONCE) {
            // The days around are read too, so that every date of the part is whole.
            let Some(lines) = lake.scan(&channel, &dates_of(part, &basis))? else {
                continue;
            };
            let counted = crate::daily_sales::daily_sales(lines, &basis)?;
            rows.extend(counted.into_iter().filter(|row| part.binary_search(&row.date).is_ok()));
        }
        Ok(rows)
    })
    .await
    .map_err(RunError::Counter)?
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn another_lake_than_the_published_one_is_written_anew() {
        let (old, new) = (Some(Watermark(7)), Some(Watermark(9)));
        assert_eq!(since(Scope::Changed, new, new), new);
        assert_eq!(since(Scope::Changed, new, old), None);
        assert_eq!(since(Scope::Changed, None, None), None);
        assert_eq!(since(Scope::Full, new, new), None);
    }

    #[test]
    fn an_outage_is_waited_for_and_a_wrong_number_is_not() {
        let away = || StoreError::unavailable("down");
        let disk = || LakeError::File { path: "lake".into(), source: std::io::ErrorKind::StorageFull.into() };
        let damaged =
            LakeError::Parquet { path: "lake".into(), source: PolarsError::ComputeError("thrift".into()) };
        for (error, remedy) in [
            (RunError::from(away()), Remedy::Wait),
            (RunError::from(ExtractError::from(away())), Remedy::Wait),
            (RunError::from(ExtractError::from(disk())), Remedy::Wait),
            (RunError::Busy("shop".to_owned()), Remedy::Wait),
            (RunError::from(damaged), Remedy::Retry),
            (RunError::UnknownChannel("nowhere".to_owned()), Remedy::GiveUp),
        ] {
            assert_eq!(error.remedy(), remedy, "{error:?}");
        }
    }

    #[test]
    fn another_zone_reaches_into_the_neighbouring_days() {
        let basis = |zone: &str| Basis { time_zone: zone.to_owned(), price_scale: 2 };
        let days = [date(2011, 1, 1), date(2011, 1, 3)];
        assert_eq!(dates_of(&days, &basis("UTC")), days);
        let dates = dates_of(&days, &basis("Pacific/Auckland"));
        let around: Vec<Date> =
            (0..5).map(|offset| date(2010, 12, 31).saturating_add(offset.days())).collect();
        assert_eq!(dates, around);
    }
}
