//! The command line of devstack, behind `./dev`.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use clap::{Parser, Subcommand};

use crate::{
    checks, doctor,
    error::{Result, StackError},
    folders::Folders,
    progress::Progress,
    reset,
    servers::{ours, postgres},
    stack::{Stack, StackKind},
    start,
    state::State,
    status, supervisor, test_stack,
};

/// Starts, shows and stops the local stack.
#[derive(Debug, Parser)]
#[command(name = "devstack", disable_help_subcommand = true)]
pub struct CommandLine {
    /// The checkout that the stack belongs to.
    #[arg(long, env = "ENTREPOT_CHECKOUT", default_value = ".", global = true)]
    checkout: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Installs what is missing and starts everything; when it runs already, shows where.
    Up {
        /// The port of the API instead of 8080.
        #[arg(long)]
        api_port: Option<u16>,
        /// Starts the servers, but none of the shop's own processes.
        #[arg(long)]
        servers_only: bool,
        /// The stack that tests run on, for running single tests by hand.
        #[arg(long, conflicts_with = "api_port")]
        test: bool,
    },
    /// Shows every server with its address, memory and restarts, and the sign-ins.
    Status {
        /// In the form that programs read.
        #[arg(long)]
        json: bool,
        /// Of the stack that tests run on.
        #[arg(long)]
        test: bool,
    },
    /// Shows the log of a server.
    Logs {
        /// The server, as `status` names it.
        name: String,
        /// Goes on showing what is added.
        #[arg(long, short)]
        follow: bool,
        /// Of the stack that tests run on.
        #[arg(long)]
        test: bool,
    },
    /// Stops everything; the data stays.
    Down {
        /// The stack that tests run on.
        #[arg(long)]
        test: bool,
    },
    /// Looks for what is wrong, and says how it is mended.
    Doctor {
        /// In the form that programs read.
        #[arg(long)]
        json: bool,
        /// Of the stack that tests run on.
        #[arg(long)]
        test: bool,
    },
    /// Stops everything and removes its data.
    Reset {
        /// Does not ask.
        #[arg(long, short)]
        yes: bool,
        /// The stack that tests run on.
        #[arg(long)]
        test: bool,
    },
    /// Checks and tests everything on the real servers.
    Test {
        /// Leaves the servers running for the next time.
        #[arg(long)]
        keep: bool,
        /// Passed on to the test programs: a filter, or their options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Checks format and lints.
    Lint,
    /// Runs a program of the shop with the settings of the running stack.
    #[command(disable_help_flag = true)]
    Run {
        /// The program: the crate that owns the verb.
        program: String,
        /// As the unprivileged account, for what writes into the stack's folder.
        #[arg(long)]
        as_account: bool,
        /// What the program is told.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Is the process that keeps the servers alive.
    #[command(hide = true)]
    Supervise {
        #[arg(long)]
        test: bool,
        #[arg(long)]
        servers_only: bool,
        #[arg(long)]
        api_port: Option<u16>,
    },
}

/// Does what the command line says.
///
/// # Errors
/// What stopped it, in words for a person.
pub fn run(command_line: CommandLine) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StackError::io("start the runtime"))?;
    let checkout = command_line.checkout;
    match command_line.verb {
        Verb::Up { api_port, servers_only, test } => {
            let outcome = Stack::open(kind(test), &checkout, api_port)
                .and_then(|stack| runtime.block_on(up(&stack, api_port, !servers_only)));
            match outcome {
                Err(error) if !matches!(error, StackError::Interrupted) => {
                    Err(runtime.block_on(explained(error, kind(test), &checkout)))
                }
                outcome => outcome,
            }
        }
        Verb::Status { json, test } => runtime.block_on(show_status(&checkout, kind(test), json)),
        Verb::Logs { name, follow, test } => runtime.block_on(logs(&checkout, kind(test), &name, follow)),
        Verb::Down { test } => runtime.block_on(down(&checkout, kind(test))),
        Verb::Doctor { json, test } => runtime.block_on(doctor(&checkout, kind(test), json)),
        Verb::Reset { yes, test } => runtime.block_on(reset::run(&checkout, kind(test), yes)),
        Verb::Test { keep, arguments } => {
            let stack = Stack::open(StackKind::Test, &checkout, None)?;
            runtime.block_on(checks::test(&stack, &arguments, keep))
        }
        Verb::Lint => runtime.block_on(checks::lint(&checkout)),
        Verb::Run { program, as_account, arguments } => {
            run_program(&checkout, &program, as_account, &arguments)
        }
        Verb::Supervise { test, servers_only, api_port } => {
            // Away from the terminal that started it. Fails only when it is a session of its own already.
            let _already = rustix::process::setsid();
            let stack = Stack::open(kind(test), &checkout, api_port)?;
            runtime.block_on(supervisor::run(stack, !servers_only))
        }
    }
}

