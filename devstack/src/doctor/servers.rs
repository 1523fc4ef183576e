//! The processes of the stack: whether they live, answer, stay alive, and have their ports.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::future::join_all;
use jiff::SignedDuration;

use super::{Context, Finding, Mend, context::shell};
use crate::{
    account::Account,
    error::{Result, StackError},
    ports,
    secrets::Secrets,
    server::Server,
    servers,
    stack::Stack,
    state::{Phase, ServerState},
};

/// A process that dies sooner than this, again and again, does not recover by itself.
const SHORT_LIFE: SignedDuration = SignedDuration::from_secs(120);
const MANY_RESTARTS: u32 = 3;

pub(super) async fn supervisor(context: &Context) -> Result<Finding> {
    let Some(state) = &context.state else {
        return Ok(Finding::skipped("nothing was started yet"));
    };
    if state.is_supervised() {
        return Ok(Finding::well(format!("pid {}", state.supervisor.pid)));
    }
    let left: Vec<&str> =
        state.servers.iter().filter(|server| lives(server)).map(|server| &*server.name).collect();
    if left.is_empty() {
        return Ok(Finding::skipped("nothing runs"));
    }
    Ok(Finding::failure(
        format!("pid {} is gone, and {} still run", state.supervisor.pid, left.join(", ")),
        "the supervisor was killed; nobody starts again what dies, and ports stay taken",
        Mend::command(context.start_anew()),
    ))
}

fn lives(server: &ServerState) -> bool {
    server.process.as_ref().is_some_and(crate::process::Mark::is_alive)
}

pub(super) async fn answers(context: &Context) -> Result<Finding> {
    let (Some(state), Ok(stack)) = (context.state.as_ref(), context.stack()) else {
        return Ok(Finding::skipped("nothing was started yet"));
    };
    if !state.is_supervised() || state.phase != Phase::Running {
        return Ok(Finding::skipped("it does not run, or is on its way"));
    }
    let known = servers::all(stack)?;
    let mut down: Vec<(&ServerState, String)> = silent(&known, &state.servers).await;
    if !down.is_empty() {
        // On a machine that is busy one answer may come too late.
        let again: Vec<ServerState> = down.iter().map(|(server, _)| (*server).clone()).collect();
        let still: Vec<String> =
            silent(&known, &again).await.iter().map(|(server, _)| server.name.clone()).collect();
        down.retain(|(server, _)| still.contains(&server.name));
    }
    let Some((first, _)) = down.first() else {
        return Ok(Finding::well(format!("{} servers answer", state.servers.len())));
    };
    let seen: Vec<String> = down.iter().map(|(server, words)| format!("{}: {words}", server.name)).collect();
    if lives(first) {
        let cause = format!(
            "it hangs or still starts; `{}` may say why",
            context.dev(&format!("logs {}", first.name))
        );
        return Ok(Finding::failure(seen.join("; "), cause, Mend::command(context.start_anew())));
    }
    Ok(Finding::failure(
        seen.join("; "),
        "it died; its last lines say why",
        Mend::command(context.dev(&format!("logs {}", first.name))),
    ))
}

/// The servers that do not live or do not answer, with what is known about why.
async fn silent<'a>(known: &[Arc<dyn Server>], servers: &'a [ServerState]) -> Vec<(&'a ServerState, String)> {
    let questions = servers.iter().map(|server| async move {
        if !lives(server) {
            return Some((server, format!("it has no process, last seen as: {}", server.doing)));
        }
        let asked = known.iter().find(|known| known.name() == server.name)?;
        match asked.ready().await {
            Ok(true) => None,
            Ok(false) => Some((server, "it answers that it is not ready".to_owned())),
            Err(error) => Some((server, error.to_string())),
        }
    });
    join_all(questions).await.into_iter().flatten().collect()
}

pub(super) async fn restarts(context: &Context) -> Result<Finding> {
    let Some(state) = context.state.as_ref().filter(|state| state.is_supervised()) else {
        return Ok(Finding::skipped("nothing runs"));
    };
    let is_young = |server: &ServerState| {
        !lives(server) || server.started_at.is_some_and(|at| context.now.duration_since(at) < SHORT_LIFE)
    };
    let looping: Vec<&ServerState> =
        state.servers.iter().filter(|server| server.restarts >= MANY_RESTARTS && is_young(server)).collect();
    let Some(first) = looping.first() else {
        let sum: u32 = state.servers.iter().map(|server| server.restarts).sum();
        return Ok(Finding::well(format!("{sum} restarts since the start of the stack")));
    };
    let seen: Vec<String> =
        looping.iter().map(|server| format!("{}: {} restarts", server.name, server.restarts)).collect();
    Ok(Finding::failure(
        seen.join("; "),
        "it dies soon after each start; its last lines say why",
        Mend::command(context.dev(&format!("logs {}", first.name))),
    ))
}

pub(super) async fn ports(context: &Context) -> Result<Finding> {
    let stack = context.stack().cloned().or_else(|_| planned(context))?;
    let mut free = 0;
    for server in servers::all(&stack)?.iter().filter(|server| !context.runs(server.name())) {
        for port in server.ports() {
            if ports::require_free(server.name(), port).is_err() {
                return Ok(taken(context, server.name(), port));
            }
            free += 1;
        }
    }
    Ok(Finding::well(format!("{free} needed and free; the others are the stack's own")))
}

/// A stack that was never started: its servers have their ports already.
fn planned(context: &Context) -> Result<Arc<Stack>> {
    let tools = context.tools.clone().ok_or_else(|| StackError::refused("HOME is not set"))?;
    let account = context.account.clone().unwrap_or(Account { uid: 0, gid: 0, change: false });
    let (kind, folders, ports) = (context.kind, context.folders.clone(), context.ports.clone());
    Ok(Arc::new(Stack { kind, folders, ports, secrets: Secrets::random(), account, tools }))
}

fn taken(context: &Context, server: &str, port: u16) -> Finding {
    let seen = format!("port {port}, needed by {server}, is taken");
    let Some(holder) = ports::holder(port) else {
        let words = format!("end who holds it; as root this names them: ss -ltnp 'sport = :{port}'");
        return Finding::failure(seen, "another program listens there", Mend::action(words));
    };
    let seen = format!("{seen} by {holder}");
    match stack_of(holder.pid).filter(|data| *data != context.folders.data) {
        Some(data) => Finding::failure(
            seen,
            format!("it belongs to the stack in {}, and all stacks have the same ports", data.display()),
            Mend::action(format!("stop that stack in its own checkout: {}", down_of(&data))),
        ),
        None => Finding::failure(
            seen,
            "another program listens there, or one that an earlier run left behind",
            Mend::command(format!("kill {}", holder.pid)),
        ),
    }
}

/// What stops the stack of a data folder.
fn down_of(data: &Path) -> String {
    let checkout = fs::read_to_string(data.join("checkout")).unwrap_or_default();
    let option = if data.ends_with(".devstack-test") { " --test" } else { "" };
    format!("cd {} && ./dev down{option}", shell(Path::new(checkout.trim_end())))
}

/// The data folder that a process works in, when it is that of a stack.
fn stack_of(pid: u32) -> Option<PathBuf> {
    let works_in = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    let of_stack =
        |folder: &&Path| folder.join("checkout").is_file() && folder.join("secrets.toml").is_file();
    works_in.ancestors().find(of_stack).map(Path::to_path_buf)
}
