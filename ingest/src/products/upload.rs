//! Imports of catalogues that came over HTTP: taken from the queue one by one under a lease, run by the same importer,
//! and after a crash gone on with by whoever takes them next.

use std::io::{Error, ErrorKind, Read};
use std::time::Duration;

use domain::ids::ImportRunId;
use jiff::{SignedDuration, Timestamp};
use process::error_chain;
use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::pg::advisory_lock::{self, Right};
use store::pg::catalogue_imports::{self, LeasedImport};
use store::pg::direct::{self, DirectClient};
use store::pg::import_runs::{self, NewRun};
use store::pg::pool::PgPools;
use store::pg::transaction;
use store::settings::PostgresSettings;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::column_map::ColumnMap;
use super::import::{Catalogue, Plan};
use super::ledger::{Checkpoint, Ledger, Pages, ReportRows};
use super::{ImportError, cause, present};
use crate::input::{InputError, Layout, Source};
use crate::row_report::cut;

/// Pause when nothing waits.
const PAUSE: Duration = Duration::from_millis(300);
/// Pause of an import that cannot be done now.
const RETRY_MS: i64 = 5_000;
const LEASE_MS: i64 = 30_000;
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long an import runs and is tried.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// Age of chunks that no import waits for: their client went away.
const ORPHAN_AGE: SignedDuration = SignedDuration::from_hours(1);
/// Longest reason of a failure, in characters.
const FAILURE_LENGTH_MAX: usize = 500;
/// How long an import and its report can be read.
const REPORT_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
const SWEEP_PERIOD: Duration = Duration::from_secs(600);
/// Most bytes of an upload after decompression.
const UNPACKED_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Chunks that wait for the reader.
const WAITING_CHUNKS: usize = 2;
/// What is there is not what was sent; another try would find the same.
const PART_MISSING: &str = "the chunks of the upload are not as long as it was";

/// Runs imports until the program stops.
pub async fn run(pools: &PgPools, postgres: &PostgresSettings, mongo: &Mongo, stop: &CancellationToken) {
    let mut swept = None::<tokio::time::Instant>;
    while !stop.is_cancelled() {
        if swept.is_none_or(|swept| swept.elapsed() > SWEEP_PERIOD) && sweep(pools).await {
            swept = Some(tokio::time::Instant::now());
        }
        match lease(pools).await {
            Ok(Some(leased)) => work(pools, postgres, mongo, stop, &leased).await,
            Ok(None) => pause(stop, PAUSE).await,
            Err(error) => {
                tracing::warn!(error = error_chain::text(&error), "the queue of imports cannot be read");
                pause(stop, Duration::from_millis(RETRY_MS.unsigned_abs())).await;
            }
        }
    }
}

async fn pause(stop: &CancellationToken, pause: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}

async fn lease(pools: &PgPools) -> Result<Option<LeasedImport>, StoreError> {
    catalogue_imports::lease(&**pools.write().await?, LEASE_MS).await
}

async fn sweep(pools: &PgPools) -> bool {
    let sweeping = async {
        let (client, now) = (pools.write().await?, Timestamp::now());
        catalogue_imports::delete_orphans(&**client, now - ORPHAN_AGE).await?;
        catalogue_imports::delete_ended(&**client, now - REPORT_LIFETIME).await
    };
    sweeping.await.is_ok()
}

