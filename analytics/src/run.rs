//! One run of the reports of a channel: extract what changed, count what it touches, publish it.
//!
//! A run that is killed is done again by the next: files appear by rename, the watermark moves in the transaction that
//! publishes, and the manifest follows it.

use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use polars::error::PolarsError;
use process::error_chain;
use store::error::{MayBeStoreError, StoreError};
use store::pg::advisory_lock::{self, Right};
use store::pg::report_runs::{self, RunFigures};
use store::pg::{channels, direct};
use store::settings::{MongoSettings, PostgresSettings};

use crate::count::CountError;
use crate::extract::ExtractError;
use crate::lake::{Lake, LakeError};
use crate::publication::{self, Published};
use crate::reports::ReportError;
use crate::snapshot;

/// Longest run. The lock that it holds lets no other one begin.
const RUN_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Where facts are.
#[derive(Debug, Clone)]
pub struct Stores {
    /// Orders, stock and accounts; what is published.
    pub postgres: PostgresSettings,
    /// The catalogue.
    pub mongo: MongoSettings,
}

/// How much a run reads and counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What changed since the last run; everything when the lake is not the one of the last run.
    Changed,
    /// Everything.
    Full,
    /// What changed, and these UTC days, both included, whether they changed or not.
    Dates(Date, Date),
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Full => "full",
            Self::Dates(..) => "dates",
        }
    }
}

