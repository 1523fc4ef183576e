//! What the doctor looks at: opened without making anything, so that it works where nothing is installed.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use jiff::Timestamp;

use crate::{
    account::Account,
    error::{Result, StackError},
    folders::Folders,
    ports::Ports,
    secrets::Secrets,
    servers::{ours, postgres},
    settings::DATABASE,
    stack::{Stack, StackKind},
    state::State,
    tools::Tools,
};

/// The names under which the shop keeps its things on the servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The database in PostgreSQL.
    pub postgres: String,
    /// The database in MongoDB.
    pub mongo: String,
    /// The virtual host.
    pub vhost: String,
    /// What the names of indices begin with.
    pub index_prefix: String,
}

impl Default for Names {
    fn default() -> Self {
        let name = || DATABASE.to_owned();
        Self { postgres: name(), mongo: name(), vhost: name(), index_prefix: name() }
    }
}

/// All that the checks ask.
pub struct Context {
    /// Which stack.
    pub kind: StackKind,
    /// Where things are, or will be.
    pub folders: Folders,
    /// Which port belongs to whom.
    pub ports: Ports,
    /// Where programs are kept; none without HOME.
    pub tools: Option<Tools>,
    /// Who the children run as, once the account is made.
    pub account: Option<Account>,
    /// The stack, when it was started once and its secrets can be read.
    pub stack: Option<Arc<Stack>>,
    /// What the supervisor says.
    pub state: Option<State>,
    /// The shop's own names, where the shop's programs run.
    pub names: Option<Names>,
    /// What time it was here when the context was made.
    pub now: Timestamp,
    /// When that was, by a clock that nobody sets.
    pub since: Instant,
    /// What the kernel says about memory.
    pub memory: PathBuf,
    /// Where cargo puts the programs.
    pub programs: PathBuf,
    /// For the servers that speak HTTP.
    pub http: reqwest::Client,
}

impl Context {
    /// Looks at the stack of a checkout. Nothing is made, and nothing can go wrong.
    #[must_use]
    pub fn open(kind: StackKind, checkout: &Path) -> Self {
        let folders = Folders::expected(kind, checkout);
        let account = Account::find().ok().flatten();
        let tools = Tools::locate().ok();
        let state = State::load(&folders.state()).ok().flatten();
        let mut ports = Ports::of(kind);
        if let Some(state) = state.as_ref().filter(|state| state.is_supervised()) {
            ports.api = state.api_port;
        }
        let secrets = Secrets::load(&folders.secrets()).ok();
        let stack = secrets.zip(account.clone()).zip(tools.clone()).map(|((secrets, account), tools)| {
            let (folders, ports) = (folders.clone(), ports.clone());
            Arc::new(Stack { kind, folders, ports, secrets, account, tools })
        });
        let runs_shop = |state: &State| state.servers.iter().any(|server| server.name == ours::NAMES[0]);
        let names = state.as_ref().is_some_and(runs_shop).then(Names::default);
        Self { kind, folders, ports, tools, account, stack, state, names, ..Self::bare() }
    }

    /// Looks at a stack that is already open.
    #[must_use]
    pub fn of(stack: &Arc<Stack>) -> Self {
        Self {
            kind: stack.kind,
            folders: stack.folders.clone(),
            ports: stack.ports.clone(),
            tools: Some(stack.tools.clone()),
            account: Some(stack.account.clone()),
            stack: Some(Arc::clone(stack)),
            state: State::load(&stack.folders.state()).ok().flatten(),
            ..Self::bare()
        }
    }

    fn bare() -> Self {
        let own = std::env::current_exe().ok();
        Self {
            kind: StackKind::Development,
            folders: Folders::expected(StackKind::Development, Path::new(".")),
            ports: Ports::of(StackKind::Development),
            tools: None,
            account: None,
            stack: None,
            state: None,
            names: None,
            now: Timestamp::now(),
            since: Instant::now(),
            memory: PathBuf::from("/proc/meminfo"),
            programs: own.as_deref().and_then(Path::parent).map_or_else(PathBuf::new, Path::to_path_buf),
            http: reqwest::Client::new(),
        }
    }

    /// The stack.
    pub(super) fn stack(&self) -> Result<&Arc<Stack>> {
        self.stack.as_ref().ok_or_else(|| StackError::refused("it was never started here"))
    }

    /// Fails unless a server has a process.
    pub(super) fn require(&self, name: &str) -> Result<()> {
        if self.runs(name) { Ok(()) } else { Err(StackError::refused(format!("{name} does not run"))) }
    }

    /// Whether a server has a process.
    pub(super) fn runs(&self, name: &str) -> bool {
        let servers = self.state.iter().flat_map(|state| &state.servers);
        servers
            .filter(|server| server.name == name)
            .any(|server| server.process.as_ref().is_some_and(|process| process.is_alive()))
    }

    /// Whether a supervisor is at work.
    pub(super) fn is_supervised(&self) -> bool {
        self.state.as_ref().is_some_and(State::is_supervised)
    }

    /// The names of the shop's things.
    pub(super) fn names(&self) -> Result<&Names> {
        self.names.as_ref().ok_or_else(|| StackError::refused("the shop's programs are not part of it"))
    }

    /// `./dev VERB` for this kind of stack.
    pub(super) fn dev(&self, verb: &str) -> String {
        let option = if self.kind == StackKind::Test { " --test" } else { "" };
        format!("./dev {verb}{option}")
    }

    /// Stop and start, which writes every configuration anew.
    pub(super) fn start_anew(&self) -> String {
        format!("{} && {}", self.dev("down"), self.dev("up"))
    }

    /// A command that tells one node of PostgreSQL something, as the superuser.
    pub(super) fn psql(&self, index: usize, database: &str, statements: &[&str]) -> String {
        let folder = self.folders.server(&postgres::server_name(index));
        let mut line = format!(
            "PGPASSFILE={} psql -h 127.0.0.1 -p {} -U postgres -d {database}",
            shell(&folder.join(postgres::SUPERUSER_PASSWORD)),
            self.ports.postgres[index]
        );
        for statement in statements {
            line.push_str(&format!(" -c \"{statement}\""));
        }
        line
    }
}

/// A path as one word of a shell.
pub(super) fn shell(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if path.bytes().all(is_plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// A number of bytes for people.
pub(super) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / (1024 * 1024))
}
