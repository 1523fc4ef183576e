//! `ingest import orders`: its arguments, its progress bar and its report.

use std::path::PathBuf;

use domain::money::Currency;
use indicatif::HumanCount;
use store::settings::PostgresSettings;

use super::{ImportOptions, ImportReport, OrderFormat};
use crate::products::print_entry;
use crate::progress;
use crate::row_report::{default_path, report_ending};

/// Arguments of `import orders`.
#[derive(Debug, clap::Args)]
pub struct ImportOrders {
    /// Shape of the file
    #[arg(long, value_enum)]
    pub format: OrderFormat,
    /// History that the orders belong to, such as online-retail
    #[arg(long)]
    pub channel: String,
    /// Column map (TOML; examples in ingest/maps); online-retail needs none
    #[arg(long)]
    pub map: Option<PathBuf>,
    /// Currency of online-retail, as its ISO 4217 code; a map has its own
    #[arg(long, default_value = "GBP", value_parser = currency)]
    pub currency: Currency,
    /// Write nothing, tell what would be added
    #[arg(long)]
    pub dry_run: bool,
    /// Where refused rows go [default: the file's name with .refused.csv, beside it]
    #[arg(long)]
    pub refused: Option<PathBuf>,
    /// Where the report goes [default: the file's name with .report.ndjson, beside it]
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// The file, plain, gzip or zstd; `-` for standard input
    pub file: PathBuf,
}

/// Imports a file, shows how far it is and prints what came of it. A file that is cut or damaged is an error
/// after what could be read is in.
pub async fn run(arguments: ImportOrders, settings: &PostgresSettings) -> anyhow::Result<()> {
    let ImportOrders { format, channel, map, currency, dry_run, refused, report, file } = arguments;
    let refused = refused.unwrap_or_else(|| default_path(&file, ".refused.csv"));
    let report = report.unwrap_or_else(|| default_path(&file, report_ending(dry_run)));
    let options = ImportOptions { file, format, map, channel, currency, refused, report, is_dry: dry_run };
    let bar = progress::bar();
    let report = super::import(settings, &options, |state| progress::show(&bar, state)).await;
    bar.finish_and_clear();
    let report = report?;
    print(&options, &report);
    // What was read is in, but a person must fetch the rest.
    anyhow::ensure!(report.damage.is_none(), "the file was not read to its end");
    let are_all_refused = report.rows_read > 0 && report.rows_refused() == report.rows_read;
    anyhow::ensure!(!are_all_refused, "every row was refused: is it of this format, and does the map fit?");
    Ok(())
}

/// A currency by its code, as arguments have it.
pub(crate) fn currency(text: &str) -> Result<Currency, String> {
    Currency::from_code(text).ok_or_else(|| format!("{text:?} is no ISO 4217 code"))
}

fn print(options: &ImportOptions, report: &ImportReport) {
    let merged = report.merged;
    println!("{} into channel {}", options.file.display(), options.channel);
    if let Some(begun_at) = report.cut_short {
        println!("  the run of {begun_at} was cut short and left nothing; this one began anew");
    }
    if options.is_dry {
        println!("  DRY RUN: nothing was written; this is what an import would do");
        report.first.iter().for_each(print_entry);
    }
    println!("  rows read          {}", HumanCount(report.rows_read));
    println!("  rows refused       {}", HumanCount(report.rows_refused()));
    for (reason, rows) in &report.refused {
        println!("    {reason}: {rows}");
    }
    if let Some(path) = &report.refused_rows {
        println!("    written to {}", path.display());
    }
    if let Some(damage) = &report.damage {
        println!("  NOT READ TO ITS END: {damage}; import the whole file to add the rest");
    }
    println!("  documents added    {}", HumanCount(merged.documents_added));
    println!("  documents changed  {}", HumanCount(merged.documents_changed));
    println!("  lines added        {}", HumanCount(merged.lines_added));
    println!("  lines there before {}", HumanCount(merged.lines_known));
    println!("  document by document in {}", report.report.display());
    let seconds = report.elapsed.as_secs_f64();
    println!("  {seconds:.1} s, {} lines per second", HumanCount(report.rows_per_second()));
}
