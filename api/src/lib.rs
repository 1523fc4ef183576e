//! The HTTP API: routes, authorization, problems, cursors, entity tags, idempotency, OpenAPI.
//!
//! Parses requests, asks `domain`, `store`, `cache` and the search index, and says what came of it. Never
//! holds a statement to a store, never decides a rule of the shop, never does what may be done after the
//! reply. The only crate that knows actix.

pub mod access_log;
pub mod app_state;
pub mod authorized;
pub mod behaviour_publisher;
pub mod cache_control;
pub mod caller;
pub mod cursor;
pub mod error_code;
pub mod etag;
pub mod event_documents;
pub mod idempotency;
pub mod invalidation;
pub mod json_body;
pub mod json_limits;
pub mod known_completions;
pub mod live_tuning;
pub mod openapi;
mod page;
pub mod page_answer;
pub mod present;
pub mod problem;
pub mod product_input;
pub mod product_json;
pub mod query_string;
pub mod rate_limit;
pub mod request_id;
pub mod route_figures;
pub mod router;
pub mod routes;
pub mod running_experiment;
pub mod server;
pub mod settings;
pub mod start_error;
pub mod turn;

pub use server::{RunningApi, serve};