fn kind(test: bool) -> StackKind {
    if test { StackKind::Test } else { StackKind::Development }
}

async fn up(stack: &Arc<Stack>, api_port: Option<u16>, with_processes: bool) -> Result<()> {
    let mut progress = Progress::begin();
    let state = start::up(stack, with_processes, &mut progress).await?;
    progress.end();
    if api_port.is_some_and(|port| port != state.api_port) {
        let words = format!("it runs already, with the API on port {}: ./dev down first", state.api_port);
        return Err(StackError::refused(words));
    }
    println!("\n{}", status::table(stack, &state).await);
    if stack.kind == StackKind::Test {
        println!("{}={} cargo test ...", test_stack::VARIABLE, stack.folders.test_stack().display());
    }
    Ok(())
}

/// A failed start with what the doctor finds now, when nothing runs any more.
async fn explained(error: StackError, kind: StackKind, checkout: &Path) -> StackError {
    let troubles = doctor::examine(&doctor::Context::open(kind, checkout)).await.troubles();
    let verb = if kind == StackKind::Test { "./dev doctor --test" } else { "./dev doctor" };
    let found = if troubles.is_empty() { String::new() } else { format!("the doctor finds:\n{troubles}") };
    StackError::refused(format!("{error}\n\n{found}{verb} looks at everything again"))
}

async fn doctor(checkout: &Path, kind: StackKind, json: bool) -> Result<()> {
    let report = doctor::examine(&doctor::Context::open(kind, checkout)).await;
    if json {
        println!("{:#}", report.json());
    } else {
        println!("{report}");
    }
    match report.failures().as_slice() {
        [] => Ok(()),
        failures => Err(StackError::refused(format!("not in order: {}", failures.join(", ")))),
    }
}

async fn show_status(checkout: &Path, kind: StackKind, json: bool) -> Result<()> {
    let nothing = || StackError::refused("nothing is running: ./dev up");
    Folders::existing(kind, checkout).ok_or_else(nothing)?;
    let stack = Stack::open(kind, checkout, None)?;
    let state = running(&stack)?.ok_or_else(nothing)?;
    if json {
        println!("{}", status::json(&stack, &state).await?);
    } else {
        print!("{}", status::table(&stack, &state).await);
    }
    Ok(())
}

fn running(stack: &Stack) -> Result<Option<State>> {
    Ok(State::load(&stack.folders.state())?.filter(State::is_supervised))
}

async fn down(checkout: &Path, kind: StackKind) -> Result<()> {
    let Some(folders) = Folders::existing(kind, checkout) else {
        println!("nothing was running");
        return Ok(());
    };
    let mut progress = Progress::begin();
    let ran = start::down(&folders, &mut progress).await?;
    progress.end();
    println!("{}", if ran { "stopped; the data stays" } else { "nothing was running" });
    Ok(())
}

