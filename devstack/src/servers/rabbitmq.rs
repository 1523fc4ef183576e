//! RabbitMQ as a node of our own, and the Erlang port mapper that it would otherwise leave behind as a
//! daemon.

use std::{os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    error::{Result, StackError},
    probe,
    server::{Launch, Server, Step},
    stack::Stack,
};

/// The server's name.
pub const NAME: &str = "rabbitmq";
const PORT_MAPPER: &str = "rabbitmq_epmd";
const NODE: &str = "entrepot@localhost";
const ENVIRONMENT: &str = "rabbitmq-env.conf";
/// The share of the machine's memory above which the broker takes nothing from publishers.
pub const MEMORY_SHARE: &str = "0.4";

/// The virtual host and the user of our processes.
pub const APPLICATION: &str = "entrepot";
/// The user who may manage everything, for tests and people.
pub const ADMINISTRATOR: &str = "administrator";

struct RabbitMq {
    stack: Arc<Stack>,
    http: reqwest::Client,
}

struct PortMapper {
    stack: Arc<Stack>,
}

/// The RabbitMQ of a stack, after its port mapper.
#[must_use]
pub fn servers(stack: &Arc<Stack>) -> Vec<Arc<dyn Server>> {
    vec![
        Arc::new(PortMapper { stack: Arc::clone(stack) }),
        Arc::new(RabbitMq { stack: Arc::clone(stack), http: reqwest::Client::new() }),
    ]
}

/// The address that our processes connect to.
#[must_use]
pub fn url(stack: &Stack) -> String {
    format!(
        "amqp://{APPLICATION}:{password}@127.0.0.1:{port}/{APPLICATION}",
        password = stack.secrets.rabbitmq_application,
        port = stack.ports.rabbitmq
    )
}

/// The management API.
#[must_use]
pub fn management_url(stack: &Stack) -> String {
    format!("http://127.0.0.1:{}", stack.ports.rabbitmq_management)
}

/// What the broker keeps: removed while it does not run, it starts as a new one with its users and virtual hosts.
#[must_use]
pub fn data_folder(stack: &Stack) -> PathBuf {
    stack.folders.server(NAME).join("mnesia")
}

/// A command of the broker's own tool for a broker that runs, on behalf of [`NAME`].
#[must_use]
pub fn control(stack: &Stack, words: &[&str]) -> Launch {
    Launch::new("/usr/lib/rabbitmq/bin/rabbitmqctl")
        .args(["-n", NODE])
        .args(words.iter().copied())
        .env("RABBITMQ_CONF_ENV_FILE", stack.folders.server(NAME).join(ENVIRONMENT))
        .env("ERL_EPMD_PORT", stack.ports.rabbitmq_epmd.to_string())
}

fn user(name: &str, password: &str, tags: &str) -> Value {
    json!({ "name": name, "password": password, "tags": tags })
}

/// Everything in one virtual host.
fn permission(user: &str, vhost: &str) -> Value {
    let all = ".*";
    json!({ "user": user, "vhost": vhost, "configure": all, "write": all, "read": all })
}

impl RabbitMq {
    fn configuration(&self, definitions: &std::path::Path) -> String {
        let ports = &self.stack.ports;
        format!(
            "listeners.tcp.1 = 127.0.0.1:{amqp}\n\
             management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n\
             prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {prometheus}\n\
             load_definitions = {definitions}\n\
             disk_free_limit.absolute = 1GB\n\
             vm_memory_high_watermark.relative = {MEMORY_SHARE}\n\
             raft.wal_max_size_bytes = 67108864\n\
             consumer_timeout = 1800000\n\
             log.console = true\nlog.console.level = info\nlog.file = false\n",
            amqp = ports.rabbitmq,
            management = ports.rabbitmq_management,
            prometheus = ports.rabbitmq_prometheus,
            definitions = definitions.display(),
        )
    }

    /// Users and the virtual host: with definitions of our own the server makes no `guest`.
    fn definitions(&self) -> String {
        let secrets = &self.stack.secrets;
        json!({
            "users": [
                user(APPLICATION, &secrets.rabbitmq_application, ""),
                user(ADMINISTRATOR, &secrets.rabbitmq_administrator, "administrator"),
            ],
            "vhosts": [{ "name": "/" }, { "name": APPLICATION }],
            "permissions": [
                permission(APPLICATION, APPLICATION),
                permission(ADMINISTRATOR, APPLICATION),
                permission(ADMINISTRATOR, "/"),
            ],
        })
        .to_string()
    }

