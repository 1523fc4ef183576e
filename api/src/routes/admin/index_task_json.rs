//! Tasks of the search index as the API shows them.

use jiff::Timestamp;
use serde::Serialize;
use store::pg::index_tasks::IndexTask;
use utoipa::ToSchema;
use uuid::Uuid;

/// Where tasks are.
pub const PATH: &str = "/api/v1/admin/index/tasks";

/// Where a task stands.
#[derive(Debug, ToSchema)]
#[schema(as = IndexTaskStatus, rename_all = "snake_case")]
pub enum IndexTaskStatusName {
    /// It waits.
    Queued,
    /// It is under way; after a crash it goes on.
    Running,
    /// It is done.
    Finished,
    /// It is not: see `failure`.
    Failed,
}

/// A rebuild or repair of the search index.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IndexTask)]
pub struct IndexTaskJson {
    /// Id.
    pub id: Uuid,
    /// `rebuild` or `repair`
    #[schema(value_type = String, example = "rebuild")]
    pub kind: &'static str,
    /// Most products of a second; `null`: as fast as it goes.
    #[schema(required = true)]
    pub rate: Option<i32>,
    /// Who asked for it.
    #[schema(example = "role:admin")]
    pub actor: String,
    /// Where it stands.
    #[schema(value_type = IndexTaskStatusName)]
    pub status: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was begun.
    #[schema(required = true)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(required = true)]
    pub finished_at: Option<Timestamp>,
    /// What it does: a rebuild `fill`, `verify`, then `compare`, a repair `compare`; `null` before it begins.
    #[schema(required = true)]
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
    /// The index that a rebuild fills, and has put in use when it is finished.
    #[schema(required = true)]
    pub index: Option<String>,
    /// Why it cannot go on at the moment: it is tried again every few seconds, for a day.
    #[schema(required = true)]
    pub waiting_for: Option<String>,
    /// Why it failed.
    #[schema(required = true)]
    pub failure: Option<String>,
}

impl From<IndexTask> for IndexTaskJson {
    fn from(task: IndexTask) -> Self {
        let progress = task.progress;
        Self {
            id: task.id,
            kind: task.kind.name(),
            rate: task.rate,
            actor: task.actor,
            status: task.status,
            created_at: task.created_at,
            started_at: task.started_at,
            finished_at: task.finished_at,
            phase: progress.phase,
            products: progress.products,
            of: progress.of,
            different: progress.different,
            mended: progress.mended,
            unreadable: progress.unreadable,
            index: progress.index,
            waiting_for: progress.waiting_for,
            failure: task.failure,
        }
    }
}

/// The address of a task.
pub fn location(id: Uuid) -> String {
    format!("{PATH}/{id}")
}
