//! `lint` and `test`: format, clippy and compile in one go, then every test on the real servers.

use std::{
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

use crate::{
    error::{Result, StackError},
    install,
    process::{kill_group_of, signal_child},
    progress::{Progress, elapsed},
    stack::Stack,
    start,
    test_count::TestCount,
    test_stack,
};

/// How long a step of cargo may take, from nothing on two cores.
const STEP_DEADLINE: Duration = Duration::from_secs(40 * 60);

/// What is compiled and run.
const TEST: [&str; 5] = ["test", "--workspace", "--lib", "--bins", "--tests"];

/// What clippy is told; cargo does not know it, so that dependencies stay as they are built.
const CLIPPY_ARGUMENTS: &str = "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__";

/// The environment of every compile of `lint` and `test`: rustc is wrapped by clippy for the workspace's
/// own crates.
///
/// # Errors
/// When clippy is not installed.
pub async fn clippy_environment() -> Result<[(&'static str, OsString); 2]> {
    let output = Command::new("rustup")
        .args(["which", "clippy-driver"])
        .output()
        .await
        .map_err(StackError::io("run rustup which clippy-driver"))?;
    let driver = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if !driver.is_file() {
        return Err(StackError::refused("clippy-driver was not found: rustup component add clippy"));
    }
    Ok([("RUSTC_WORKSPACE_WRAPPER", driver.into()), ("CLIPPY_ARGS", CLIPPY_ARGUMENTS.into())])
}

/// Format and clippy, with every target compiled.
///
/// # Errors
/// When one of them complains.
pub async fn lint(checkout: &Path) -> Result<()> {
    step(checkout, "format", &["fmt", "--all", "--check"], &[]).await?;
    let environment = clippy_environment().await?;
    step(checkout, "clippy and compile", &[&TEST[..], &["--no-run"]].concat(), &environment).await
}

/// Everything: servers are started while the code compiles, and stopped at the end whatever happens.
///
/// # Errors
/// When a check or a test fails, or a server does not start.
pub async fn test(stack: &Arc<Stack>, arguments: &[String], keep: bool) -> Result<()> {
    let _lock = one_at_a_time(stack)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StackError::io("listen to SIGINT"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(StackError::io("listen to SIGTERM"))?;
    let outcome = tokio::select! {
        outcome = run(stack, arguments) => outcome,
        _ = interrupt.recv() => Err(StackError::Interrupted),
        _ = terminate.recv() => Err(StackError::Interrupted),
    };
    if !keep {
        start::down(stack, &mut Progress::quiet()).await?;
    }
    let (count, verdict) = outcome?;
    println!("{count}");
    verdict
}

/// The count of the tests and whether they all passed; an error when they could not be run.
async fn run(stack: &Arc<Stack>, arguments: &[String]) -> Result<(TestCount, Result<()>)> {
    let checkout = stack.folders.checkout.as_path();
    let mut progress = Progress::begin();
    install::ensure(stack, &mut progress).await?;
    let supervisor = start::begin(stack, false, &mut progress).await?.supervisor;
    progress.end();
    lint(checkout).await?;
    header("servers");
    let begun = Instant::now();
    start::follow(stack, &supervisor, &mut progress).await?;
    println!("--- servers: ready after another {}", elapsed(begun.elapsed()).trim());
    let mut environment = clippy_environment().await?.to_vec();
    environment.push((test_stack::VARIABLE, stack.folders.test_stack().into()));
    if std::env::var_os("RUST_LOG").is_none() {
        environment.push(("RUST_LOG", "off".into()));
    }
    let mut cargo = TEST.to_vec();
    cargo.push("--no-fail-fast");
    if !arguments.is_empty() {
        cargo.push("--");
        cargo.extend(arguments.iter().map(String::as_str));
    }
    let mut count = TestCount::default();
    let verdict = counted_step(checkout, "tests", &cargo, &environment, &mut count).await;
    if verdict.is_ok() && count.is_empty() {
        return Ok((count, Err(StackError::refused("no test has such a name"))));
    }
    Ok((count, verdict))
}

fn one_at_a_time(stack: &Stack) -> Result<File> {
    let path = stack.folders.data.join("test.lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(StackError::path("open", &path))?;
    file.try_lock().map_err(|_| StackError::refused("another ./dev test of this checkout is at work"))?;
    Ok(file)
}

async fn step(
    checkout: &Path,
    name: &str,
    arguments: &[&str],
    environment: &[(&'static str, OsString)],
) -> Result<()> {
    counted_step(checkout, name, arguments, environment, &mut TestCount::default()).await
}

async fn counted_step(
    checkout: &Path,
    name: &str,
    arguments: &[&str],
    environment: &[(&'static str, OsString)],
    count: &mut TestCount,
) -> Result<()> {
    header(name);
    let begun = Instant::now();
    let mut child = Command::new("cargo")
        .args(arguments)
        .envs(environment.iter().map(|(key, value)| (key, value)))
        .current_dir(checkout)
        .process_group(0)
        .kill_on_drop(true)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(StackError::io("run cargo"))?;
    let guard = GroupGuard(child.id());
    let status = tokio::time::timeout(STEP_DEADLINE, wait_counting(&mut child, count))
        .await
        .map_err(|_| StackError::refused(format!("{name}: no end after {} s", STEP_DEADLINE.as_secs())))?
        .map_err(StackError::io("wait for cargo"))?;
    std::mem::forget(guard);
    println!("--- {name}: {} after {}", verdict(status.success()), elapsed(begun.elapsed()).trim());
    if status.success() { Ok(()) } else { Err(StackError::refused(format!("{name} failed"))) }
}

/// Passes the output on, line by line.
async fn wait_counting(child: &mut Child, count: &mut TestCount) -> std::io::Result<ExitStatus> {
    if let Some(output) = child.stdout.take() {
        let mut lines = BufReader::new(output).split(b'\n');
        while let Some(line) = lines.next_segment().await? {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            count.add(&line);
        }
    }
    child.wait().await
}

fn header(name: &str) {
    println!("=== {name}");
}

fn verdict(success: bool) -> &'static str {
    if success { "passed" } else { "FAILED" }
}

/// Ends cargo and the test programs that it started when the wait for them is given up.
struct GroupGuard(Option<u32>);

impl Drop for GroupGuard {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            signal_child(pid, rustix::process::Signal::TERM);
            kill_group_of(pid);
        }
    }
}
