//! What the shop's programs leave behind: the shape of the stores, events that are not sent, metrics that are not
//! there.

use std::time::Duration;

use bson::{DateTime, Document, doc};
use jiff::SignedDuration;
use mongodb::{Client, Database, options::ClientOptions};
use serde_json::Value;
use tokio_postgres::{NoTls, config::TargetSessionAttrs};

use super::{Context, Finding, Mend};
use crate::{
    error::{Result, StackError},
    servers::{mongo, ours},
};

const DEADLINE: Duration = Duration::from_secs(4);
/// A relay sends within a second.
const OLD: SignedDuration = SignedDuration::from_secs(60);
/// Prometheus has asked every target again.
const JUST_BEGUN: SignedDuration = SignedDuration::from_secs(60);
const SHOWN: usize = 3;

/// A session of the superuser in the shop's database on the primary.
async fn database(context: &Context) -> Result<tokio_postgres::Client> {
    let stack = context.stack()?;
    let mut config = tokio_postgres::Config::new();
    config
        .dbname(&context.names()?.postgres)
        .user("postgres")
        .password(&stack.secrets.postgres_superuser)
        .application_name("devstack")
        .connect_timeout(Duration::from_secs(2))
        .target_session_attrs(TargetSessionAttrs::ReadWrite);
    for port in context.ports.postgres {
        config.host("127.0.0.1").port(port);
    }
    let (client, connection) = config.connect(NoTls).await?;
    // A broken connection is seen by the question that waits for it.
    tokio::spawn(async move { connection.await.ok() });
    Ok(client)
}

async fn documents(context: &Context) -> Result<Database> {
    let mut options = ClientOptions::parse(mongo::url(context.stack()?)).await?;
    options.server_selection_timeout = Some(DEADLINE);
    Ok(Client::with_options(options)?.database(&context.names()?.mongo))
}

pub(super) async fn migrations(context: &Context) -> Result<Finding> {
    let ours = migrations::pg::checksums().map_err(|error| StackError::refused(error.to_string()))?;
    const APPLIED: &str = "SELECT version, name, checksum FROM refinery_schema_history ORDER BY version";
    let rows = database(context).await?.query(APPLIED, &[]).await?;
    let applied: Vec<(i32, String, String)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    for (version, name, checksum) in &applied {
        let file = format!("{version:04}_{name}");
        match ours.iter().find(|(file_version, _)| file_version == version) {
            None => return Ok(newer(context, &file)),
            Some((_, own)) if own.to_string() != *checksum => {
                return Ok(Finding::failure(
                    format!("{file}.sql is not what was applied"),
                    "a migration was edited after it had run; a change is a new file",
                    Mend::command(format!("git checkout -- migrations/pg/{file}.sql")),
                ));
            }
            Some(_) => {}
        }
    }
    let collection = documents(context).await?.collection::<Document>("schema_migrations");
    let known: Vec<&str> = migrations::mongo::FILES.iter().map(|(name, _)| *name).collect();
    if let Some(other) = collection.find_one(doc! { "_id": { "$nin": &known } }).await? {
        return Ok(newer(context, other.get_str("_id").unwrap_or("one")));
    }
    let in_mongo = usize::try_from(collection.count_documents(doc! {}).await?).unwrap_or(usize::MAX);
    let behind = ours.len() - applied.len() + known.len().saturating_sub(in_mongo);
    if behind > 0 {
        return Ok(Finding::failure(
            format!("{behind} migrations were not applied"),
            "the programs are newer than the stores; a start applies what is missing",
            Mend::command(context.start_anew()),
        ));
    }
    Ok(Finding::well(format!("{} in PostgreSQL, {in_mongo} in MongoDB", applied.len())))
}

fn newer(context: &Context, file: &str) -> Finding {
    Finding::failure(
        format!("{file} was applied, and this checkout does not have it"),
        "the data is of a newer commit, or of another branch",
        Mend::action(format!(
            "check that commit out, or begin anew without the data: {}",
            context.dev("reset")
        )),
    )
}

/// The worker takes them out of the broker; who looks at them is a person.
pub(super) async fn dead_letters(context: &Context) -> Result<Finding> {
    const WAITING: &str = "SELECT queue, count(*) FROM dead_letters WHERE state = 'waiting' \
                           GROUP BY queue ORDER BY count(*) DESC LIMIT 1";
    let Some(row) = database(context).await?.query_opt(WAITING, &[]).await? else {
        return Ok(Finding::well("none"));
    };
    let (queue, count): (String, i64) = (row.get(0), row.get(1));
    let list = context.dev(&format!("dead-letters list --queue {queue}"));
    Ok(Finding::warning(
        format!("{count} messages of {queue} were given up"),
        format!("their reader refused them, or failed eight times: {list} shows them, and why"),
        Mend::command(context.dev(&format!("dead-letters redrive --queue {queue}"))),
    ))
}

