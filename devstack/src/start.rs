//! Starting a supervisor, following it until all is ready, and stopping it.

use std::{
    fs::File,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tokio::{process::Command, time::sleep};

use crate::{
    error::{Result, StackError},
    folders::Folders,
    install,
    interrupt::{self, unless},
    process::{self, Mark},
    progress::{Progress, elapsed},
    stack::{Stack, StackKind},
    state::{Failure, Phase, State},
    supervisor::MIGRATIONS,
};

/// The whole start, with a node of PostgreSQL that has to be copied; beyond it the supervisor is told to stop
/// whatever it waits for.
const START_DEADLINE: Duration = Duration::from_secs(20 * 60);
/// The supervisor writes its first state at once.
const FIRST_STATE_DEADLINE: Duration = Duration::from_secs(20);
/// Longer than all waves of servers need.
const STOP_DEADLINE: Duration = Duration::from_secs(150);
const LOOKS: Duration = Duration::from_millis(150);

/// Installs what is missing and starts the stack when it is not running, and waits until every server is
/// ready. Ctrl-C stops what was begun.
///
/// # Errors
/// When a server does not start (its last lines are in the words), or when interrupted; nothing runs then.
pub async fn up(stack: &Arc<Stack>, with_processes: bool, progress: &mut Progress) -> Result<State> {
    let interrupted = interrupt::listen()?;
    if !State::load(&stack.folders.state())?.is_some_and(|state| state.is_supervised()) {
        install::ensure(stack, progress, &interrupted).await?;
    }
    let Begun { supervisor, by_us } = unless(&interrupted, begin(stack, with_processes, progress)).await?;
    let outcome = unless(&interrupted, follow(stack, &supervisor, progress)).await;
    if outcome.is_err() && by_us {
        progress.waiting("stopping what was started");
        stop(&stack.folders, &supervisor, progress).await?;
    }
    outcome
}

/// A supervisor at work.
#[derive(Debug)]
pub struct Begun {
    /// Its process.
    pub supervisor: Mark,
    /// Whether this command started it, and so may stop it again.
    pub by_us: bool,
}

/// Starts a supervisor if there is none. Returns at once.
///
/// # Errors
/// When it cannot be started.
pub async fn begin(stack: &Arc<Stack>, with_processes: bool, progress: &mut Progress) -> Result<Begun> {
    if let Some(state) = State::load(&stack.folders.state())?.filter(State::is_supervised) {
        if state.phase != Phase::Stopping {
            return Ok(Begun { supervisor: state.supervisor, by_us: false });
        }
        progress.waiting("waiting for the last run to stop");
        process::wait_for_end(&state.supervisor, STOP_DEADLINE).await?;
    }
    Ok(Begun { supervisor: spawn_supervisor(stack, with_processes)?, by_us: true })
}

/// Shows how a start goes on until it is over.
///
/// # Errors
/// When it is given up, or takes too long.
pub async fn follow(stack: &Stack, supervisor: &Mark, progress: &mut Progress) -> Result<State> {
    let begun = Instant::now();
    let mut seen: Vec<String> = Vec::new();
    loop {
        let alive = supervisor.is_alive();
        let state =
            State::load(&stack.folders.state())?.filter(|state| state.supervisor.pid == supervisor.pid);
        if let Some(state) = state {
            if state.phase == Phase::Running && seen.is_empty() {
                return Ok(state);
            }
            show_news(&state, &mut seen, progress);
            if state.phase == Phase::Running {
                return Ok(state);
            }
            if let Some(failure) = &state.failure {
                progress.waiting("stopping what was started");
                process::wait_for_end(supervisor, STOP_DEADLINE).await?;
                return Err(in_words(failure));
            }
        } else if begun.elapsed() > FIRST_STATE_DEADLINE {
            return Err(silent(stack));
        }
        if !alive {
            return Err(silent(stack));
        }
        if begun.elapsed() > START_DEADLINE {
            return Err(StackError::refused("the start takes too long"));
        }
        sleep(LOOKS).await;
    }
}

/// Stops a stack in good order, and by force when that does not work. Returns whether anything ran.
///
/// # Errors
/// When the state file cannot be read.
pub async fn down(folders: &Folders, progress: &mut Progress) -> Result<bool> {
    let Some(state) = State::load(&folders.state())? else {
        return Ok(false);
    };
    if !state.is_supervised() {
        return Ok(!state.sweep().is_empty());
    }
    stop(folders, &state.supervisor, progress).await?;
    Ok(true)
}

/// Stops a supervisor, which stops its servers.
///
/// # Errors
/// When the state file cannot be read.
pub async fn stop(folders: &Folders, supervisor: &Mark, progress: &mut Progress) -> Result<()> {
    supervisor.signal(Signal::TERM);
    let end = Instant::now() + STOP_DEADLINE;
    while supervisor.is_alive() {
        if let Some(state) = State::load(&folders.state())? {
            progress.waiting(&format!("stopping {}", state.running().join(", ")));
        }
        if Instant::now() >= end {
            supervisor.signal(Signal::KILL);
            break;
        }
        sleep(LOOKS).await;
    }
    if let Some(last) = State::load(&folders.state())? {
        let swept = last.sweep();
        if !swept.is_empty() {
            progress.done(&format!("killed {}", swept.join(", ")));
        }
    }
    Ok(())
}

fn spawn_supervisor(stack: &Stack, with_processes: bool) -> Result<Mark> {
    let path = stack.folders.log("supervisor");
    let log = File::create(&path).map_err(StackError::path("open", &path))?;
    let errors = log.try_clone().map_err(StackError::io("share a log file"))?;
    let own = std::env::current_exe().map_err(StackError::io("find the running program"))?;
    let mut command = Command::new(own);
    command
        .arg("--checkout")
        .arg(&stack.folders.checkout)
        .arg("supervise")
        .args((stack.kind == StackKind::Test).then_some("--test"))
        .args((!with_processes).then_some("--servers-only"))
        .arg("--api-port")
        .arg(stack.ports.api.to_string())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .kill_on_drop(false);
    let child = command.spawn().map_err(StackError::io("start the supervisor"))?;
    child.id().and_then(Mark::of).ok_or_else(|| silent(stack))
}

fn show_news(state: &State, seen: &mut Vec<String>, progress: &mut Progress) {
    for server in state.servers.iter().filter(|server| server.ready) {
        if !seen.contains(&server.name) {
            let took = server.started_at.map_or_else(String::new, |start| {
                let took = jiff::Timestamp::now().duration_since(start);
                format!(" after {}", elapsed(took.unsigned_abs()).trim())
            });
            progress.done(&format!("{} is ready at {}{took}", server.name, server.address));
            seen.push(server.name.clone());
        }
    }
    let waiting: Vec<String> = state
        .servers
        .iter()
        .filter(|server| !server.ready && server.doing != "waiting")
        .map(|server| match server.doing.as_str() {
            "starting" => server.name.clone(),
            doing => format!("{} ({doing})", server.name),
        })
        .collect();
    if !waiting.is_empty() {
        progress.waiting(&format!("waiting for {}", waiting.join(", ")));
    } else if state.phase == Phase::Starting {
        progress.waiting("waiting for the migrations");
    }
}

fn in_words(failure: &Failure) -> StackError {
    let mut words = format!("{} did not start: {}", failure.server, failure.reason);
    if failure.server == MIGRATIONS {
        words.push_str(
            "\nwhen a file was edited, put it back as it was applied; when the data is of another branch, begin anew \
             without it: ./dev reset",
        );
    }
    if !failure.log.is_empty() {
        words.push_str("\nits last lines:\n  ");
        words.push_str(&failure.log.join("\n  "));
    }
    StackError::Refused(words)
}

/// The supervisor ended without a word in the state file: its own log has them.
fn silent(stack: &Stack) -> StackError {
    let log = stack.folders.log("supervisor");
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    StackError::refused(format!("the supervisor ended by itself:\n{}", text.trim()))
}
