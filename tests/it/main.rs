//! Tests of the whole house on real servers: one binary, a file per concept.

mod analytics_serve;
mod catalogue_import;
mod dashboards;
mod flow;
mod index_wire;
mod migrations;
mod online_retail;
mod orders;
mod outbox;
mod products;
mod readiness;
mod rebuild;
mod requests;
mod tidy;
mod transactions;
