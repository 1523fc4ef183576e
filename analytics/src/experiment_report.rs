//! One look at the experiment that runs: count what shoppers did since it began, keep the figures, and end it when the
//! stop rule says so. A look that is killed is done again by the next.

use std::time::Duration;

use domain::experiment::{Counts, End, Experiment, Figures, Outcome};
use domain::order::SHOP_CHANNEL;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use store::pg::advisory_lock::{self, Right};
use store::pg::{direct, experiments, transaction};
use store::settings::PostgresSettings;

use crate::experiment_counts::experiment_counts;
use crate::lake::Lake;
use crate::run::RunError;

/// Longest count, and with it longest look.
const COUNT_TIMEOUT: Duration = Duration::from_secs(10 * 60);
const RUN_TIMEOUT: Duration = Duration::from_secs(12 * 60);
/// Who ends an experiment that nobody ends.
const STOP_RULE: &str = "stop-rule";

/// What a look has shown.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentReport {
    /// The experiment, as it was before.
    pub experiment: Experiment,
    /// What was counted.
    pub figures: Figures,
    /// How it has ended; `None`: it goes on.
    pub outcome: Option<Outcome>,
}

/// Looks at the experiment that runs; `None` when none does.
pub async fn run(
    settings: &PostgresSettings,
    lake: &Lake,
    now: Timestamp,
) -> Result<Option<ExperimentReport>, RunError> {
    tokio::time::timeout(RUN_TIMEOUT, look(settings, lake, now))
        .await
        .unwrap_or(Err(RunError::Overdue(RUN_TIMEOUT)))
}

async fn look(
    settings: &PostgresSettings,
    lake: &Lake,
    now: Timestamp,
) -> Result<Option<ExperimentReport>, RunError> {
    let mut primary = direct::primary(settings).await?;
    if !advisory_lock::take(&primary, Right::CountExperiment).await? {
        return Err(RunError::Busy("the experiment".to_owned()));
    }
    let Some(experiment) = experiments::running(&primary).await? else { return Ok(None) };
    let (of_lake, counted) = (lake.clone(), experiment.clone());
    let counting = tokio::task::spawn_blocking(move || count(&of_lake, &counted, now));
    let figures = match tokio::time::timeout(COUNT_TIMEOUT, counting).await {
        Ok(Ok(figures)) => figures,
        Ok(Err(error)) => Err(RunError::Counter(error)),
        Err(_) => Err(RunError::Overdue(COUNT_TIMEOUT)),
    };
    let figures = match figures {
        Ok(figures) => figures,
        // It ends after its days, whatever cannot be counted.
        Err(error) if experiment.is_over(now) => {
            let error = process::error_chain::text(&error);
            tracing::error!(error, "the experiment ends uncounted");
            let empty = Figures::new(experiment.method, Counts::default(), now);
            experiment.figures.unwrap_or(empty)
        }
        Err(error) => return Err(error),
    };
    let outcome = experiment.verdict(&figures, now);
    let is_kept = transaction::run_direct(&mut primary, "look_at_experiment", async |transaction| {
        let is_kept = experiments::save_figures(transaction, experiment.id, &figures).await?;
        if let Some(outcome) = outcome.filter(|_| is_kept) {
            let end = End { at: now, by: STOP_RULE.to_owned(), outcome };
            experiments::end(transaction, experiment.id, &end).await?;
        }
        Ok::<_, store::error::StoreError>(is_kept)
    })
    .await?;
    // Somebody has ended it meanwhile.
    Ok(is_kept.then_some(ExperimentReport { experiment, figures, outcome }))
}

fn count(lake: &Lake, experiment: &Experiment, now: Timestamp) -> Result<Figures, RunError> {
    let day_of = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    let days = day_of(experiment.started_at)..=day_of(now);
    let there = lake.event_days(SHOP_CHANNEL)?.into_iter().filter(|day| days.contains(day));
    let counts = match lake.scan_events(SHOP_CHANNEL, &there.collect::<Vec<_>>())? {
        Some(events) => experiment_counts(&events, experiment.id, experiment.method, now)?,
        None => Counts::default(),
    };
    Ok(Figures::new(experiment.method, counts, now))
}