    /// The cookie must be readable by its owner only and not writable, or Erlang refuses it.
    fn write_cookie(&self) -> Result<()> {
        let cookie = self.stack.folders.home.join(".erlang.cookie");
        self.stack.account.write_private(&cookie, &self.stack.secrets.rabbitmq_cookie)?;
        std::fs::set_permissions(&cookie, std::fs::Permissions::from_mode(0o400))
            .map_err(StackError::path("protect", &cookie))
    }

    async fn management(&self, method: reqwest::Method, path: &str) -> Result<reqwest::StatusCode> {
        let url = format!("{}/api/{path}", management_url(&self.stack));
        let request = self
            .http
            .request(method, url)
            .basic_auth(ADMINISTRATOR, Some(&self.stack.secrets.rabbitmq_administrator))
            .timeout(probe::PROBE_DEADLINE);
        Ok(request.send().await?.status())
    }
}

impl Server for RabbitMq {
    fn name(&self) -> &str {
        NAME
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.stack.ports.rabbitmq)
    }

    fn ports(&self) -> Vec<u16> {
        let ports = &self.stack.ports;
        vec![
            ports.rabbitmq,
            ports.rabbitmq_management,
            ports.rabbitmq_prometheus,
            ports.rabbitmq_distribution,
        ]
    }

    fn after(&self) -> Vec<String> {
        vec![PORT_MAPPER.to_owned()]
    }

    fn start_deadline(&self) -> Duration {
        Duration::from_secs(240)
    }

    fn prepare(&self) -> Step<'_> {
        async {
            let folder = self.stack.server_folder(NAME)?;
            let account = &self.stack.account;
            account.make_folder(&data_folder(&self.stack))?;
            account.make_folder(&folder.join("log"))?;
            let definitions = folder.join("definitions.json");
            account.write_private(&definitions, &self.definitions())?;
            account.write_private(&folder.join("rabbitmq.conf"), &self.configuration(&definitions))?;
            account.write_private(
                &folder.join("enabled_plugins"),
                "[rabbitmq_management,rabbitmq_prometheus].\n",
            )?;
            account.write_private(&folder.join(ENVIRONMENT), "")?;
            self.write_cookie()
        }
        .boxed()
    }

    fn launch(&self) -> Result<Launch> {
        let folder = self.stack.folders.server(NAME);
        let ports = &self.stack.ports;
        Ok(Launch::new("/usr/lib/rabbitmq/bin/rabbitmq-server")
            .env("RABBITMQ_NODENAME", NODE)
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", folder.join(ENVIRONMENT))
            .env("RABBITMQ_MNESIA_BASE", data_folder(&self.stack))
            .env("RABBITMQ_LOG_BASE", folder.join("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"))
            .env("RABBITMQ_DIST_PORT", ports.rabbitmq_distribution.to_string())
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            .env("ERL_EPMD_PORT", ports.rabbitmq_epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            // Makes the start script become the Erlang VM instead of waiting for it as a parent.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .stop(Signal::TERM, Duration::from_secs(30)))
    }

    fn ready(&self) -> BoxFuture<'_, Result<bool>> {
        async {
            let path = format!("vhosts/{APPLICATION}");
            let answered = self.management(reqwest::Method::GET, &path).await?.is_success();
            Ok(answered && probe::listens(self.stack.ports.rabbitmq).await?)
        }
        .boxed()
    }

    fn after_start(&self) -> Step<'_> {
        async {
            let status = self.management(reqwest::Method::DELETE, "users/guest").await?;
            if status.is_success() || status == reqwest::StatusCode::NOT_FOUND {
                return Ok(());
            }
            Err(StackError::refused(format!("the user guest could not be removed: {status}")))
        }
        .boxed()
    }
}

impl Server for PortMapper {
    fn name(&self) -> &str {
        PORT_MAPPER
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.stack.ports.rabbitmq_epmd)
    }

    fn ports(&self) -> Vec<u16> {
        vec![self.stack.ports.rabbitmq_epmd]
    }

    fn start_deadline(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn prepare(&self) -> Step<'_> {
        async { self.stack.server_folder(PORT_MAPPER).map(drop) }.boxed()
    }

    fn launch(&self) -> Result<Launch> {
        Ok(Launch::new("/usr/bin/epmd")
            .args(["-address", "127.0.0.1", "-port"])
            .arg(self.stack.ports.rabbitmq_epmd.to_string()))
    }

    fn ready(&self) -> BoxFuture<'_, Result<bool>> {
        probe::listens(self.stack.ports.rabbitmq_epmd).boxed()
    }
}
