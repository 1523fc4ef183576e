//! The relays: committed events to RabbitMQ, at least once, in order per aggregate.

mod lease;
pub mod mongo_outbox;
pub mod pg_outbox;
pub mod waves;
