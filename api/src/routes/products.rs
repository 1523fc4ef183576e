//! Products.

pub mod create;
pub mod delete;
pub mod find;
pub mod get;
pub mod list;
pub mod patch;
