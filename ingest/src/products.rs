//! The importer of catalogues: CSV or NDJSON with a column map, into MongoDB with an event for each product that
//! changed.
//!
//! A product's id is made from its catalogue and its id there, so a second import finds what is there and changes
//! nothing. A run that was killed goes on from its last checkpoint.

pub mod bound_map;
pub mod column_map;
pub mod difference;
pub mod price_map;
pub mod upload;
pub mod variant_map;

mod batch;
mod command;
mod fingerprint;
mod import;
mod ledger;
mod reading;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use domain::event::Cause;
use domain::ids::ImportRunId;
use jiff::Timestamp;
use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::pg::advisory_lock::{self, Right};
use store::pg::direct::{self, DirectClient};
use store::pg::import_runs::{self, NewRun, UnfinishedRun};
use store::settings::PostgresSettings;

use crate::input::{InputError, Layout, Source, is_standard_input};
use crate::products::column_map::{ColumnMap, ColumnMapError};
use crate::products::import::{Catalogue, Plan};
use crate::products::ledger::{Checkpoint, Ledger, Pages};
use crate::refused_rows::RefusedRows;
use crate::row_report::{Entry, ReportFile, ReportFileError, check_places, default_path};

pub(crate) use command::print_entry;
pub use command::{ImportProducts, run};
pub use ledger::Tally;

/// Most products of one file: their ids are kept to find a repeat.
pub const PRODUCT_COUNT_MAX: usize = 5_000_000;

/// What to import, and how.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The file, or `-`.
    pub file: PathBuf,
    /// Its shape.
    pub layout: Layout,
    /// Column map.
    pub map: PathBuf,
    /// Where refused rows go.
    pub refused: PathBuf,
    /// Where the report goes.
    pub report: PathBuf,
    /// Whether only the difference is asked for.
    pub is_dry: bool,
    /// Whether an earlier run's checkpoint is forgotten.
    pub restart: bool,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows of the file so far.
    pub rows: u64,
    /// Bytes of the file as it lies on disk.
    pub read_bytes: u64,
    /// All of them; 0 when nobody knows.
    pub size_bytes: u64,
}

/// How a run began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// With the first row.
    Anew,
    /// After the last checkpoint of a run that was cut short.
    Resumed {
        /// Rows that were done.
        rows: u64,
        /// When the run began.
        begun_at: Timestamp,
    },
    /// With the first row, although an earlier run was cut short.
    NotResumed {
        /// When the earlier run began.
        begun_at: Timestamp,
        /// Why it cannot go on.
        reason: &'static str,
    },
}

/// What an import did, or in a dry run would do.
#[derive(Debug)]
pub struct ImportReport {
    /// How it began.
    pub beginning: Beginning,
    /// Rows by what became of them, with those of the run's earlier parts.
    pub tally: Tally,
    /// Rows that this part of the run has dealt with.
    pub rows_now: u64,
    /// The file with the refused rows; `None` when there is none.
    pub refused: Option<PathBuf>,
    /// The file with an entry for each row that was not simply the same.
    pub report: PathBuf,
    /// The first entries.
    pub first: Vec<Entry>,
    /// Why the file could not be read to its end, if it could not.
    pub damage: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
}

impl ImportReport {
    /// Rows per second of this part of the run.
    pub fn rows_per_second(&self) -> u64 {
        let milliseconds = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        self.rows_now.saturating_mul(1_000) / milliseconds
    }
}

