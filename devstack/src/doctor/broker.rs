//! RabbitMQ: alarms that stop publishers, queues that nobody reads, messages that were given up.

use std::time::Duration;

use serde_json::Value;

use super::{
    Context, Finding, Mend,
    context::{megabytes, shell},
};
use crate::{error::Result, servers::rabbitmq};

const DEADLINE: Duration = Duration::from_secs(4);
/// As the configuration of the stack has it.
const DISK_LIMIT: u64 = 1_000_000_000;

async fn ask(context: &Context, path: &str) -> Result<Value> {
    context.require("rabbitmq")?;
    let stack = context.stack()?;
    let request = context
        .http
        .get(format!("{}/api/{path}", rabbitmq::management_url(stack)))
        .basic_auth(rabbitmq::ADMINISTRATOR, Some(&stack.secrets.rabbitmq_administrator))
        .timeout(DEADLINE);
    Ok(request.send().await?.error_for_status()?.json().await?)
}

async fn node(context: &Context) -> Result<Value> {
    Ok(ask(context, "nodes").await?.get(0).cloned().unwrap_or_default())
}

fn bytes(node: &Value, field: &str) -> u64 {
    node[field].as_u64().unwrap_or(0)
}

/// A command of the broker's own tool.
fn control(context: &Context, words: &str) -> Mend {
    Mend::command(format!(
        "HOME={} ERL_EPMD_PORT={} /usr/lib/rabbitmq/bin/rabbitmqctl -n entrepot@localhost {words}",
        shell(&context.folders.home),
        context.ports.rabbitmq_epmd
    ))
}

pub(super) async fn memory(context: &Context) -> Result<Finding> {
    let node = node(context).await?;
    let seen = format!("{} of {}", megabytes(bytes(&node, "mem_used")), megabytes(bytes(&node, "mem_limit")));
    if node["mem_alarm"] != Value::Bool(true) {
        return Ok(Finding::well(seen));
    }
    Ok(Finding::failure(
        seen,
        "the memory alarm blocks every publisher; queues are long, or the watermark is low",
        control(context, &format!("set_vm_memory_high_watermark {}", rabbitmq::MEMORY_SHARE)),
    ))
}

pub(super) async fn disk(context: &Context) -> Result<Finding> {
    let node = node(context).await?;
    let (free, limit) = (bytes(&node, "disk_free"), bytes(&node, "disk_free_limit"));
    let seen = format!("{} free, {} wanted", megabytes(free), megabytes(limit));
    if node["disk_free_alarm"] != Value::Bool(true) {
        return Ok(Finding::well(seen));
    }
    let cause = "the disk alarm blocks every publisher";
    if free > DISK_LIMIT {
        let words = format!("{cause}; the limit is not that of the configuration");
        return Ok(Finding::failure(
            seen,
            words,
            control(context, &format!("set_disk_free_limit {DISK_LIMIT}")),
        ));
    }
    let data = shell(&context.folders.data);
    let mend =
        Mend::action(format!("make room; this shows what is big: du -xh --max-depth=3 {data} | sort -h"));
    Ok(Finding::failure(seen, cause, mend))
}

async fn queues(context: &Context) -> Result<Vec<(String, u64, u64)>> {
    let vhost = &context.names()?.vhost;
    let queues = ask(context, &format!("queues/{vhost}?columns=name,messages,consumers")).await?;
    let each = queues.as_array().into_iter().flatten();
    Ok(each
        .filter_map(|queue| {
            let name = queue["name"].as_str()?.to_owned();
            Some((name, bytes(queue, "messages"), bytes(queue, "consumers")))
        })
        .collect())
}

fn is_dead_letters(queue: &str) -> bool {
    queue.ends_with(".dead")
}

pub(super) async fn read(context: &Context) -> Result<Finding> {
    let queues = queues(context).await?;
    let unread = |(name, messages, consumers): &&(String, u64, u64)| {
        *messages > 0 && *consumers == 0 && !is_dead_letters(name)
    };
    let Some((name, messages, _)) = queues.iter().find(unread) else {
        return Ok(Finding::well(format!("{} queues", queues.len())));
    };
    Ok(Finding::failure(
        format!("{messages} messages wait in {name}, and nobody reads it"),
        "its program does not run or cannot connect; what it makes of the messages grows old",
        Mend::command(context.dev(&format!("logs {}", name.replace('-', "_")))),
    ))
}
