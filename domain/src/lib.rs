//! The rules of the shop: ids, money, products, reviews, orders, payments, stock, events, permissions, report rows,
//! tuning of the search.
//!
//! Pure: no I/O, no async, no clock and no source of randomness. Time and random bytes are arguments.

pub mod address_range;
pub mod agreement;
pub mod behaviour;
pub mod category;
pub mod completions;
pub mod event;
pub mod experiment;
pub mod field_error;
pub mod ids;
pub mod imported_click;
pub mod imported_order;
pub mod intent;
pub mod judgment;
pub mod money;
pub mod order;
pub mod payment;
pub mod permission;
pub mod price_change;
pub mod product;
pub mod product_draft;
pub mod promotion;
pub mod refund;
pub mod review;
pub mod search_term;
pub mod search_words;
pub mod shop_order;
pub mod slug;
pub mod stock;
pub mod tax;
pub mod tuning;
pub mod webhook;
