//! Every server of a stack, one file each, and the order that they are shown and stopped in.

pub mod elasticsearch;
pub mod exporters;
pub mod memcached;
pub mod mongo;
pub mod opensearch;
pub mod ours;
pub mod pgpool;
pub mod postgres;
pub mod prometheus;
pub mod rabbitmq;
pub mod redis;
mod search_engine;

use std::sync::Arc;

use crate::{
    error::Result,
    server::Server,
    stack::{Stack, StackKind},
};

/// All servers of a stack, those that others need first. They are stopped in the reverse order.
///
/// # Errors
/// When the state on disk of one of them cannot be understood.
pub fn all(stack: &Arc<Stack>) -> Result<Vec<Arc<dyn Server>>> {
    let mut servers: Vec<Arc<dyn Server>> = postgres::servers(stack)?;
    servers.push(pgpool::server(stack));
    servers.extend(mongo::servers(stack));
    servers.extend(rabbitmq::servers(stack));
    servers.push(redis::server(stack));
    servers.push(memcached::server(stack));
    servers.push(opensearch::server(stack));
    match stack.kind {
        StackKind::Test => servers.extend(elasticsearch::servers(stack)),
        StackKind::Development => {
            servers.extend(exporters::servers(stack));
            servers.push(prometheus::server(stack));
            servers.extend(ours::servers(stack));
        }
    }
    Ok(servers)
}
