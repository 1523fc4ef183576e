//! Pictures.

pub mod get;