/// What a run did.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// The channel.
    pub channel: String,
    /// Days, lines, dates, rows, differences.
    pub figures: RunFigures,
    /// Time of the snapshot.
    pub as_of: Timestamp,
    /// Months of behaviour that could not be counted, and why: their last report stays.
    pub left_out: Vec<String>,
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
    /// A lake that cannot be counted.
    #[error(transparent)]
    Count(#[from] CountError),
    /// A server that accepted a question and never answered.
    #[error("the run took longer than {} minutes", .0.as_secs() / 60)]
    Overdue(Duration),
    /// The counting thread panicked.
    #[error("counting failed")]
    Counter(#[source] tokio::task::JoinError),
}

impl MayBeStoreError for RunError {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) | Self::Extract(ExtractError::Store(error)) => Some(error),
            _ => None,
        }
    }
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
            Self::Lake(error)
            | Self::Extract(ExtractError::Lake(error))
            | Self::Count(CountError::Lake(error)) => of_lake(error),
            // The lake is forgotten: the next run extracts it again.
            Self::Count(CountError::Report(ReportError::Frame(_)) | CountError::Unsound(_)) => Remedy::Retry,
            _ => Remedy::GiveUp,
        }
    }

    /// Whether what the lake holds may be the cause.
    fn may_be_damage(&self) -> bool {
        match self {
            Self::Count(CountError::Report(ReportError::Frame(_)) | CountError::Unsound(_)) => true,
            Self::Lake(LakeError::Parquet { source, .. })
            | Self::Count(CountError::Lake(LakeError::Parquet { source, .. })) => {
                !matches!(source, PolarsError::IO { .. })
            }
            _ => false,
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

/// A full or missing disk is mended by a person; a damaged file of the lake is extracted again.
fn of_lake(error: &LakeError) -> Remedy {
    match error {
        LakeError::File { .. } | LakeError::Parquet { source: PolarsError::IO { .. }, .. } => Remedy::Wait,
        LakeError::Landed(lake::behaviour::LakeError::File { .. }) => Remedy::Wait,
        LakeError::Parquet { .. } | LakeError::Landed(_) | LakeError::Manifest { .. } => Remedy::Retry,
    }
}

/// The channels there are.
pub async fn channels(settings: &PostgresSettings) -> Result<Vec<String>, RunError> {
    let client = direct::primary(settings).await?;
    Ok(channels::list(&client).await?.into_iter().map(|channel| channel.code).collect())
}

/// What is due: everything once a night, else what changed. An hour at which nobody looks is two o'clock, UTC.
pub async fn due(settings: &PostgresSettings, channel: &str, now: Timestamp) -> Result<Scope, RunError> {
    let client = direct::primary(settings).await?;
    let last = report_runs::last_full(&client, channel).await?;
    Ok(if last.is_none_or(|last| is_stale(last, now)) { Scope::Full } else { Scope::Changed })
}

/// Whether everything has to be counted anew: once a night, and when the clock was ahead at the last time.
fn is_stale(last: Timestamp, now: Timestamp) -> bool {
    last < last_night(now) || last > now
}

fn last_night(now: Timestamp) -> Timestamp {
    let night = now.saturating_sub(2.hours()).unwrap_or(now).to_zoned(TimeZone::UTC).date();
    night.at(2, 0, 0, 0).to_zoned(TimeZone::UTC).map_or(now, |night| night.timestamp())
}

/// Brings the reports of a channel up to what was committed when the run began. `tell` hears what is done now.
pub async fn run(
    stores: &Stores,
    lake: &Lake,
    channel: &str,
    scope: Scope,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<RunReport, RunError> {
    tokio::time::timeout(RUN_TIMEOUT, noted(stores, lake, channel, scope, tell))
        .await
        .unwrap_or(Err(RunError::Overdue(RUN_TIMEOUT)))
}

/// A run with its note.
async fn noted(
    stores: &Stores,
    lake: &Lake,
    channel: &str,
    scope: Scope,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<RunReport, RunError> {
    let mut primary = direct::primary(&stores.postgres).await?;
    // The lock lives as long as the connection, and the connection publishes: a run without its lock cannot.
    if !advisory_lock::take(&primary, Right::CountDailySales(channel)).await? {
        return Err(RunError::Busy(channel.to_owned()));
    }
    if channels::find(&primary, channel).await?.is_none() {
        return Err(RunError::UnknownChannel(channel.to_owned()));
    }
    let id = report_runs::begin(&primary, channel, scope.name(), Timestamp::now()).await?;
    let result = bring_up_to_date(stores, lake, channel, scope, (&mut primary, tell)).await;
    let failure = match &result {
        Ok(report) => (!report.left_out.is_empty()).then(|| report.left_out.join("; ")),
        Err(error) => Some(error_chain::text(error)),
    };
    let figures = result.as_ref().map_or_else(|_| RunFigures::default(), |report| report.figures);
    if result.as_ref().is_err_and(RunError::may_be_damage) {
        lake.forget(channel)?;
    }
    // What became of the run counts, not whether it could be noted.
    if let Err(error) = report_runs::end(&primary, id, Timestamp::now(), &figures, failure.as_deref()).await {
        tracing::warn!(error = error_chain::text(&error), channel, "the end of the run is not noted");
    }
    result
}

async fn bring_up_to_date(
    stores: &Stores,
    lake: &Lake,
    channel: &str,
    scope: Scope,
    (primary, tell): (&mut direct::DirectClient, &(dyn Fn(&str) + Sync)),
) -> Result<RunReport, RunError> {
    let started = Instant::now();
    tell("extracts");
    let mut extraction = snapshot::extract(stores, lake, channel, scope, primary).await?;
    let extract_elapsed = started.elapsed();
    let Published { dates, rows, differences, left_out, events_left } =
        publication::publish(primary, lake, &extraction, tell).await?;
    extraction.forget_events(&events_left);
    let figures = RunFigures {
        as_of: Some(extraction.as_of),
        days_extracted: signed(extraction.extracted.days),
        lines_extracted: signed(extraction.extracted.lines),
        dates_counted: signed(dates),
        rows_published: signed(rows),
        differences: signed(differences),
        days_healed: signed(extraction.healed),
        was_full: extraction.is_full,
    };
    let as_of = extraction.as_of;
    extraction.save(lake, channel)?;
    Ok(RunReport {
        channel: channel.to_owned(),
        figures,
        as_of,
        left_out,
        extract_elapsed,
        report_elapsed: started.elapsed() - extract_elapsed,
    })
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_begins_at_two() {
        let night = |now: &str| last_night(now.parse().expect("a time")).to_string();
        assert_eq!(night("2026-03-01T01:59:59Z"), "2026-02-28T02:00:00Z");
        assert_eq!(night("2026-03-01T02:00:00Z"), "2026-03-01T02:00:00Z");
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_no_night_away() {
        let stale =
            |last: &str, now: &str| is_stale(last.parse().expect("a time"), now.parse().expect("a time"));
        assert!(!stale("2026-03-01T02:10:00Z", "2026-03-01T23:00:00Z"));
        assert!(stale("2026-03-01T02:10:00Z", "2026-03-02T02:00:01Z"));
        assert!(stale("2027-03-01T02:10:00Z", "2026-03-01T23:00:00Z"));
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
            (RunError::from(CountError::from(damaged)), Remedy::Retry),
            (RunError::UnknownChannel("nowhere".to_owned()), Remedy::GiveUp),
        ] {
            assert_eq!(error.remedy(), remedy, "{error:?}");
        }
    }
}
