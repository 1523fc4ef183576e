//! What shoppers do.

pub mod new_event_json;
pub mod snippet;
pub mod tell_events;
