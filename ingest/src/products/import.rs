//! The run of an import: a thread reads, several batches are written side by side, and what became of them is told in
//! the order of the file.

use std::sync::Arc;

use domain::event::Cause;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use store::pg::direct::DirectClient;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::batch::{Context, settle_patiently};
use super::bound_map::BoundMap;
use super::column_map::ColumnMap;
use super::ledger::Ledger;
use super::reading::Reader;
use super::{ImportError, Progress};
use crate::input::records::Records;
use crate::input::{Input, Layout, Source};

/// Batches that wait for a writer.
const WAITING_BATCHES: usize = 2;
/// Batches that are written side by side.
const WRITTEN_AT_ONCE: usize = 2;
/// Rows after which the run makes a checkpoint.
const CHECKPOINT_ROWS: u64 = 5_000;

/// An opened catalogue with its map.
pub(super) struct Catalogue {
    records: Records,
    map: Arc<BoundMap>,
}

/// What a run is, beside what it reads.
pub(super) struct Plan {
    pub(super) mongo: store::mongo::connection::Mongo,
    pub(super) cause: Cause,
    /// To the millisecond.
    pub(super) started_at: Timestamp,
    pub(super) is_dry: bool,
    /// Rows that an earlier part of the run has dealt with.
    pub(super) done_rows: u64,
}

impl Catalogue {
    /// Opens what is to be read; on a thread that may block.
    pub(super) fn open(source: Source, layout: Layout, map: &ColumnMap) -> Result<Self, ImportError> {
        let input = Input::new(source)?;
        let records = Records::open(input, layout, || map.paths().map_err(ImportError::from))?;
        let map = map.bind(records.header())?;
        Ok(Self { records, map: Arc::new(map) })
    }

    /// Reads and writes to the end. Returns why the file ends before its end, if it does.
    pub(super) async fn import(
        self,
        plan: Plan,
        ledger: &mut Ledger,
        client: &mut DirectClient,
        progress: impl Fn(Progress),
    ) -> Result<Option<String>, ImportError> {
        let Plan { mongo, cause, started_at, is_dry, done_rows } = plan;
        let map = Arc::clone(&self.map);
        let reader = Reader::new(self.records, self.map, started_at, done_rows);
        let size_bytes = reader.size_bytes();
        let (sender, receiver) = mpsc::channel(WAITING_BATCHES);
        let reading = tokio::task::spawn_blocking(move || reader.read_all(&sender));
        let context = Arc::new(Context { mongo, map, cause, started_at, is_dry });
        let batches = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        let settled = batches
            .map(|batch| {
                let context = Arc::clone(&context);
                let runtime = Handle::current();
                // A thread of its own: most of the work is to turn products into documents.
                tokio::task::spawn_blocking(move || runtime.block_on(settle_patiently(&context, batch)))
            })
            .buffered(WRITTEN_AT_ONCE);
        let mut settled = std::pin::pin!(settled);
        let (mut damage, mut saved_rows) = (None, done_rows);
        while let Some(batch) = settled.next().await {
            let batch = batch.map_err(ImportError::Task)??;
            for told in &batch.told {
                ledger.note(told)?;
            }
            ledger.tally.rows_read = batch.rows_read;
            damage = batch.damage.or(damage);
            let (rows, read_bytes) = (batch.rows_read, batch.read_bytes);
            progress(Progress { rows, read_bytes, size_bytes });
            if rows - saved_rows >= CHECKPOINT_ROWS || ledger.is_full() {
                ledger.save(client).await?;
                saved_rows = rows;
            }
        }
        reading.await.map_err(ImportError::Task)??;
        Ok(damage)
    }
}
