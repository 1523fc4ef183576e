//! Orders.

pub mod get;
pub mod list;
pub mod order_json;