/// Does one import, or gives it back.
async fn work(
    pools: &PgPools,
    postgres: &PostgresSettings,
    mongo: &Mongo,
    stop: &CancellationToken,
    leased: &LeasedImport,
) {
    let import = leased.import.id;
    let done = tokio::select! {
        done = import_upload(pools, postgres, mongo, leased) => done,
        () = hold(pools, leased) => Err(ImportError::LostLease),
        () = tokio::time::sleep(time_left(leased)) => Err(ImportError::TooSlow),
        () = stop.cancelled() => {
            give_back(pools, leased, 0).await;
            return;
        }
    };
    match done {
        Ok(()) => tracing::info!(%import, "an import is done"),
        Err(ImportError::LostLease) => tracing::warn!(%import, "another worker has the import"),
        Err(error) if is_passing(&error) && !time_left(leased).is_zero() => {
            tracing::warn!(%import, error = error_chain::text(&error), "an import cannot be done yet");
            give_back(pools, leased, RETRY_MS).await;
        }
        Err(error) => {
            tracing::warn!(%import, error = error_chain::text(&error), "an import failed");
            // What hangs on a store says nothing to the one who sent the file.
            let failure = match &error {
                ImportError::Input(_) | ImportError::Map(_) | ImportError::TooMany | ImportError::TooSlow => {
                    cut(&error.to_string(), FAILURE_LENGTH_MAX)
                }
                _ => "it could not be done; the reason is in our log".to_owned(),
            };
            if let Err(error) = fail(postgres, leased, &failure).await {
                tracing::warn!(%import, error = error_chain::text(&error), "its end cannot be written yet");
                give_back(pools, leased, RETRY_MS).await;
            }
        }
    }
}

/// How long the import may go on; the time in the queue does not count.
fn time_left(leased: &LeasedImport) -> Duration {
    let begun_at = leased.import.started_at.unwrap_or(leased.import.created_at);
    let left = LIFETIME - Timestamp::now().duration_since(begun_at);
    Duration::try_from(left).unwrap_or_default()
}

/// Keeps the lease; ends when it is lost.
async fn hold(pools: &PgPools, leased: &LeasedImport) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let Ok(client) = pools.write().await else { continue };
        let renewed = catalogue_imports::renew(&**client, leased.import.id, leased.fence, LEASE_MS).await;
        // The lease outlives two heartbeats that fail; each checkpoint asks for it anyway.
        if let Ok(false) = renewed {
            return;
        }
    }
}

async fn give_back(pools: &PgPools, leased: &LeasedImport, pause_ms: i64) {
    if let Ok(client) = pools.write().await {
        // Not given back it is free when the lease ends.
        let _ = catalogue_imports::renew(&**client, leased.import.id, leased.fence, pause_ms).await;
    }
}

async fn fail(postgres: &PostgresSettings, leased: &LeasedImport, failure: &str) -> Result<(), StoreError> {
    let mut client = direct::primary(postgres).await?;
    transaction::run_direct(&mut client, "fail_import", async |transaction| {
        catalogue_imports::end(transaction, leased, Some(failure)).await.map(drop)
    })
    .await
}

/// Whether it is worth another try.
fn is_passing(error: &ImportError) -> bool {
    match error {
        ImportError::Store(error) => error.is_unavailable() || error.is_retryable(),
        ImportError::Busy(_) => true,
        ImportError::Input(InputError::File { source, .. }) => source.kind() == ErrorKind::ConnectionAborted,
        _ => false,
    }
}

async fn import_upload(
    pools: &PgPools,
    postgres: &PostgresSettings,
    mongo: &Mongo,
    leased: &LeasedImport,
) -> Result<(), ImportError> {
    let import = &leased.import;
    let map = ColumnMap::shipped(&import.map)?;
    let mut client = direct::primary(postgres).await?;
    if !advisory_lock::take(&client, Right::ImportProducts(&map.source)).await? {
        return Err(ImportError::Busy(map.source));
    }
    let (started_at, checkpoint) = begin(&client, leased, &map.source).await?;
    let source = Source {
        name: "upload".into(),
        bytes: Box::new(chunks(pools.clone(), leased)),
        size_bytes: import.size_bytes.unsigned_abs(),
        unpacked_bytes_max: UNPACKED_BYTES_MAX,
    };
    let layout = if import.format == "ndjson" { Layout::Ndjson } else { Layout::Csv };
    let opening = tokio::task::spawn_blocking(move || Catalogue::open(source, layout, &map));
    let catalogue = opening.await.map_err(ImportError::Task)??;
    let run = ImportRunId(import.id);
    let done_rows = checkpoint.tally.rows_read;
    let pages = Pages::Rows(Box::new(ReportRows::new(leased.clone(), checkpoint.report_length)));
    let mut ledger = Ledger::new(checkpoint.tally, (!import.dry_run).then_some(run), pages);
    let mut cause = cause(run);
    cause.request_id = Some(import.id.to_string());
    let plan = Plan { mongo: mongo.clone(), cause, started_at, is_dry: import.dry_run, done_rows };
    let damage = catalogue.import(plan, &mut ledger, &mut client, |_| {}).await?;
    let failure = damage.map(|damage| format!("not read to its end: {damage}"));
    ledger.finish(&mut client, failure.as_deref()).await
}

