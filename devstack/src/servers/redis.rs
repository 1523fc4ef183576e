//! Redis, the cache: bounded, evicting, on loopback, nothing kept that cannot be lost.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};

use crate::{
    error::Result,
    probe,
    server::{Launch, Server, Step},
    stack::Stack,
};

const NAME: &str = "redis";

struct Redis {
    stack: Arc<Stack>,
}

/// The Redis of a stack.
#[must_use]
pub fn server(stack: &Arc<Stack>) -> Arc<dyn Server> {
    Arc::new(Redis { stack: Arc::clone(stack) })
}

impl Server for Redis {
    fn name(&self) -> &str {
        NAME
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.stack.ports.redis)
    }

    fn ports(&self) -> Vec<u16> {
        vec![self.stack.ports.redis]
    }

    fn start_deadline(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn prepare(&self) -> Step<'_> {
        async {
            let folder = self.stack.server_folder(NAME)?;
            let configuration = format!(
                "bind 127.0.0.1\nport {port}\nprotected-mode yes\ndaemonize no\ndir {folder}\n\
                 maxmemory 256mb\nmaxmemory-policy allkeys-lfu\nsave \"\"\nappendonly no\n",
                port = self.stack.ports.redis,
                folder = folder.display(),
            );
            self.stack.account.write_private(&folder.join("redis.conf"), &configuration)
        }
        .boxed()
    }

    fn launch(&self) -> Result<Launch> {
        Ok(Launch::new("/usr/bin/redis-server").arg(self.stack.folders.server(NAME).join("redis.conf")))
    }

    fn ready(&self) -> BoxFuture<'_, Result<bool>> {
        probe::line(self.stack.ports.redis, "PING", "+PONG").boxed()
    }
}