async fn logs(checkout: &Path, kind: StackKind, name: &str, follow: bool) -> Result<()> {
    let folders = Folders::existing(kind, checkout)
        .ok_or_else(|| StackError::refused("there are no logs: nothing was started yet"))?;
    let mut known = known_logs(&folders);
    let mut name = name.replace('-', "_");
    if !known.contains(&name) {
        let stack = Stack::open(kind, checkout, None)?;
        let shown = postgres::names_by_role(&stack).await;
        match stable_name(&shown, &name) {
            Some(stable) => stable.clone_into(&mut name),
            None => {
                known.extend(shown.into_values());
                let known = known.join(", ");
                return Err(StackError::refused(format!("no log of that name; there are: {known}")));
            }
        }
    }
    let mut tail = Command::new("tail");
    tail.args(["-n", "200"]).args(follow.then_some("-F")).arg(folders.log(&name));
    Err(StackError::io("run tail")(tail.exec()))
}

/// The stable name of a server, by the name of its present role.
fn stable_name<'a>(shown: &'a BTreeMap<String, String>, role: &str) -> Option<&'a str> {
    shown.iter().find(|(_, name)| *name == role).map(|(stable, _)| stable.as_str())
}

fn known_logs(folders: &Folders) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(&folders.logs) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".log")?.to_owned()))
        .collect();
    names.sort();
    names
}

/// Becomes a program of the shop, which finds the running stack through its settings file.
fn run_program(checkout: &Path, program: &str, as_account: bool, arguments: &[OsString]) -> Result<()> {
    let nothing = || StackError::refused("nothing is running: ./dev up");
    Folders::existing(StackKind::Development, checkout).ok_or_else(nothing)?;
    let stack = Stack::open(StackKind::Development, checkout, None)?;
    running(&stack)?.ok_or_else(nothing)?;
    let mut command = if as_account && stack.account.change {
        let copy = ours::copy_program(&stack, program)?;
        let mut command = Command::new(copy);
        command.uid(stack.account.uid).gid(stack.account.gid).current_dir(&stack.folders.home);
        command
    } else {
        Command::new(ours::built_program(program)?)
    };
    command.arg("--settings").arg(stack.folders.settings()).args(arguments);
    Err(StackError::io(format!("run {program}"))(command.exec()))
}

/// The exit code of a failure: the one of a person's Ctrl-C when it was that.
#[must_use]
pub fn exit_code(error: &StackError) -> u8 {
    match error {
        StackError::Interrupted => 130,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Verb {
        CommandLine::try_parse_from(line.split_whitespace()).unwrap().verb
    }

    #[test]
    fn what_is_behind_a_program_is_its_own() {
        let Verb::Run { program, as_account, arguments } =
            parsed("devstack run --as-account ingest import --follow x")
        else {
            panic!("another verb");
        };
        assert_eq!(program, "ingest");
        assert!(as_account);
        assert_eq!(arguments, ["import", "--follow", "x"]);
    }

    #[test]
    fn a_filter_is_passed_on_to_the_tests() {
        let Verb::Test { keep, arguments } = parsed("devstack test --keep orders --nocapture") else {
            panic!("another verb");
        };
        assert!(keep);
        assert_eq!(arguments, ["orders", "--nocapture"]);
    }

    #[test]
    fn a_reset_asks_unless_it_is_told() {
        assert!(matches!(parsed("devstack reset"), Verb::Reset { yes: false, test: false }));
        assert!(matches!(parsed("devstack reset --yes --test"), Verb::Reset { yes: true, test: true }));
    }

    #[test]
    fn a_role_leads_to_the_node_that_has_it() {
        let shown = [("postgres_1", "postgres_standby_1"), ("postgres_2", "postgres_primary")];
        let shown = shown.map(|(stable, role)| (stable.to_owned(), role.to_owned())).into();
        assert_eq!(stable_name(&shown, "postgres_primary"), Some("postgres_2"));
        assert_eq!(stable_name(&shown, "postgres_standby_2"), None);
    }

    #[test]
    fn the_port_of_the_api_is_a_port() {
        assert!(CommandLine::try_parse_from(["devstack", "up", "--api-port", "70000"]).is_err());
        assert!(matches!(parsed("devstack up --api-port 9090"), Verb::Up { api_port: Some(9090), .. }));
    }
}
