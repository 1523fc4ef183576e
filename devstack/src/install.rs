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

use crate::{
    error::{Result, StackError},
    process::kill_group_of,
    progress::Progress,
    stack::Stack,
};

const LOCK_DEADLINE: Duration = Duration::from_secs(30 * 60);
const SHOWN_LINES: usize = 30;

/// Installs what is missing for a stack; does nothing, quickly, when all is there.
///
/// # Errors
/// When something cannot be installed; the words say what and show the end of its log.
pub async fn ensure(stack: &Stack, progress: &mut Progress) -> Result<()> {
    if packages::missing(stack).is_empty() && programs::missing(stack).is_empty() {
        return Ok(());
    }
    fs::create_dir_all(&stack.tools.root).map_err(StackError::path("make", &stack.tools.root))?;
    let _lock = wait_for_lock(stack, progress).await?;
    packages::install(stack, progress).await?;
    programs::install(stack, progress).await
}

/// One installer at a time on a machine; the second finds everything done.
async fn wait_for_lock(stack: &Stack, progress: &mut Progress) -> Result<File> {
    let path = stack.tools.root.join("install.lock");
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
        progress.waiting("waiting for another installation to end");
        sleep(Duration::from_millis(500)).await;
    }
    Ok(file)
}

/// Runs one step of the installation with the person's own environment, its words in the installation log.
async fn run_step(
    stack: &Stack,
    progress: &mut Progress,
    words: &str,
    mut command: Command,
    deadline: Duration,
) -> Result<()> {
    let path = log(stack);
    let log =
        File::options().create(true).append(true).open(&path).map_err(StackError::path("open", &path))?;
    let errors = log.try_clone().map_err(StackError::io("share the installation log"))?;
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(StackError::io(format!("run {program}")))?;
    let group = GroupGuard(child.id());
    let end = Instant::now() + deadline;
    loop {
        progress.waiting(words);
        if let Some(status) = child.try_wait().map_err(StackError::io(format!("wait for {program}")))? {
            std::mem::forget(group);
            return if status.success() { Ok(()) } else { Err(failure(program, status.to_string(), &path)) };
        }
        if Instant::now() >= end {
            return Err(failure(program, format!("no end after {} s", deadline.as_secs()), &path));
        }
        sleep(Duration::from_millis(250)).await;
    }
}

/// Kills the whole group of a step that is given up, also when the future is dropped by Ctrl-C.
struct GroupGuard(Option<u32>);

impl Drop for GroupGuard {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            kill_group_of(pid);
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
fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| {
            fs::metadata(folder.join(program))
                .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
        })
    })
}
