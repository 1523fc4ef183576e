//! Dead letters on their way back: from PostgreSQL to the queue that they died in.

use uuid::Uuid;

use crate::amqp::publisher::{Publisher, Redrive};
use crate::amqp::topology::DurableQueue;
use crate::error::StoreError;
use crate::pg::dead_letters::{self, DeadLetterState, KeptLetter};
use crate::pg::pool::PgPools;
use crate::pg::transaction;

/// Most dead letters that one call sends.
pub const REDRIVE_MAX: usize = 1_000;
/// Dead letters that are held in memory at once.
const BATCH_MAX: usize = 20;

/// What became of a dead letter that was to be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redriven {
    /// Its queue has it.
    Sent,
    /// There is none with that id.
    NotFound,
    /// It was sent again or dropped before.
    NotWaiting,
    /// Only its beginning is kept.
    Cut,
    /// Its queue is none of ours any more.
    UnknownQueue,
    /// The broker would not take it.
    Refused,
}

impl Redriven {
    /// Every outcome.
    pub const ALL: [Self; 6] =
        [Self::Sent, Self::NotFound, Self::NotWaiting, Self::Cut, Self::UnknownQueue, Self::Refused];

    /// Its name, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "redriven",
            Self::NotFound => "not_found",
            Self::NotWaiting => "not_waiting",
            Self::Cut => "cut",
            Self::UnknownQueue => "unknown_queue",
            Self::Refused => "refused",
        }
    }
}

/// Sends dead letters again, oldest first, and records it; what became of each, by id. At least once: when it is cut
/// short between the two, one that was sent waits still. An error leaves those before it recorded.
pub async fn redrive(
    pools: &PgPools,
    publisher: &Publisher,
    ids: &[Uuid],
    actor: &str,
) -> Result<Vec<(Uuid, Redriven)>, StoreError> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > REDRIVE_MAX {
        return Err(StoreError::Driver(format!("at most {REDRIVE_MAX} dead letters at once").into()));
    }
    let mut outcomes = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH_MAX) {
        let client = pools.write().await?;
        let found = dead_letters::find_many(&**client, batch).await?;
        drop(client);
        let of_batch = send(pools, publisher, batch, &found, actor).await?;
        outcomes.extend(of_batch);
    }
    Ok(outcomes)
}

async fn send(
    pools: &PgPools,
    publisher: &Publisher,
    ids: &[Uuid],
    found: &[(KeptLetter, Vec<u8>)],
    actor: &str,
) -> Result<Vec<(Uuid, Redriven)>, StoreError> {
    let ready: Vec<_> = found.iter().filter_map(|(letter, body)| ready(letter, body).ok()).collect();
    let confirmed = publisher.redrive(&ready).await?;
    let sent: Vec<_> = ready.iter().zip(&confirmed).filter(|(_, sent)| **sent).map(|(to, _)| to.id).collect();
    record(pools, &sent, actor).await?;
    let outcome = |id: Uuid| match found.iter().find(|(letter, _)| letter.id == id) {
        None => Redriven::NotFound,
        Some(_) if sent.contains(&id) => Redriven::Sent,
        Some((letter, body)) => ready_outcome(letter, body),
    };
    Ok(ids.iter().map(|id| (*id, outcome(*id))).collect())
}

/// What is sent, or why nothing is.
fn ready<'a>(letter: &'a KeptLetter, body: &'a [u8]) -> Result<Redrive<'a>, Redriven> {
    if letter.state != DeadLetterState::Waiting {
        return Err(Redriven::NotWaiting);
    }
    if letter.is_cut {
        return Err(Redriven::Cut);
    }
    let queue = DurableQueue::from_name(&letter.queue).ok_or(Redriven::UnknownQueue)?;
    let event_id = letter.event_id.as_deref().filter(|_| letter.event_type.is_some());
    Ok(Redrive { id: letter.id, queue, event_id, body })
}

/// Of one that was not sent: when nothing else was wrong, the broker refused it.
fn ready_outcome(letter: &KeptLetter, body: &[u8]) -> Redriven {
    ready(letter, body).err().unwrap_or(Redriven::Refused)
}

/// Fewer than were sent is no error: somebody else has settled them meanwhile, and going out twice is allowed.
async fn record(pools: &PgPools, sent: &[Uuid], actor: &str) -> Result<usize, StoreError> {
    if sent.is_empty() {
        return Ok(0);
    }
    transaction::run(pools, "redrive_dead_letters", async |transaction| {
        dead_letters::settle(transaction, sent, DeadLetterState::Redriven, actor, None).await
    })
    .await
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn letter() -> KeptLetter {
        KeptLetter {
            id: Uuid::nil(),
            queue: "analytics".into(),
            event_id: Some("e".into()),
            event_type: None,
            subject: None,
            body_bytes: 1,
            is_cut: false,
            reason: "rejected".into(),
            death_count: 1,
            died_at: Timestamp::UNIX_EPOCH,
            arrived_at: Timestamp::UNIX_EPOCH,
            redriven_from: None,
            state: DeadLetterState::Waiting,
        }
    }

    #[test]
    fn only_a_whole_one_that_waits_is_sent() {
        let whole = letter();
        let sent = ready(&whole, b"x").expect("ready");
        assert_eq!((sent.queue, sent.event_id), (DurableQueue::Analytics, None));
        let refused = |letter: KeptLetter| ready_outcome(&letter, b"x");
        assert_eq!(refused(letter()), Redriven::Refused);
        assert_eq!(refused(KeptLetter { is_cut: true, ..letter() }), Redriven::Cut);
        assert_eq!(refused(KeptLetter { queue: "gone".into(), ..letter() }), Redriven::UnknownQueue);
        let dropped = KeptLetter { state: DeadLetterState::Dropped, ..letter() };
        assert_eq!(refused(dropped), Redriven::NotWaiting);
    }
}
