//! `ingest import products`: its arguments, its progress bar and what it prints.

use std::path::PathBuf;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use store::mongo::connection::Mongo;
use store::settings::{MongoSettings, PostgresSettings};

use super::{Beginning, ImportOptions, ImportReport, default_path};
use crate::input::Layout;
use crate::row_report::{Entry, Outcome, report_ending};

/// Arguments of `import products`.
#[derive(Debug, clap::Args)]
pub struct ImportProducts {
    /// Shape of the file
    #[arg(long, value_enum, default_value = "auto")]
    pub format: Layout,
    /// Column map (TOML; examples in ingest/maps)
    #[arg(long)]
    pub map: PathBuf,
    /// Write nothing, tell what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Begin with the first row, although an earlier run of this file was cut short
    #[arg(long)]
    pub restart: bool,
    /// Where refused rows go [default: FILE's name with .refused.csv, beside it]
    #[arg(long)]
    pub refused: Option<PathBuf>,
    /// Where the row-level report goes [default: FILE's name with .report.ndjson, beside it]
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// The file, plain, gzip or zstd; `-` for standard input, which cannot be resumed
    pub file: PathBuf,
}

impl From<ImportProducts> for ImportOptions {
    fn from(arguments: ImportProducts) -> Self {
        let ImportProducts { format, map, dry_run, restart, refused, report, file } = arguments;
        Self {
            refused: refused.unwrap_or_else(|| default_path(&file, ".refused.csv")),
            report: report.unwrap_or_else(|| default_path(&file, report_ending(dry_run))),
            file,
            layout: format,
            map,
            is_dry: dry_run,
            restart,
        }
    }
}

/// The command: imports with a progress bar and prints a report. A file that is cut or damaged is an error after what
/// could be read is in.
pub async fn run(
    arguments: ImportProducts,
    postgres: &PostgresSettings,
    mongo: &MongoSettings,
) -> anyhow::Result<()> {
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{elapsed_precise} {wide_bar} {bytes}/{total_bytes} {msg}",
    )?);
    let options = ImportOptions::from(arguments);
    let mongo = Mongo::connect(mongo).await?;
    let importing = super::import(&options, postgres, &mongo, |progress| {
        bar.set_length(progress.size_bytes);
        bar.set_position(progress.read_bytes);
        bar.set_message(format!("{} rows", HumanCount(progress.rows)));
    });
    let report = tokio::select! {
        report = importing => report,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("stopped: the same command goes on from the last checkpoint"),
    };
    bar.finish_and_clear();
    mongo.close().await;
    let report = report?;
    print(&options, &report);
    anyhow::ensure!(report.damage.is_none(), "the file was not read to its end");
    let (read, refused) = (report.tally.rows_read, report.tally.rows_refused());
    let are_all_refused = read > 0 && refused == read;
    anyhow::ensure!(!are_all_refused, "every row was refused: is it of this format, and does the map fit?");
    Ok(())
}

fn print(options: &ImportOptions, report: &ImportReport) {
    let tally = &report.tally;
    match &report.beginning {
        Beginning::Anew => {}
        Beginning::Resumed { rows, begun_at } => {
            println!("resumed after row {} of the run begun {begun_at}", HumanCount(*rows));
        }
        Beginning::NotResumed { begun_at, reason } => {
            println!("begun anew: the run of {begun_at} was cut short, but {reason}");
        }
    }
    if options.is_dry {
        println!("DRY RUN: nothing was written; this is what an import would do");
        report.first.iter().for_each(print_entry);
    }
    println!("  rows read     {}", HumanCount(tally.rows_read));
    println!("  products added     {}", HumanCount(tally.added));
    println!("  products changed   {}", HumanCount(tally.changed));
    println!("  products the same  {}", HumanCount(tally.unchanged));
    println!("  rows refused  {}", HumanCount(tally.rows_refused()));
    for (reason, rows) in &tally.refused {
        println!("    {reason}: {rows}");
    }
    println!("  row by row in {}", report.report.display());
    if let Some(path) = &report.refused {
        println!("  refused rows in {}", path.display());
    }
    if let Some(damage) = &report.damage {
        println!("  NOT READ TO ITS END: {damage}; import the whole file to add the rest");
    }
    let seconds = report.elapsed.as_secs_f64();
    println!("  {seconds:.1} s, {} rows per second", HumanCount(report.rows_per_second()));
}

/// A line of a dry run.
pub(crate) fn print_entry(entry: &Entry) {
    let sign = match entry.outcome {
        Outcome::Added => '+',
        Outcome::Changed => '~',
        Outcome::Refused => '!',
    };
    let changes = entry.changes.iter().map(ToString::to_string);
    let told: Vec<_> = entry.detail.iter().cloned().chain(changes).collect();
    println!("  {sign} line {} {} {}", entry.line, entry.id.as_deref().unwrap_or_default(), told.join(", "));
}
