//! The daemon: an import's event brings its channel's reports up to date; every quarter of an hour brings every
//! report, and once a night everything is counted anew.
//!
//! While a store is away a delivery is held, so that no outage costs one. The broker takes back what is held
//! for longer than it allows, and counts that; the round makes up for what may be dead-lettered then,
//! and counts our own shop's orders, which are not imported.

use std::time::{Duration, Instant};

use domain::event::{CloudEvent, EventData};
use jiff::Timestamp;
use process::backoff::Backoff;
use process::error_chain;
use store::amqp::broker::Broker;
use store::amqp::consumer::Delivery;
use store::amqp::topology::DurableQueue;
use store::error::StoreError;
use store::pg::{direct, reports};
use store::settings::{AmqpSettings, PostgresSettings};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::experiment_report::{self, ExperimentReport};
use crate::lake::Lake;
use crate::run::{self, Remedy, RunError, Scope, Stores};
use crate::search_report::{self, SearchReport};

/// How long one delivery is tried, when nothing is away, before it goes back to the queue, which counts.
const TRIES_TIMEOUT: Duration = Duration::from_secs(300);
/// Between two rounds over every channel.
const ROUND_INTERVAL: Duration = Duration::from_secs(15 * 60);
/// How long a run may go on after the stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// What the daemon works with.
#[derive(Debug, Clone)]
pub struct Daemon {
    /// PostgreSQL and MongoDB.
    pub stores: Stores,
    /// RabbitMQ.
    pub amqp: AmqpSettings,
    /// The lake.
    pub lake: Lake,
}

impl Daemon {
    /// Consumes, and goes its rounds, until the stop; connects anew for as long as it takes.
    pub async fn run(&self, stop: &CancellationToken) {
        tokio::join!(
            Box::pin(self.consume_for_ever(stop)),
            self.go_rounds(stop),
            self.look_at_experiments(stop),
        );
    }

    /// Brings every channel up to date, at once and then every quarter of an hour.
    async fn go_rounds(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            run_and_rest(Box::pin(self.go_round(stop)), stop).await;
        }
    }

    async fn go_round(&self, stop: &CancellationToken) {
        let mut backoff = Backoff::default();
        let channels = loop {
            match run::channels(&self.stores.postgres).await {
                Ok(channels) => break channels,
                Err(error) => tracing::warn!(error = error_chain::text(&error), "the round waits"),
            }
            if !backoff.pause(stop).await {
                return;
            }
        };
        for channel in channels {
            let span = tracing::info_span!("daily_sales_round", channel);
            let scope = run::due(&self.stores.postgres, &channel, Timestamp::now()).await;
            let scope = scope.unwrap_or(Scope::Changed);
            self.bring_up_to_date(&channel, scope, Some(TRIES_TIMEOUT), stop).instrument(span).await;
            if stop.is_cancelled() {
                return;
            }
            self.count_searches(&channel).await;
        }
    }

    /// What fails is tried again with the next round.
    async fn count_searches(&self, channel: &str) {
        match observed_searches(&self.stores.postgres, &self.lake, channel).await {
            Ok(Some(report)) => {
                tracing::info!(channel, terms = report.terms, "search terms are up to date");
            }
            Ok(None) => {}
            Err(error) => {
                let error = error_chain::text(&error);
                tracing::error!(error, channel, "search terms are not counted");
            }
        }
    }

    /// At once and then with every round, also while the reports wait for a standby.
    async fn look_at_experiments(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            run_and_rest(Box::pin(self.look_at_experiment()), stop).await;
        }
    }

    /// What fails is tried again with the next round.
    async fn look_at_experiment(&self) {
        match observed_experiment(&self.stores.postgres, &self.lake).await {
            Ok(Some(ExperimentReport { experiment, figures, outcome })) => {
                let outcome = outcome.map(domain::experiment::Outcome::name);
                let (id, p_value) = (experiment.id.to_string(), figures.p_value);
                tracing::info!(experiment = id, p_value, outcome, "the experiment is looked at");
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(error = error_chain::text(&error), "the experiment is not looked at");
            }
        }
    }

    async fn consume_for_ever(&self, stop: &CancellationToken) {
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() {
            match self.consume(stop).await {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    tracing::warn!(error = error_chain::text(&error), "no deliveries");
                }
            }
            backoff.pause(stop).await;
        }
    }

    /// Until the connection is lost or the program stops.
    async fn consume(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        let broker = Broker::connect(&self.amqp).await?;
        let mut consumer = broker.consume(DurableQueue::Analytics, 1).await?;
        tracing::info!(queue = DurableQueue::Analytics.name(), "consuming");
        loop {
            let delivery = tokio::select! {
                () = stop.cancelled() => break,
                delivery = consumer.next() => delivery,
            };
            let Some(delivery) = delivery else { return Ok(()) };
            let handled = tokio::select! {
                handled = self.handle(delivery, stop) => handled,
                () = past(stop) => break,
            };
            handled?;
        }
        broker.close().await;
        Ok(())
    }

    async fn handle(&self, delivery: Delivery, stop: &CancellationToken) -> Result<(), StoreError> {
        let read = delivery.event().and_then(|event| Ok((event.event_data()?, event)));
        let (data, event) = match read {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a message is no event of ours");
                settled("malformed");
                return delivery.fail().await;
            }
        };
        let EventData::OrdersImported(imported) = data else {
            settled("ignored");
            return delivery.done().await;
        };
        let span = span(&event, &imported.channel);
        let outcome =
            self.bring_up_to_date(&imported.channel, Scope::Changed, None, stop).instrument(span).await;
        settled(outcome.name());
        match outcome {
            Outcome::Done => {
                // A history comes with what led to its orders.
                self.count_searches(&imported.channel).await;
                delivery.done().await
            }
            Outcome::Later => delivery.retry().await,
            Outcome::Never => delivery.fail().await,
            // It comes again when the connection ends.
            Outcome::Stopped => Ok(()),
        }
    }

    /// `patience`: how long what is away is waited for; a delivery waits as long as it takes.
    async fn bring_up_to_date(
        &self,
        channel: &str,
        scope: Scope,
        patience: Option<Duration>,
        stop: &CancellationToken,
    ) -> Outcome {
        let started = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            let error = match observed(&self.stores, &self.lake, channel, scope, &|_| {}).await {
                Ok(report) => {
                    let (days, rows) = (report.figures.days_extracted, report.figures.rows_published);
                    tracing::info!(channel, days, rows, "the reports are up to date");
                    return Outcome::Done;
                }
                Err(error) => error,
            };
            let cause = error_chain::text(&error);
            match error.remedy() {
                Remedy::GiveUp => {
                    tracing::error!(error = cause, channel, "the reports cannot be computed");
                    return Outcome::Never;
                }
                Remedy::Retry if started.elapsed() > TRIES_TIMEOUT => {
                    tracing::error!(error = cause, channel, "the reports fail again and again");
                    return Outcome::Later;
                }
                Remedy::Wait if patience.is_some_and(|patience| started.elapsed() > patience) => {
                    tracing::error!(error = cause, channel, "the reports wait for the next round");
                    return Outcome::Later;
                }
                Remedy::Retry | Remedy::Wait => {
                    tracing::warn!(error = cause, channel, "the reports wait and are tried again");
                }
            }
            if !backoff.pause(stop).await {
                return Outcome::Stopped;
            }
        }
    }
}

