//! Experiments with the tuning of the search. One runs at a time.

use domain::experiment::{End, Experiment, Figures, Method, Outcome};
use domain::ids::{DraftId, ExperimentId};
use tokio_postgres::types::{Json, Type};
use tokio_postgres::{GenericClient, Row, Transaction};

use crate::error::StoreError;

const COLUMNS: &str = "id, name, method, share_percent, days_max, control_release, draft_id, draft_version, tuning, \
                       evaluation, override_reason, started_by, started_at, figures, ended_at, ended_by, outcome";

/// Begins an experiment. Another one that runs is a conflict.
pub async fn insert(transaction: &Transaction<'_>, new: &Experiment) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO search_experiments (id, name, method, share_percent, days_max, control_release, \
                       draft_id, draft_version, tuning, evaluation, override_reason, started_by, started_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    transaction
        .query_typed(
            SQL,
            &[
                (&new.id.0, Type::UUID),
                (&new.name, Type::TEXT),
                (&new.method.name(), Type::TEXT),
                (&i16::from(new.share_percent), Type::INT2),
                (&i16::from(new.days_max), Type::INT2),
                (&new.control_release, Type::INT8),
                (&new.draft_id.0, Type::UUID),
                (&new.draft_version, Type::INT8),
                (&Json(&new.tuning), Type::JSONB),
                (&Json(&new.evaluation), Type::JSONB),
                (&new.override_reason, Type::TEXT),
                (&new.started_by, Type::TEXT),
                (&new.started_at, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    Ok(())
}

/// The id of the one that runs.
pub async fn running_id(client: &impl GenericClient) -> Result<Option<ExperimentId>, StoreError> {
    let rows = client.query_typed("SELECT id FROM search_experiments WHERE ended_at IS NULL", &[]).await?;
    Ok(rows.first().map(|row| ExperimentId(row.get(0))))
}

/// The one that runs.
pub async fn running(client: &impl GenericClient) -> Result<Option<Experiment>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM search_experiments WHERE ended_at IS NULL");
    let rows = client.query_typed(&sql, &[]).await?;
    rows.first().map(experiment).transpose()
}

/// The draft that is tried now.
pub async fn running_draft(client: &impl GenericClient) -> Result<Option<DraftId>, StoreError> {
    const SQL: &str = "SELECT draft_id FROM search_experiments WHERE ended_at IS NULL";
    let rows = client.query_typed(SQL, &[]).await?;
    Ok(rows.first().map(|row| DraftId(row.get(0))))
}

/// One experiment.
pub async fn find(client: &impl GenericClient, id: ExperimentId) -> Result<Option<Experiment>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM search_experiments WHERE id = $1");
    let rows = client.query_typed(&sql, &[(&id.0, Type::UUID)]).await?;
    rows.first().map(experiment).transpose()
}

/// Experiments before an id, the newest first.
pub async fn list(
    client: &impl GenericClient,
    before: Option<ExperimentId>,
    limit: i64,
) -> Result<Vec<Experiment>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM search_experiments WHERE ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2"
    );
    let before = before.map(|id| id.0);
    let rows = client.query_typed(&sql, &[(&before, Type::UUID), (&limit, Type::INT8)]).await?;
    rows.iter().map(experiment).collect()
}

/// Keeps the figures of a look at an experiment that runs. `false`: it does not.
pub async fn save_figures(
    transaction: &Transaction<'_>,
    id: ExperimentId,
    figures: &Figures,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE search_experiments SET figures = $2 WHERE id = $1 AND ended_at IS NULL";
    let count = transaction.execute_typed(SQL, &[(&id.0, Type::UUID), (&Json(figures), Type::JSONB)]).await?;
    Ok(count == 1)
}

/// Ends an experiment. `false`: it does not run.
pub async fn end(transaction: &Transaction<'_>, id: ExperimentId, end: &End) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE search_experiments SET ended_at = $2, ended_by = $3, outcome = $4 \
                       WHERE id = $1 AND ended_at IS NULL";
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
        (&id.0, Type::UUID),
        (&end.at, Type::TIMESTAMPTZ),
        (&end.by, Type::TEXT),
        (&end.outcome.name(), Type::TEXT),
    ];
    Ok(transaction.execute_typed(SQL, &values).await? == 1)
}

fn experiment(row: &Row) -> Result<Experiment, StoreError> {
    let Json(tuning) = row.try_get(8)?;
    let Json(evaluation) = row.try_get(9)?;
    let figures = row.try_get::<_, Option<Json<Figures>>>(13)?.map(|Json(figures)| figures);
    Ok(Experiment {
        id: ExperimentId(row.try_get(0)?),
        name: row.try_get(1)?,
        method: named(row, 2, Method::from_name)?,
        share_percent: small(row, 3)?,
        days_max: small(row, 4)?,
        control_release: row.try_get(5)?,
        draft_id: DraftId(row.try_get(6)?),
        draft_version: row.try_get(7)?,
        tuning,
        evaluation,
        override_reason: row.try_get(10)?,
        started_by: row.try_get(11)?,
        started_at: row.try_get(12)?,
        figures,
        end: ended(row)?,
    })
}

fn ended(row: &Row) -> Result<Option<End>, StoreError> {
    let Some(at) = row.try_get(14)? else { return Ok(None) };
    Ok(Some(End { at, by: row.try_get(15)?, outcome: named(row, 16, Outcome::from_name)? }))
}

fn small(row: &Row, column: usize) -> Result<u8, StoreError> {
    let number: i16 = row.try_get(column)?;
    u8::try_from(number).map_err(|_| StoreError::Inconsistent(format!("an experiment has {number}")))
}

fn named<T>(row: &Row, column: usize, of: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    let name: &str = row.try_get(column)?;
    of(name).ok_or_else(|| StoreError::Inconsistent(format!("an experiment is {name:?}")))
}
