//! Caches in front of the stores: moka in the process, Memcached for products, Redis for search results.
//!
//! Holds nothing that exists only here, and decides nothing about the shop: emptying every cache loses
//! nothing. A tier that is down is a miss, never an error and never a wait of more than
//! [`tier::OPERATION_TIMEOUT`].

pub mod error;
pub mod kept_product;
pub mod key;
pub mod memcached_statistics;
pub mod page_cache;
pub mod product_cache;
pub mod report_cache;
pub mod search_cache;
pub mod settings;
pub mod shared_products;
pub mod tier;
