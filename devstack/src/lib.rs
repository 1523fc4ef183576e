//! Starts the real servers as unprivileged child processes: for people, for tests, for CI.
//!
//! It owns installing, starting, watching and stopping, and the files that say where everything is. It must
//! never hold a rule of the shop, and nothing that serves the shop may depend on it.

pub mod account;
pub mod checks;
pub mod commands;
pub mod doctor;
pub mod error;
pub mod folders;
pub mod install;
pub mod interrupt;
pub mod leftovers;
pub mod migrate;
pub mod ports;
pub mod probe;
pub mod process;
pub mod progress;
pub mod reset;
pub mod secrets;
pub mod server;
pub mod servers;
pub mod settings;
pub mod stack;
pub mod start;
pub mod state;
pub mod status;
pub mod supervisor;
mod test_count;
pub mod test_stack;
pub mod tools;

pub use error::{Result, StackError};
pub use stack::{Stack, StackKind};
pub use test_stack::TestStack;
