//! What one process at a time may do: locks that live as long as the connection that took them.

use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

use crate::error::StoreError;

/// How often a right is asked for, and how long apart.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// Longest wait for an answer to the question whether a lock is still held.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);

/// What only one may do at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right<'a> {
    /// Add judgments to a set.
    AddJudgments,
    /// Add an endpoint of webhooks.
    AddWebhook,
    /// Change the stock of a variant, by its id.
    ChangeStock(&'a str),
    /// Count what an experiment has led to.
    CountExperiment,
    /// Count the daily sales of a channel.
    CountDailySales(&'a str),
    /// Count what is searched for in a channel.
    CountSearchTerms(&'a str),
    /// Import behaviour events into a channel.
    ImportEvents(&'a str),
    /// Import orders into a channel.
    ImportOrders(&'a str),
    /// Import products of a catalogue.
    ImportProducts(&'a str),
    /// Fill a new index for this alias, point it at another index, or remove the one it pointed at before.
    RebuildIndex(&'a str),
    /// Put a tuning of the search in use.
    ReleaseTuning,
    /// Compare the index behind this alias with the stores, over and over.
    RepairIndex(&'a str),
    /// Make the demonstration shop.
    SeedShop,
}

impl Right<'_> {
    fn key(self) -> String {
        let (purpose, of) = match self {
            Self::AddJudgments => ("add_judgments", ""),
            Self::AddWebhook => ("add_webhook", ""),
            Self::ChangeStock(variant) => ("stock_change", variant),
            Self::CountExperiment => ("experiment", ""),
            Self::CountDailySales(channel) => ("daily_sales", channel),
            Self::CountSearchTerms(channel) => ("search_terms", channel),
            Self::ImportEvents(channel) => ("event_import", channel),
            Self::ImportOrders(channel) => ("order_import", channel),
            Self::ImportProducts(source) => ("product_import", source),
            Self::RebuildIndex(alias) => ("index_rebuild", alias),
            Self::ReleaseTuning => ("search_release", ""),
            Self::RepairIndex(alias) => ("index_repair", alias),
            Self::SeedShop => ("demo_seed", ""),
        };
        format!("{purpose}\n{of}")
    }
}

/// Takes a right for as long as the connection lives; `false` when another connection has it, and still has it two
/// seconds later: who ended a moment ago gives it back with its connection. The connection is a direct one: Pgpool-II's
/// would be shared.
pub async fn take(client: &Client, right: Right<'_>) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT pg_try_advisory_lock(hashtextextended($1, 2))";
    let key = right.key();
    for _ in 0..TRIES {
        if client.query_one(SQL, &[&key]).await?.get(0) {
            return Ok(true);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(false)
}

/// Waits for a right and has it until the transaction ends. The server's timeouts bound the wait.
pub async fn take_within(transaction: &Transaction<'_>, right: Right<'_>) -> Result<(), StoreError> {
    const SQL: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 2))";
    transaction.query_typed(SQL, &[(&right.key(), Type::TEXT)]).await?;
    Ok(())
}

/// Fails when the connection, and with it every right that it took, is lost.
pub async fn check_held(client: &Client) -> Result<(), StoreError> {
    tokio::time::timeout(QUESTION_TIMEOUT, client.simple_query(""))
        .await
        .map_err(StoreError::unavailable)??;
    Ok(())
}
