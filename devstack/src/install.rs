//! Brings a Debian or Ubuntu machine what a stack needs: packages with apt, the rest with the ordinary
//! clients of their registries, by coordinates.

mod packages;
mod programs;

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use tokio::{
    process::Command,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::{Result, StackError},
    process::GroupGuard,
    progress::Progress,
    stack::{Stack, StackKind},
    tools::Tools,
};

const LOCK_DEADLINE: Duration = Duration::from_secs(30 * 60);
const SHOWN_LINES: usize = 30;
/// How long a step that is given up may take to clean up behind it.
const STEP_GRACE: Duration = Duration::from_secs(10);

/// One installation: for whom, what is shown of it, and what ends it early.
struct Installation<'a> {
    stack: &'a Stack,
    progress: &'a mut Progress,
    interrupted: &'a CancellationToken,
}

/// What a stack needs and this machine has not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// Packages of the distribution.
    pub packages: Vec<&'static str>,
    /// Programs that are kept among the tools.
    pub programs: Vec<&'static str>,
}

/// Looks for what a stack needs; nothing is installed.
#[must_use]
pub fn missing(kind: StackKind, tools: &Tools) -> Missing {
    let programs = programs::missing(kind, tools).iter().map(programs::Program::name).collect();
    Missing { packages: packages::missing(kind, tools), programs }
}

/// Installs what is missing for a stack; does nothing, quickly, when all is there.
///
/// # Errors
/// When something cannot be installed (the words say what and show the end of its log), or when interrupted:
/// the step at work is then asked to stop, and has stopped when this returns.
pub async fn ensure(stack: &Stack, progress: &mut Progress, interrupted: &CancellationToken) -> Result<()> {
    let missing = missing(stack.kind, &stack.tools);
    if missing.packages.is_empty() && missing.programs.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(&stack.tools.root).map_err(StackError::path("make", &stack.tools.root))?;
    let mut installation = Installation { stack, progress, interrupted };
    let _lock = wait_for_lock(&mut installation).await?;
    packages::install(&mut installation).await?;
    programs::install(&mut installation).await
}

/// One installer at a time on a machine; the second finds everything done.
async fn wait_for_lock(installation: &mut Installation<'_>) -> Result<File> {
    let path = installation.stack.tools.root.join("install.lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(StackError::path("open", &path))?;
    let deadline = Instant::now() + LOCK_DEADLINE;
    while file.try_lock().is_err() {
        if Instant::now() >= deadline {
            return Err(StackError::refused("another installation is at work and does not end"));
        }
        if installation.interrupted.is_cancelled() {
            return Err(StackError::Interrupted);
        }
        installation.progress.waiting("waiting for another installation to end");
        sleep(Duration::from_millis(500)).await;
    }
    Ok(file)
}

impl Installation<'_> {
    /// Runs one step with the person's own environment, its words in the installation log.
    async fn run(&mut self, words: &str, mut command: Command, deadline: Duration) -> Result<()> {
        let path = log(self.stack);
        let log =
            File::options().create(true).append(true).open(&path).map_err(StackError::path("open", &path))?;
        let errors = log.try_clone().map_err(StackError::io("share the installation log"))?;
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let mut group = GroupGuard::spawn(&mut command).map_err(StackError::io(format!("run {program}")))?;
        let end = Instant::now() + deadline;
        loop {
            self.progress.waiting(words);
            let look = tokio::time::timeout(Duration::from_millis(250), group.wait());
            let given_up = tokio::select! {
                biased;
                () = self.interrupted.cancelled() => StackError::Interrupted,
                ended = look => match ended {
                    Ok(status) => {
                        let status = status.map_err(StackError::io(format!("wait for {program}")))?;
                        let success = status.success().then_some(());
                        return success.ok_or_else(|| failure(program, status.to_string(), &path));
                    }
                    Err(_) if Instant::now() < end => continue,
                    Err(_) => failure(program, format!("no end after {} s", deadline.as_secs()), &path),
                },
            };
            self.progress.waiting("stopping the installation");
            group.stop(STEP_GRACE).await;
            return Err(given_up);
        }
    }
}

fn log(stack: &Stack) -> PathBuf {
    stack.folders.log("install")
}

fn failure(program: String, outcome: String, log: &std::path::Path) -> StackError {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
    StackError::Command { program, outcome, output: format!("\n{last}\n(all of it: {})", log.display()) }
}

/// Whether a program can be found as a shell would.
pub(crate) fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| {
            fs::metadata(folder.join(program))
                .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
        })
    })
}
