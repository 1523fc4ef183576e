//! OpenSearch: indices that take no writes, that have no copy of a shard, and the alias that the shop asks.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::{Context, Finding, Mend};
use crate::{error::Result, servers::opensearch};

const DEADLINE: Duration = Duration::from_secs(4);
/// How many names are shown.
const SHOWN: usize = 5;

async fn ask(context: &Context, path: &str) -> Result<(StatusCode, Value)> {
    context.require("opensearch")?;
    let url = format!("{}/{path}", opensearch::url(context.stack()?));
    let answer = context.http.get(url).timeout(DEADLINE).send().await?;
    Ok((answer.status(), answer.json().await?))
}

fn put_settings(context: &Context, index: &str, settings: &Value) -> Mend {
    Mend::command(format!(
        "curl -fsS -X PUT http://127.0.0.1:{}/{index}/_settings -H 'content-type: application/json' -d '{settings}'",
        context.ports.opensearch
    ))
}

pub(super) async fn writable(context: &Context) -> Result<Finding> {
    let path = "_all/_settings/index.blocks.*?flat_settings=true&expand_wildcards=all";
    let (_, answer) = ask(context, path).await?;
    let mut blocked = Vec::new();
    for (index, of_index) in answer.as_object().into_iter().flatten() {
        for (block, value) in of_index["settings"].as_object().into_iter().flatten() {
            if value == "true" {
                blocked.push((index, block));
            }
        }
    }
    let Some((index, block)) = blocked.first() else {
        return Ok(Finding::well("no index is blocked"));
    };
    Ok(Finding::failure(
        format!("{} blocks; {index} has {block}", blocked.len()),
        "the engine sets it when its disk is nearly full, and a person or a tool by hand; nothing is indexed",
        put_settings(context, index, &serde_json::json!({ *block: null })),
    ))
}

pub(super) async fn shards(context: &Context) -> Result<Finding> {
    let (_, health) = ask(context, "_cluster/health?level=indices&expand_wildcards=all").await?;
    let indices = health["indices"].as_object();
    let red = indices.into_iter().flatten().filter(|(_, index)| index["status"] == "red");
    let red: Vec<&String> = red.map(|(name, _)| name).collect();
    let Some(first) = red.first() else {
        return Ok(Finding::well(format!("{} indices", indices.map_or(0, serde_json::Map::len))));
    };
    let shown: Vec<&str> = red.iter().take(SHOWN).map(|name| name.as_str()).collect();
    let seen = format!("{} without a shard: {}", red.len(), shown.join(", "));
    let path = format!("{first}/_settings/index.routing.allocation.*?flat_settings=true");
    let (_, settings) = ask(context, &path).await?;
    let settings = settings[first.as_str()]["settings"].as_object().cloned().unwrap_or_default();
    // By itself an index goes wherever there is room, by tiers.
    let rules = settings.keys().filter(|key| !key.contains("_tier_preference"));
    let reset: serde_json::Map<String, Value> = rules.map(|key| (key.clone(), Value::Null)).collect();
    if !reset.is_empty() {
        let cause = "a rule forbids the shard on every node that there is";
        return Ok(Finding::failure(seen, cause, put_settings(context, first, &Value::Object(reset))));
    }
    let names = context.names.as_ref();
    let is_ours = names.is_some_and(|names| first.starts_with(&format!("{}-products-", names.index_prefix)));
    if !is_ours {
        return Ok(Finding::failure(
            seen,
            "its files are damaged or gone, and it is not an index of the shop",
            Mend::action(format!("bring {first} back from where it came, or remove it when nobody needs it")),
        ));
    }
    Ok(Finding::failure(
        seen,
        "its files are damaged or gone; the index is only a projection and can be built again",
        Mend::command(format!(
            "curl -fsS -X DELETE http://127.0.0.1:{}/{first} && ./dev search rebuild",
            context.ports.opensearch
        )),
    ))
}

pub(super) async fn alias(context: &Context) -> Result<Finding> {
    let alias = format!("{}-products", context.names()?.index_prefix);
    let (status, answer) = ask(context, &format!("_alias/{alias}")).await?;
    if status == StatusCode::OK {
        let indices: Vec<&String> = answer.as_object().into_iter().flatten().map(|(name, _)| name).collect();
        return Ok(Finding::well(format!("{alias} is {indices:?}")));
    }
    Ok(Finding::failure(
        format!("nothing is called {alias}"),
        "the index was removed, or its first rebuild did not end; every search fails",
        Mend::command("./dev search rebuild"),
    ))
}
