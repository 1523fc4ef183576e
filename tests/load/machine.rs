//! What a result has to tell of where it was measured.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::outcome::Machine;

/// This machine.
pub fn describe() -> Machine {
    let first_word = |path: &str| fs::read_to_string(path).ok().and_then(|text| word(&text, 0));
    let cpu = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| field(&text, "model name"));
    let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| field(&text, "MemTotal"));
    let memory_kib: u64 = memory.and_then(|text| word(&text, 0)?.parse().ok()).unwrap_or(0);
    Machine {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        cpu: cpu.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        memory_mib: memory_kib / 1_024,
        kernel: first_word("/proc/sys/kernel/osrelease").unwrap_or_default(),
        load_average: first_word("/proc/loadavg").and_then(|text| text.parse().ok()).unwrap_or(0.0),
    }
}

/// The commit of the checkout, with a mark when it holds changes; `None` outside of one.
pub fn commit(checkout: &Path) -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=10"])
        .current_dir(checkout)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn word(text: &str, place: usize) -> Option<String> {
    text.split_whitespace().nth(place).map(str::to_owned)
}
