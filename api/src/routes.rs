//! The endpoints: a folder per concept, a file per verb.

pub mod admin;
pub mod analytics;
pub mod catalogue;
pub mod categories;
pub mod events;
pub mod experiments;
pub mod health;
pub mod inventory;
pub mod judgments;
pub mod media;
pub mod merchandising;
pub mod orders;
pub mod products;
pub mod reviews;
pub mod search;
pub mod webhooks;
