//! What consumers gave up, kept until a person has sent it again or dropped it, with every step of that.

use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row, Transaction};
use uuid::Uuid;

use crate::amqp::dead_letter::DeadLetter;
use crate::error::StoreError;

/// Who takes messages out of the broker.
const KEEPER: &str = "system:worker";
/// Longest note of a step, in characters.
pub const NOTE_LENGTH_MAX: usize = 500;

/// What was done with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterState {
    /// Nothing yet.
    Waiting,
    /// Its queue has it again.
    Redriven,
    /// Nobody wants it.
    Dropped,
}

impl DeadLetterState {
    /// Every state with its name.
    pub const NAMES: [(&str, Self); 3] =
        [("waiting", Self::Waiting), ("redriven", Self::Redriven), ("dropped", Self::Dropped)];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Redriven => "redriven",
            Self::Dropped => "dropped",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(candidate, _)| *candidate == name).map(|(_, state)| state)
    }
}

/// A dead letter without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLetter {
    /// Its id; sorts by arrival.
    pub id: Uuid,
    /// Name of the queue that it died in.
    pub queue: String,
    /// Id of its event.
    pub event_id: Option<String>,
    /// Type of its event.
    pub event_type: Option<String>,
    /// Aggregate of its event.
    pub subject: Option<String>,
    /// How long the message was.
    pub body_bytes: i64,
    /// Whether only its beginning is kept.
    pub is_cut: bool,
    /// The broker's word for why it died.
    pub reason: String,
    /// How often it died there.
    pub death_count: i64,
    /// When it died.
    pub died_at: Timestamp,
    /// When it was taken out of the broker.
    pub arrived_at: Timestamp,
    /// The dead letter that was sent again and is this one.
    pub redriven_from: Option<Uuid>,
    /// What was done with it.
    pub state: DeadLetterState,
}

/// A step of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `arrived`, `redriven` or `dropped`
    pub step: String,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// In words.
    pub note: Option<String>,
}

/// Which dead letters a list holds; `None` leaves a field open.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterFilter {
    /// Only of this queue.
    pub queue: Option<String>,
    /// Only in this state.
    pub state: Option<DeadLetterState>,
}

const COLUMNS: &str = "id, queue, event_id, event_type, subject, body_bytes, body_bytes > length(body), reason, \
                       death_count, died_at, arrived_at, redriven_from, state";

/// Keeps a message. `false`: this death is known already.
pub async fn insert(transaction: &Transaction<'_>, letter: &DeadLetter) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO dead_letters (id, queue, fingerprint, event_id, event_type, subject, body, \
                       body_bytes, reason, death_count, died_at, arrived_at, redriven_from) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
                       ON CONFLICT (queue, fingerprint) DO NOTHING RETURNING id";
    const STEP: &str =
        "INSERT INTO dead_letter_steps (dead_letter_id, step, at, actor) VALUES ($1, 'arrived', $2, $3)";
    let rows = transaction
        .query_typed(
            SQL,
            &[
                (&letter.id, Type::UUID),
                (&letter.queue.name(), Type::TEXT),
                (&letter.fingerprint.as_slice(), Type::BYTEA),
                (&letter.event_id, Type::TEXT),
                (&letter.event_type, Type::TEXT),
                (&letter.subject, Type::TEXT),
                (&letter.body, Type::BYTEA),
                (&letter.body_bytes, Type::INT8),
                (&letter.reason, Type::TEXT),
                (&letter.death_count, Type::INT8),
                (&letter.died_at, Type::TIMESTAMPTZ),
                (&letter.arrived_at, Type::TIMESTAMPTZ),
                (&letter.redriven_from, Type::UUID),
            ],
        )
        .await?;
    if rows.is_empty() {
        return Ok(false);
    }
    transaction
        .query_typed(
            STEP,
            &[(&letter.id, Type::UUID), (&letter.arrived_at, Type::TIMESTAMPTZ), (&KEEPER, Type::TEXT)],
        )
        .await?;
    Ok(true)
}

/// Records that those of some that wait were sent again or dropped, by whom, and with a note of at most
/// [`NOTE_LENGTH_MAX`] characters. Returns how many waited.
pub async fn settle(
    transaction: &Transaction<'_>,
    ids: &[Uuid],
    state: DeadLetterState,
    actor: &str,
    note: Option<&str>,
) -> Result<usize, StoreError> {
    const SQL: &str = "WITH settled AS (UPDATE dead_letters SET state = $2, settled_at = clock_timestamp() \
                           WHERE id = ANY($1) AND state = 'waiting' RETURNING id) \
                       INSERT INTO dead_letter_steps (dead_letter_id, step, at, actor, note) \
                       SELECT id, $2, clock_timestamp(), $3, $4 FROM settled RETURNING dead_letter_id";
    let rows = transaction
        .query_typed(
            SQL,
            &[
                (&ids, Type::UUID_ARRAY),
                (&state.name(), Type::TEXT),
                (&actor, Type::TEXT),
                (&note, Type::TEXT),
            ],
        )
        .await?;
    Ok(rows.len())
}

