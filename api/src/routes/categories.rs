//! Categories.

pub mod tree;
