//! Search.

mod found_products;
mod interleaved;
mod plain_search;
pub mod search_page_json;
pub mod search_products;
pub mod suggest;
mod visit;
