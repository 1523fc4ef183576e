//! Pgpool-II: the one address of the nodes, that sends writes to the primary and reads where they are wanted.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use rustix::process::Signal;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::NoTls;

use super::postgres::{self, NODES, data_folder, node_name, quoted, render, server_name};
use crate::{
    error::{Result, StackError},
    probe::PROBE_DEADLINE,
    process,
    server::{Launch, Server, Step},
    settings::DATABASE,
    stack::{Stack, StackKind},
};

const NAME: &str = "pgpool";
const PROGRAM: &str = "/usr/sbin/pgpool";
pub(crate) const CONTROL_USER: &str = "entrepot";
/// Where the process that leads all others writes its number.
const PID_FILE: &str = "pgpool.pid";

const CONFIGURATION: &str = include_str!("../../../deploy/pgpool/pgpool.conf.template");
const ACCESS: &str = include_str!("../../../deploy/pgpool/pool_hba.conf");
const FAILOVER_SETTINGS: &str = include_str!("../../../deploy/pgpool/failover.settings.template");
const FAILOVER: &str = include_str!("../../../deploy/pgpool/failover.sh");

/// How long one control command may take. It waits while a failover is at work.
const CONTROL_DEADLINE: Duration = Duration::from_secs(15);

/// How long its control port may take to answer after its start.
const CONTROL_PORT_DEADLINE: Duration = Duration::from_secs(20);

struct Pgpool {
    stack: Arc<Stack>,
}

/// Pgpool-II in front of a stack's nodes.
#[must_use]
pub fn server(stack: &Arc<Stack>) -> Arc<dyn Server> {
    Arc::new(Pgpool { stack: Arc::clone(stack) })
}

/// How many clients can be connected at once: one child process each, and one more is refused.
pub(crate) fn children(kind: StackKind) -> u16 {
    match kind {
        StackKind::Development => 64,
        StackKind::Test => 144,
    }
}

/// Held by the failover script while it works, and by an old primary that is about to start.
pub(super) fn failover_lock(stack: &Stack) -> PathBuf {
    stack.folders.run.join("failover.lock")
}

/// Makes the lock's file, once and for ever: a new file would be another lock.
pub(super) fn make_failover_lock(stack: &Stack) -> Result<()> {
    let path = failover_lock(stack);
    if path.exists() { Ok(()) } else { stack.account.write_private(&path, "") }
}

/// Attaches those of the given nodes, which serve again, that Pgpool-II holds for down. It never does so by
/// itself.
pub(super) async fn attach_if_down(stack: &Stack, nodes: &[usize]) -> Result<()> {
    let known = control(stack, "pcp_node_info", "-a", "").await?;
    for (index, line) in known.lines().enumerate() {
        if nodes.contains(&index) && state_of(line) == Some(NodeState::Down) {
            eprintln!("{NAME}: {} is attached", server_name(index));
            control(stack, "pcp_attach_node", "-n", &index.to_string()).await?;
        }
    }
    Ok(())
}

/// Detaches a standby that died. If it came back before the health check gave it up, Pgpool-II 4.3.5 would go
/// on without its first node in some places and with it in others, and refuse every new session.
pub(super) async fn detach(stack: &Stack, index: usize) -> Result<()> {
    control(stack, "pcp_detach_node", "-n", &index.to_string()).await.map(drop)
}

/// Whether a query through it reaches the primary.
pub(super) async fn answers(stack: &Stack) -> Result<bool> {
    timeout(PROBE_DEADLINE, ask(stack))
        .await
        .unwrap_or_else(|_| Err(StackError::refused("no answer to a query")))
}

/// Kills it, so that it is started anew; for when it is stuck although the nodes are in order.
pub(super) fn kill(stack: &Stack) {
    let folder = stack.folders.server(NAME);
    if let Some(leader) = process::named_by(&folder.join(PID_FILE), &command_line_part(&folder)) {
        eprintln!("{NAME}: it does not serve although the nodes do, so it is started anew");
        leader.kill_group();
    }
}

/// What the command line of the process that leads all others holds, and no other.
fn command_line_part(folder: &Path) -> String {
    format!("{PROGRAM} -n -f {}", folder.join("pgpool.conf").display())
}

/// One question through it, as our processes ask.
async fn ask(stack: &Stack) -> Result<bool> {
    let client = connect(stack).await?;
    let row = client.query_one("SELECT NOT pg_is_in_recovery()", &[]).await?;
    Ok(row.get(0))
}

/// What Pgpool-II holds a node for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NodeState {
    Up,
    Down,
}

/// The nodes that Pgpool-II holds for down.
pub(crate) async fn nodes_down(stack: &Stack) -> Result<Vec<usize>> {
    let known = control(stack, "pcp_node_info", "-a", "").await?;
    let states = known.lines().map(state_of).enumerate();
    Ok(states.filter(|(_, state)| *state == Some(NodeState::Down)).map(|(index, _)| index).collect())
}

