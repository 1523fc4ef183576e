//! The importer of order histories: a file's lines are staged as they are read, then merged at once.
//!
//! Memory is bounded by the channel between the reading thread and the connection. Importing a file again
//! adds nothing; importing a corrected one adds what was missing.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use domain::event::Cause;
use domain::ids::{EventId, ImportRunId};
use domain::money::Currency;
use domain::order::SHOP_CHANNEL;
use jiff::Timestamp;
use store::error::StoreError;
use store::pg::direct;
use store::pg::order_import::{self, MergeOutcome, Merged, OrderImport};
use store::settings::PostgresSettings;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::input::InputError;
use crate::refused_rows::{RefusedRowsError, RefusedSummary};

mod command;
mod online_retail;
mod reading;

pub use command::{ImportOrders, run};
pub use online_retail::HeaderMismatch;

/// Chunks that wait between the reading thread and the connection.
const WAITING_CHUNKS: usize = 4;
/// Longest name of a channel.
const CHANNEL_LENGTH_MAX: usize = 60;

/// The shape of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OrderFormat {
    /// UCI Online Retail: InvoiceNo to Country, and perhaps Currency
    OnlineRetail,
}

/// What to import, and as what.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The file, plain or gzip.
    pub file: PathBuf,
    /// Its shape.
    pub format: OrderFormat,
    /// The history it belongs to.
    pub channel: String,
    /// Currency of its documents.
    pub currency: Currency,
    /// Where refused rows go.
    pub refused: PathBuf,
}

/// Where an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Rows are read and staged.
    Reading,
    /// The staged lines are merged.
    Merging,
}

/// How far an import is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Where it stands.
    pub phase: Phase,
    /// Bytes of the file as it lies on disk, read so far.
    pub read_bytes: u64,
    /// All of them.
    pub size_bytes: u64,
    /// Rows read so far.
    pub rows_read: u64,
    /// Of them refused.
    pub rows_refused: u64,
    /// Since the start.
    pub elapsed: Duration,
}

/// What an import did.
#[derive(Debug, Clone)]
pub struct ImportReport {
    /// Its id.
    pub run: ImportRunId,
    /// Rows of the file, without the header.
    pub rows_read: u64,
    /// Those that were refused.
    pub refused: RefusedSummary,
    /// What came of the others.
    pub merged: Merged,
    /// From the start to the commit.
    pub elapsed: Duration,
}

impl ImportReport {
    /// Rows read per second, from the start to the commit.
    pub fn rows_per_second(&self) -> u64 {
        let milliseconds = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        self.rows_read.saturating_mul(1_000) / milliseconds
    }
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Our own shop's orders come from the checkout.
    #[error("the channel {SHOP_CHANNEL:?} is our own shop: an import needs a channel of its own")]
    ShopChannel,
    /// Not a channel's name.
    #[error("{0:?} is no channel: use lower-case letters, digits and hyphens, at most {CHANNEL_LENGTH_MAX}")]
    InvalidChannel(String),
    /// The file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The file has other columns.
    #[error(transparent)]
    Header(#[from] HeaderMismatch),
    /// The refused rows cannot be kept.
    #[error(transparent)]
    RefusedRows(#[from] RefusedRowsError),
    /// One import per channel at a time.
    #[error("another import into {0:?} is under way")]
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
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The reading thread panicked.
    #[error("the reader of the file failed")]
    Reader(#[source] tokio::task::JoinError),
}

/// Imports a file: all of its good rows or, on an error, none.
pub async fn import(
    settings: &PostgresSettings,
    options: &ImportOptions,
    progress: impl Fn(Progress),
) -> Result<ImportReport, ImportError> {
    let started = Instant::now();
    let started_at = Timestamp::now();
    check_channel(&options.channel)?;
    let mut source = open(options.clone()).await?;
    let mut client = direct::primary(settings).await?;
    if !order_import::lock(&client, &options.channel).await? {
        return Err(ImportError::Busy(options.channel.clone()));
    }
    order_import::stage(&client).await?;

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
        order_import::copy(&client, batch.chunk).await?;
        let (read_bytes, rows_read, rows_refused) = (batch.read_bytes, batch.rows_read, batch.rows_refused);
        state = Progress { read_bytes, rows_read, rows_refused, elapsed: started.elapsed(), ..state };
        progress(state);
    }
    let (rows_read, refused) = reader.await.map_err(ImportError::Reader)??.finish()?;

    let rows_refused = refused.rows();
    let elapsed = started.elapsed();
    progress(Progress { phase: Phase::Merging, rows_read, rows_refused, elapsed, ..state });
    let run = ImportRunId(Uuid::now_v7());
    let description = describe(options, run, started_at, (rows_read, rows_refused));
    let outcome = order_import::merge(&mut client, &description).await?;
    let merged = merged(outcome, options.currency)?;
    Ok(ImportReport { run, rows_read, refused, merged, elapsed: started.elapsed() })
}

async fn open(options: ImportOptions) -> Result<reading::Source, ImportError> {
    tokio::task::spawn_blocking(move || reading::Source::open(&options)).await.map_err(ImportError::Reader)?
}

fn describe(
    options: &ImportOptions,
    run: ImportRunId,
    started_at: Timestamp,
    (rows_read, rows_refused): (u64, u64),
) -> OrderImport<'_> {
    OrderImport {
        run,
        event: EventId(Uuid::now_v7()),
        channel: &options.channel,
        currency: options.currency,
        file_name: options.file.file_name().unwrap_or_default().to_string_lossy(),
        started_at,
        rows_read,
        rows_refused,
        cause: Cause {
            actor: format!("import:{run}"),
            request_id: None,
            traceparent: process::trace::current_traceparent(),
        },
    }
}

fn merged(outcome: MergeOutcome, expected: Currency) -> Result<Merged, ImportError> {
    match outcome {
        MergeOutcome::Merged(merged) => Ok(merged),
        MergeOutcome::OtherCurrency { number, currency } => {
            Err(ImportError::OtherCurrency { number, currency, expected: expected.code() })
        }
        MergeOutcome::TooManyMonths(months) => Err(ImportError::TooManyMonths(months)),
    }
}

fn check_channel(channel: &str) -> Result<(), ImportError> {
    if channel == SHOP_CHANNEL {
        return Err(ImportError::ShopChannel);
    }
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let holds = channel.len() <= CHANNEL_LENGTH_MAX
        && channel.bytes().next().is_some_and(is_plain)
        && channel.bytes().all(|byte| is_plain(byte) || byte == b'-');
    if holds { Ok(()) } else { Err(ImportError::InvalidChannel(channel.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_a_plain_name_and_is_not_the_shop() {
        assert!(check_channel("online-retail").is_ok());
        assert!(matches!(check_channel("shop"), Err(ImportError::ShopChannel)));
        for channel in ["", "-a", "Online", "a b", "a_b", &"a".repeat(61)] {
            assert!(matches!(check_channel(channel), Err(ImportError::InvalidChannel(_))), "{channel:?}");
        }
    }
}
