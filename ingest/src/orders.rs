//! The importer of order histories: a file's lines are staged as they are read, then merged at once.
//!
//! Memory is bounded by the channel between the reading thread and the connection. Importing a file again
//! adds nothing; importing a corrected one adds what was missing. So a run that was cut short left nothing,
//! and is done again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use domain::event::Cause;
use domain::ids::{EventId, ImportRunId};
use domain::money::Currency;
use jiff::Timestamp;
use store::error::StoreError;
use store::pg::advisory_lock::{self, Right};
use store::pg::direct::{self, DirectClient};
use store::pg::import_runs::{self, NewRun};
use store::pg::order_import::{self, DocumentChange, MergeError, Merged, OrderImport};
use store::settings::PostgresSettings;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::channel::{self, ChannelError};
use crate::input::InputError;
use crate::products::difference::Change;
use crate::refusals::{FIRST_MAX, Refused};
use crate::row_report::{Entry, Outcome, ReportFileError, check_places};

mod command;
mod online_retail;
mod order_map;
mod reading;

pub use crate::progress::{Phase, Progress};
pub(crate) use command::currency;
pub use command::{ImportOrders, run};
pub use online_retail::HeaderMismatch;
pub use order_map::OrderMapError;

/// Chunks that wait between the reading thread and the connection.
const WAITING_CHUNKS: usize = 4;
/// How often it is asked whether a lost commit was done, and the pause before each time.
const QUESTION_MAX: u32 = 60;
const QUESTION_PAUSE: Duration = Duration::from_secs(1);

/// The shape of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OrderFormat {
    /// UCI Online Retail: InvoiceNo to Country, and perhaps Currency
    OnlineRetail,
    /// CSV with a column map
    Csv,
    /// One JSON object a line, with a column map
    Ndjson,
    /// NDJSON when the first character is a brace, else CSV; with a column map
    Auto,
}

/// What to import, and as what.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The file, plain, gzip or zstd, or `-`.
    pub file: PathBuf,
    /// Its shape.
    pub format: OrderFormat,
    /// Column map; UCI Online Retail needs none.
    pub map: Option<PathBuf>,
    /// The history it belongs to.
    pub channel: String,
    /// Currency of UCI Online Retail's documents; a map has its own.
    pub currency: Currency,
    /// Where refused rows go.
    pub refused: PathBuf,
    /// Where the report goes.
    pub report: PathBuf,
    /// Whether only the difference is asked for.
    pub is_dry: bool,
}

/// What an import did, or in a dry run would do.
#[derive(Debug, Clone)]
pub struct ImportReport {
    /// Its id.
    pub run: ImportRunId,
    /// When a run of the same file began that was cut short, and left nothing.
    pub cut_short: Option<Timestamp>,
    /// Rows of the file, without the header.
    pub rows_read: u64,
    /// Those that were refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// The file with them; `None` when there is none.
    pub refused_rows: Option<PathBuf>,
    /// The file with an entry for each refused row, and for each document that was not simply the same.
    pub report: PathBuf,
    /// The first entries.
    pub first: Vec<Entry>,
    /// Why reading ended before the file did, in words: it is a cut or damaged file.
    pub damage: Option<String>,
    /// What came of the others.
    pub merged: Merged,
    /// From the start to the commit.
    pub elapsed: Duration,
}

