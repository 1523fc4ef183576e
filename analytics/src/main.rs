//! `analytics serve` keeps reports up to date; `analytics run` brings them up to date once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use analytics::experiment_report::ExperimentReport;
use analytics::lake::Lake;
use analytics::measure::{self, Measured, Part};
use analytics::run::{self, RunReport, Scope, Stores};
use analytics::search_report::SearchReport;
use analytics::serve::{self, Daemon};
use anyhow::Context;
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use serde::Deserialize;
use store::pg::{channels, direct, report_runs, reports, transaction};
use store::settings::{AmqpSettings, MongoSettings, PostgresSettings};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Most days that are counted again at once.
const BACKFILL_DAYS_MAX: i32 = 3_700;
/// Runs that the status shows.
const STATUS_RUNS: i64 = 20;

#[derive(Parser)]
#[command(about = "Reports: extract to the lake, count, publish")]
struct Arguments {
    /// Settings file
    #[arg(long, global = true, default_value = "entrepot.toml")]
    settings: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Bring the reports up to date every quarter of an hour and when orders were imported, until stopped
    Serve,
    /// Bring the reports up to date now
    Run {
        /// Only this channel
        #[arg(long)]
        channel: Option<String>,
        /// Extract and count everything again
        #[arg(long)]
        full: bool,
    },
    /// Extract and count days again, whether they changed or not
    Backfill {
        /// First UTC day
        #[arg(long)]
        from: Date,
        /// Last UTC day
        #[arg(long)]
        to: Date,
        /// Only this channel
        #[arg(long)]
        channel: Option<String>,
    },
    /// Count a lake without publishing anything, and say how long each part took
    Measure {
        /// Folder of the lake
        #[arg(long)]
        lake: PathBuf,
        /// Channel of it
        #[arg(long, default_value = "shop")]
        channel: String,
        /// IANA name of the zone whose days are counted
        #[arg(long, default_value = "UTC")]
        time_zone: String,
        /// Last whole day, for the report on stock
        #[arg(long)]
        until: Date,
        /// Folder for a CSV file of each report
        #[arg(long)]
        out: Option<PathBuf>,
        /// Keep what is counted of months beside the lake, as a run does
        #[arg(long)]
        keep: bool,
    },
    /// The newest runs, and the days on which report and ledger differ
    Status,
    /// Count a channel's days in these time zones as well as in its own
    Zones {
        /// The channel
        #[arg(long, default_value = "shop")]
        channel: String,
        /// IANA names, such as America/New_York; none removes those of before
        zones: Vec<String>,
    },
}

#[derive(Deserialize)]
struct Settings {
    postgres: PostgresSettings,
    mongo: MongoSettings,
    amqp: AmqpSettings,
    lake: LakeSettings,
    analytics: AnalyticsSettings,
}

#[derive(Deserialize)]
struct LakeSettings {
    path: PathBuf,
}

