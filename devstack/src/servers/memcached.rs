//! Memcached: product copies, on loopback, bounded.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};

use crate::{
    error::Result,
    probe,
    server::{Launch, Server, Step},
    stack::Stack,
};

const NAME: &str = "memcached";
const MEMORY_MB: &str = "128";
const CONNECTIONS: &str = "512";

struct Memcached {
    stack: Arc<Stack>,
}

/// The Memcached of a stack.
#[must_use]
pub fn server(stack: &Arc<Stack>) -> Arc<dyn Server> {
    Arc::new(Memcached { stack: Arc::clone(stack) })
}

impl Server for Memcached {
    fn name(&self) -> &str {
        NAME
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.stack.ports.memcached)
    }

    fn ports(&self) -> Vec<u16> {
        vec![self.stack.ports.memcached]
    }

    fn start_deadline(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn prepare(&self) -> Step<'_> {
        async { self.stack.server_folder(NAME).map(drop) }.boxed()
    }

    fn launch(&self) -> Result<Launch> {
        let port = self.stack.ports.memcached.to_string();
        Ok(Launch::new("/usr/bin/memcached")
            .args(["-l", "127.0.0.1", "-U", "0", "-m", MEMORY_MB, "-c", CONNECTIONS, "-p"])
            .arg(port))
    }

    fn ready(&self) -> BoxFuture<'_, Result<bool>> {
        probe::line(self.stack.ports.memcached, "version", "VERSION").boxed()
    }
}
