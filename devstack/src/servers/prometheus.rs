//! Prometheus: collects what our processes, RabbitMQ and the exporters say, and evaluates the alert rules.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};

use super::ours;
use crate::{
    error::{Result, StackError},
    probe,
    server::{Launch, Server, Step},
    settings::loopback,
    stack::Stack,
};

const NAME: &str = "prometheus";
const TEMPLATE: &str = include_str!("../../../dashboards/prometheus/prometheus.yml.template");
/// The alert rules, which lie beside the configuration as `rules.yml`.
pub const RULES: &str = include_str!("../../../dashboards/prometheus/rules.yml");

struct Prometheus {
    stack: Arc<Stack>,
    http: reqwest::Client,
}

/// The Prometheus of a stack.
#[must_use]
pub fn server(stack: &Arc<Stack>) -> Arc<dyn Server> {
    Arc::new(Prometheus { stack: Arc::clone(stack), http: reqwest::Client::new() })
}

/// The configuration with its words filled in: every target by the name of what it tells about, and
/// `scrape_interval`, `evaluation_interval`, `environment`.
///
/// # Errors
/// When a word of the template is not among them.
pub fn configuration(words: &[(String, String)]) -> Result<String> {
    let mut text = TEMPLATE.to_owned();
    for (word, value) in words {
        text = text.replace(&format!("{{{{{word}}}}}"), value);
    }
    match text.split_once("{{").and_then(|(_, rest)| rest.split_once("}}")) {
        Some((word, _)) => Err(StackError::refused(format!("the configuration of Prometheus lacks {word}"))),
        None => Ok(text),
    }
}

/// The command that runs one on a folder with `prometheus.yml` and `data`.
#[must_use]
pub fn launch(folder: &Path, listen: &str) -> Launch {
    Launch::new("/usr/bin/prometheus")
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg("--storage.tsdb.retention.time=15d")
        .arg("--storage.tsdb.retention.size=1GB")
        .arg(format!("--web.listen-address={listen}"))
}

impl Prometheus {
    fn configuration(&self) -> Result<String> {
        let ports = &self.stack.ports;
        let ours = ours::NAMES.into_iter().zip(ports.metrics);
        let postgres = ["postgres_1", "postgres_2", "postgres_3"].into_iter().zip(ports.postgres_exporters);
        let others = [
            ("rabbitmq", ports.rabbitmq_prometheus),
            ("redis", ports.redis_exporter),
            ("opensearch", ports.opensearch_exporter),
            ("prometheus", ports.prometheus),
        ];
        let targets = ours.chain(postgres).chain(others).map(|(name, port)| (name, loopback(port)));
        let pace = [
            ("scrape_interval", "5s".to_owned()),
            ("evaluation_interval", "15s".to_owned()),
            ("environment", "development".to_owned()),
        ];
        let words: Vec<_> = targets.chain(pace).map(|(word, value)| (word.to_owned(), value)).collect();
        configuration(&words)
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
            self.stack.account.write_private(&folder.join("rules.yml"), RULES)?;
            self.stack.account.write_private(&folder.join("prometheus.yml"), &self.configuration()?)
        }
        .boxed()
    }

    fn launch(&self) -> Result<Launch> {
        Ok(launch(&self.stack.folders.server(NAME), &self.address()))
    }

    fn ready(&self) -> BoxFuture<'_, Result<bool>> {
        async { probe::http(&self.http, &format!("http://{}/-/ready", self.address())).await }.boxed()
    }

    fn start_deadline(&self) -> Duration {
        Duration::from_secs(60)
    }
}
