//! `ingest events replay`: its arguments and its report.

use std::num::NonZeroU32;

use indicatif::HumanCount;
use jiff::Timestamp;
use store::mongo::connection::Mongo;
use store::settings::{AmqpSettings, PostgresSettings};

use super::replay::{EventConsumer, ReplayOptions, Replayed, replay};

/// Verbs of `events`.
#[derive(Debug, clap::Subcommand)]
pub enum Events {
    /// Send the events of a window to one consumer again, and to nobody else; they are kept for 7 days
    Replay(ReplayEvents),
}

/// Arguments of `events replay`.
#[derive(Debug, clap::Args)]
pub struct ReplayEvents {
    /// Who gets them
    #[arg(long, value_enum)]
    consumer: EventConsumer,
    /// Events made from then on, such as 2026-11-20T08:00:00Z
    #[arg(long)]
    from: Timestamp,
    /// Events made before then
    #[arg(long)]
    to: Timestamp,
    /// Only this type, such as product.changed.v1
    #[arg(long = "type")]
    event_type: Option<String>,
    /// At most as many a second
    #[arg(long)]
    rate: Option<NonZeroU32>,
}

/// Does what the verb says and prints what came of it.
pub async fn run(
    verb: Events,
    postgres: &PostgresSettings,
    mongo: &Mongo,
    amqp: &AmqpSettings,
) -> anyhow::Result<()> {
    let Events::Replay(ReplayEvents { consumer, from, to, event_type, rate }) = verb;
    let options = ReplayOptions { consumer, from, to, event_type, rate };
    let progress = |done: &Replayed| eprintln!("{} events sent", HumanCount(done.total()));
    let done = replay(postgres, mongo, amqp, &options, progress).await?;
    println!("{} events of {from} to {to} sent again", HumanCount(done.total()));
    for (event_type, count) in &done.sent {
        println!("  {event_type:<28} {:>12}", HumanCount(*count).to_string());
    }
    if done.unreadable > 0 {
        println!("  NOT READABLE, left out: {}", HumanCount(done.unreadable));
    }
    Ok(())
}
