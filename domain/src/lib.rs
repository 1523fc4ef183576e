//! The rules of the shop: ids, money, products, orders, events, permissions, report rows.
//!
//! Pure: no I/O, no async, no clock and no source of randomness. Time and random bytes are arguments.

pub mod daily_sales;
pub mod event;
pub mod field_error;
pub mod ids;
pub mod imported_order;
pub mod money;
pub mod order;
pub mod permission;
pub mod product;
pub mod product_draft;
pub mod slug;
