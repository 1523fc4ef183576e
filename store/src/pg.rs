//! PostgreSQL: through Pgpool-II for requests ([`pool`]), straight to a server for bulk work ([`direct`]).

pub mod advisory_lock;
pub mod audit;
pub mod bulk;
pub mod catalogue_imports;
pub mod channels;
pub mod daily_sales;
pub mod direct;
pub mod expiry;
pub mod health;
pub mod idempotency;
pub mod import_runs;
pub mod index_ticket;
pub mod order_import;
pub mod orders;
pub mod outbox;
pub mod partitions;
pub mod pgpool_nodes;
pub mod pool;
pub mod sales_extract;
pub mod stock;
pub mod stock_ledger;
pub mod transaction;
