//! The importer of click histories: a file's rows become events of behaviour in the lake, each once.
//!
//! Rows are read in batches; what the lake does not have yet of a batch lands before the next one is taken, so memory
//! holds a few batches and the ids of the days that they are of. An event's id follows from its row, so a run that was
//! cut short is done again: what it landed is known. A row that stands in two files is one event.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use domain::ids::ImportRunId;
use domain::money::Currency;
use jiff::Timestamp;
use lake::behaviour::{LakeError, Writer};
use lake::landing::landed;
use store::error::StoreError;
use store::pg::advisory_lock::{self, Right};
use store::pg::direct::{self, DirectClient};
use store::pg::import_runs::{self, ImportCounts, NewRun};
use store::pg::{channels, transaction};
use store::settings::PostgresSettings;
use tokio::sync::mpsc;
use uuid::Uuid;

use self::landing::Landing;
use self::reading::{Ended, Source};
use crate::channel::{self, ChannelError};
use crate::input::InputError;
use crate::progress::{Phase, Progress};
use crate::row_report::{Entry, ReportFileError, check_places};

mod command;
mod landing;
mod reading;
mod repeats;

pub use command::{ImportEvents, run};

/// Batches that wait between the reading thread and the lake.
const WAITING_BATCHES: usize = 1;
/// What an import is called in the record of runs.
const KIND: &str = "events";

/// The shape of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ClickFormat {
    /// CSV with the columns event_time to user_session, of views, carts and purchases
    EcommerceClicks,
}

/// What to import, and as what.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The file, plain, gzip or zstd, or `-`.
    pub file: PathBuf,
    /// Its shape.
    pub format: ClickFormat,
    /// The history it belongs to.
    pub channel: String,
    /// Currency of its prices.
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
    /// When a run of the same file began that was cut short; what it landed is among the known events.
    pub cut_short: Option<Timestamp>,
    /// Rows of the file, without the header.
    pub rows_read: u64,
    /// Those that were refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// The file with them; `None` when there is none.
    pub refused_rows: Option<PathBuf>,
    /// The file with an entry for each refused row.
    pub report: PathBuf,
    /// The first entries.
    pub first: Vec<Entry>,
    /// Why reading ended before the file did, in words: it is a cut or damaged file.
    pub damage: Option<String>,
    /// Events that are new in the lake.
    pub events_added: u64,
    /// Events that it had.
    pub events_known: u64,
    /// From the start to the last merge.
    pub elapsed: Duration,
}

