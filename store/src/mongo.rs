//! MongoDB: products and their outbox, read and written on the primary with majority.

pub mod audit;
mod bulk;
pub mod catalogue_size;
pub mod categories;
pub mod connection;
mod deleted_products;
pub mod external_ids;
pub mod newest_changes;
pub mod outbox;
mod price_history;
mod product_document;
pub mod product_ids;
pub mod product_words;
pub mod products;
pub mod relay_state;
pub mod reviews;
pub mod statistics;
mod transaction;
