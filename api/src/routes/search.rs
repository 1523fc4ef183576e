//! Search.

pub mod search_products;
