//! The members of MongoDB's replica set.

use std::time::Duration;

use bson::{Document, doc};
use mongodb::{Client, options::ClientOptions};

use super::{Context, Finding, Mend};
use crate::error::{Result, StackError};

const DEADLINE: Duration = Duration::from_millis(1_500);
const PRIMARY: &str = "PRIMARY";
const SECONDARY: &str = "SECONDARY";

/// One member as another sees it.
struct Member {
    name: String,
    state: String,
}

/// What the first member that answers says of all.
async fn members(context: &Context) -> Result<Vec<Member>> {
    let names: Vec<String> =
        (1..=context.ports.mongo.len()).map(|number| format!("mongo_{number}")).collect();
    if !names.iter().any(|name| context.runs(name)) {
        return Err(StackError::refused("MongoDB does not run"));
    }
    let mut last = StackError::refused("no member answers");
    for port in context.ports.mongo {
        match status(port).await {
            Ok(status) => {
                let seen = status.get_array("members").into_iter().flatten();
                return Ok(seen.filter_map(|member| member_of(context, member.as_document()?)).collect());
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn status(port: u16) -> Result<Document> {
    let mut options =
        ClientOptions::parse(format!("mongodb://127.0.0.1:{port}/?directConnection=true")).await?;
    options.server_selection_timeout = Some(DEADLINE);
    options.connect_timeout = Some(DEADLINE);
    let client = Client::with_options(options)?;
    Ok(client.database("admin").run_command(doc! { "replSetGetStatus": 1 }).await?)
}

fn member_of(context: &Context, member: &Document) -> Option<Member> {
    let (_, port) = member.get_str("name").ok()?.rsplit_once(':')?;
    let index = context.ports.mongo.iter().position(|own| own.to_string() == port)?;
    let is_healthy = member.get_f64("health").is_ok_and(|health| health > 0.5);
    let state = if is_healthy { member.get_str("stateStr").ok()? } else { "not reachable" };
    Some(Member { name: format!("mongo_{}", index + 1), state: state.to_owned() })
}

fn words(members: &[Member]) -> String {
    let words: Vec<String> =
        members.iter().map(|member| format!("{} {}", member.name, member.state)).collect();
    words.join(", ")
}

fn first_away(members: &[Member]) -> Option<&Member> {
    members.iter().find(|member| member.state != PRIMARY && member.state != SECONDARY)
}

pub(super) async fn has_primary(context: &Context) -> Result<Finding> {
    let members = members(context).await?;
    if let Some(primary) = members.iter().find(|member| member.state == PRIMARY) {
        return Ok(Finding::well(primary.name.clone()));
    }
    let mend = match first_away(&members) {
        Some(member) => Mend::command(context.dev(&format!("logs {}", member.name))),
        None => Mend::action("wait for the election, which takes some seconds"),
    };
    Ok(Finding::failure(
        words(&members),
        "less than two of three members reach each other, or they are just electing: nobody takes writes",
        mend,
    ))
}

pub(super) async fn healthy(context: &Context) -> Result<Finding> {
    let members = members(context).await?;
    match first_away(&members) {
        None => Ok(Finding::well(words(&members))),
        Some(away) => Ok(Finding::failure(
            words(&members),
            "it died, or copies what it missed; if another goes too there is no primary",
            Mend::command(context.dev(&format!("logs {}", away.name))),
        )),
    }
}
