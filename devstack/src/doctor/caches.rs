//! Redis and Memcached: whether they take writes, forget what is old, and have room for clients.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::{Context, Finding, Mend};
use crate::error::{Result, StackError};

const DEADLINE: Duration = Duration::from_secs(3);
const MOST_LINES: usize = 500;
const POLICY: &str = "allkeys-lfu";
const BUSY_PERCENT: u64 = 90;

/// Asks one question in a protocol of lines, and reads up to a line that `is_last`.
async fn lines(port: u16, request: &str, is_last: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let exchange = async {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
        stream.write_all(format!("{request}\r\n").as_bytes()).await?;
        let mut lines = stream.lines();
        let mut answer = Vec::new();
        while let Some(line) = lines.next_line().await? {
            let ends = is_last(&line) || line.starts_with('-') || answer.len() >= MOST_LINES;
            answer.push(line);
            if ends {
                break;
            }
        }
        Ok(answer)
    };
    timeout(DEADLINE, exchange)
        .await
        .map_err(|_| StackError::refused(format!("port {port} does not answer")))?
        .map_err(StackError::io(format!("ask port {port}")))
}

/// One section of what Redis says about itself.
async fn information(context: &Context, section: &str) -> Result<BTreeMap<String, String>> {
    context.require("redis")?;
    let lines =
        lines(context.ports.redis, &format!("INFO {section}\r\nPING"), |line| line == "+PONG").await?;
    let pairs = lines.iter().filter_map(|line| line.split_once(':'));
    Ok(pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect())
}

fn set(context: &Context, words: &str) -> Mend {
    Mend::command(format!("redis-cli -p {} {words}", context.ports.redis))
}

pub(super) async fn redis_forgets(context: &Context) -> Result<Finding> {
    let memory = information(context, "memory").await?;
    let value = |key: &str| memory.get(key).map_or("", String::as_str);
    let (policy, most) = (value("maxmemory_policy"), value("maxmemory"));
    let seen = format!("{policy}, at most {most} bytes, {} used", value("used_memory"));
    if most == "0" {
        let cause = "without a limit it grows until the kernel kills it";
        return Ok(Finding::failure(seen, cause, set(context, "config set maxmemory 256mb")));
    }
    if policy != POLICY {
        let cause = "it holds copies only: with another policy it refuses writes when it is full, or keeps what is old";
        return Ok(Finding::failure(
            seen,
            cause,
            set(context, &format!("config set maxmemory-policy {POLICY}")),
        ));
    }
    Ok(Finding::well(seen))
}

pub(super) async fn redis_writes(context: &Context) -> Result<Finding> {
    let replication = information(context, "replication").await?;
    let role = replication.get("role").map_or("", String::as_str);
    if role == "master" {
        return Ok(Finding::well("it is nobody's replica"));
    }
    let host = replication.get("master_host").map_or("somebody", String::as_str);
    Ok(Finding::failure(
        format!("it is a {role} of {host}"),
        "a replica refuses every write",
        set(context, "replicaof no one"),
    ))
}

pub(super) async fn memcached_room(context: &Context) -> Result<Finding> {
    context.require("memcached")?;
    let lines = lines(context.ports.memcached, "stats", |line| line == "END").await?;
    let value = |key: &str| {
        let prefix = format!("STAT {key} ");
        lines.iter().find_map(|line| line.strip_prefix(&prefix)?.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    let (used, most) = (value("curr_connections"), value("max_connections"));
    let seen = format!("{used} of {most} connections");
    if used * 100 >= most * BUSY_PERCENT {
        return Ok(Finding::warning(
            seen,
            "a program opens connections and keeps them; more than that wait and are not answered",
            Mend::action(format!(
                "end who holds them; this names them: ss -tnp 'dport = :{}'",
                context.ports.memcached
            )),
        ));
    }
    Ok(Finding::well(seen))
}