/// Dead letters before one, newest first.
pub async fn list(
    client: &impl GenericClient,
    filter: &DeadLetterFilter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<KeptLetter>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM dead_letters WHERE ($1::text IS NULL OR queue = $1) \
         AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4"
    );
    let state = filter.state.map(DeadLetterState::name);
    let rows = client
        .query_typed(
            &sql,
            &[(&filter.queue, Type::TEXT), (&state, Type::TEXT), (&before, Type::UUID), (&limit, Type::INT8)],
        )
        .await?;
    rows.iter().map(letter).collect()
}

/// One dead letter with what is kept of its body.
pub async fn find(
    client: &impl GenericClient,
    id: Uuid,
) -> Result<Option<(KeptLetter, Vec<u8>)>, StoreError> {
    Ok(find_many(client, &[id]).await?.pop())
}

/// Some dead letters with what is kept of their bodies, by id; those that are not there are left out.
pub async fn find_many(
    client: &impl GenericClient,
    ids: &[Uuid],
) -> Result<Vec<(KeptLetter, Vec<u8>)>, StoreError> {
    let sql = format!("SELECT {COLUMNS}, body FROM dead_letters WHERE id = ANY($1) ORDER BY id");
    let rows = client.query_typed(&sql, &[(&ids, Type::UUID_ARRAY)]).await?;
    rows.iter().map(|row| Ok((letter(row)?, row.get(13)))).collect()
}

/// What was done with one, oldest first.
pub async fn steps(client: &impl GenericClient, id: Uuid) -> Result<Vec<Step>, StoreError> {
    // Those of people have the database's clock, the arrival has the worker's.
    const SQL: &str = "SELECT step, at, actor, note FROM dead_letter_steps WHERE dead_letter_id = $1 \
                       ORDER BY step <> 'arrived', at";
    let rows = client.query_typed(SQL, &[(&id, Type::UUID)]).await?;
    let step = |row: &Row| Step { step: row.get(0), at: row.get(1), actor: row.get(2), note: row.get(3) };
    Ok(rows.iter().map(step).collect())
}

/// How many wait, by queue; a queue without one is left out.
pub async fn waiting(client: &impl GenericClient) -> Result<Vec<(String, i64)>, StoreError> {
    const SQL: &str = "SELECT queue, count(*) FROM dead_letters WHERE state = 'waiting' GROUP BY queue";
    let rows = client.query_typed(SQL, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Those of a queue that wait and are whole, oldest first.
pub async fn waiting_ids(
    client: &impl GenericClient,
    queue: &str,
    limit: i64,
) -> Result<Vec<Uuid>, StoreError> {
    const SQL: &str = "SELECT id FROM dead_letters WHERE queue = $1 AND state = 'waiting' \
                       AND body_bytes = length(body) ORDER BY id LIMIT $2";
    let rows = client.query_typed(SQL, &[(&queue, Type::TEXT), (&limit, Type::INT8)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Deletes at most `limit` that were sent again or dropped before that time. One that waits is never deleted. Returns
/// how many.
pub async fn delete_settled(
    client: &impl GenericClient,
    before: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    const SQL: &str = "DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters \
                       WHERE state <> 'waiting' AND settled_at < $1 LIMIT $2) RETURNING id";
    let rows = client.query_typed(SQL, &[(&before, Type::TIMESTAMPTZ), (&limit, Type::INT8)]).await?;
    Ok(rows.len())
}

fn letter(row: &Row) -> Result<KeptLetter, StoreError> {
    let state: &str = row.get(12);
    Ok(KeptLetter {
        id: row.get(0),
        queue: row.get(1),
        event_id: row.get(2),
        event_type: row.get(3),
        subject: row.get(4),
        body_bytes: row.get(5),
        is_cut: row.get(6),
        reason: row.get(7),
        death_count: row.get(8),
        died_at: row.get(9),
        arrived_at: row.get(10),
        redriven_from: row.get(11),
        state: DeadLetterState::from_name(state)
            .ok_or_else(|| StoreError::Inconsistent(format!("{state:?} is no state of a dead letter")))?,
    })
}
