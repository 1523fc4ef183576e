//! One stack: its kind, its folders, ports, secrets, account and tools. Every server is made from it.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::process::Command;

use crate::{
    account::Account,
    error::{Result, StackError},
    folders::Folders,
    ports::Ports,
    process::GroupGuard,
    secrets::Secrets,
    server::Launch,
    state::State,
    tools::Tools,
};

/// What the children find programs with; nothing of the person's own shell reaches them.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How many of a failed command's last characters are shown.
const SHOWN_OUTPUT: usize = 2_000;

/// A person's stack, or the one that tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StackKind {
    /// `./dev up`: every server and every process of ours.
    Development,
    /// `./dev test`: the servers only, on their own ports, with two versions of Elasticsearch beside
    /// OpenSearch.
    Test,
}

/// Everything that servers need to know about the stack they are part of.
#[derive(Debug)]
pub struct Stack {
    /// Whose stack this is.
    pub kind: StackKind,
    /// Where things are.
    pub folders: Folders,
    /// Which port belongs to whom.
    pub ports: Ports,
    /// Passwords and tokens.
    pub secrets: Secrets,
    /// Who the children run as.
    pub account: Account,
    /// The programs that no package installs.
    pub tools: Tools,
}

impl Stack {
    /// Opens the stack of a checkout: finds or makes its account, folders and secrets. A stack that runs
    /// keeps the API port that it was started with; otherwise it is the one asked for.
    ///
    /// # Errors
    /// When one of them cannot be made.
    pub fn open(kind: StackKind, checkout: &Path, api_port: Option<u16>) -> Result<Arc<Self>> {
        let account = Account::find_or_make()?;
        let folders = Folders::open(kind, checkout, &account)?;
        let secrets = Secrets::load_or_make(&folders.secrets(), &account)?;
        let tools = Tools::locate()?;
        let mut ports = Ports::of(kind);
        let running = State::load(&folders.state()).unwrap_or(None).filter(State::is_supervised);
        ports.api = running.map(|state| state.api_port).or(api_port).unwrap_or(ports.api);
        Ok(Arc::new(Self { kind, folders, ports, secrets, account, tools }))
    }

    /// A command of this stack: run as the unprivileged account, in a clean environment and a process group
    /// of its own, with no standard input.
    #[must_use]
    pub fn command(&self, name: &str, launch: &Launch) -> Command {
        self.command_of(&launch.program, name, launch)
    }

    /// Like [`Self::command`] for a process that has to die with its supervisor: the kernel signals it even
    /// when the supervisor is killed.
    #[must_use]
    pub fn bound_command(&self, name: &str, launch: &Launch) -> Command {
        let mut binder = Launch::new("/usr/bin/setpriv")
            .arg("--pdeathsig")
            .arg(signal_name(launch.stop_signal))
            .arg("--")
            .arg(&launch.program)
            .args(&launch.arguments);
        binder.environment.clone_from(&launch.environment);
        binder.folder.clone_from(&launch.folder);
        self.command_of(&binder.program.clone(), name, &binder)
    }

    fn command_of(&self, program: &Path, name: &str, launch: &Launch) -> Command {
        let folder = launch.folder.clone().unwrap_or_else(|| self.folders.server(name));
        let mut command = Command::new(program);
        command
            .args(&launch.arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", &self.folders.home)
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .envs(launch.environment.iter().map(|(key, value)| (key, value)))
            .current_dir(folder)
            .stdin(Stdio::null())
            .process_group(0);
        if self.account.change {
            command.uid(self.account.uid).gid(self.account.gid);
        }
        command
    }

    /// Runs a program once, as the unprivileged account, and returns what it wrote to its standard output.
    /// `name` is the server on whose behalf it runs.
    ///
    /// # Errors
    /// When it cannot be run, fails, or takes longer than `deadline`: it and what it started is stopped then,
    /// and killed when the wait for it is given up.
    pub async fn run(&self, name: &str, launch: &Launch, deadline: Duration) -> Result<String> {
        let program = launch.program.display().to_string();
        let mut command = self.command(name, launch);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = GroupGuard::spawn(&mut command).map_err(StackError::io(format!("run {program}")))?;
        let Ok(ended) = tokio::time::timeout(deadline, group.wait_with_output()).await else {
            group.stop(launch.stop_grace).await;
            return Err(StackError::Command {
                program,
                outcome: format!("no end after {} s", deadline.as_secs()),
                output: String::new(),
            });
        };
        let Output { status, stdout, stderr } =
            ended.map_err(StackError::io(format!("wait for {program}")))?;
        let written = String::from_utf8_lossy(&stdout).into_owned();
        if status.success() {
            return Ok(written);
        }
        let complaint = format!("{}{}", written, String::from_utf8_lossy(&stderr));
        Err(StackError::Command {
            program,
            outcome: status.to_string(),
            output: last_characters(complaint.trim(), SHOWN_OUTPUT),
        })
    }

    /// The folder of a server, made if it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn server_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folders.server(name);
        self.account.make_folder(&folder)?;
        Ok(folder)
    }
}

fn signal_name(signal: rustix::process::Signal) -> &'static str {
    use rustix::process::Signal;
    match signal {
        Signal::INT => "INT",
        Signal::QUIT => "QUIT",
        Signal::KILL => "KILL",
        _ => "TERM",
    }
}

fn last_characters(text: &str, count: usize) -> String {
    let skipped = text.chars().count().saturating_sub(count);
    text.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::last_characters;

    #[test]
    fn the_end_of_a_long_complaint_is_kept() {
        assert_eq!(last_characters("größer", 3), "ßer");
        assert_eq!(last_characters("ab", 3), "ab");
    }
}
