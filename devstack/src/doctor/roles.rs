//! What every node of PostgreSQL says about itself and those who follow it, asked once per check.

use futures_util::future::join_all;

use super::Context;
use crate::{
    error::{Result, StackError},
    servers::postgres::{self, NODES, node_name, server_name},
};

/// One node that answers.
pub(super) struct Node {
    pub(super) index: usize,
    pub(super) session: tokio_postgres::Client,
    pub(super) is_primary: bool,
}

/// The nodes that answer, in their order.
pub(super) async fn nodes(context: &Context) -> Result<Vec<Node>> {
    let stack = context.stack()?;
    if !(0..NODES).any(|index| context.runs(&server_name(index))) {
        return Err(StackError::refused("PostgreSQL does not run"));
    }
    let questions = (0..NODES).map(|index| async move {
        let session = postgres::connect(stack, index).await.ok()?;
        let row = session.query_one("SELECT NOT pg_is_in_recovery()", &[]).await.ok()?;
        Some(Node { index, is_primary: row.get(0), session })
    });
    Ok(join_all(questions).await.into_iter().flatten().collect())
}

/// The primary, where there is one.
pub(super) async fn primary(context: &Context) -> Result<Node> {
    let primary = nodes(context).await?.into_iter().find(|node| node.is_primary);
    primary.ok_or_else(|| StackError::refused("there is no primary"))
}

/// The stable name of the node that streams under a name.
pub(super) fn server_of(node: &str) -> Option<String> {
    (0..NODES).find(|index| node_name(*index) == node).map(server_name)
}
