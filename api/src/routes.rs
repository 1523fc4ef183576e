//! The endpoints: a folder per concept, a file per verb.

pub mod analytics;
pub mod health;
pub mod orders;
pub mod products;
pub mod search;
