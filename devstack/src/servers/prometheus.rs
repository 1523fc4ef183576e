//! Prometheus: collects what our processes and RabbitMQ say about themselves.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};

use super::ours;
use crate::{
    error::Result,
    probe,
    server::{Launch, Server, Step},
    stack::Stack,
};

const NAME: &str = "prometheus";
const TEMPLATE: &str = include_str!("../../../dashboards/prometheus/prometheus.yml.template");

struct Prometheus {
    stack: Arc<Stack>,
    http: reqwest::Client,
}

/// The Prometheus of a stack.
#[must_use]
pub fn server(stack: &Arc<Stack>) -> Arc<dyn Server> {
    Arc::new(Prometheus { stack: Arc::clone(stack), http: reqwest::Client::new() })
}

impl Prometheus {
    fn configuration(&self) -> String {
        let ports = &self.stack.ports;
        let mut text = TEMPLATE.to_owned();
        for (name, port) in ours::NAMES.iter().zip(ports.metrics) {
            text = text.replace(&format!("{{{{{name}}}}}"), &format!("127.0.0.1:{port}"));
        }
        text.replace("{{rabbitmq}}", &format!("127.0.0.1:{}", ports.rabbitmq_prometheus))
            .replace("{{prometheus}}", &self.address())
    }
}

impl Server for Prometheus {
    fn name(&self) -> &str {
        NAME
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.stack.ports.prometheus)
    }

    fn ports(&self) -> Vec<u16> {
        vec![self.stack.ports.prometheus]
    }

    fn prepare(&self) -> Step<'_> {
        async {
            let folder = self.stack.server_folder(NAME)?;
            self.stack.account.make_folder(&folder.join("data"))?;
            self.stack.account.write_private(&folder.join("prometheus.yml"), &self.configuration())
        }
        .boxed()
    }

    fn launch(&self) -> Result<Launch> {
        let folder = self.stack.folders.server(NAME);
        Ok(Launch::new("/usr/bin/prometheus")
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg("--storage.tsdb.retention.time=15d")
            .arg("--storage.tsdb.retention.size=1GB")
            .arg(format!("--web.listen-address={}", self.address())))
    }

    fn ready(&self) -> BoxFuture<'_, Result<bool>> {
        async { probe::http(&self.http, &format!("http://{}/-/ready", self.address())).await }.boxed()
    }

    fn start_deadline(&self) -> Duration {
        Duration::from_secs(60)
    }
}
