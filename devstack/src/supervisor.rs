//! The process that starts every server of a stack, keeps each alive, and stops them in the reverse order.
//!
//! It runs detached, on one thread: the children are bound to the life of the thread that spawned them.

mod board;
mod keeper;

use std::{collections::HashMap, fs::File, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use self::{board::Board, keeper::Keeper};
use crate::{
    error::{Result, StackError},
    migrate, ports,
    process::{self, Mark},
    server::Server,
    servers, settings,
    stack::{Stack, StackKind},
    state::{Failure, Phase, ServerState, State},
    test_stack,
};

/// What our processes wait for beside servers: the stores have their newest shape.
pub const MIGRATIONS: &str = "migrations";

/// How long all servers of one wave may take to stop, beyond which they are left to the next sweep.
const WAVE_DEADLINE: Duration = Duration::from_secs(60);

/// How long a killed process may take to be gone.
const SWEEP_DEADLINE: Duration = Duration::from_secs(10);

/// How long the migrations may take.
const MIGRATIONS_DEADLINE: Duration = Duration::from_secs(120);

/// A server under supervision.
struct Kept {
    name: String,
    depth: usize,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Holds the stack's lock; while it lives no second supervisor can start.
struct Lock(#[expect(dead_code, reason = "held, not read: the lock ends with the file")] File);

/// Starts and keeps a stack until it is told to stop or a server does not start.
///
/// # Errors
/// When another supervisor is at work, or the start was given up (the state file says why).
pub async fn run(stack: Arc<Stack>, with_processes: bool) -> Result<()> {
    let _lock = lock(&stack)?;
    let file = stack.folders.state();
    if let Some(previous) = State::load(&file).unwrap_or(None) {
        sweep(&previous).await?;
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(StackError::io("listen to SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StackError::io("listen to SIGINT"))?;
    let mut servers = servers::all(&stack)?;
    if !with_processes {
        servers.retain(|server| !servers::ours::NAMES.contains(&server.name()));
    }
    let board = Arc::new(Board::new(first_state(&stack, &servers)?, &stack));
    board.save();

    let (failures, mut failed) = mpsc::channel(servers.len() + 1);
    let kept = match begin(&stack, &servers) {
        Ok(()) => start_all(&stack, &board, &servers, &failures),
        Err(failure) => {
            board.update(|state| state.failure = Some(failure));
            Vec::new()
        }
    };
    let migration = tokio::spawn(run_migrations(Arc::clone(&stack), Arc::clone(&board), failures.clone()));
    if board.failure().is_none() {
        let names: Vec<String> = kept.iter().map(|kept| kept.name.clone()).collect();
        let all_ready = async {
            board.wait_for(&names).await;
            board.update(|state| state.phase = Phase::Running);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            Some(failure) = failed.recv() => board.update(|state| state.failure = Some(failure)),
            () = all_ready => {}
        }
    }
    migration.abort();
    stop_all(&board, kept).await;
    board.update(|state| state.phase = Phase::Stopped);
    match board.failure() {
        None => Ok(()),
        Some(failure) => Err(StackError::refused(format!("{}: {}", failure.server, failure.reason))),
    }
}

/// Ends what a supervisor that was killed left behind, so that its ports are free.
async fn sweep(previous: &State) -> Result<()> {
    let swept = previous.sweep();
    if !swept.is_empty() {
        eprintln!("left over from a supervisor that died: {}", swept.join(", "));
    }
    for process in previous.servers.iter().filter_map(|server| server.process.as_ref()) {
        process::wait_for_end(process, SWEEP_DEADLINE).await?;
    }
    Ok(())
}

fn lock(stack: &Stack) -> Result<Lock> {
    let path = stack.folders.data.join("supervisor.lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(StackError::path("open", &path))?;
    file.try_lock().map_err(|_| StackError::refused("another supervisor of this stack is at work"))?;
    Ok(Lock(file))
}

fn first_state(stack: &Stack, servers: &[Arc<dyn Server>]) -> Result<State> {
    let own = Mark::of(std::process::id()).ok_or_else(|| StackError::refused("/proc is not readable"))?;
    let servers = servers.iter().map(|server| ServerState {
        name: server.name().to_owned(),
        address: server.address(),
        process: None,
        ready: false,
        restarts: 0,
        started_at: None,
        doing: "waiting".to_owned(),
    });
    Ok(State {
        supervisor: own.with_command_line(),
        phase: Phase::Starting,
        failure: None,
        started_at: jiff::Timestamp::now(),
        api_port: stack.ports.api,
        servers: servers.collect(),
    })
}

/// What comes before the first process: programs are built, ports are free, and the files that say where
/// things are.
fn begin(stack: &Stack, servers: &[Arc<dyn Server>]) -> Result<(), Failure> {
    for server in servers {
        servers::ours::require_built(server.name()).map_err(|error| given_up(server.name(), &error))?;
        for port in server.ports() {
            ports::require_free(server.name(), port).map_err(|error| given_up(server.name(), &error))?;
        }
    }
    settings::write(stack).map_err(|error| given_up("settings", &error))?;
    if stack.kind == StackKind::Test {
        test_stack::write(stack).map_err(|error| given_up("settings", &error))?;
    }
    Ok(())
}

fn given_up(server: &str, error: &StackError) -> Failure {
    Failure { server: server.to_owned(), reason: error.to_string(), log: Vec::new() }
}

fn start_all(
    stack: &Arc<Stack>,
    board: &Arc<Board>,
    servers: &[Arc<dyn Server>],
    failures: &mpsc::Sender<Failure>,
) -> Vec<Kept> {
    let depths = depths(servers);
    let keep = |server: &Arc<dyn Server>| {
        let stop = CancellationToken::new();
        let keeper = Keeper::new(stack, board, server, failures.clone(), stop.clone());
        Kept {
            name: server.name().to_owned(),
            depth: depths.get(server.name()).copied().unwrap_or(0),
            stop,
            task: tokio::spawn(keeper.keep()),
        }
    };
    servers.iter().map(keep).collect()
}

/// How many servers each one waits for in a row: the deepest are stopped first.
fn depths(servers: &[Arc<dyn Server>]) -> HashMap<String, usize> {
    let waits: HashMap<String, Vec<String>> =
        servers.iter().map(|server| (server.name().to_owned(), server.after())).collect();
    let mut depths: HashMap<String, usize> = waits.keys().map(|name| (name.clone(), 0)).collect();
    // What waits for the migrations waits for every server that does not.
    depths.insert(MIGRATIONS.to_owned(), servers.len());
    // A chain cannot be longer than there are servers, so this also ends when somebody waits in a circle.
    for _ in 0..servers.len() {
        for (name, after) in &waits {
            let depth =
                after.iter().filter_map(|earlier| depths.get(earlier)).max().map_or(0, |depth| depth + 1);
            depths.insert(name.clone(), depth);
        }
    }
    depths
}

/// Migrates the stores of a person's stack as soon as they are there. Tests migrate databases of their own.
async fn run_migrations(stack: Arc<Stack>, board: Arc<Board>, failures: mpsc::Sender<Failure>) {
    if stack.kind == StackKind::Test {
        return;
    }
    board.wait_for(&migrate::AFTER.map(str::to_owned)).await;
    let outcome = match timeout(MIGRATIONS_DEADLINE, migrate::run(&stack)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(StackError::refused("no end in time")),
    };
    match outcome {
        Ok(()) => board.reach(MIGRATIONS),
        Err(error) => {
            // Nobody listens any more when the stack is already being stopped.
            let _stopping = failures.send(given_up(MIGRATIONS, &error)).await;
        }
    }
}

/// Stops wave by wave, the deepest first, each wave in parallel.
async fn stop_all(board: &Board, mut kept: Vec<Kept>) {
    board.update(|state| state.phase = Phase::Stopping);
    while let Some(depth) = kept.iter().map(|kept| kept.depth).max() {
        let (wave, earlier): (Vec<Kept>, Vec<Kept>) = kept.into_iter().partition(|kept| kept.depth == depth);
        kept = earlier;
        wave.iter().for_each(|kept| kept.stop.cancel());
        let ends = wave.into_iter().map(|kept| async move {
            if timeout(WAVE_DEADLINE, kept.task).await.is_err() {
                eprintln!("{} did not stop", kept.name);
            }
        });
        join_all(ends).await;
    }
}
