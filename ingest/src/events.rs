//! `ingest events`: what was sent can be sent again.

pub mod replay;

mod command;

pub use command::{Events, run};
