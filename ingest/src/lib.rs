//! What comes in: importers of orders, products and click histories, and the relays that carry both outboxes to
//! RabbitMQ; what was sent once or given up can be sent again.
//!
//! Serves no request and computes no report: it meets `api` and `analytics` in tables and in messages.

pub mod behaviour;
pub mod channel;
pub mod clicks;
pub mod dead_letters;
pub mod events;
pub mod input;
pub mod orders;
pub mod products;
pub mod progress;
pub mod refusals;
pub mod refused_rows;
pub mod relay;
pub mod row_report;