#[derive(Deserialize)]
struct AnalyticsSettings {
    metrics: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let settings = || process::settings::load::<Settings>(&arguments.settings);
    match arguments.verb {
        Verb::Serve => serve(settings()?).await,
        Verb::Run { channel, full } => {
            let scope = if full { Scope::Full } else { Scope::Changed };
            run(settings()?, channel, scope).await
        }
        Verb::Backfill { from, to, channel } => {
            anyhow::ensure!(from <= to, "--from is after --to");
            let days = to.since(from).map_or(i32::MAX, |span| span.get_days());
            anyhow::ensure!(days <= BACKFILL_DAYS_MAX, "at most {BACKFILL_DAYS_MAX} days");
            run(settings()?, channel, Scope::Dates(from, to)).await
        }
        Verb::Measure { lake, channel, time_zone, until, out, keep } => {
            let lake = if keep { Lake::new(&lake) } else { Lake::without_keeping(&lake) };
            measure(&lake, &channel, &time_zone, until, out)
        }
        Verb::Status => status(&settings()?).await,
        Verb::Zones { channel, zones } => set_zones(&settings()?, &channel, &zones).await,
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let _telemetry = process::telemetry::init("analytics", Some(settings.analytics.metrics))?;
    let stop = process::shutdown::signal();
    let lake = Lake::new(&settings.lake.path);
    let stores = Stores { postgres: settings.postgres, mongo: settings.mongo };
    let daemon = Daemon { stores, amqp: settings.amqp, lake };
    daemon.run(&stop).await;
    Ok(())
}

async fn run(settings: Settings, channel: Option<String>, scope: Scope) -> anyhow::Result<()> {
    let started = Instant::now();
    let lake = Lake::new(&settings.lake.path);
    let stores = Stores { postgres: settings.postgres, mongo: settings.mongo };
    let channels = match channel {
        Some(channel) => vec![channel],
        None => run::channels(&stores.postgres).await?,
    };
    println!(
        "{:<24} {:<8} {:>6} {:>10} {:>6} {:>9} {:>11} {:>9} {:>9}",
        "channel", "extract", "days", "lines", "dates", "rows", "differences", "extract", "reports"
    );
    for channel in &channels {
        let spinner = ProgressBar::new_spinner().with_prefix(channel.clone());
        spinner.set_style(ProgressStyle::with_template("{spinner} {elapsed} {prefix}: {msg}")?);
        spinner.enable_steady_tick(Duration::from_millis(200));
        let tell = |what: &str| spinner.set_message(what.to_owned());
        let report = serve::observed(&stores, &lake, channel, scope, &tell).await;
        spinner.finish_and_clear();
        print(&report?);
    }
    for channel in &channels {
        if let Some(report) = serve::observed_searches(&stores.postgres, &lake, channel).await? {
            print_searches(&report);
        }
    }
    if let Some(report) = serve::observed_experiment(&stores.postgres, &lake).await? {
        print_experiment(&report);
    }
    println!("{} channels in {:.1} s", channels.len(), started.elapsed().as_secs_f64());
    Ok(())
}

fn measure(
    lake: &Lake,
    channel: &str,
    time_zone: &str,
    until: Date,
    out: Option<PathBuf>,
) -> anyhow::Result<()> {
    let parts = measure::measure(&Measured { lake, channel, time_zone, until, out })?;
    let line = |name: &str, rows: usize, elapsed: Duration| {
        println!("{name:<22} {rows:>9} rows {:>8.3} s", elapsed.as_secs_f64());
    };
    for part in &parts {
        for (name, table) in &part.tables {
            line(name, table.rows, table.elapsed);
        }
        line(&format!("({})", part.name), 0, part.shared());
    }
    line("all", parts.iter().map(Part::rows).sum(), parts.iter().map(|part| part.elapsed).sum());
    Ok(())
}

async fn status(settings: &Settings) -> anyhow::Result<()> {
    let primary = direct::primary(&settings.postgres).await?;
    println!(
        "{:>6} {:<20} {:<8} {:<20} {:>7} {:>6} {:>9} {:>6} {:>9} {:>11} {:>6}  error",
        "run",
        "channel",
        "scope",
        "began",
        "seconds",
        "days",
        "lines",
        "dates",
        "rows",
        "differences",
        "healed"
    );
    for run in report_runs::newest(&primary, STATUS_RUNS).await? {
        let seconds = run.finished_at.map(|end| end.duration_since(run.started_at).as_secs_f64());
        let done = run.done;
        println!(
            "{:>6} {:<20} {:<8} {:<20} {:>7} {:>6} {:>9} {:>6} {:>9} {:>11} {:>6}  {}",
            run.id,
            run.channel,
            run.scope,
            run.started_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.1}")),
            done.days_extracted,
            done.lines_extracted,
            done.dates_counted,
            done.rows_published,
            done.differences,
            done.days_healed,
            run.error.as_deref().unwrap_or(""),
        );
    }
    let standings = reports::standings(&primary).await?;
    for standing in &standings {
        println!(
            "{}: counted as of {}; {} days of a currency and a time zone are reconciled, {} differ",
            standing.channel,
            standing.as_of.strftime("%Y-%m-%d %H:%M:%S"),
            standing.days,
            standing.different
        );
    }
    let different: i64 = standings.iter().map(|standing| standing.different).sum();
    anyhow::ensure!(different == 0, "{different} days differ from the order ledger");
    Ok(())
}

async fn set_zones(settings: &Settings, channel: &str, zones: &[String]) -> anyhow::Result<()> {
    let mut named = BTreeSet::new();
    for zone in zones {
        let found = jiff::tz::TimeZone::get(zone).ok();
        let name = found.as_ref().and_then(|found| found.iana_name()).map(str::to_owned);
        // Who counts must know it too.
        let name = name.filter(|name| analytics::reports::time_zone(name).is_ok());
        named.insert(name.with_context(|| format!("{zone:?} is no time zone that is known here"))?);
    }
    anyhow::ensure!(
        named.len() <= channels::REPORT_TIME_ZONES_MAX,
        "at most {} zones",
        channels::REPORT_TIME_ZONES_MAX
    );
    let zones: Vec<_> = named.into_iter().collect();
    let mut primary = direct::primary(&settings.postgres).await?;
    anyhow::ensure!(channels::find(&primary, channel).await?.is_some(), "no channel {channel:?}");
    transaction::run_direct(&mut primary, "set_report_time_zones", async |transaction| {
        channels::set_report_time_zones(transaction, channel, &zones).await
    })
    .await?;
    println!("the next run counts {channel} in its own zone and {} more", zones.len());
    Ok(())
}

fn print_searches(report: &SearchReport) {
    let SearchReport { channel, days: (from, to), searches, terms, judgments, elapsed } = report;
    println!(
        "{channel:<24} {searches} searches from {from} to {to}: {terms} terms, {judgments} judgments by clicks, \
         {:.1} s",
        elapsed.as_secs_f64()
    );
}

fn print_experiment(report: &ExperimentReport) {
    let ExperimentReport { experiment, figures, outcome } = report;
    let (control, treatment) = (figures.counts.control, figures.counts.treatment);
    println!(
        "experiment {:?}: live {} of {} visits, draft {} of {}, p {:.4}, {}",
        experiment.name,
        control.successes,
        control.visits,
        treatment.successes,
        treatment.visits,
        figures.p_value,
        outcome.map_or("it goes on", domain::experiment::Outcome::name)
    );
}

fn print(report: &RunReport) {
    let figures = report.figures;
    println!(
        "{:<24} {:<8} {:>6} {:>10} {:>6} {:>9} {:>11} {:>7.1} s {:>7.1} s",
        report.channel,
        if figures.was_full { "full" } else { "changed" },
        figures.days_extracted,
        figures.lines_extracted,
        figures.dates_counted,
        figures.rows_published,
        figures.differences,
        report.extract_elapsed.as_secs_f64(),
        report.report_elapsed.as_secs_f64(),
    );
    if figures.days_healed > 0 {
        println!("{} days of the lake were damaged or missing: extracted anew", figures.days_healed);
    }
    for left_out in &report.left_out {
        println!("not counted, the last report stays: {left_out}");
    }
}