impl ImportReport {
    /// Refused rows of every reason.
    pub fn rows_refused(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Rows read per second, from the start to the commit.
    pub fn rows_per_second(&self) -> u64 {
        let milliseconds = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        self.rows_read.saturating_mul(1_000) / milliseconds
    }
}

/// Why nothing was imported; [`ImportError::Unknown`]: or all of it was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Nothing can be imported into that channel.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The file has other columns.
    #[error(transparent)]
    Header(#[from] HeaderMismatch),
    /// The format needs a map.
    #[error("this format needs a column map: --map, see ingest/maps")]
    MapNeeded,
    /// The map does not fit.
    #[error(transparent)]
    Map(#[from] OrderMapError),
    /// The report or the refused rows cannot be kept.
    #[error(transparent)]
    ReportFile(#[from] ReportFileError),
    /// One import per channel at a time.
    #[error("another import into {0:?} is under way; one that was killed is over within seconds")]
    Busy(String),
    /// The documents are there in another currency.
    #[error("document {number:?} is there in {currency}, not in {expected}: nothing was imported")]
    OtherCurrency {
        /// A document.
        number: String,
        /// Its currency.
        currency: String,
        /// The import's currency.
        expected: &'static str,
    },
    /// More partitions than a history can need.
    #[error("the file has documents of {0} months: nothing was imported")]
    TooManyMonths(i64),
    /// The answer to the commit was lost, and nobody could be asked for a while.
    #[error("the database was lost while it committed: import the file again, which adds nothing twice")]
    Unknown(#[source] StoreError),
    /// The commit was lost.
    #[error("the database was lost before it committed: nothing was imported, import the file again")]
    Undone(#[source] StoreError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The reading thread panicked.
    #[error("the reader of the file failed")]
    Reader(#[source] tokio::task::JoinError),
}

impl ImportError {
    fn of_merge(error: MergeError, expected: Currency) -> Self {
        match error {
            MergeError::OtherCurrency { number, currency } => {
                Self::OtherCurrency { number, currency, expected: expected.code() }
            }
            MergeError::TooManyMonths(months) => Self::TooManyMonths(months),
            MergeError::Unknown { source, .. } => Self::Unknown(source),
            MergeError::Store(error) => Self::Store(error),
        }
    }
}

/// Imports a file: all of its good rows or, on an error, none; on [`ImportError::Unknown`] all or none.
pub async fn import(
    settings: &PostgresSettings,
    options: &ImportOptions,
    progress: impl Fn(Progress),
) -> Result<ImportReport, ImportError> {
    let started = Instant::now();
    channel::check(&options.channel)?;
    check_places(&options.file, &options.report, &options.refused)?;
    let mut client = direct::primary(settings).await?;
    if !options.is_dry && !advisory_lock::take(&client, Right::ImportOrders(&options.channel)).await? {
        return Err(ImportError::Busy(options.channel.clone()));
    }
    let source = open(options.clone()).await?;
    let currency = source.rules().currency;
    let run = ImportRunId(Uuid::now_v7());
    let cut_short = if options.is_dry { None } else { begin(&client, options, run).await? };

    let (ended, state) = stage(&client, source, started, &progress).await?;
    let rows_read = ended.rows_read;
    let rows_refused = ended.refused.rows();
    let elapsed = started.elapsed();
    progress(Progress { phase: Phase::Merging, rows_read, rows_refused, elapsed, ..state });
    let merged = if options.is_dry {
        order_import::preview(&mut client, &options.channel, currency).await
    } else {
        let description = describe(options, currency, run, (rows_read, rows_refused));
        order_import::merge(&mut client, &description).await
    };
    let (merged, documents) = match merged {
        Err(MergeError::Unknown { source, merged, documents }) => {
            drop(client);
            ask_whether_done(settings, &options.channel, run, source).await?;
            (merged, documents)
        }
        merged => merged.map_err(|error| ImportError::of_merge(error, currency))?,
    };
    let Refused { mut report, rows: refused_rows, by_reason: refused, mut first, damage } = ended.refused;
    for document in documents {
        let entry = told(document);
        report.write(&entry)?;
        if first.len() < FIRST_MAX {
            first.push(entry);
        }
    }
    report.flush()?;
    Ok(ImportReport {
        run,
        cut_short,
        rows_read,
        refused,
        refused_rows,
        report: report.path().to_owned(),
        first,
        damage,
        merged,
        elapsed: started.elapsed(),
    })
}

/// Records the run's beginning. Returns when an earlier run of the file began that was cut short.
async fn begin(
    client: &DirectClient,
    options: &ImportOptions,
    run: ImportRunId,
) -> Result<Option<Timestamp>, ImportError> {
    let file_name = options.file.file_name().unwrap_or(options.file.as_os_str()).to_string_lossy();
    let earlier = import_runs::unfinished(client, "orders", &options.channel, &file_name).await?;
    let new = NewRun {
        id: run,
        kind: "orders",
        channel: &options.channel,
        file_name: &file_name,
        fingerprint: None,
        at: Timestamp::now(),
    };
    import_runs::begin(client, new).await?;
    Ok(earlier.map(|earlier| earlier.started_at))
}

/// The connection was lost at the commit. Whoever holds the channel's right next knows that the server is done with it.
async fn ask_whether_done(
    settings: &PostgresSettings,
    channel: &str,
    run: ImportRunId,
    lost: StoreError,
) -> Result<(), ImportError> {
    for _ in 0..QUESTION_MAX {
        tokio::time::sleep(QUESTION_PAUSE).await;
        let Ok(client) = direct::primary(settings).await else { continue };
        match advisory_lock::take(&client, Right::ImportOrders(channel)).await {
            Ok(true) => {}
            Ok(false) | Err(_) => continue,
        }
        return match import_runs::has_finished(&client, run).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(ImportError::Undone(lost)),
            Err(_) => continue,
        };
    }
    Err(ImportError::Unknown(lost))
}

fn told(document: DocumentChange) -> Entry {
    let DocumentChange { number, line, is_new, lines_added, lines_known, customer, country } = document;
    let outcome = if is_new { Outcome::Added } else { Outcome::Changed };
    let new = |field: &str, new: Option<String>| {
        new.map(|new| Change { field: field.to_owned(), old: None, new: Some(new) })
    };
    Entry {
        changes: [new("customer", customer), new("country", country)].into_iter().flatten().collect(),
        lines_added: Some(lines_added),
        lines_known: Some(lines_known),
        ..Entry::new(line, Some(number), outcome)
    }
}

/// Reads the file to its end while the connection stages its lines.
async fn stage(
    client: &DirectClient,
    mut source: reading::Source,
    started: Instant,
    progress: &impl Fn(Progress),
) -> Result<(reading::Ended, Progress), ImportError> {
    order_import::stage(client).await?;
    let mut state = Progress {
        phase: Phase::Reading,
        read_bytes: 0,
        size_bytes: source.size_bytes(),
        rows_read: 0,
        rows_refused: 0,
        elapsed: Duration::ZERO,
    };
    let (sender, mut receiver) = mpsc::channel(WAITING_CHUNKS);
    let reader = tokio::task::spawn_blocking(move || source.read_all(&sender).map(|()| source));
    while let Some(batch) = receiver.recv().await {
        order_import::copy(client, batch.chunk).await?;
        let (read_bytes, rows_read, rows_refused) = (batch.read_bytes, batch.rows_read, batch.rows_refused);
        state = Progress { read_bytes, rows_read, rows_refused, elapsed: started.elapsed(), ..state };
        progress(state);
    }
    let ended = reader.await.map_err(ImportError::Reader)??.finish()?;
    Ok((ended, state))
}

async fn open(options: ImportOptions) -> Result<reading::Source, ImportError> {
    tokio::task::spawn_blocking(move || reading::Source::open(&options)).await.map_err(ImportError::Reader)?
}

fn describe(
    options: &ImportOptions,
    currency: Currency,
    run: ImportRunId,
    (rows_read, rows_refused): (u64, u64),
) -> OrderImport<'_> {
    OrderImport {
        run,
        event: EventId(Uuid::now_v7()),
        channel: &options.channel,
        currency,
        rows_read,
        rows_refused,
        cause: Cause {
            actor: format!("import:{run}"),
            request_id: None,
            traceparent: process::trace::current_traceparent(),
        },
    }
}
