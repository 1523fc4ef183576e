//! What OpenSearch and Elasticsearch have in common as processes.

use std::{fs, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use rustix::process::Signal;

use crate::{
    error::{Result, StackError},
    probe,
    server::{Launch, Server, Step},
    stack::Stack,
    tools::OLDEST_JAVA,
};

/// Enough for the local catalogue; the engines' own default is half of the machine.
const HEAP: &str = "512m";

/// What only newer Javas with all modules have; the engine runs without it, more slowly.
const VECTOR_MODULE: &str = "jdk.incubator.vector";

const LOGGING: &str = "status = error\n\
    appender.console.type = Console\n\
    appender.console.name = console\n\
    appender.console.layout.type = PatternLayout\n\
    appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n\n\
    rootLogger.level = info\n\
    rootLogger.appenderRef.console.ref = console\n";

/// One search engine as a single node.
pub(super) struct SearchEngine {
    pub(super) stack: Arc<Stack>,
    pub(super) http: reqwest::Client,
    /// The server's name.
    pub(super) name: &'static str,
    /// The name of its program and of its configuration file.
    pub(super) program: &'static str,
    /// The tool that holds it.
    pub(super) tool: &'static str,
    pub(super) http_port: u16,
    pub(super) transport_port: u16,
    /// What its environment variables begin with for its folders and for Java.
    pub(super) variable_prefix: &'static str,
    /// Lines of its configuration file beside the ones that both have.
    pub(super) settings: &'static str,
}

impl SearchEngine {
    fn configuration(&self) -> String {
        let folder = self.stack.folders.server(self.name);
        format!(
            "cluster.name: entrepot\nnode.name: {name}\ndiscovery.type: single-node\n\
             path.data: {data}\npath.logs: {logs}\n\
             network.host: 127.0.0.1\nhttp.port: {http}\ntransport.port: {transport}\n\
             action.auto_create_index: false\n\
             cluster.routing.allocation.disk.threshold_enabled: false\n{settings}",
            name = self.name,
            data = folder.join("data").display(),
            logs = folder.join("logs").display(),
            http = self.http_port,
            transport = self.transport_port,
            settings = self.settings,
        )
    }

    /// The distribution's JVM options, without those that write into its own folder or that this Java has
    /// not.
    async fn jvm_options(&self) -> Result<String> {
        let shipped = self.stack.tools.folder(self.tool).join("config/jvm.options");
        let text = fs::read_to_string(&shipped).map_err(StackError::path("read", &shipped))?;
        let modules = self
            .stack
            .run(
                self.name,
                &Launch::new(self.java()?.join("bin/java")).arg("--list-modules"),
                Duration::from_secs(20),
            )
            .await?;
        Ok(usable_options(&text, modules.contains(VECTOR_MODULE)))
    }

    fn java(&self) -> Result<std::path::PathBuf> {
        self.stack
            .tools
            .java_home()
            .ok_or_else(|| StackError::refused(format!("no Java {OLDEST_JAVA} or newer was found")))
    }
}

fn usable_options(shipped: &str, has_vector_module: bool) -> String {
    let unusable = |line: &str| {
        line.starts_with('#')
            || line.trim().is_empty()
            || line.starts_with("-Xm")
            || line.contains("logs/")
            || line.contains("HeapDump")
            || (line.contains(VECTOR_MODULE) && !has_vector_module)
    };
    let mut options = format!("-Xms{HEAP}\n-Xmx{HEAP}\n");
    for line in shipped.lines().filter(|line| !unusable(line)) {
        options.push_str(line);
        options.push('\n');
    }
    options
}

impl Server for SearchEngine {
    fn name(&self) -> &str {
        self.name
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.http_port)
    }

    fn ports(&self) -> Vec<u16> {
        vec![self.http_port, self.transport_port]
    }

    /// Twelve seconds on a quiet machine; minutes when a cold compile has both cores.
    fn start_deadline(&self) -> Duration {
        Duration::from_secs(300)
    }

    fn prepare(&self) -> Step<'_> {
        async {
            let folder = self.stack.server_folder(self.name)?;
            let account = &self.stack.account;
            for part in ["config", "config/jvm.options.d", "data", "logs", "tmp"] {
                account.make_folder(&folder.join(part))?;
            }
            let config = folder.join("config");
            account.write_private(&config.join(format!("{}.yml", self.program)), &self.configuration())?;
            account.write_private(&config.join("log4j2.properties"), LOGGING)?;
            account.write_private(&config.join("jvm.options"), &self.jvm_options().await?)
        }
        .boxed()
    }

    fn launch(&self) -> Result<Launch> {
        let folder = self.stack.folders.server(self.name);
        let prefix = self.variable_prefix;
        Ok(Launch::new(self.stack.tools.folder(self.tool).join("bin").join(self.program))
            .env(&format!("{prefix}_PATH_CONF"), folder.join("config"))
            .env(&format!("{prefix}_JAVA_HOME"), self.java()?)
            .env(&format!("{prefix}_TMPDIR"), folder.join("tmp"))
            .stop(Signal::TERM, Duration::from_secs(30)))
    }

    fn ready(&self) -> BoxFuture<'_, Result<bool>> {
        async {
            let url = format!(
                "http://127.0.0.1:{}/_cluster/health?wait_for_status=yellow&timeout=1s",
                self.http_port
            );
            probe::http(&self.http, &url).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::usable_options;

    #[test]
    fn options_that_cannot_work_are_left_out() {
        let shipped = "# heap\n-Xms1g\n-Xmx1g\n\n-XX:+HeapDumpOnOutOfMemoryError\n-XX:ErrorFile=logs/x\n\
                       20-:--add-modules=jdk.incubator.vector\n11-:-XX:+UseG1GC\n";
        assert_eq!(usable_options(shipped, false), "-Xms512m\n-Xmx512m\n11-:-XX:+UseG1GC\n");
        assert!(usable_options(shipped, true).contains("jdk.incubator.vector"));
    }
}
