//! Elasticsearch, in the test stack only: it proves that what we send is understood by the real one too.

use std::sync::Arc;

use super::search_engine::SearchEngine;
use crate::{server::Server, stack::Stack, tools};

/// The Elasticsearch of a test stack.
#[must_use]
pub fn server(stack: &Arc<Stack>) -> Arc<dyn Server> {
    Arc::new(SearchEngine {
        stack: Arc::clone(stack),
        http: reqwest::Client::new(),
        name: "elasticsearch",
        tool: tools::ELASTICSEARCH,
        http_port: stack.ports.elasticsearch,
        transport_port: stack.ports.elasticsearch_transport,
        variable_prefix: "ES",
        settings: "xpack.security.enabled: false\n",
    })
}

/// The address that tests connect to.
#[must_use]
pub fn url(stack: &Stack) -> String {
    format!("http://127.0.0.1:{}", stack.ports.elasticsearch)
}
