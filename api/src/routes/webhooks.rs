//! Outbound webhooks: endpoints, their secrets, what was sent to them.

use crate::present::present;

pub mod create;
pub mod delete;
pub mod delivery_json;
pub mod endpoint_json;
pub mod get;
pub mod list;
pub mod list_deliveries;
pub mod patch;
pub mod retry_delivery;
pub mod rotate_secret;
