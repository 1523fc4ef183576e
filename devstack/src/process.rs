//! Processes as the kernel sees them: whether one is still the same, what it uses, how it is stopped.

use std::{
    fs, io,
    path::Path,
    process::{ExitStatus, Output},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::error::{Result, StackError};

/// How often a group that is being stopped is looked at.
const GROUP_LOOKS: Duration = Duration::from_millis(50);

/// A process that can be told from a later one with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Process id.
    pub pid: u32,
    /// When it started, in the kernel's ticks since boot.
    pub start_ticks: u64,
    /// The boot that those ticks count from.
    pub boot: String,
    /// Its command line; empty until it has become the program that was meant.
    pub command_line: String,
}

impl Mark {
    /// The mark of a process that runs now.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, start_ticks) = state_and_start(&stat)?;
        (state != 'Z').then(|| Self { pid, start_ticks, boot: boot(), command_line: String::new() })
    }

    /// The same mark with the command line of this moment.
    #[must_use]
    pub fn with_command_line(mut self) -> Self {
        self.command_line = command_line(self.pid);
        self
    }

    /// Whether that very process still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| {
            now.start_ticks == self.start_ticks
                && now.boot == self.boot
                && (self.command_line.is_empty() || self.command_line == command_line(self.pid))
        })
    }

    /// Sends a signal to that very process, or to nobody when it is gone.
    pub fn signal(&self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = as_pid(self.pid)
        {
            // It may have ended in between, which is what was wanted.
            let _ended = kill_process(pid, signal);
        }
    }

    /// Kills that very process and the group that it leads.
    pub fn kill_group(&self) {
        if self.is_alive() {
            kill_group_of(self.pid);
        }
    }
}

/// A child that leads a process group of its own. Dropped before its end was seen, or when some of the group
/// outlived a stop, the whole group is killed.
#[derive(Debug)]
pub struct GroupGuard {
    /// The leader, with its pipes.
    pub child: Child,
    /// While there is somebody to kill.
    pid: Option<u32>,
}

impl GroupGuard {
    /// Starts a child as the leader of a new group.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        Ok(Self { pid: child.id(), child })
    }

    /// Waits for the leader's end, after which what it left running is left alone.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.pid = None;
        Ok(status)
    }

    /// Like [`Self::wait`], with all that the leader wrote to its piped outputs.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn wait_with_output(&mut self) -> io::Result<Output> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let (out, err) = (self.child.stdout.take(), self.child.stderr.take());
        tokio::try_join!(read_all(out, &mut stdout), read_all(err, &mut stderr))?;
        Ok(Output { status: self.wait().await?, stdout, stderr })
    }

    /// Asks the whole group to end, waits at most `grace` until nobody is left, then kills.
    pub async fn stop(mut self, grace: Duration) {
        let Some(leader) = self.pid.and_then(as_pid) else { return };
        // No such group means that nobody is left.
        let _gone = kill_process_group(leader, Signal::TERM);
        let end = Instant::now() + grace;
        loop {
            // Collects the leader, which would stay in the group as a zombie.
            let ended = !matches!(self.child.try_wait(), Ok(None));
            if ended && test_kill_process_group(leader).is_err() {
                self.pid = None;
                return;
            }
            if Instant::now() >= end {
                return;
            }
            sleep(GROUP_LOOKS).await;
        }
    }
}

impl Drop for GroupGuard {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            kill_group_of(pid);
        }
    }
}

async fn read_all(pipe: Option<impl AsyncRead + Unpin>, bytes: &mut Vec<u8>) -> io::Result<()> {
    match pipe {
        Some(mut pipe) => pipe.read_to_end(bytes).await.map(drop),
        None => Ok(()),
    }
}

/// The process that a pid file names, when it still runs with `argument` on its command line: the number may
/// belong to another process by now.
#[must_use]
pub fn named_by(pid_file: &Path, argument: &str) -> Option<Mark> {
    let process = Mark::of(first_number(&fs::read_to_string(pid_file).ok()?)?)?.with_command_line();
    process.command_line.contains(argument).then_some(process)
}

/// Removes a pid file of a process that runs no more. It need not be there.
///
/// # Errors
/// When that process still runs, or the system refuses.
pub fn remove_stale_pid_file(pid_file: &Path, argument: &str) -> Result<()> {
    if let Some(process) = named_by(pid_file, argument) {
        let words = format!("{} is in use: process {} still runs", pid_file.display(), process.pid);
        return Err(StackError::refused(words));
    }
    match fs::remove_file(pid_file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StackError::path("remove", pid_file)(error))
        }
        _ => Ok(()),
    }
}

/// The number that a pid file begins with; what follows is of its program.
fn first_number(text: &str) -> Option<u32> {
    let text = text.trim_start();
    text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())].parse().ok()
}

/// Sends SIGKILL to every process of the group that `pid` leads or led.
pub fn kill_group_of(pid: u32) {
    if let Some(pid) = as_pid(pid) {
        // No such group means that nobody is left.
        let _gone = kill_process_group(pid, Signal::KILL);
    }
}

/// Sends a signal to a child whose exit has not been collected yet, so that its id is still its own.
pub fn signal_child(pid: u32, signal: Signal) {
    if let Some(pid) = as_pid(pid) {
        // Already ended: the caller sees it by waiting.
        let _ended = kill_process(pid, signal);
    }
}