/// Why an import could not be done, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The map does not fit.
    #[error(transparent)]
    Map(#[from] ColumnMapError),
    /// Report or refused rows have no place.
    #[error(transparent)]
    ReportFile(#[from] ReportFileError),
    /// One import per catalogue at a time.
    #[error("another import of {0:?} is under way; one that was killed is over within seconds")]
    Busy(String),
    /// A store is away or refuses.
    #[error("a store did not take the products; the same command goes on from the last checkpoint")]
    Store(#[from] StoreError),
    /// Too many products.
    #[error("more than {PRODUCT_COUNT_MAX} products in one file")]
    TooMany,
    /// An upload that takes as long as this holds up all the others.
    #[error("it took longer than a day")]
    TooSlow,
    /// Another worker has taken over.
    #[error("another worker has this import")]
    LostLease,
    /// The reading thread or a writer panicked.
    #[error("the reader or a writer failed")]
    Task(#[source] tokio::task::JoinError),
}

/// Imports a file, or goes on with a run that was cut short.
pub async fn import(
    options: &ImportOptions,
    postgres: &PostgresSettings,
    mongo: &Mongo,
    progress: impl Fn(Progress),
) -> Result<ImportReport, ImportError> {
    let started = Instant::now();
    check_places(&options.file, &options.report, &options.refused)?;
    let map = ColumnMap::read(&options.map)?;
    let mut client = direct::primary(postgres).await?;
    if !advisory_lock::take(&client, Right::ImportProducts(&map.source)).await? {
        return Err(ImportError::Busy(map.source));
    }
    let catalogue = open(options, &map).await?;
    let Begun { run, started_at, checkpoint, beginning, pages } = begin(options, &map, &client).await?;
    let done_rows = checkpoint.tally.rows_read;
    let mut ledger = Ledger::new(checkpoint.tally, (!options.is_dry).then_some(run), pages);
    let plan =
        Plan { mongo: mongo.clone(), cause: cause(run), started_at, is_dry: options.is_dry, done_rows };
    let damage = catalogue.import(plan, &mut ledger, &mut client, progress).await?;
    ledger.finish(&mut client, None).await?;
    let Ledger { tally, pages, first, .. } = ledger;
    let Pages::Files { report, refused } = pages else { unreachable!("opened as files") };
    Ok(ImportReport {
        beginning,
        rows_now: tally.rows_read - done_rows,
        tally,
        refused: refused.finish()?,
        report: report.path().to_owned(),
        first,
        damage,
        elapsed: started.elapsed(),
    })
}

fn cause(run: ImportRunId) -> Cause {
    let traceparent = process::trace::current_traceparent();
    Cause { actor: format!("import:{run}"), request_id: None, traceparent }
}

/// The present, to the millisecond that MongoDB keeps.
fn present() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond())
        .expect("the present is within the calendar")
}

async fn open(options: &ImportOptions, map: &ColumnMap) -> Result<Catalogue, ImportError> {
    let (file, layout, map) = (options.file.clone(), options.layout, map.clone());
    let opening = tokio::task::spawn_blocking(move || Catalogue::open(Source::open(&file)?, layout, &map));
    opening.await.map_err(ImportError::Task)?
}

struct Begun {
    run: ImportRunId,
    started_at: Timestamp,
    checkpoint: Checkpoint,
    beginning: Beginning,
    pages: Pages,
}

/// Goes on with a run that was cut short, or begins one.
async fn begin(
    options: &ImportOptions,
    map: &ColumnMap,
    client: &DirectClient,
) -> Result<Begun, ImportError> {
    let started_at = present();
    let run = ImportRunId::new(started_at, rand::random());
    let anew = |beginning| -> Result<Begun, ImportError> {
        let pages = open_pages(options, &Checkpoint::default())?.expect("no file is shorter than 0");
        Ok(Begun { run, started_at, checkpoint: Checkpoint::default(), beginning, pages })
    };
    if options.is_dry {
        return anew(Beginning::Anew);
    }
    let fingerprint = fingerprint::of(options, map).await?;
    let name = file_name(options);
    let earlier = import_runs::unfinished(client, "products", &map.source, &name).await?;
    let begun = match earlier {
        Some(earlier) if fingerprint.is_some() => match resume(options, &earlier, fingerprint.as_deref())? {
            Ok(begun) => return Ok(begun),
            Err(reason) => anew(Beginning::NotResumed { begun_at: earlier.started_at, reason })?,
        },
        _ => anew(Beginning::Anew)?,
    };
    let new = NewRun {
        id: run,
        kind: "products",
        channel: &map.source,
        file_name: &name,
        fingerprint: fingerprint.as_deref(),
        at: started_at,
    };
    import_runs::begin(client, new).await?;
    Ok(begun)
}

/// The earlier run's state, or why it cannot go on.
fn resume(
    options: &ImportOptions,
    earlier: &UnfinishedRun,
    fingerprint: Option<&[u8]>,
) -> Result<Result<Begun, &'static str>, ImportError> {
    if options.restart {
        return Ok(Err("--restart was given"));
    }
    if earlier.fingerprint.as_deref() != fingerprint {
        return Ok(Err("the file or its map has changed since"));
    }
    let checkpoint = earlier.checkpoint.clone().map(serde_json::from_value).transpose();
    let Ok(checkpoint) = checkpoint.map(Option::<Checkpoint>::unwrap_or_default) else {
        return Ok(Err("its checkpoint is of another version"));
    };
    let Some(pages) = open_pages(options, &checkpoint)? else {
        return Ok(Err("its report is not here"));
    };
    let beginning = Beginning::Resumed { rows: checkpoint.tally.rows_read, begun_at: earlier.started_at };
    let (run, started_at) = (earlier.id, earlier.started_at);
    Ok(Ok(Begun { run, started_at, checkpoint, beginning, pages }))
}

fn open_pages(options: &ImportOptions, checkpoint: &Checkpoint) -> Result<Option<Pages>, ReportFileError> {
    let report = ReportFile::open(&options.report, checkpoint.report_length)?;
    let refused = RefusedRows::open(&options.refused, checkpoint.refused_length)?;
    Ok(report.zip(refused).map(|(report, refused)| Pages::Files { report, refused }))
}

fn file_name(options: &ImportOptions) -> String {
    let name = options.file.file_name().unwrap_or_default();
    if is_standard_input(&options.file) { "-".to_owned() } else { name.to_string_lossy().into_owned() }
}
