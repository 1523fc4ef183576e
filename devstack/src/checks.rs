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
    process::Command,
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::{Result, StackError},
    install,
    interrupt::{self, unless},
    leftovers,
    process::GroupGuard,
    progress::{Progress, elapsed},
    stack::Stack,
    start,
    test_count::TestCount,
    test_stack,
};

/// How long a step of cargo may take, from nothing on two cores.
const STEP_DEADLINE: Duration = Duration::from_secs(40 * 60);

/// How long cargo and the test programs may take to end when they are asked to.
const STEP_GRACE: Duration = Duration::from_secs(10);

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
/// When one of them complains, or when interrupted.
pub async fn lint(checkout: &Path) -> Result<()> {
    lint_unless(checkout, &interrupt::listen()?).await
}

async fn lint_unless(checkout: &Path, interrupted: &CancellationToken) -> Result<()> {
    let environment = clippy_environment().await?;
    let compile = [&TEST[..], &["--no-run"]].concat();
    Step { name: "format", program: "cargo", arguments: &["fmt", "--all", "--check"], environment: &[] }
        .run(checkout, interrupted, &mut TestCount::default())
        .await?;
    Step { name: "clippy and compile", program: "cargo", arguments: &compile, environment: &environment }
        .run(checkout, interrupted, &mut TestCount::default())
        .await?;
    check_dashboards(checkout, interrupted).await
}

/// Holds the dashboards against Grafana's own types. Only where npm is: the distribution's brings 300 packages.
async fn check_dashboards(checkout: &Path, interrupted: &CancellationToken) -> Result<()> {
    const NAME: &str = "dashboards against Grafana's types";
    if !install::on_path("npm") {
        println!("--- {NAME}: left out, there is no npm");
        return Ok(());
    }
    let arguments = ["--prefix", "dashboards/schema-check", "run", "check"];
    Step { name: NAME, program: "npm", arguments: &arguments, environment: &[] }
        .run(checkout, interrupted, &mut TestCount::default())
        .await
}

/// Everything: servers are started while the code compiles, and stopped at the end whatever happens.
///
/// # Errors
/// When a check or a test fails, or a server does not start.
pub async fn test(stack: &Arc<Stack>, arguments: &[String], keep: bool) -> Result<()> {
    let _lock = one_at_a_time(stack)?;
    let outcome = run(stack, arguments, &interrupt::listen()?).await;
    let stopped = if keep { Ok(true) } else { start::down(&stack.folders, &mut Progress::quiet()).await };
    let (count, verdict) = outcome?;
    // The last line of all: what was stopped has been said before.
    println!("{count}");
    verdict.and(stopped.map(drop))
}

/// The count of the tests and whether they all passed; an error when they could not be run.
async fn run(
    stack: &Arc<Stack>,
    arguments: &[String],
    interrupted: &CancellationToken,
) -> Result<(TestCount, Result<()>)> {
    let checkout = stack.folders.checkout.as_path();
    let mut progress = Progress::begin();
    install::ensure(stack, &mut progress, interrupted).await?;
    let supervisor = unless(interrupted, start::begin(stack, false, &mut progress)).await?.supervisor;
    progress.end();
    lint_unless(checkout, interrupted).await?;
    header("servers");
    let begun = Instant::now();
    unless(interrupted, start::follow(stack, &supervisor, &mut progress)).await?;
    println!("{}", unless(interrupted, leftovers::remove(stack)).await?);
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
    let tests = Step { name: "tests", program: "cargo", arguments: &cargo, environment: &environment };
    let verdict = match tests.run(checkout, interrupted, &mut count).await {
        // A count of some of the tests would look like the whole.
        Err(StackError::Interrupted) => return Err(StackError::Interrupted),
        verdict => verdict,
    };
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

/// One call of cargo, or of npm.
struct Step<'a> {
    name: &'a str,
    program: &'static str,
    arguments: &'a [&'a str],
    environment: &'a [(&'static str, OsString)],
}

impl Step<'_> {
    /// Runs it under a header, counting the tests in its output.
    async fn run(
        &self,
        checkout: &Path,
        interrupted: &CancellationToken,
        count: &mut TestCount,
    ) -> Result<()> {
        let Self { name, program, arguments, environment } = self;
        header(name);
        let begun = Instant::now();
        let mut command = Command::new(program);
        command
            .args(*arguments)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .current_dir(checkout)
            .stdout(Stdio::piped());
        let mut group = GroupGuard::spawn(&mut command).map_err(StackError::io(format!("run {program}")))?;
        let ended = unless(interrupted, async {
            tokio::time::timeout(STEP_DEADLINE, wait_counting(&mut group, count))
                .await
                .map_err(|_| {
                    StackError::refused(format!("{name}: no end after {} s", STEP_DEADLINE.as_secs()))
                })?
                .map_err(StackError::io(format!("wait for {program}")))
        })
        .await;
        let status = match ended {
            Ok(status) => status,
            Err(error) => {
                group.stop(STEP_GRACE).await;
                return Err(error);
            }
        };
        println!("--- {name}: {} after {}", verdict(status.success()), elapsed(begun.elapsed()).trim());
        if status.success() { Ok(()) } else { Err(StackError::refused(format!("{name} failed"))) }
    }
}

/// Passes the output on, line by line.
async fn wait_counting(group: &mut GroupGuard, count: &mut TestCount) -> std::io::Result<ExitStatus> {
    if let Some(output) = group.child.stdout.take() {
        let mut lines = BufReader::new(output).split(b'\n');
        while let Some(line) = lines.next_segment().await? {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            count.add(&line);
        }
    }
    group.wait().await
}

fn header(name: &str) {
    println!("=== {name}");
}

fn verdict(success: bool) -> &'static str {
    if success { "passed" } else { "FAILED" }
}
