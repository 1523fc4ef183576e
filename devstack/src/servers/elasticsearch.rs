//! Elasticsearch of two versions, in the test stack only: they prove that what we send is understood by the real one
//! too.

use std::sync::Arc;

use super::search_engine::SearchEngine;
use crate::{server::Server, stack::Stack, tools};

/// The Elasticsearches of a test stack.
#[must_use]
pub fn servers(stack: &Arc<Stack>) -> Vec<Arc<dyn Server>> {
    let ports = &stack.ports;
    vec![
        server(
            stack,
            "elasticsearch",
            tools::ELASTICSEARCH,
            [ports.elasticsearch, ports.elasticsearch_transport],
        ),
        server(
            stack,
            "elasticsearch-8",
            tools::ELASTICSEARCH_8,
            [ports.elasticsearch_8, ports.elasticsearch_8_transport],
        ),
    ]
}

fn server(
    stack: &Arc<Stack>,
    name: &'static str,
    tool: &'static str,
    [http_port, transport_port]: [u16; 2],
) -> Arc<dyn Server> {
    Arc::new(SearchEngine {
        stack: Arc::clone(stack),
        http: reqwest::Client::new(),
        name,
        program: "elasticsearch",
        tool,
        http_port,
        transport_port,
        variable_prefix: "ES",
        settings: "xpack.security.enabled: false\n",
    })
}

/// The address that tests connect to.
#[must_use]
pub fn url(stack: &Stack) -> String {
    format!("http://127.0.0.1:{}", stack.ports.elasticsearch)
}

/// The address of the version before.
#[must_use]
pub fn url_8(stack: &Stack) -> String {
    format!("http://127.0.0.1:{}", stack.ports.elasticsearch_8)
}