/// Memory in use by a process and all its descendants, in KiB.
#[must_use]
pub fn tree_memory_kib(root: u32) -> u64 {
    let parents: Vec<(u32, u32)> =
        processes().into_iter().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&current) = tree.get(next) {
        tree.extend(parents.iter().filter(|(_, parent)| *parent == current).map(|(pid, _)| *pid));
        next += 1;
    }
    tree.into_iter().map(memory_kib).sum()
}

/// Waits until a process is gone.
///
/// # Errors
/// When it is still there after `deadline`.
pub async fn wait_for_end(mark: &Mark, deadline: Duration) -> Result<()> {
    let end = Instant::now() + deadline;
    while mark.is_alive() {
        if Instant::now() >= end {
            return Err(StackError::refused(format!(
                "process {} still runs after {} s",
                mark.pid,
                deadline.as_secs()
            )));
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

fn as_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned()
}

fn processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir(Path::new("/proc")) else {
        return Vec::new();
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    after_name(&stat)?.nth(1)?.parse().ok()
}

/// Proportional memory where the kernel tells it, as PostgreSQL's processes share most of theirs.
fn memory_kib(pid: u32) -> u64 {
    let value = |text: &str, field: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(field))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .ok()
        .and_then(|text| value(&text, "Pss:"))
        .or_else(|| value(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:"))
        .unwrap_or(0)
}

/// The fields of /proc/PID/stat behind the name, which may itself hold spaces and brackets.
fn after_name(stat: &str) -> Option<std::str::SplitWhitespace<'_>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

fn state_and_start(stat: &str) -> Option<(char, u64)> {
    let mut fields = after_name(stat)?;
    let state = fields.next()?.chars().next()?;
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some((state, start_ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 10";
        assert_eq!(state_and_start(stat), Some(('S', 98_765)));
    }

    #[test]
    fn a_mark_is_of_one_process_only() {
        let own = Mark::of(std::process::id()).unwrap().with_command_line();
        assert!(own.is_alive());
        assert!(!Mark { start_ticks: own.start_ticks + 1, ..own.clone() }.is_alive());
        assert!(!Mark { command_line: "another".to_owned(), ..own.clone() }.is_alive());
        assert!(!Mark { boot: "another".to_owned(), ..own.clone() }.is_alive());
        assert!(tree_memory_kib(own.pid) > 0);
    }

    #[test]
    fn a_pid_file_begins_with_its_number() {
        assert_eq!(first_number("4711\n/var/lib/data\n1700000000\n"), Some(4711));
        assert_eq!(first_number("4711\0"), Some(4711));
        assert_eq!(first_number("-4711\n"), None);
        assert_eq!(first_number(""), None);
    }

    #[test]
    fn a_pid_file_is_stale_when_another_process_has_its_number() {
        let file = std::env::temp_dir().join(format!("entrepot-pid-{}", std::process::id()));
        fs::write(&file, format!("{}\n", std::process::id())).unwrap();
        let own = command_line(std::process::id());
        assert!(remove_stale_pid_file(&file, &own).is_err());
        assert!(file.exists());
        remove_stale_pid_file(&file, "a word that no command line holds").unwrap();
        assert!(!file.exists());
        remove_stale_pid_file(&file, &own).unwrap();
    }

    /// A shell that does `script`, with a child of its own, after its first line.
    async fn group(script: &str) -> (GroupGuard, u32) {
        use tokio::io::{AsyncBufReadExt, BufReader};

        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("{script}; sleep 60 & echo $!; wait")]);
        let mut group = GroupGuard::spawn(command.stdout(std::process::Stdio::piped())).unwrap();
        let mut lines = BufReader::new(group.child.stdout.take().unwrap()).lines();
        let grandchild = lines.next_line().await.unwrap().unwrap().parse().unwrap();
        // Until it is `sleep`, it is a copy of the shell that takes a signal as the shell does.
        let end = Instant::now() + Duration::from_secs(20);
        while !command_line(grandchild).starts_with("sleep") {
            assert!(Instant::now() < end, "the shell's child does not begin to sleep");
            sleep(Duration::from_millis(5)).await;
        }
        (group, grandchild)
    }

    #[tokio::test]
    async fn a_group_is_stopped_in_good_order_and_leaves_nobody() {
        let mark = std::env::temp_dir().join(format!("entrepot-group-{}", std::process::id()));
        let (group, grandchild) = group(&format!("trap 'echo done >{}; exit 0' TERM", mark.display())).await;
        group.stop(Duration::from_secs(10)).await;
        assert_eq!(fs::read_to_string(&mark).unwrap(), "done\n");
        assert!(Mark::of(grandchild).is_none());
        fs::remove_file(&mark).unwrap();
    }

    #[tokio::test]
    async fn a_group_that_does_not_stop_is_killed() {
        let (group, grandchild) = group("trap '' TERM").await;
        let (leader, begun) = (group.child.id().unwrap(), Instant::now());
        group.stop(Duration::from_millis(200)).await;
        assert!(begun.elapsed() < Duration::from_secs(5));
        for pid in [leader, grandchild] {
            if let Some(mark) = Mark::of(pid) {
                wait_for_end(&mark, Duration::from_secs(5)).await.unwrap();
            }
        }
    }
}
