//! Tests of the whole house on real servers: one binary, a file per concept.

mod dashboards;
mod migrations;
mod outbox;
mod tidy;
