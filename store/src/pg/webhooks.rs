//! Endpoints of webhooks and their secrets; [`deliveries`], their [`lanes`], and what is [swept](sweep).

use domain::ids::WebhookId;
use domain::webhook::endpoint::{DisabledReason, EndpointState, WebhookEndpoint};
use domain::webhook::secret::Secret;
use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row, Transaction};

use crate::error::StoreError;

pub mod deliveries;
pub mod lanes;
pub mod sweep;

const COLUMNS: &str = "id, url, description, event_types, state, disabled_reason, failing_since, version, \
                       created_at, updated_at";

/// Adds an endpoint with its secret.
pub async fn insert(
    transaction: &Transaction<'_>,
    endpoint: &WebhookEndpoint,
    secret: &Secret,
) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO webhook_endpoints ({COLUMNS}, secret) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
    );
    transaction
        .query_typed(
            &sql,
            &[
                (&endpoint.id.0, Type::UUID),
                (&endpoint.url, Type::TEXT),
                (&endpoint.description, Type::TEXT),
                (&endpoint.event_types, Type::TEXT_ARRAY),
                (&endpoint.state.name(), Type::TEXT),
                (&endpoint.disabled_reason.map(DisabledReason::name), Type::TEXT),
                (&endpoint.failing_since, Type::TIMESTAMPTZ),
                (&endpoint.version, Type::INT8),
                (&endpoint.created_at, Type::TIMESTAMPTZ),
                (&endpoint.updated_at, Type::TIMESTAMPTZ),
                (&secret.to_text(), Type::TEXT),
            ],
        )
        .await?;
    Ok(())
}

/// How many there are.
pub async fn count(client: &impl GenericClient) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT count(*) FROM webhook_endpoints WHERE state <> 'deleted'";
    let rows = client.query_typed(SQL, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// One endpoint.
pub async fn find(client: &impl GenericClient, id: WebhookId) -> Result<Option<WebhookEndpoint>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM webhook_endpoints WHERE id = $1 AND state <> 'deleted'");
    let rows = client.query_typed(&sql, &[(&id.0, Type::UUID)]).await?;
    rows.first().map(endpoint).transpose()
}

/// Endpoints after an id, by id: the oldest first.
pub async fn list(
    client: &impl GenericClient,
    after: Option<WebhookId>,
    limit: i64,
) -> Result<Vec<WebhookEndpoint>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM webhook_endpoints \
         WHERE state <> 'deleted' AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2"
    );
    let after = after.map(|id| id.0);
    let rows = client.query_typed(&sql, &[(&after, Type::UUID), (&limit, Type::INT8)]).await?;
    rows.iter().map(endpoint).collect()
}

/// Puts a changed endpoint in the place of the version before it. `false`: another version is there.
pub async fn replace(transaction: &Transaction<'_>, changed: &WebhookEndpoint) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE webhook_endpoints SET url = $2, description = $3, event_types = $4, state = $5, \
                       disabled_reason = $6, failing_since = $7, version = $8, updated_at = $9 \
                       WHERE id = $1 AND version = $8 - 1 AND state <> 'deleted' RETURNING id";
    let rows = transaction
        .query_typed(
            SQL,
            &[
                (&changed.id.0, Type::UUID),
                (&changed.url, Type::TEXT),
                (&changed.description, Type::TEXT),
                (&changed.event_types, Type::TEXT_ARRAY),
                (&changed.state.name(), Type::TEXT),
                (&changed.disabled_reason.map(DisabledReason::name), Type::TEXT),
                (&changed.failing_since, Type::TIMESTAMPTZ),
                (&changed.version, Type::INT8),
                (&changed.updated_at, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Gives an endpoint a new secret; the present one signs beside it until `previous_until`. The endpoint after it,
/// `None` when there is none.
pub async fn rotate(
    transaction: &Transaction<'_>,
    id: WebhookId,
    secret: &Secret,
    at: Timestamp,
    previous_until: Timestamp,
) -> Result<Option<WebhookEndpoint>, StoreError> {
    let sql = format!(
        "UPDATE webhook_endpoints SET previous_secret = secret, previous_until = $4, secret = $2, \
         version = version + 1, updated_at = $3 WHERE id = $1 AND state <> 'deleted' RETURNING {COLUMNS}"
    );
    let rows = transaction
        .query_typed(
            &sql,
            &[
                (&id.0, Type::UUID),
                (&secret.to_text(), Type::TEXT),
                (&at, Type::TIMESTAMPTZ),
                (&previous_until, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    rows.first().map(endpoint).transpose()
}

/// Deletes a version of an endpoint: its secrets at once, its deliveries by and by ([`sweep::purge_deleted`]).
/// `false`: another version is there.
pub async fn delete(
    transaction: &Transaction<'_>,
    id: WebhookId,
    version: i64,
    at: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE webhook_endpoints SET state = 'deleted', disabled_reason = NULL, secret = '', \
                       previous_secret = NULL, previous_until = NULL, version = version + 1, updated_at = $3 \
                       WHERE id = $1 AND version = $2 AND state <> 'deleted' RETURNING id";
    let rows = transaction
        .query_typed(SQL, &[(&id.0, Type::UUID), (&version, Type::INT8), (&at, Type::TIMESTAMPTZ)])
        .await?;
    Ok(!rows.is_empty())
}

fn endpoint(row: &Row) -> Result<WebhookEndpoint, StoreError> {
    let state: &str = row.get(4);
    let inconsistent = |what: &str| StoreError::Inconsistent(format!("{what:?} of an endpoint"));
    let reason = |name| DisabledReason::from_name(name).ok_or_else(|| inconsistent(name));
    Ok(WebhookEndpoint {
        id: WebhookId(row.get(0)),
        url: row.get(1),
        description: row.get(2),
        event_types: row.get(3),
        state: EndpointState::from_name(state).ok_or_else(|| inconsistent(state))?,
        disabled_reason: row.get::<_, Option<&str>>(5).map(reason).transpose()?,
        failing_since: row.get(6),
        version: row.get(7),
        created_at: row.get(8),
        updated_at: row.get(9),
    })
}
