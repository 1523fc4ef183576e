//! Drafts of search tuning and its releases. The release with the highest number whose time has come is live.

use domain::event::Event;
use domain::ids::DraftId;
use domain::tuning::Tuning;
use domain::tuning::draft::{Draft, DraftState};
use domain::tuning::release::Release;
use tokio_postgres::types::{Json, Type};
use tokio_postgres::{GenericClient, Row, Transaction};

use crate::error::StoreError;
use crate::pg::advisory_lock::{self, Right};
use crate::pg::outbox;

const DRAFT_COLUMNS: &str =
    "id, name, state, base_release, tuning, version, created_by, created_at, updated_by, updated_at";
const RELEASE_COLUMNS: &str = "number, tuning, note, draft_id, restores, evaluation, override_reason, published_by, \
                               published_at, live_from";

/// Its time has come.
const IS_LIVE: &str = "(live_from IS NULL OR live_from <= clock_timestamp())";

/// Number of the live release; 0 before the first.
pub async fn live_number(client: &impl GenericClient) -> Result<i64, StoreError> {
    let sql = format!("SELECT coalesce(max(number), 0) FROM search_releases WHERE {IS_LIVE}");
    let rows = client.query_typed(&sql, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// The live release; `None` before the first.
pub async fn live(client: &impl GenericClient) -> Result<Option<Release>, StoreError> {
    let sql =
        format!("SELECT {RELEASE_COLUMNS} FROM search_releases WHERE {IS_LIVE} ORDER BY number DESC LIMIT 1");
    let rows = client.query_typed(&sql, &[]).await?;
    rows.first().map(release).transpose()
}

/// One release.
pub async fn find_release(client: &impl GenericClient, number: i64) -> Result<Option<Release>, StoreError> {
    let sql = format!("SELECT {RELEASE_COLUMNS} FROM search_releases WHERE number = $1");
    let rows = client.query_typed(&sql, &[(&number, Type::INT8)]).await?;
    rows.first().map(release).transpose()
}

/// Releases before a number, the newest first.
pub async fn list_releases(
    client: &impl GenericClient,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Release>, StoreError> {
    let sql = format!(
        "SELECT {RELEASE_COLUMNS} FROM search_releases WHERE ($1::bigint IS NULL OR number < $1) \
         ORDER BY number DESC LIMIT $2"
    );
    let rows = client.query_typed(&sql, &[(&before, Type::INT8), (&limit, Type::INT8)]).await?;
    rows.iter().map(release).collect()
}

/// Waits until nobody else publishes a tuning, and gives the newest release, live or waiting, which stays the newest
/// until the transaction ends.
pub async fn lock_newest(transaction: &Transaction<'_>) -> Result<Option<Release>, StoreError> {
    advisory_lock::take_within(transaction, Right::ReleaseTuning).await?;
    let sql = format!("SELECT {RELEASE_COLUMNS} FROM search_releases ORDER BY number DESC LIMIT 1");
    let rows = transaction.query_typed(&sql, &[]).await?;
    rows.first().map(release).transpose()
}

/// Publishes a release, with the event that says so. Its number is the one after that of [`lock_newest`].
pub async fn insert_release(
    transaction: &Transaction<'_>,
    release: &Release,
    event: &Event,
) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO search_releases ({RELEASE_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
    );
    transaction
        .query_typed(
            &sql,
            &[
                (&release.number, Type::INT8),
                (&Json(&release.tuning), Type::JSONB),
                (&release.note, Type::TEXT),
                (&release.draft_id.map(|id| id.0), Type::UUID),
                (&release.restores, Type::INT8),
                (&Json(&release.evaluation), Type::JSONB),
                (&release.override_reason, Type::TEXT),
                (&release.published_by, Type::TEXT),
                (&release.published_at, Type::TIMESTAMPTZ),
                (&release.live_from, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    outbox::append(transaction, event).await
}

/// How many drafts are open.
pub async fn count_open(client: &impl GenericClient) -> Result<i64, StoreError> {
    let rows = client.query_typed("SELECT count(*) FROM search_drafts WHERE state = 'open'", &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// Adds a draft.
pub async fn insert_draft(transaction: &Transaction<'_>, draft: &Draft) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO search_drafts ({DRAFT_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
    );
    transaction
        .query_typed(
            &sql,
            &[
                (&draft.id.0, Type::UUID),
                (&draft.name, Type::TEXT),
                (&draft.state.name(), Type::TEXT),
                (&draft.base_release, Type::INT8),
                (&Json(&draft.tuning), Type::JSONB),
                (&draft.version, Type::INT8),
                (&draft.created_by, Type::TEXT),
                (&draft.created_at, Type::TIMESTAMPTZ),
                (&draft.updated_by, Type::TEXT),
                (&draft.updated_at, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    Ok(())
}

/// One draft, whatever became of it.
pub async fn find_draft(client: &impl GenericClient, id: DraftId) -> Result<Option<Draft>, StoreError> {
    let sql = format!("SELECT {DRAFT_COLUMNS} FROM search_drafts WHERE id = $1");
    let rows = client.query_typed(&sql, &[(&id.0, Type::UUID)]).await?;
    rows.first().map(draft).transpose()
}

/// One draft, which stays as it is until the transaction ends.
pub async fn hold_draft(transaction: &Transaction<'_>, id: DraftId) -> Result<Option<Draft>, StoreError> {
    let sql = format!("SELECT {DRAFT_COLUMNS} FROM search_drafts WHERE id = $1 FOR SHARE");
    let rows = transaction.query_typed(&sql, &[(&id.0, Type::UUID)]).await?;
    rows.first().map(draft).transpose()
}

/// Open drafts before an id, the newest first.
pub async fn list_open(
    client: &impl GenericClient,
    before: Option<DraftId>,
    limit: i64,
) -> Result<Vec<Draft>, StoreError> {
    let sql = format!(
        "SELECT {DRAFT_COLUMNS} FROM search_drafts \
         WHERE state = 'open' AND ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2"
    );
    let before = before.map(|id| id.0);
    let rows = client.query_typed(&sql, &[(&before, Type::UUID), (&limit, Type::INT8)]).await?;
    rows.iter().map(draft).collect()
}

/// Puts a changed draft in the place of the version before it. `false`: another version is there, or it is closed.
pub async fn replace_draft(transaction: &Transaction<'_>, changed: &Draft) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE search_drafts SET name = $2, state = $3, base_release = $4, tuning = $5, version = $6, \
                              updated_by = $7, updated_at = $8 \
                       WHERE id = $1 AND version = $6 - 1 AND state = 'open'";
    let count = transaction
        .execute_typed(
            SQL,
            &[
                (&changed.id.0, Type::UUID),
                (&changed.name, Type::TEXT),
                (&changed.state.name(), Type::TEXT),
                (&changed.base_release, Type::INT8),
                (&Json(&changed.tuning), Type::JSONB),
                (&changed.version, Type::INT8),
                (&changed.updated_by, Type::TEXT),
                (&changed.updated_at, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    Ok(count == 1)
}

fn draft(row: &Row) -> Result<Draft, StoreError> {
    let state: &str = row.try_get(2)?;
    let Json(tuning) = row.try_get::<_, Json<Tuning>>(4)?;
    Ok(Draft {
        id: DraftId(row.try_get(0)?),
        name: row.try_get(1)?,
        state: DraftState::from_name(state)
            .ok_or_else(|| StoreError::Inconsistent(format!("a draft is {state:?}")))?,
        base_release: row.try_get(3)?,
        tuning,
        version: row.try_get(5)?,
        created_by: row.try_get(6)?,
        created_at: row.try_get(7)?,
        updated_by: row.try_get(8)?,
        updated_at: row.try_get(9)?,
    })
}

fn release(row: &Row) -> Result<Release, StoreError> {
    let Json(tuning) = row.try_get::<_, Json<Tuning>>(1)?;
    let Json(evaluation) = row.try_get(5)?;
    Ok(Release {
        number: row.try_get(0)?,
        tuning,
        note: row.try_get(2)?,
        draft_id: row.try_get::<_, Option<_>>(3)?.map(DraftId),
        restores: row.try_get(4)?,
        evaluation,
        override_reason: row.try_get(6)?,
        published_by: row.try_get(7)?,
        published_at: row.try_get(8)?,
        live_from: row.try_get(9)?,
    })
}