/// Where the run is: at its checkpoint, or at its beginning.
async fn begin(
    client: &DirectClient,
    leased: &LeasedImport,
    source: &str,
) -> Result<(Timestamp, Checkpoint), ImportError> {
    let id = leased.import.id;
    let (mut started_at, mut checkpoint) = (present(), Checkpoint::default());
    if !leased.import.dry_run {
        match import_runs::find_unfinished(client, ImportRunId(id)).await? {
            Some(earlier) => {
                started_at = earlier.started_at;
                // One of another version begins anew, which changes nothing that is there.
                let known = earlier.checkpoint.and_then(|known| serde_json::from_value(known).ok());
                checkpoint = known.unwrap_or_default();
            }
            None => {
                let new = NewRun {
                    id: ImportRunId(id),
                    kind: "products",
                    channel: source,
                    file_name: "upload",
                    fingerprint: None,
                    at: started_at,
                };
                import_runs::begin(client, new).await?;
            }
        }
    }
    catalogue_imports::delete_entries_after(client, id, checkpoint.report_length).await?;
    Ok((started_at, checkpoint))
}

/// The chunks of an upload, read ahead by a task.
fn chunks(pools: PgPools, leased: &LeasedImport) -> Chunks {
    let (sender, receiver) = mpsc::channel(WAITING_CHUNKS);
    let upload_id = leased.upload_id;
    tokio::spawn(async move {
        for number in 0.. {
            let chunk = async { catalogue_imports::chunk(&**pools.write().await?, upload_id, number).await };
            let chunk = chunk.await.transpose();
            let is_last = !matches!(chunk, Some(Ok(_)));
            // `None` ends the stream by the end of the channel.
            let Some(chunk) = chunk else { return };
            if sender.send(chunk).await.is_err() || is_last {
                return;
            }
        }
    });
    Chunks { receiver, chunk: Vec::new(), place: 0, left: leased.import.size_bytes.unsigned_abs() }
}

struct Chunks {
    receiver: mpsc::Receiver<Result<Vec<u8>, StoreError>>,
    chunk: Vec<u8>,
    place: usize,
    /// Bytes of the upload that have not come yet.
    left: u64,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.place == self.chunk.len() {
            match self.receiver.blocking_recv() {
                None if self.left == 0 => return Ok(0),
                None => return Err(Error::new(ErrorKind::NotFound, PART_MISSING)),
                Some(Ok(chunk)) => {
                    let left = self.left.checked_sub(chunk.len() as u64);
                    self.left = left.ok_or_else(|| Error::new(ErrorKind::NotFound, PART_MISSING))?;
                    (self.chunk, self.place) = (chunk, 0);
                }
                Some(Err(error)) => return Err(Error::new(ErrorKind::ConnectionAborted, error)),
            }
        }
        let length = (&self.chunk[self.place..]).read(buffer)?;
        self.place += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::super::column_map::SHIPPED;
    use super::*;

    #[test]
    fn the_api_knows_the_maps_that_ship() {
        assert_eq!(SHIPPED.map(|(name, _)| name), catalogue_imports::MAP_NAMES);
    }
}
