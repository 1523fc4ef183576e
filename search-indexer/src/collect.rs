//! Deliveries that are indexed together.

use std::time::Duration;

use store::amqp::consumer::{Consumer, Delivery};
use tokio::time::Instant;

/// Most deliveries of a batch, and most that the broker hands out unsettled.
pub const BATCH_MAX: u16 = 500;
/// How long a batch may be collected.
const LINGER: Duration = Duration::from_millis(50);
/// A queue that gives nothing for this long is quiet: the batch goes at once.
const QUIET: Duration = Duration::from_millis(5);

/// The next batch, of at most `most` deliveries: waits for a first one, then takes what comes within the linger.
/// `None`: the connection is lost.
pub async fn next_batch(consumer: &mut Consumer, most: usize) -> Option<Vec<Delivery>> {
    let mut batch = vec![consumer.next().await?];
    let end = Instant::now() + LINGER;
    while batch.len() < most {
        let until = end.min(Instant::now() + QUIET);
        match tokio::time::timeout_at(until, consumer.next()).await {
            Ok(Some(delivery)) => batch.push(delivery),
            // What was collected cannot be settled any more; it comes again.
            Ok(None) => return None,
            Err(_) => break,
        }
    }
    Some(batch)
}