/// What became of a channel.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Done,
    Later,
    Never,
    Stopped,
}

impl Outcome {
    /// As a metric's label.
    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Later => "retried",
            Self::Never => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// A run with its metrics.
pub async fn observed(
    stores: &Stores,
    lake: &Lake,
    channel: &str,
    scope: Scope,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<run::RunReport, RunError> {
    let started = Instant::now();
    let result = run::run(stores, lake, channel, scope, tell).await;
    let label = if result.is_ok() { "published" } else { "failed" };
    metrics::counter!("analytics_runs_total", "report" => "sales", "result" => label).increment(1);
    metrics::histogram!("analytics_run_seconds", "report" => "sales").record(started.elapsed().as_secs_f64());
    if let Err(error) = show_standings(&stores.postgres).await {
        tracing::warn!(error = error_chain::text(&error), "how the reports stand is not shown");
    }
    if let Ok(report) = &result {
        metrics::counter!("analytics_lines_extracted_total")
            .increment(report.figures.lines_extracted.unsigned_abs());
        metrics::counter!("analytics_days_healed_total").increment(report.figures.days_healed.unsigned_abs());
        let left_out = report.left_out.len() as u64;
        metrics::counter!("analytics_months_left_out_total").increment(left_out);
    }
    result
}

/// How each channel stands, also those that this process has not counted: when it was counted, and how many days differ
/// from the order ledger.
async fn show_standings(postgres: &PostgresSettings) -> Result<(), StoreError> {
    let primary = direct::primary(postgres).await?;
    for standing in reports::standings(&primary).await? {
        let channel = standing.channel;
        metrics::gauge!("analytics_as_of_seconds", "report" => "sales", "channel" => channel.clone())
            .set(standing.as_of.as_second() as f64);
        metrics::gauge!("analytics_reconciliation_differences", "channel" => channel)
            .set(standing.different as f64);
    }
    Ok(())
}

/// A run of the report on search terms with its metrics.
pub async fn observed_searches(
    postgres: &PostgresSettings,
    lake: &Lake,
    channel: &str,
) -> Result<Option<SearchReport>, RunError> {
    observed_report("search_terms", search_report::run(postgres, lake, channel, Timestamp::now())).await
}

/// A look at the experiment that runs, with its metrics.
pub async fn observed_experiment(
    postgres: &PostgresSettings,
    lake: &Lake,
) -> Result<Option<ExperimentReport>, RunError> {
    observed_report("experiment", experiment_report::run(postgres, lake, Timestamp::now())).await
}

/// A run that has something to report, with its metrics; one that has nothing to count leaves none.
async fn observed_report<T>(
    report: &'static str,
    run: impl Future<Output = Result<Option<T>, RunError>>,
) -> Result<Option<T>, RunError> {
    let started = Instant::now();
    let result = run.await;
    let label = match &result {
        Ok(Some(_)) => "published",
        Ok(None) => return result,
        Err(_) => "failed",
    };
    metrics::counter!("analytics_runs_total", "report" => report, "result" => label).increment(1);
    metrics::histogram!("analytics_run_seconds", "report" => report).record(started.elapsed().as_secs_f64());
    result
}

fn settled(result: &'static str) {
    metrics::counter!("analytics_deliveries_total", "result" => result).increment(1);
}

fn span(event: &CloudEvent, channel: &str) -> tracing::Span {
    let span =
        tracing::info_span!("daily_sales", channel, event_id = %event.id, trace_id = tracing::field::Empty);
    process::trace::continue_from(&span, event.traceparent.as_deref());
    span
}

/// Does what is done in every round, and waits for the next. Gives up when the stop is long ago.
async fn run_and_rest(work: impl Future<Output = ()>, stop: &CancellationToken) {
    tokio::select! {
        () = work => {}
        () = past(stop) => return,
    }
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(ROUND_INTERVAL) => {}
    }
}

/// Ends when the stop is so long ago that a run is given up.
async fn past(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(STOP_TIMEOUT).await;
}
