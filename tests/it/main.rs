//! Tests of the whole house on real servers: one binary, a file per concept.

mod dashboards;
mod flow;
mod index_wire;
mod migrations;
mod online_retail;
mod orders;
mod outbox;
mod products;
mod readiness;
mod requests;
mod tidy;
