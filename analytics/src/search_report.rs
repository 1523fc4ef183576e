//! One run of the report on search terms: read the events of the last weeks, count, publish. A run that is killed is
//! done again by the next.

use std::time::{Duration, Instant};

use domain::judgment::{CLICKS, Judgment};
use domain::order::SHOP_CHANNEL;
use domain::search_term::{SearchTerms, WINDOW_DAYS};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use polars::prelude::IntoLazy;
use store::pg::advisory_lock::{self, Right};
use store::pg::direct;
use store::pg::search_terms::{self, Publication};
use store::settings::PostgresSettings;

use crate::click_judgments::click_judgments;
use crate::lake::Lake;
use crate::reports::ReportError;
use crate::run::RunError;
use crate::search_terms::{of_interest, search_terms};

/// Longest run: whoever waits for it gives up then.
const RUN_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// What a run did.
#[derive(Debug, Clone)]
pub struct SearchReport {
    /// The channel.
    pub channel: String,
    /// First and last day that was counted.
    pub days: (Date, Date),
    /// All searches.
    pub searches: i64,
    /// Terms that are shown.
    pub terms: usize,
    /// Judgments that follow from clicks.
    pub judgments: usize,
    /// Time for all.
    pub elapsed: Duration,
}

/// Counts what was searched for in the weeks before today; `None` when the channel has no behaviour events.
pub async fn run(
    settings: &PostgresSettings,
    lake: &Lake,
    channel: &str,
    now: Timestamp,
) -> Result<Option<SearchReport>, RunError> {
    tokio::time::timeout(RUN_TIMEOUT, bring_up_to_date(settings, lake, channel, now))
        .await
        .unwrap_or(Err(RunError::Overdue(RUN_TIMEOUT)))
}

async fn bring_up_to_date(
    settings: &PostgresSettings,
    lake: &Lake,
    channel: &str,
    now: Timestamp,
) -> Result<Option<SearchReport>, RunError> {
    let started = Instant::now();
    let mut primary = direct::primary(settings).await?;
    if !advisory_lock::take(&primary, Right::CountSearchTerms(channel)).await? {
        return Err(RunError::Busy(channel.to_owned()));
    }
    let (of_lake, of_channel) = (lake.clone(), channel.to_owned());
    let counting = tokio::task::spawn_blocking(move || count(&of_lake, &of_channel, now));
    // Another channel's products are not ours.
    let set = (channel == SHOP_CHANNEL).then_some(CLICKS);
    let Some((report, judgments)) = counting.await.map_err(RunError::Counter)?? else {
        // What was searched for months ago is not what is searched for now.
        search_terms::forget(&mut primary, channel, set).await?;
        return Ok(None);
    };
    let judged = set.map(|set| (set, judgments.as_slice()));
    let publication = Publication { channel, report: &report, as_of: now, judgments: judged };
    search_terms::publish(&mut primary, &publication).await?;
    Ok(Some(SearchReport {
        channel: channel.to_owned(),
        days: (report.from, report.to),
        searches: report.searches,
        terms: report.terms.len(),
        judgments: judged.map_or(0, |(_, judgments)| judgments.len()),
        elapsed: started.elapsed(),
    }))
}

/// The weeks that end yesterday: a day that is not over yet says little of a term.
fn window(now: Timestamp) -> (Date, Date) {
    let today = now.to_zoned(TimeZone::UTC).date();
    (today.saturating_sub(WINDOW_DAYS.days()), today.saturating_sub(1.day()))
}

fn count(
    lake: &Lake,
    channel: &str,
    now: Timestamp,
) -> Result<Option<(SearchTerms, Vec<Judgment>)>, RunError> {
    let (from, to) = window(now);
    let days: Vec<_> =
        lake.event_days(channel)?.into_iter().filter(|day| (from..=to).contains(day)).collect();
    let Some(events) = lake.scan_events(channel, &days)? else { return Ok(None) };
    // Read once for both.
    let events = of_interest(events).collect().map_err(ReportError::Frame)?.lazy();
    Ok(Some((search_terms(&events, from, to)?, click_judgments(&events, now)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_whole_weeks_are_counted() {
        let (from, to) = window("2026-03-01T00:00:00Z".parse().expect("a time"));
        assert_eq!((from.to_string(), to.to_string()), ("2026-02-01".to_owned(), "2026-02-28".to_owned()));
    }
}