pub(super) async fn outboxes(context: &Context) -> Result<Finding> {
    const UNSENT: &str = "SELECT count(*), max(EXTRACT(EPOCH FROM clock_timestamp() - created_at))::bigint, \
         count(*) FILTER (WHERE attempts > 0) FROM outbox \
         WHERE sent_at IS NULL AND created_at < clock_timestamp() - $1::bigint * interval '1 second'";
    let row = database(context).await?.query_one(UNSENT, &[&OLD.as_secs()]).await?;
    let (rows, age_s, tried): (i64, Option<i64>, i64) = (row.get(0), row.get(1), row.get(2));
    let outbox = documents(context).await?.collection::<Document>("outbox");
    let before = DateTime::from_millis(DateTime::now().timestamp_millis() - OLD.as_secs() * 1_000);
    let old = doc! { "sent_at": null, "created_at": { "$lt": before } };
    let in_mongo = outbox.count_documents(old).await?;
    if rows == 0 && in_mongo == 0 {
        return Ok(Finding::well("every event is sent within a minute"));
    }
    let age =
        age_s.map_or_else(String::new, |age_s| format!(", the oldest for {age_s} s, {tried} tried already"));
    Ok(Finding::failure(
        format!("{rows} events in PostgreSQL and {in_mongo} in MongoDB wait for more than a minute{age}"),
        "the relay does not run, cannot reach the broker, or is refused: search and reports grow old",
        Mend::command(context.dev("logs ingest")),
    ))
}

pub(super) async fn targets(context: &Context) -> Result<Finding> {
    context.require("prometheus")?;
    let url = format!("http://127.0.0.1:{}/api/v1/targets?state=active", context.ports.prometheus);
    let answer: Value =
        context.http.get(url).timeout(DEADLINE).send().await?.error_for_status()?.json().await?;
    let targets = answer["data"]["activeTargets"].as_array().into_iter().flatten();
    let targets: Vec<&Value> = targets.filter(|target| is_part(context, target)).collect();
    // One that was not asked yet is "unknown".
    let down: Vec<&&Value> = targets.iter().filter(|target| target["health"] == "down").collect();
    let Some(first) = down.first() else {
        return Ok(Finding::well(format!("{} targets", targets.len())));
    };
    let word = |target: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!("{} ({})", text(&target["labels"]["job"]), text(&target["lastError"]))
    };
    let shown: Vec<String> = down.iter().take(SHOWN).map(|target| word(target)).collect();
    let seen = format!("{} of {} are down: {}", down.len(), targets.len(), shown.join(", "));
    let mend = Mend::command(context.dev(&format!("logs {}", exporter_of(context, first))));
    if has_just_begun(context) {
        let cause = "the stack has begun a moment ago, and Prometheus asks every 15 s: look again soon";
        return Ok(Finding::warning(seen, cause, mend));
    }
    let cause = "the program does not run or does not answer; its metrics and alerts are missing";
    Ok(Finding::failure(seen, cause, mend))
}

fn has_just_begun(context: &Context) -> bool {
    let mut servers = context.state.iter().flat_map(|state| &state.servers);
    let prometheus = servers.find(|server| server.name == "prometheus");
    let started_at = prometheus.and_then(|server| server.started_at);
    started_at.is_some_and(|at| context.now.duration_since(at) < JUST_BEGUN)
}

/// What answers Prometheus for a target: a server's exporter, or the program itself.
fn exporter_of(context: &Context, target: &Value) -> String {
    let name = server_of(target);
    let exporter = format!("{name}_exporter");
    let mut servers = context.state.iter().flat_map(|state| &state.servers);
    if servers.any(|server| server.name == exporter) { exporter } else { name }
}

/// The server that a target of Prometheus is.
fn server_of(target: &Value) -> String {
    target["labels"]["job"].as_str().unwrap_or_default().replace('-', "_")
}

/// With servers only, the shop's programs are started by somebody else, or not at all.
fn is_part(context: &Context, target: &Value) -> bool {
    let name = server_of(target);
    let mut started = context.state.iter().flat_map(|state| &state.servers);
    !ours::NAMES.contains(&name.as_str()) || started.any(|server| server.name == name)
}
