//! What every test stands on: the running test stack, and a scope of its own in each server.
//!
//! A missing server is a red test, never a skip.

pub mod api;
pub mod database;
pub mod figures;
pub mod files;
pub mod listening;
pub mod prices;
pub mod program;
pub mod running;
pub mod scope;
pub mod search_index;
pub mod shop;
pub mod shop_orders;
pub mod tiny_model;
mod virtual_host;
pub mod wait;

use std::sync::LazyLock;

use devstack::test_stack::TestStack;

pub use scope::Scope;

/// The test stack that `./dev test` has started.
pub fn stack() -> &'static TestStack {
    static STACK: LazyLock<TestStack> = LazyLock::new(|| TestStack::load().expect("the test stack runs"));
    &STACK
}

/// Spans with trace ids, as the programs have them. `RUST_LOG=off` keeps their log lines out of the tests' output.
pub fn telemetry() {
    static TELEMETRY: LazyLock<process::telemetry::Telemetry> =
        LazyLock::new(|| process::telemetry::init("tests", None).expect("the only subscriber"));
    LazyLock::force(&TELEMETRY);
}