/// A session of the application through it.
pub(crate) async fn connect(stack: &Stack) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::Config::new()
        .host("127.0.0.1")
        .port(stack.ports.pgpool)
        .user(DATABASE)
        .password(&stack.secrets.postgres_application)
        .dbname(DATABASE)
        .application_name("shop-rw")
        .connect(NoTls)
        .await?;
    // A broken connection is seen by the question that waits for it.
    tokio::spawn(async move { connection.await.ok() });
    Ok(client)
}

/// Reads the answer of `pcp_node_info`: host, port, status as a number, weight and more. 1 and 2 are up, 3 is
/// down.
fn state_of(information: &str) -> Option<NodeState> {
    match information.split_whitespace().nth(2)? {
        "1" | "2" => Some(NodeState::Up),
        "3" => Some(NodeState::Down),
        _ => None,
    }
}

async fn control(stack: &Stack, program: &str, option: &str, value: &str) -> Result<String> {
    let launch = Launch::new(PathBuf::from("/usr/sbin").join(program))
        .args(["-w", "-h", "127.0.0.1", "-U", CONTROL_USER, "-p"])
        .arg(stack.ports.pgpool_pcp.to_string())
        .arg(format!("{option}{value}"))
        .env("PCPPASSFILE", stack.folders.server(NAME).join("pcp.pass"));
    stack.run(NAME, &launch, CONTROL_DEADLINE).await
}

/// The hash among the words of pg_md5.
fn hash_in(written: &str) -> Option<String> {
    let is_hash = |word: &&str| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    written.lines().map(str::trim).find(is_hash).map(str::to_owned)
}

/// Removes a file, which need not be there.
fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StackError::path("remove", path)(error))
        }
        _ => Ok(()),
    }
}

impl Pgpool {
    fn folder(&self) -> PathBuf {
        self.stack.folders.server(NAME)
    }

    fn configuration(&self) -> String {
        let stack = &self.stack;
        let folder = self.folder();
        let failover = format!(
            "\"{0}/failover.sh\" \"{0}/failover.settings\"",
            folder.display().to_string().replace('\'', "''")
        );
        render(
            CONFIGURATION,
            &[
                ("PORT", &stack.ports.pgpool.to_string()),
                ("PCP_PORT", &stack.ports.pgpool_pcp.to_string()),
                ("SOCKETS", &stack.folders.run.display().to_string().replace('\'', "''")),
                ("FOLDER", &folder.display().to_string().replace('\'', "''")),
                ("CHILDREN", &children(stack.kind).to_string()),
                ("CHECK_PASSWORD", &stack.secrets.postgres_check),
                ("FAILOVER", &failover),
                ("BACKENDS", &(0..NODES).map(|index| self.backend(index)).collect::<String>()),
            ],
        )
    }

    fn backend(&self, index: usize) -> String {
        format!(
            "backend_hostname{index} = '127.0.0.1'\nbackend_port{index} = {port}\nbackend_weight{index} = 1\n\
             backend_data_directory{index} = {data}\nbackend_flag{index} = 'ALLOW_TO_FAILOVER'\n\
             backend_application_name{index} = '{name}'\n\n",
            port = self.stack.ports.postgres[index],
            data = quoted(&data_folder(&self.stack, index).display().to_string()),
            name = node_name(index),
        )
    }

    /// What the failover script needs to know, as a bash file. Here it can stop an old primary for good: the
    /// nodes run on the same machine, under the same account.
    fn failover_settings(&self) -> Result<String> {
        let stack = &self.stack;
        let path = |path: PathBuf| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        let nodes = || 0..NODES;
        Ok(render(
            FAILOVER_SETTINGS,
            &[
                ("NODES", &stack.ports.postgres.map(|port| format!("127.0.0.1:{port}")).join(" ")),
                ("NAMES", &nodes().map(node_name).collect::<Vec<String>>().join(" ")),
                (
                    "DATA",
                    &nodes().map(|index| path(data_folder(stack, index))).collect::<Vec<String>>().join(" "),
                ),
                ("PSQL", &path(postgres::programs()?.join("psql"))),
                ("REPLICATION", postgres::REPLICATION),
                ("LOG", &path(stack.folders.log("failover"))),
                ("LOCK", &path(failover_lock(stack))),
                ("PGPASSFILE", &path(self.folder().join("failover.pgpass"))),
            ],
        ))
    }

