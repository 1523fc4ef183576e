//! What goes wrong on a machine, in a data folder or on a server: seen, explained, with a way to mend it.
//!
//! It changes nothing and needs nothing: what cannot be asked is skipped, with the reason.

mod broker;
mod build;
mod caches;
mod catalogue;
pub mod context;
mod folder;
mod machine;
mod mongo;
mod pgpool;
mod postgres;
pub mod report;
mod roles;
mod search;
mod servers;
mod shop;

use std::time::Duration;

use futures_util::{
    future::BoxFuture,
    stream::{self, StreamExt},
};
use serde::Serialize;
use tokio::time::timeout;

pub use self::{
    catalogue::CHECKS,
    context::{Context, Names},
    report::Report,
};
use crate::error::Result;

/// How long one check may take.
const DEADLINE: Duration = Duration::from_secs(6);

/// How many checks are at work at once.
const AT_ONCE: usize = 12;

/// What a check is about, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The machine and what is installed on it.
    Machine,
    /// The programs that cargo builds.
    Build,
    /// The folder that holds the stack.
    Folder,
    /// The processes and their ports.
    Servers,
    /// The nodes of PostgreSQL.
    Postgres,
    /// Pgpool-II.
    Pgpool,
    /// The members of the replica set.
    Mongo,
    /// RabbitMQ.
    Broker,
    /// OpenSearch.
    Search,
    /// Redis and Memcached.
    Caches,
    /// What the shop's programs leave behind.
    Shop,
}

/// What is to be done, ready to be copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mend {
    /// A command for a shell.
    Command(String),
    /// What no command does.
    Action(String),
}

impl Mend {
    /// A command for a shell.
    pub fn command(line: impl Into<String>) -> Self {
        Self::Command(line.into())
    }

    /// What no command does.
    pub fn action(words: impl Into<String>) -> Self {
        Self::Action(words.into())
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// What was seen, with figures.
    pub seen: String,
    /// What that comes from or leads to, in a sentence.
    pub cause: String,
    /// How it is put right.
    pub mend: Mend,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// All is well, in a few words.
    Well(String),
    /// It works, but not for ever or not as intended.
    Warning(Trouble),
    /// Something does not work.
    Failure(Trouble),
    /// It could not be asked, and why.
    Skipped(String),
}

impl Finding {
    fn well(words: impl Into<String>) -> Self {
        Self::Well(words.into())
    }

    fn skipped(words: impl Into<String>) -> Self {
        Self::Skipped(words.into())
    }

    fn warning(seen: impl Into<String>, cause: impl Into<String>, mend: Mend) -> Self {
        Self::Warning(Trouble { seen: seen.into(), cause: cause.into(), mend })
    }

    fn failure(seen: impl Into<String>, cause: impl Into<String>, mend: Mend) -> Self {
        Self::Failure(Trouble { seen: seen.into(), cause: cause.into(), mend })
    }

    /// What is not as it should be.
    #[must_use]
    pub fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Warning(trouble) | Self::Failure(trouble) => Some(trouble),
            Self::Well(_) | Self::Skipped(_) => None,
        }
    }
}

/// One question of the doctor.
pub struct Check {
    /// Stable, for programs and for people who search.
    pub code: &'static str,
    /// What it is about.
    pub group: Group,
    /// What is well when it is well.
    pub title: &'static str,
    ask: for<'a> fn(&'a Context) -> BoxFuture<'a, Result<Finding>>,
}

impl Check {
    /// Asks, within a deadline. An error only says that it could not be asked: that a server is away is the
    /// finding of another check.
    async fn answer(&self, context: &Context) -> Finding {
        match timeout(DEADLINE, (self.ask)(context)).await {
            Ok(Ok(finding)) => finding,
            Ok(Err(error)) => Finding::skipped(error.to_string()),
            Err(_) => Finding::warning(
                format!("no answer within {} s", DEADLINE.as_secs()),
                "the machine is overloaded, or what was asked hangs",
                Mend::command("./dev status"),
            ),
        }
    }
}

/// Asks everything: first what is on this machine's disks, which would keep the answers of servers waiting.
pub async fn examine(context: &Context) -> Report {
    let (here, there): (Vec<&Check>, Vec<&Check>) =
        CHECKS.iter().partition(|check| check.group <= Group::Folder);
    let mut findings = ask_all(context, here).await;
    findings.extend(ask_all(context, there).await);
    Report::new(findings)
}

async fn ask_all(context: &Context, checks: Vec<&'static Check>) -> Vec<(&'static Check, Finding)> {
    let answers = checks.into_iter().map(|check| async move { (check, check.answer(context).await) });
    stream::iter(answers).buffered(AT_ONCE).collect().await
}

/// Asks one check by its code; `None` when there is no such check.
pub async fn ask(context: &Context, code: &str) -> Option<Finding> {
    let check = CHECKS.iter().find(|check| check.code == code)?;
    Some(check.answer(context).await)
}
