//! The shape of one server: how it is prepared, launched, asked whether it is ready, and brought back.
//!
//! The supervisor calls, in this order: `after` (names to wait for), `prepare`, `launch` (the process is
//! spawned), `ready` again and again until it is true or `start_deadline` is over, `after_start`. Then
//! `ready` and `tend` every few seconds. When the process dies: back-off, `before_restart`, `launch`,
//! `ready`, `after_start`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use rustix::process::Signal;

use crate::error::Result;

/// One asynchronous step of a server's life.
pub type Step<'a> = BoxFuture<'a, Result<()>>;

/// One server that the supervisor starts and keeps alive.
pub trait Server: Send + Sync {
    /// The stable name: key of the state file, of the log file and of the data folder.
    fn name(&self) -> &str;

    /// `host:port` for people.
    fn address(&self) -> String;

    /// Every port that must be free before the first start.
    fn ports(&self) -> Vec<u16>;

    /// Names of the servers that must be ready before this one is prepared.
    fn after(&self) -> Vec<String> {
        Vec::new()
    }

    /// How long a start may take until it counts as failed.
    fn start_deadline(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// How long `prepare` and `before_restart` may each take.
    fn preparation_deadline(&self) -> Duration {
        Duration::from_secs(180).max(self.start_deadline())
    }

    /// Writes the configuration and makes the data folder, once per start of the stack. Must be repeatable.
    fn prepare(&self) -> Step<'_> {
        async { Ok(()) }.boxed()
    }

    /// How the process is started, asked again before every spawn.
    ///
    /// # Errors
    /// When something that the command needs is missing.
    fn launch(&self) -> Result<Launch>;

    /// Whether it serves now: one probe, which must end by itself within about two seconds. An error counts
    /// as "no" and its text is shown when the deadline passes.
    fn ready(&self) -> BoxFuture<'_, Result<bool>>;

    /// After each successful start: users, replica sets, definitions. Must be repeatable.
    fn after_start(&self) -> Step<'_> {
        async { Ok(()) }.boxed()
    }

    /// Before a process that died is launched again. An error delays the restart to the next back-off.
    fn before_restart(&self) -> Step<'_> {
        async { Ok(()) }.boxed()
    }

    /// Every five seconds while it is ready: what has to be put right from outside.
    fn tend(&self) -> Step<'_> {
        async { Ok(()) }.boxed()
    }
}

/// A command line, its surroundings, and how it is asked to stop.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program, by absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Added to the small fixed environment (PATH, HOME, LANG, TZ).
    pub environment: Vec<(String, OsString)>,
    /// The working directory; the server's own data folder when none is given.
    pub folder: Option<PathBuf>,
    /// What it takes for "stop in good order".
    pub stop_signal: Signal,
    /// How long the good order may take until the whole process group is killed.
    pub stop_grace: Duration,
}

impl Launch {
    /// A command that stops on SIGTERM within ten seconds.
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self {
            program: program.as_ref().to_path_buf(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
            stop_signal: Signal::TERM,
            stop_grace: Duration::from_secs(10),
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds one environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Chooses the working directory.
    #[must_use]
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_path_buf());
        self
    }

    /// Chooses how it is asked to stop, and how long that may take.
    #[must_use]
    pub fn stop(mut self, signal: Signal, grace: Duration) -> Self {
        self.stop_signal = signal;
        self.stop_grace = grace;
        self
    }
}
