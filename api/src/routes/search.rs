//! Search.

mod found_products;
mod plain_search;
pub mod search_products;
pub mod suggest;
