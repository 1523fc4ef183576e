//! An event that the broker has had, as both outboxes keep it for some days.

use domain::event::{CloudEvent, InvalidEvent};
use domain::ids::EventId;

/// Most events that one call reads.
pub const PAGE_MAX: i64 = 500;

/// An event that was sent.
#[derive(Debug)]
pub struct SentEvent {
    /// Its id; sorts by the time of its making.
    pub id: EventId,
    /// What was published, or why it cannot be read.
    pub envelope: Result<CloudEvent, InvalidEvent>,
}
