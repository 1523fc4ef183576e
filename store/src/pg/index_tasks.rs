//! Rebuilds and repairs of the search index that were asked for: one of a kind at a time, held under a lease.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};
use uuid::Uuid;

use crate::error::StoreError;

/// What is to be done with the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexTaskKind {
    /// A new one is filled, verified and put in use.
    Rebuild,
    /// Every document is compared with the stores; what differs is written again.
    Repair,
}

impl IndexTaskKind {
    const ALL: [Self; 2] = [Self::Rebuild, Self::Repair];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::Repair => "repair",
        }
    }
}

/// How far a task is, and what it did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IndexTaskProgress {
    /// `fill` and `verify` of a rebuild, `compare` of both.
    pub phase: Option<String>,
    /// Products done in that phase.
    pub products: u64,
    /// Products there are, about.
    pub of: u64,
    /// Documents that were not what the stores say when they were compared.
    pub different: u64,
    /// Of them those that are right now.
    pub mended: u64,
    /// Products that cannot be read and were left out.
    pub unreadable: u64,
    /// The index that a rebuild fills.
    pub index: Option<String>,
    /// Why it was given back to be tried again.
    pub waiting_for: Option<String>,
}

/// A task as it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct NewIndexTask<'a> {
    /// Its id; sorts by time.
    pub id: Uuid,
    /// What is to be done.
    pub kind: IndexTaskKind,
    /// Most products of a second; `None`: as fast as it goes.
    pub rate: Option<i32>,
    /// Who asks.
    pub actor: &'a str,
}

/// A task as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexTask {
    /// Its id.
    pub id: Uuid,
    /// What is to be done.
    pub kind: IndexTaskKind,
    /// Most products of a second; `None`: as fast as it goes.
    pub rate: Option<i32>,
    /// Who asked.
    pub actor: String,
    /// `queued`, `running`, `finished` or `failed`
    pub status: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When an indexer first took it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How far it is.
    pub progress: IndexTaskProgress,
    /// Why it failed.
    pub failure: Option<String>,
}

/// A task that an indexer holds until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedIndexTask {
    /// The task.
    pub task: IndexTask,
    /// Grows with each owner, from 1.
    pub fence: i64,
}

const COLUMNS: &str = "id, kind, rate, actor, status, created_at, started_at, finished_at, progress, failure";

/// Puts a task into the queue, and gives it back as it stands there. `None`: one of its kind waits or runs already.
pub async fn insert(
    client: &impl GenericClient,
    new: NewIndexTask<'_>,
) -> Result<Option<IndexTask>, StoreError> {
    let sql = format!(
        "INSERT INTO index_tasks (id, kind, rate, actor) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (kind) WHERE status IN ('queued', 'running') DO NOTHING RETURNING {COLUMNS}"
    );
    let NewIndexTask { id, kind, rate, actor } = new;
    let rows = client
        .query_typed(
            &sql,
            &[(&id, Type::UUID), (&kind.name(), Type::TEXT), (&rate, Type::INT4), (&actor, Type::TEXT)],
        )
        .await?;
    rows.first().map(task).transpose()
}

/// One task.
pub async fn find(client: &impl GenericClient, id: Uuid) -> Result<Option<IndexTask>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM index_tasks WHERE id = $1");
    client.query_typed(&sql, &[(&id, Type::UUID)]).await?.first().map(task).transpose()
}

/// The task of a kind that waits or runs.
pub async fn under_way(
    client: &impl GenericClient,
    kind: IndexTaskKind,
) -> Result<Option<IndexTask>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM index_tasks WHERE kind = $1 AND status IN ('queued', 'running')");
    client.query_typed(&sql, &[(&kind.name(), Type::TEXT)]).await?.first().map(task).transpose()
}

/// Tasks before one, newest first.
pub async fn list(
    client: &impl GenericClient,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<IndexTask>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM index_tasks WHERE ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2"
    );
    let rows = client.query_typed(&sql, &[(&before, Type::UUID), (&limit, Type::INT8)]).await?;
    rows.iter().map(task).collect()
}

/// Takes the task that waits longest and that nobody holds.
pub async fn lease(
    client: &impl GenericClient,
    lease_ms: i64,
) -> Result<Option<LeasedIndexTask>, StoreError> {
    let sql = format!(
        "UPDATE index_tasks SET status = 'running', fence = fence + 1, \
         started_at = coalesce(started_at, clock_timestamp()), \
         leased_until = clock_timestamp() + $1 * interval '1 millisecond' \
         WHERE id = (SELECT id FROM index_tasks WHERE status IN ('queued', 'running') \
                     AND leased_until < clock_timestamp() ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED) \
         RETURNING {COLUMNS}, fence"
    );
    let rows = client.query_typed(&sql, &[(&lease_ms, Type::INT8)]).await?;
    let leased = |row: &Row| Ok(LeasedIndexTask { task: task(row)?, fence: row.get(10) });
    rows.first().map(leased).transpose()
}

/// Records how far a task is and makes its lease longer; one of 0 ms gives it back. `false`: somebody else has it.
pub async fn renew(
    client: &impl GenericClient,
    leased: &LeasedIndexTask,
    progress: &IndexTaskProgress,
    lease_ms: i64,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE index_tasks SET progress = $3, \
                       leased_until = clock_timestamp() + $4 * interval '1 millisecond' \
                       WHERE id = $1 AND fence = $2 AND status = 'running' RETURNING id";
    let rows = client
        .query_typed(
            SQL,
            &[
                (&leased.task.id, Type::UUID),
                (&leased.fence, Type::INT8),
                (&json(progress), Type::JSONB),
                (&lease_ms, Type::INT8),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Ends a task, with a reason if it failed. `false`: somebody else has it.
pub async fn end(
    client: &impl GenericClient,
    leased: &LeasedIndexTask,
    progress: &IndexTaskProgress,
    failure: Option<&str>,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE index_tasks SET progress = $3, finished_at = clock_timestamp(), failure = $4, \
                       status = CASE WHEN $4::text IS NULL THEN 'finished' ELSE 'failed' END \
                       WHERE id = $1 AND fence = $2 AND status = 'running' RETURNING id";
    let rows = client
        .query_typed(
            SQL,
            &[
                (&leased.task.id, Type::UUID),
                (&leased.fence, Type::INT8),
                (&json(progress), Type::JSONB),
                (&failure, Type::TEXT),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

fn json(progress: &IndexTaskProgress) -> serde_json::Value {
    serde_json::to_value(progress).expect("plain data becomes JSON")
}

fn task(row: &Row) -> Result<IndexTask, StoreError> {
    let kind: &str = row.get(1);
    let kind = IndexTaskKind::ALL.into_iter().find(|candidate| candidate.name() == kind);
    let progress = serde_json::from_value(row.get(8));
    Ok(IndexTask {
        id: row.get(0),
        kind: kind.ok_or_else(|| StoreError::Inconsistent("a task of an unknown kind".to_owned()))?,
        rate: row.get(2),
        actor: row.get(3),
        status: row.get(4),
        created_at: row.get(5),
        started_at: row.get(6),
        finished_at: row.get(7),
        progress: progress.map_err(|error| StoreError::Inconsistent(error.to_string()))?,
        failure: row.get(9),
    })
}
