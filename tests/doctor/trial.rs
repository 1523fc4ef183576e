//! A stack of a test's own: real servers in a folder and on ports of their own, kept alive by nobody, so that a
//! fault stays until it is mended.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use devstack::account::Account;
use devstack::doctor::{self, Context, Finding, Mend, Trouble};
use devstack::folders::Folders;
use devstack::ports::Ports;
use devstack::process::{GroupGuard, Mark, kill_group_of, signal_child};
use devstack::secrets::Secrets;
use devstack::server::Server;
use devstack::state::{Phase, ServerState, State};
use devstack::tools::Tools;
use devstack::{Stack, StackKind, servers};
use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;
use uuid::Uuid;

/// A code, and what brings it about, mends it and sees it gone.
pub type Seed = (&'static str, for<'a> fn(&'a mut Trial) -> LocalBoxFuture<'a, ()>);

const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(10);
const FINDING_DEADLINE: Duration = Duration::from_secs(30);

/// A server that runs.
struct Running {
    group: GroupGuard,
    pid: u32,
    signal: rustix::process::Signal,
}

/// The stack of one test.
pub struct Trial {
    pub stack: Arc<Stack>,
    pub checkout: PathBuf,
    /// As a supervisor would write it.
    pub state: State,
    servers: Vec<Arc<dyn Server>>,
    running: BTreeMap<String, Running>,
}

impl Trial {
    /// An empty one.
    pub fn new() -> Self {
        Self::with_ports(free_ports())
    }

    /// An empty one on the ports of another.
    pub fn with_ports(ports: Ports) -> Self {
        let kind = StackKind::Development;
        let checkout = PathBuf::from(format!("/var/tmp/entrepot-trial-{:08x}", Uuid::new_v4().as_fields().0));
        fs::create_dir(&checkout).expect("a checkout");
        fs::set_permissions(&checkout, fs::Permissions::from_mode(0o755)).expect("open to all");
        // Stands for the way in: says with what it was called.
        let way_in = checkout.join("dev");
        fs::write(&way_in, "#!/bin/sh\necho \"$@\" >> dev.calls\n").expect("a script");
        fs::set_permissions(&way_in, fs::Permissions::from_mode(0o755)).expect("executable");
        let account = Account::find_or_make().expect("an account");
        let folders = Folders::open(kind, &checkout, &account).expect("folders");
        let secrets = Secrets::load_or_make(&folders.secrets(), &account).expect("secrets");
        let tools = Tools::locate().expect("tools");
        let stack = Arc::new(Stack { kind, folders, ports, secrets, account, tools });
        let servers = servers::all(&stack).expect("servers");
        let state = State {
            supervisor: Mark::of(std::process::id()).expect("this process"),
            phase: Phase::Running,
            failure: None,
            started_at: Timestamp::now(),
            api_port: stack.ports.api,
            servers: Vec::new(),
        };
        Self { stack, checkout, state, servers, running: BTreeMap::new() }
    }

    /// Plants one fault after the other.
    pub async fn plant(&mut self, seeds: &[Seed]) {
        for (code, seed) in seeds {
            eprintln!("seeding {code}");
            seed(self).await;
        }
    }

    /// What the doctor sees now.
    pub fn context(&self) -> Context {
        Context { state: Some(self.state.clone()), ..Context::of(&self.stack) }
    }

    /// Prepares and starts servers, one after the other.
    pub async fn start(&mut self, names: &[&str]) {
        for name in names {
            self.start_one(name).await;
        }
    }

    async fn start_one(&mut self, name: &str) {
        let server = self.servers.iter().find(|server| server.name() == name).expect("a server").clone();
        server.prepare().await.expect("prepared");
        let launch = server.launch().expect("a command");
        let log = fs::File::create(self.stack.folders.log(name)).expect("a log");
        let mut command = self.stack.bound_command(name, &launch);
        command.stdout(Stdio::from(log.try_clone().expect("shared"))).stderr(Stdio::from(log));
        let group = GroupGuard::spawn(&mut command).expect("spawned");
        let pid = group.child.id().expect("a process");
        let running = Running { group, pid, signal: launch.stop_signal };
        self.running.insert(name.to_owned(), running);
        let begun = Instant::now();
        loop {
            let answer = server.ready().await;
            if matches!(answer, Ok(true)) {
                break;
            }
            let log = || fs::read_to_string(self.stack.folders.log(name)).unwrap_or_default();
            assert!(begun.elapsed() < START_DEADLINE, "{name} does not start: {answer:?}\n{}", log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        server.after_start().await.expect("set up");
        self.note(name, server.address(), pid);
    }

    /// What a supervisor would note of a server that has started.
    fn note(&mut self, name: &str, address: String, pid: u32) {
        let before = self.state.servers.iter().position(|server| server.name == name);
        let before = before.map(|index| self.state.servers.remove(index));
        self.state.servers.push(ServerState {
            name: name.to_owned(),
            address,
            process: Mark::of(pid),
            ready: true,
            restarts: before.map_or(0, |before| before.restarts + 1),
            started_at: Some(Timestamp::now()),
            doing: "ready".to_owned(),
        });
    }

    /// The process of a server.
    pub fn pid(&self, name: &str) -> u32 {
        self.running[name].pid
    }

    /// Kills a server at once.
    pub async fn kill(&mut self, name: &str) {
        let mut running = self.running.remove(name).expect("a server that runs");
        kill_group_of(running.pid);
        running.group.wait().await.expect("its end");
    }

    /// Takes note that a server was ended by a mend.
    pub async fn ended(&mut self, name: &str) {
        let mut running = self.running.remove(name).expect("a server that ran");
        tokio::time::timeout(STOP_DEADLINE, running.group.wait()).await.expect("it ends").expect("its end");
    }

    /// Stops everything in good order.
    pub async fn end(mut self) {
        for (_, running) in std::mem::take(&mut self.running) {
            let Running { mut group, pid, signal } = running;
            signal_child(pid, signal);
            // What does not end is killed with the guard.
            let _late = tokio::time::timeout(STOP_DEADLINE, group.wait()).await;
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.running.clear();
        let _removed = fs::remove_dir_all(&self.stack.folders.data);
        let _removed = fs::remove_dir_all(&self.checkout);
    }
}

/// Ports that nobody listens on.
fn free_ports() -> Ports {
    let mut held = Vec::new();
    let mut next = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        held.push(listener);
        port
    };
    Ports {
        api: next(),
        pgpool: next(),
        pgpool_pcp: next(),
        postgres: std::array::from_fn(|_| next()),
        mongo: std::array::from_fn(|_| next()),
        rabbitmq: next(),
        rabbitmq_management: next(),
        rabbitmq_prometheus: next(),
        rabbitmq_epmd: next(),
        rabbitmq_distribution: next(),
        redis: next(),
        memcached: next(),
        opensearch: next(),
        opensearch_transport: next(),
        elasticsearch: next(),
        elasticsearch_transport: next(),
        elasticsearch_8: next(),
        elasticsearch_8_transport: next(),
        prometheus: next(),
        postgres_exporters: std::array::from_fn(|_| next()),
        redis_exporter: next(),
        opensearch_exporter: next(),
        metrics: std::array::from_fn(|_| next()),
    }
}

/// Waits until the doctor names a code.
pub async fn found(look: impl Fn() -> Context, code: &str) -> Trouble {
    let begun = Instant::now();
    loop {
        let finding = doctor::ask(&look(), code).await.expect("a known code");
        if let Some(trouble) = finding.trouble() {
            eprintln!("  {code}: {} -> {:?}", trouble.seen, trouble.mend);
            return trouble.clone();
        }
        assert!(begun.elapsed() < FINDING_DEADLINE, "{code} was seeded and is not seen: {finding:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until the doctor is content with a code.
pub async fn gone(look: impl Fn() -> Context, code: &str) {
    let begun = Instant::now();
    loop {
        let finding = doctor::ask(&look(), code).await.expect("a known code");
        if matches!(finding, Finding::Well(_)) {
            return;
        }
        assert!(begun.elapsed() < FINDING_DEADLINE, "{code} was mended and is still seen: {finding:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Does what the doctor says.
pub fn follow(trouble: &Trouble, checkout: &Path) {
    let Mend::Command(line) = &trouble.mend else {
        panic!("no command: {trouble:?}");
    };
    shell(line, checkout);
}

/// Runs a command line, as a person who copies it.
pub fn shell(line: &str, folder: &Path) -> String {
    let mut command = Command::new("bash");
    command.args(["-c", line]).current_dir(folder).stdin(Stdio::null());
    // A person has none of what cargo sets for its tests.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("RUSTC_") || name.starts_with("CLIPPY_") || name.starts_with("CARGO_TARGET") {
            command.env_remove(name);
        }
    }
    let output = command.output().expect("bash runs");
    let written = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{line}\n{written}{}", String::from_utf8_lossy(&output.stderr));
    written
}

/// Runs a command line in any case, also when an assertion fails before.
pub struct Restore(pub String);

impl Drop for Restore {
    fn drop(&mut self) {
        let restored = Command::new("bash").args(["-c", &self.0]).output();
        if !restored.as_ref().is_ok_and(|output| output.status.success()) {
            eprintln!("not restored: {}: {restored:?}", self.0);
        }
    }
}
