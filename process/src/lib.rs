//! What every running program shares: its settings file, JSON logs, metrics port, traces and graceful stop.
//!
//! Knows nothing of the shop.

pub mod backoff;
pub mod error_chain;
pub mod log_writer;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod trace;
