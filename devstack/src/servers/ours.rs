//! The processes of the shop itself: what they are called, what they are started with, when they are ready.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};

use crate::{
    error::{Result, StackError},
    probe,
    server::{Launch, Server, Step},
    stack::Stack,
    supervisor::MIGRATIONS,
};

/// The names in `status` and in the settings file, in the order of [`crate::ports::Ports::metrics`].
pub const NAMES: [&str; 5] = ["api", "ingest", "worker", "search_indexer", "analytics"];

/// What each program is called and the verb that makes it stay, in the same order.
pub(crate) const PROGRAMS: [(&str, Option<&str>); 5] = [
    ("api", None),
    ("ingest", Some("relay")),
    ("worker", None),
    ("search-indexer", Some("consume")),
    ("analytics", Some("serve")),
];

struct Ours {
    stack: Arc<Stack>,
    http: reqwest::Client,
    index: usize,
}

/// The shop's processes.
#[must_use]
pub fn servers(stack: &Arc<Stack>) -> Vec<Arc<dyn Server>> {
    (0..NAMES.len())
        .map(|index| {
            Arc::new(Ours { stack: Arc::clone(stack), http: reqwest::Client::new(), index })
                as Arc<dyn Server>
        })
        .collect()
}

/// The address of the API.
#[must_use]
pub fn api_url(stack: &Stack) -> String {
    format!("http://127.0.0.1:{}", stack.ports.api)
}

/// Where the metrics of a process are, by its place in [`NAMES`].
#[must_use]
pub fn metrics_url(stack: &Stack, index: usize) -> String {
    format!("http://127.0.0.1:{}/metrics", stack.ports.metrics[index])
}

/// Where cargo put a program of ours: beside this one.
///
/// # Errors
/// When it has not been built.
pub fn built_program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(StackError::io("find the running program"))?;
    let program = own.with_file_name(name);
    if program.is_file() {
        return Ok(program);
    }
    Err(StackError::refused(format!("{} has not been built", program.display())))
}

/// Fails when a name is one of ours and its program has not been built.
///
/// # Errors
/// When it has not been built.
pub fn require_built(name: &str) -> Result<()> {
    match NAMES.iter().position(|ours| *ours == name) {
        Some(index) => built_program(PROGRAMS[index].0).map(drop),
        None => Ok(()),
    }
}

/// Copies a program of ours into the stack, replaced by renaming: what runs keeps its own file, and a
/// rebuild does not touch ours. Returns the copy, which the unprivileged account can run.
///
/// # Errors
/// When it has not been built or cannot be copied.
pub fn copy_program(stack: &Stack, name: &str) -> Result<PathBuf> {
    let built = built_program(name)?;
    let copy = stack.folders.binaries.join(name);
    let fresh = stack.folders.binaries.join(format!("{name}.{}.new", std::process::id()));
    fs::copy(&built, &fresh).map_err(StackError::path("copy", &built))?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))
        .map_err(StackError::path("protect", &fresh))?;
    fs::rename(&fresh, &copy).map_err(StackError::path("replace", &copy))?;
    Ok(copy)
}

/// What a person may set for the shop's processes when they start the stack: settings, log levels, trace
/// exporters.
fn is_passed_on(variable: &str) -> bool {
    ["ENTREPOT__", "RUST_LOG", "OTEL_"].iter().any(|prefix| variable.starts_with(prefix))
}

impl Ours {
    fn program(&self) -> &'static str {
        PROGRAMS[self.index].0
    }
}

impl Server for Ours {
    fn name(&self) -> &str {
        NAMES[self.index]
    }

    fn address(&self) -> String {
        match self.name() {
            "api" => format!("127.0.0.1:{}", self.stack.ports.api),
            _ => format!("127.0.0.1:{}", self.stack.ports.metrics[self.index]),
        }
    }

    fn ports(&self) -> Vec<u16> {
        let metrics = self.stack.ports.metrics[self.index];
        if self.name() == "api" { vec![self.stack.ports.api, metrics] } else { vec![metrics] }
    }

    fn after(&self) -> Vec<String> {
        vec![MIGRATIONS.to_owned()]
    }

    fn prepare(&self) -> Step<'_> {
        async {
            self.stack.server_folder(self.name())?;
            copy_program(&self.stack, self.program()).map(drop)
        }
        .boxed()
    }

    fn launch(&self) -> Result<Launch> {
        let mut launch = Launch::new(self.stack.folders.binaries.join(self.program()))
            .arg("--settings")
            .arg(self.stack.folders.settings())
            .args(PROGRAMS[self.index].1)
            .env("RUST_BACKTRACE", "1")
            .stop(rustix::process::Signal::TERM, Duration::from_secs(20));
        for (name, value) in std::env::vars_os() {
            if let Some(name) = name.to_str().filter(|name| is_passed_on(name)) {
                launch = launch.env(name, value);
            }
        }
        Ok(launch)
    }

    fn ready(&self) -> BoxFuture<'_, Result<bool>> {
        async {
            let url = match self.name() {
                "api" => format!("{}/health/live", api_url(&self.stack)),
                _ => metrics_url(&self.stack, self.index),
            };
            probe::http(&self.http, &url).await
        }
        .boxed()
    }
}
