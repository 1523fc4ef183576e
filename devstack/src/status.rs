//! Where everything is, for people (a table) and for programs (JSON).

use std::{collections::BTreeMap, fmt::Write};

use serde::Serialize;

use crate::{
    error::Result,
    process::tree_memory_kib,
    secrets::ROLES,
    servers::{ours, postgres},
    stack::Stack,
    state::{Phase, ServerState, State},
};

/// The stack as programs see it; the shape is part of the project's contract.
#[derive(Debug, Serialize)]
pub struct Status {
    api: String,
    metrics: BTreeMap<String, String>,
    sign_ins: BTreeMap<String, SignIn>,
    servers: BTreeMap<String, ServerStatus>,
}

#[derive(Debug, Serialize)]
struct SignIn {
    email: String,
    password: String,
    token: String,
}

#[derive(Debug, Serialize)]
struct ServerStatus {
    address: String,
    pid: Option<u32>,
    ready: bool,
}

/// The JSON of `status --json`.
///
/// # Errors
/// When it cannot be written as JSON.
pub async fn json(stack: &Stack, state: &State) -> Result<String> {
    let shown = postgres::names_by_role(stack).await;
    let servers = state.servers.iter().map(|server| {
        let status =
            ServerStatus { address: server.address.clone(), pid: pid(server), ready: is_ready(server) };
        (shown_name(&shown, server), status)
    });
    let status = Status {
        api: ours::api_url(stack),
        metrics: metrics(stack),
        sign_ins: sign_ins(stack),
        servers: servers.collect(),
    };
    serde_json::to_string_pretty(&status).map_err(|error| crate::StackError::refused(error.to_string()))
}

/// The table of `status` and of the end of `up`.
pub async fn table(stack: &Stack, state: &State) -> String {
    let shown = postgres::names_by_role(stack).await;
    let mut rows = vec![["SERVER", "ADDRESS", "PID", "MEMORY", "RESTARTS", "STATE"].map(str::to_owned)];
    let mut total_kib = 0;
    for server in &state.servers {
        let memory_kib = pid(server).map_or(0, tree_memory_kib);
        total_kib += memory_kib;
        rows.push([
            shown_name(&shown, server),
            server.address.clone(),
            pid(server).map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            megabytes(memory_kib),
            server.restarts.to_string(),
            server.doing.clone(),
        ]);
    }
    rows.push(["together", "", "", &megabytes(total_kib), "", phase(state.phase)].map(str::to_owned));
    let mut text = aligned(&rows);
    if state.servers.iter().any(|server| server.name == ours::NAMES[0]) {
        text.push('\n');
        text.push_str(&addresses(stack));
    }
    text
}

fn addresses(stack: &Stack) -> String {
    let api = ours::api_url(stack);
    let mut rows = vec![
        ["API".to_owned(), format!("{api}/api/v1")],
        ["Swagger UI".to_owned(), format!("{api}/docs")],
        ["Prometheus".to_owned(), format!("http://127.0.0.1:{}", stack.ports.prometheus)],
        ["RabbitMQ".to_owned(), format!("http://127.0.0.1:{}", stack.ports.rabbitmq_management)],
    ];
    rows.extend(metrics(stack).into_iter().map(|(name, url)| [format!("metrics of {name}"), url]));
    let mut text = aligned(&rows);
    text.push('\n');
    let mut sign_in_rows = vec![["ROLE", "E-MAIL", "TOKEN"].map(str::to_owned)];
    sign_in_rows
        .extend(sign_ins(stack).into_iter().map(|(role, sign_in)| [role, sign_in.email, sign_in.token]));
    text.push_str(&aligned(&sign_in_rows));
    text
}

fn metrics(stack: &Stack) -> BTreeMap<String, String> {
    ours::NAMES
        .iter()
        .enumerate()
        .map(|(index, name)| ((*name).to_owned(), ours::metrics_url(stack, index)))
        .collect()
}

fn sign_ins(stack: &Stack) -> BTreeMap<String, SignIn> {
    let of = |role: &str| SignIn {
        email: format!("{role}@example.test"),
        password: stack.secrets.passwords.get(role).cloned().unwrap_or_default(),
        token: stack.secrets.tokens.get(role).cloned().unwrap_or_default(),
    };
    ROLES.iter().map(|role| ((*role).to_owned(), of(role))).collect()
}

fn shown_name(shown: &BTreeMap<String, String>, server: &ServerState) -> String {
    shown.get(&server.name).unwrap_or(&server.name).clone()
}

fn pid(server: &ServerState) -> Option<u32> {
    server.process.as_ref().filter(|process| process.is_alive()).map(|process| process.pid)
}

fn is_ready(server: &ServerState) -> bool {
    server.ready && pid(server).is_some()
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::Stopping => "stopping",
        Phase::Stopped => "stopped",
    }
}

fn megabytes(kib: u64) -> String {
    format!("{} MB", kib / 1024)
}

/// Rows of cells in columns as wide as their widest cell.
fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a string cannot fail.
            let _written = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::aligned;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "long cell", "x"], ["größer", "b", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows), "a       long cell  x\ngrößer  b\n");
    }
}
