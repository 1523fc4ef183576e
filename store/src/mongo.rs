//! MongoDB: products and their outbox, read and written on the primary with majority.

pub mod connection;
pub mod outbox;
mod product_document;
pub mod products;
pub mod relay_state;
mod transaction;
