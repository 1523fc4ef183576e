//! Outbound webhooks: who gets which events, where they may be sent, how they are signed, when they are tried again.

pub mod delivery;
pub mod endpoint;
pub mod schedule;
pub mod secret;
pub mod url_policy;
