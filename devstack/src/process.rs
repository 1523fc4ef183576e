//! Processes as the kernel sees them: whether one is still the same, what it uses, how it is stopped.

use std::{fs, path::Path, time::Duration};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

use crate::error::{Result, StackError};

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
    let end = tokio::time::Instant::now() + deadline;
    while mark.is_alive() {
        if tokio::time::Instant::now() >= end {
            return Err(StackError::refused(format!(
                "process {} still runs after {} s",
                mark.pid,
                deadline.as_secs()
            )));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
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
}