impl ImportReport {
    /// Refused rows of every reason.
    pub fn rows_refused(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Rows read per second, from the start to the last merge.
    pub fn rows_per_second(&self) -> u64 {
        let milliseconds = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        self.rows_read.saturating_mul(1_000) / milliseconds
    }
}

/// Why an import ended before its file did. What has landed by then stays, and the same command adds the rest.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Nothing can be imported into that channel.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The file has other columns.
    #[error("not the columns of ecommerce-clicks, which are {expected}; the file has {found}")]
    Header {
        /// Those of the format.
        expected: String,
        /// Those of the file.
        found: String,
    },
    /// The report or the refused rows cannot be kept.
    #[error(transparent)]
    ReportFile(#[from] ReportFileError),
    /// One import per channel at a time.
    #[error("another import into {0:?} is under way; one that was killed is over within seconds")]
    Busy(String),
    /// The disk of the lake.
    #[error("the lake cannot be read or written: the same command adds the rest")]
    Lake(#[source] LakeError),
    /// Every event is there.
    #[error("every event is in the lake, but was not merged into the file of its day")]
    Unmerged(#[source] LakeError),
    /// Every event is there.
    #[error(
        "every event is in the lake, but the database was lost before it was told: import the file again"
    )]
    Untold(#[source] StoreError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread panicked.
    #[error("a thread of the import failed")]
    Thread(#[source] tokio::task::JoinError),
}

/// Imports a file into the lake under `root`: its good rows are on disk when it returns. On an error a part of them may
/// be, and an import of the same file adds the rest.
pub async fn import(
    settings: &PostgresSettings,
    root: &Path,
    options: &ImportOptions,
    progress: impl Fn(Progress),
) -> Result<ImportReport, ImportError> {
    let started = Instant::now();
    channel::check(&options.channel)?;
    check_places(&options.file, &options.report, &options.refused)?;
    let mut client = direct::primary(settings).await?;
    if !options.is_dry && !advisory_lock::take(&client, Right::ImportEvents(&options.channel)).await? {
        return Err(ImportError::Busy(options.channel.clone()));
    }
    let opened = options.clone();
    let source = blocking(move || Source::open(&opened)).await??;
    let run = ImportRunId(Uuid::now_v7());
    let cut_short = if options.is_dry { None } else { begin(&mut client, options, run).await? };

    let landing = Landing::new(root, &options.channel, options.is_dry);
    let (ended, landing, state) = land_all(&client, source, landing, started, &progress).await?;
    if !options.is_dry {
        progress(Progress { phase: Phase::Merging, elapsed: started.elapsed(), ..state });
        let counts = counts(&ended, &landing);
        import_runs::finish(&client, run, counts, Timestamp::now()).await.map_err(ImportError::Untold)?;
        merge(root, &options.channel).await?;
    }
    let Ended { rows_read, refused } = ended;
    let report = refused.report.path().to_owned();
    Ok(ImportReport {
        run,
        cut_short,
        rows_read,
        refused: refused.by_reason,
        refused_rows: refused.rows,
        report,
        first: refused.first,
        damage: refused.damage,
        events_added: landing.added(),
        events_known: landing.known(),
        elapsed: started.elapsed(),
    })
}

/// Makes the channel and records the run's beginning. Returns when an earlier run of the file began that was cut short.
async fn begin(
    client: &mut DirectClient,
    options: &ImportOptions,
    run: ImportRunId,
) -> Result<Option<Timestamp>, ImportError> {
    let file_name = options.file.file_name().unwrap_or(options.file.as_os_str()).to_string_lossy();
    let earlier = import_runs::unfinished(&*client, KIND, &options.channel, &file_name).await?;
    let new = NewRun {
        id: run,
        kind: KIND,
        channel: &options.channel,
        file_name: &file_name,
        fingerprint: None,
        at: Timestamp::now(),
    };
    transaction::run_direct(client, "begin_event_import", async |transaction| {
        channels::ensure(transaction, &options.channel).await?;
        import_runs::begin(transaction, new).await
    })
    .await?;
    Ok(earlier.map(|earlier| earlier.started_at))
}

/// Reads the file to its end while its events land.
async fn land_all(
    client: &DirectClient,
    mut source: Source,
    mut landing: Landing,
    started: Instant,
    progress: &impl Fn(Progress),
) -> Result<(Ended, Landing, Progress), ImportError> {
    let mut state = Progress {
        phase: Phase::Reading,
        read_bytes: 0,
        size_bytes: source.size_bytes(),
        rows_read: 0,
        rows_refused: 0,
        elapsed: Duration::ZERO,
    };
    let (sender, mut receiver) = mpsc::channel(WAITING_BATCHES);
    let reader = tokio::task::spawn_blocking(move || source.read_all(&sender).map(|()| source));
    while let Some(batch) = receiver.recv().await {
        // Who has lost the connection has lost the channel too.
        advisory_lock::check_held(client).await?;
        let (read_bytes, rows_read, rows_refused) = (batch.read_bytes, batch.rows_read, batch.rows_refused);
        landing = blocking(move || landing.take(batch.events).map(|()| landing))
            .await?
            .map_err(ImportError::Lake)?;
        state = Progress { read_bytes, rows_read, rows_refused, elapsed: started.elapsed(), ..state };
        progress(state);
    }
    let ended = reader.await.map_err(ImportError::Thread)??.finish()?;
    Ok((ended, landing, state))
}

fn counts(ended: &Ended, landing: &Landing) -> ImportCounts {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    ImportCounts {
        rows_read: count(ended.rows_read),
        rows_refused: count(ended.refused.rows()),
        documents_added: count(landing.added()),
        lines_added: 0,
    }
}

/// Merges what has landed in the channel into the files of its days, also what an import before has left. A day that
/// was merged a moment ago, or is being merged, is left to the relay.
async fn merge(root: &Path, channel: &str) -> Result<(), ImportError> {
    let asked = root.to_owned();
    let waiting = blocking(move || landed(&asked)).await?.map_err(ImportError::Unmerged)?;
    for day in waiting.into_iter().filter(|day| day.channel == channel && day.files > 0) {
        let writer = Writer::new(root, channel);
        let merged = blocking(move || writer.merge_day(day.day, Timestamp::now())).await?;
        merged.map_err(ImportError::Unmerged)?;
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ImportError> {
    tokio::task::spawn_blocking(work).await.map_err(ImportError::Thread)
}
