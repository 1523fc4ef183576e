//! `analytics serve` keeps reports up to date; `analytics run` brings them up to date once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use analytics::experiment_report::ExperimentReport;
use analytics::lake::Lake;
use analytics::run::{self, RunReport, Scope};
use analytics::search_report::SearchReport;
use analytics::serve::{self, Daemon};
use clap::{Parser, Subcommand};
use indicatif::ProgressBar;
use serde::Deserialize;
use store::settings::{AmqpSettings, PostgresSettings};

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
    /// Bring the reports up to date every hour, and daily sales when orders were imported, until stopped
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
}

#[derive(Deserialize)]
struct Settings {
    postgres: PostgresSettings,
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
    let settings: Settings = process::settings::load(&arguments.settings)?;
    match arguments.verb {
        Verb::Serve => serve(settings).await,
        Verb::Run { channel, full } => {
            let scope = if full { Scope::Full } else { Scope::Changed };
            run(&settings, channel, scope).await
        }
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let _telemetry = process::telemetry::init("analytics", Some(settings.analytics.metrics))?;
    let stop = process::shutdown::signal();
    let lake = Lake::new(&settings.lake.path);
    let daemon = Daemon { postgres: settings.postgres, amqp: settings.amqp, lake };
    daemon.run(&stop).await;
    Ok(())
}

async fn run(settings: &Settings, channel: Option<String>, scope: Scope) -> anyhow::Result<()> {
    let started = Instant::now();
    let lake = Lake::new(&settings.lake.path);
    let channels = match channel {
        Some(channel) => vec![channel],
        None => run::channels(&settings.postgres).await?,
    };
    println!(
        "{:<24} {:<8} {:>6} {:>10} {:>6} {:>6} {:>9} {:>9}",
        "channel", "extract", "days", "lines", "dates", "rows", "extract", "report"
    );
    for channel in &channels {
        let spinner = ProgressBar::new_spinner().with_message(format!("daily sales of {channel}"));
        spinner.enable_steady_tick(Duration::from_millis(200));
        let report = serve::observed(&settings.postgres, &lake, channel, scope).await;
        spinner.finish_and_clear();
        print(&report?);
    }
    for channel in &channels {
        if let Some(report) = serve::observed_searches(&settings.postgres, &lake, channel).await? {
            print_searches(&report);
        }
    }
    if let Some(report) = serve::observed_experiment(&settings.postgres, &lake).await? {
        print_experiment(&report);
    }
    println!("{} channels in {:.1} s", channels.len(), started.elapsed().as_secs_f64());
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
    let extract = if report.was_full { "full" } else { "changed" };
    println!(
        "{:<24} {extract:<8} {:>6} {:>10} {:>6} {:>6} {:>7.1} s {:>7.1} s",
        report.channel,
        report.extracted.days,
        report.extracted.lines,
        report.dates,
        report.rows,
        report.extract_elapsed.as_secs_f64(),
        report.report_elapsed.as_secs_f64(),
    );
}
