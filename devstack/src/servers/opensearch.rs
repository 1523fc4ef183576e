//! OpenSearch, the search engine of the local stack.

use std::sync::Arc;

use super::search_engine::SearchEngine;
use crate::{server::Server, stack::Stack, tools};

/// The OpenSearch of a stack.
#[must_use]
pub fn server(stack: &Arc<Stack>) -> Arc<dyn Server> {
    Arc::new(SearchEngine {
        stack: Arc::clone(stack),
        http: reqwest::Client::new(),
        name: "opensearch",
        program: "opensearch",
        tool: tools::OPENSEARCH,
        http_port: stack.ports.opensearch,
        transport_port: stack.ports.opensearch_transport,
        variable_prefix: "OPENSEARCH",
        settings: "",
    })
}

/// The address that our processes connect to.
#[must_use]
pub fn url(stack: &Stack) -> String {
    format!("http://127.0.0.1:{}", stack.ports.opensearch)
}
