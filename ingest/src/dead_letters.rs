//! `ingest dead-letters`: what consumers gave up, for a person at a terminal.

use anyhow::{Context, bail, ensure};
use clap::builder::PossibleValuesParser;
use store::amqp::broker::Broker;
use store::amqp::topology::DurableQueue;
use store::pg::dead_letters::{self, DeadLetterFilter, DeadLetterState, KeptLetter, NOTE_LENGTH_MAX, Step};
use store::pg::pool::PgPools;
use store::pg::transaction;
use store::redrive::{REDRIVE_MAX, Redriven, redrive};
use store::settings::AmqpSettings;
use uuid::Uuid;

mod table;

/// Who works at the terminal.
const ACTOR: &str = "operator";

/// Verbs of `dead-letters`.
#[derive(Debug, clap::Subcommand)]
pub enum DeadLetters {
    /// Newest first
    List(ListLetters),
    /// One with its steps and its body
    Show {
        /// Its id
        id: Uuid,
    },
    /// Send some to the queue that they died in
    Redrive(RedriveLetters),
    /// Give one up for good; it stays to be seen for 30 days
    Drop {
        /// Its id
        id: Uuid,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// Arguments of `dead-letters list`.
#[derive(Debug, clap::Args)]
pub struct ListLetters {
    /// Only of this queue
    #[arg(long, value_parser = queue)]
    queue: Option<DurableQueue>,
    /// Only in this state
    #[arg(long, default_value = "waiting", value_parser = states())]
    state: String,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

/// Arguments of `dead-letters redrive`.
#[derive(Debug, clap::Args)]
pub struct RedriveLetters {
    /// Their ids, 1,000 at most
    #[arg(required_unless_present = "queue", conflicts_with = "queue")]
    ids: Vec<Uuid>,
    /// Every whole one of this queue that waits, the 1,000 oldest at most
    #[arg(long, value_parser = queue)]
    queue: Option<DurableQueue>,
}

fn queue(name: &str) -> Result<DurableQueue, String> {
    let names = || DurableQueue::ALL.map(DurableQueue::name).join(", ");
    DurableQueue::from_name(name).ok_or_else(|| format!("one of {}", names()))
}

fn states() -> PossibleValuesParser {
    PossibleValuesParser::new(DeadLetterState::NAMES.map(|(name, _)| name))
}

/// Does what the verb says; an id that is not there is an error.
pub async fn run(verb: DeadLetters, pools: &PgPools, amqp: &AmqpSettings) -> anyhow::Result<()> {
    match verb {
        DeadLetters::List(arguments) => list(arguments, pools).await,
        DeadLetters::Show { id } => show(id, pools).await,
        DeadLetters::Redrive(arguments) => send_again(arguments, pools, amqp).await,
        DeadLetters::Drop { id, reason } => give_up(id, &reason, pools).await,
    }
}

async fn list(arguments: ListLetters, pools: &PgPools) -> anyhow::Result<()> {
    let filter = DeadLetterFilter {
        queue: arguments.queue.map(|queue| queue.name().to_owned()),
        state: DeadLetterState::from_name(&arguments.state),
    };
    let client = pools.write().await?;
    let found = dead_letters::list(&**client, &filter, None, i64::from(arguments.limit)).await?;
    print!("{}", table::of_letters(&found));
    Ok(())
}

async fn show(id: Uuid, pools: &PgPools) -> anyhow::Result<()> {
    let (letter, steps, body) = find(id, pools).await?;
    print!("{}", table::of_one(&letter, &steps, &body));
    Ok(())
}

async fn find(id: Uuid, pools: &PgPools) -> anyhow::Result<(KeptLetter, Vec<Step>, Vec<u8>)> {
    let client = pools.write().await?;
    let found = dead_letters::find(&**client, id).await?;
    let (letter, body) = found.with_context(|| format!("there is no dead letter {id}"))?;
    let steps = dead_letters::steps(&**client, id).await?;
    Ok((letter, steps, body))
}

async fn send_again(arguments: RedriveLetters, pools: &PgPools, amqp: &AmqpSettings) -> anyhow::Result<()> {
    let ids = match arguments.queue {
        None => arguments.ids,
        Some(queue) => {
            let limit = i64::try_from(REDRIVE_MAX).expect("a thousand");
            dead_letters::waiting_ids(&**pools.write().await?, queue.name(), limit).await?
        }
    };
    ensure!(ids.len() <= REDRIVE_MAX, "at most {REDRIVE_MAX} at once");
    let broker = Broker::connect(amqp).await?;
    let outcomes = redrive(pools, &broker.publisher().await?, &ids, ACTOR).await;
    broker.close().await;
    let outcomes = outcomes.context("cut short; what was sent until then is recorded")?;
    for (id, outcome) in &outcomes {
        println!("{id} {}", outcome.name());
    }
    let sent = outcomes.iter().filter(|(_, outcome)| *outcome == Redriven::Sent).count();
    println!("{sent} sent again");
    ensure!(sent == outcomes.len(), "{} were not sent", outcomes.len() - sent);
    Ok(())
}

async fn give_up(id: Uuid, reason: &str, pools: &PgPools) -> anyhow::Result<()> {
    let is_short = (1..=NOTE_LENGTH_MAX).contains(&reason.chars().count());
    ensure!(is_short && !reason.contains('\0'), "a reason has 1 to {NOTE_LENGTH_MAX} characters");
    let dropped = transaction::run(pools, "drop_dead_letter", async |transaction| {
        dead_letters::settle(transaction, &[id], DeadLetterState::Dropped, ACTOR, Some(reason)).await
    })
    .await?;
    if dropped == 0 {
        let (letter, ..) = find(id, pools).await?;
        bail!("{id} does not wait: it is {}", letter.state.name());
    }
    println!("{id} dropped");
    Ok(())
}
