//! Which index is in use, and the way back: after a switch the index of before is written to for a day, so
//! that the shop can go back to it, and forth again, at once.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::settings::PostgresSettings;

use crate::client::SearchClient;
use crate::error::SearchError;
use crate::projection::Projection;
use crate::rebuild::{RebuildError, hold};
use crate::{consume, index};

/// How long the index of before is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// The index now in use.
    pub index: String,
    /// The index that was in use, now the previous one.
    pub replaced: Option<String>,
}

/// Points the alias back at the index that was in use before. Done again, it goes forth.
pub async fn run(projection: &Projection, postgres: &PostgresSettings) -> Result<RolledBack, RebuildError> {
    let client = &projection.client;
    let _lock = hold(client, postgres).await?;
    let previous = index::aliases(client).await?.previous;
    let index = previous.ok_or_else(|| RebuildError::NoPrevious(client.alias().to_owned()))?;
    if let Err(error) = consume::add_fields(client).await {
        tracing::warn!(%error, "the indexes stay without the fields that are new");
    }
    let fields = consume::lacking(client, &index).await?;
    if !fields.is_empty() {
        return Err(RebuildError::LacksFields { index, fields });
    }
    let replaced = put_in_use(client, &index).await?;
    Ok(RolledBack { index, replaced })
}

/// Removes the index that was in use before; its name, if there was one.
pub async fn retire(
    projection: &Projection,
    postgres: &PostgresSettings,
) -> Result<Option<String>, RebuildError> {
    let client = &projection.client;
    let _lock = hold(client, postgres).await?;
    let previous = index::aliases(client).await?.previous;
    if let Some(previous) = &previous {
        index::delete(client, previous).await?;
    }
    Ok(previous)
}

/// Removes the index that was in use before when it was replaced a day ago; its name, if it went.
pub async fn retire_old(
    projection: &Projection,
    postgres: &PostgresSettings,
    now: Timestamp,
) -> Result<Option<String>, RebuildError> {
    let client = &projection.client;
    if index::aliases(client).await?.previous.is_none() {
        return Ok(None);
    }
    let _lock = hold(client, postgres).await?;
    // Which one it is may have changed before the lock was had.
    let Some(previous) = index::aliases(client).await?.previous else {
        return Ok(None);
    };
    match replaced_at(&index::meta(client, &previous).await?) {
        Some(at) if now.duration_since(at) >= KEPT => {
            index::delete(client, &previous).await?;
            Ok(Some(previous))
        }
        Some(_) => Ok(None),
        None => {
            index::set_meta(client, &previous, meta(now)).await?;
            Ok(None)
        }
    }
}

/// Puts an index in use and keeps the one of before, which is told since when; its name.
pub(crate) async fn put_in_use(client: &SearchClient, name: &str) -> Result<Option<String>, SearchError> {
    let current = index::aliases(client).await?.current;
    let replaced = current.filter(|current| current != name);
    if let Some(replaced) = &replaced {
        index::set_meta(client, replaced, meta(Timestamp::now())).await?;
    }
    if let Err(error) = index::switch(client, name).await {
        // An answer that was lost may have been a success.
        let is_in_use = index::aliases(client).await.is_ok_and(|now| now.current.as_deref() == Some(name));
        if !is_in_use {
            return Err(error);
        }
        tracing::warn!(%error, "the switch was made, though its answer was lost");
    }
    Ok(replaced)
}

fn meta(replaced_at: Timestamp) -> Value {
    json!({"replaced_at": replaced_at})
}

fn replaced_at(meta: &Value) -> Option<Timestamp> {
    meta["replaced_at"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_knows_since_when_it_is_not_in_use() {
        let at = Timestamp::from_second(1_700_000_000).expect("in range");
        assert_eq!(replaced_at(&meta(at)), Some(at));
        assert_eq!(replaced_at(&Value::Null), None);
        assert_eq!(replaced_at(&json!({"replaced_at": "yesterday"})), None);
    }
}