    async fn write_files(&self) -> Result<()> {
        let stack = &self.stack;
        let account = &stack.account;
        let folder = stack.server_folder(NAME)?;
        make_failover_lock(stack)?;
        account.write_private(&folder.join("pgpool.conf"), &self.configuration())?;
        account.write_private(&folder.join("pool_hba.conf"), ACCESS)?;
        account.write_script(&folder.join("failover.sh"), FAILOVER)?;
        account.write_private(&folder.join("failover.settings"), &self.failover_settings()?)?;
        let failover = &stack.secrets.postgres_failover;
        account
            .write_private(&folder.join("failover.pgpass"), &format!("*:*:*:pgpool_failover:{failover}\n"))?;
        let control = &stack.secrets.pgpool_pcp;
        account.write_private(&folder.join("pcp.pass"), &format!("*:*:{CONTROL_USER}:{control}\n"))?;
        let application = &stack.secrets.postgres_application;
        account.write_private(&folder.join("pool_passwd"), &format!("{DATABASE}:TEXT{application}\n"))?;
        let hash = self.control_hash(&folder.join("pcp.plain")).await?;
        account.write_private(&folder.join("pcp.conf"), &format!("{CONTROL_USER}:{hash}\n"))
    }

    /// What Pgpool-II knows the control user's secret by. A command line can be seen by everybody, so the
    /// secret goes through a private file.
    async fn control_hash(&self, file: &Path) -> Result<String> {
        let stack = &self.stack;
        let pair = format!("{CONTROL_USER}:{}\n", stack.secrets.pgpool_pcp);
        stack.account.write_private(file, &pair)?;
        let launch = Launch::new("/usr/sbin/pg_md5").arg("--input-file").arg(file);
        let written = stack.run(NAME, &launch, CONTROL_DEADLINE).await;
        remove_file(file)?;
        hash_in(&written?).ok_or_else(|| StackError::refused("pg_md5 wrote no hash"))
    }

    /// What it wrote down when it last ran keeps a returned old primary out, but also a node that has
    /// recovered since. When the nodes themselves say that one is the primary and all others follow, that is
    /// newer, and it starts anew.
    async fn forget_outdated_status(&self) -> Result<()> {
        if postgres::in_order(&self.stack).await.len() == NODES {
            return remove_file(&self.folder().join("pgpool_status"));
        }
        Ok(())
    }
}

impl Server for Pgpool {
    fn name(&self) -> &str {
        NAME
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.stack.ports.pgpool)
    }

    fn ports(&self) -> Vec<u16> {
        vec![self.stack.ports.pgpool, self.stack.ports.pgpool_pcp]
    }

    fn after(&self) -> Vec<String> {
        (0..NODES).map(server_name).collect()
    }

    fn prepare(&self) -> Step<'_> {
        async {
            let folder = self.stack.server_folder(NAME)?;
            process::remove_stale_pid_file(&folder.join(PID_FILE), &command_line_part(&folder))?;
            self.write_files().await?;
            self.forget_outdated_status().await
        }
        .boxed()
    }

    fn launch(&self) -> Result<Launch> {
        let folder = self.folder();
        Ok(Launch::new(PROGRAM)
            .arg("-n")
            .args(["-f".into(), folder.join("pgpool.conf").into_os_string()])
            .args(["-F".into(), folder.join("pcp.conf").into_os_string()])
            .args(["-a".into(), folder.join("pool_hba.conf").into_os_string()])
            .stop(Signal::INT, Duration::from_secs(10)))
    }

    fn ready(&self) -> BoxFuture<'_, Result<bool>> {
        answers(&self.stack).boxed()
    }

    /// It may have started with what it believed when it stopped; nodes that are in order since are attached.
    fn after_start(&self) -> Step<'_> {
        async {
            let deadline = Instant::now() + CONTROL_PORT_DEADLINE;
            while let Err(error) = attach_if_down(&self.stack, &postgres::in_order(&self.stack).await).await {
                if Instant::now() >= deadline {
                    return Err(error);
                }
                sleep(Duration::from_millis(200)).await;
            }
            Ok(())
        }
        .boxed()
    }

    /// When it was killed, its file stays and keeps it from starting.
    fn before_restart(&self) -> Step<'_> {
        async {
            let folder = self.folder();
            process::remove_stale_pid_file(&folder.join(PID_FILE), &command_line_part(&folder))?;
            self.forget_outdated_status().await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_node_is_the_third_word() {
        let words = |status| format!("127.0.0.1 15433 {status} 0.333333 up up primary primary 0 none none");
        assert_eq!(state_of(&words(1)), Some(NodeState::Up));
        assert_eq!(state_of(&words(2)), Some(NodeState::Up));
        assert_eq!(state_of(&words(3)), Some(NodeState::Down));
        assert_eq!(state_of(&words(0)), None);
        assert_eq!(state_of(""), None);
    }

    #[test]
    fn the_hash_is_found_among_other_words() {
        let words = "trying to read username:password pairs from file x\nLINE#01: USER: <entrepot>\n\
                     900150983cd24fb0d6963f7d28e17f72\n";
        assert_eq!(hash_in(words).as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!(hash_in("cannot read\n"), None);
    }
}
