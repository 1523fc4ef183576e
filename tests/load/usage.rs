//! CPU time and memory of processes and of what they started, from `/proc`.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

/// The kernel counts CPU time for programs in hundredths of a second, on every machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processes by name.
#[derive(Debug, Clone, Default)]
pub struct Watched(BTreeMap<String, u32>);

/// CPU ticks and resident memory at a moment, by name.
#[derive(Debug, Clone)]
pub struct Sample(BTreeMap<String, (u64, u64)>);

/// What a process used in a phase.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory at the end, in MiB.
    pub memory_mib: f64,
}

struct Process {
    parent: u32,
    ticks: u64,
    resident_kib: u64,
}

impl Watched {
    /// Watches a process and what it starts.
    pub fn add(&mut self, name: impl Into<String>, pid: u32) {
        self.0.insert(name.into(), pid);
    }

    /// How it is now.
    pub fn sample(&self) -> Sample {
        let all = processes();
        let of = |root: u32| {
            let tree = all.iter().filter(|(pid, _)| self.belongs(**pid, root, &all));
            tree.fold((0, 0), |(ticks, kib), (_, process)| {
                (ticks + process.ticks, kib + process.resident_kib)
            })
        };
        Sample(self.0.iter().map(|(name, pid)| (name.clone(), of(*pid))).collect())
    }

    /// Whether a process was started by the watched one, and is not watched or part of another itself.
    fn belongs(&self, pid: u32, root: u32, all: &BTreeMap<u32, Process>) -> bool {
        let mut at = pid;
        loop {
            if at == root {
                return true;
            }
            let is_other = self.0.values().any(|other| *other == at);
            match all.get(&at) {
                Some(process) if !is_other && process.parent != 0 && process.parent != at => {
                    at = process.parent
                }
                _ => return false,
            }
        }
    }

    /// What was used since.
    pub fn since(&self, before: &Sample) -> BTreeMap<String, Usage> {
        let now = self.sample();
        let usage = |(name, (ticks, kib)): (String, (u64, u64))| {
            let ticks_before = before.0.get(&name).map_or(0, |(ticks, _)| *ticks);
            let used = u32::try_from(ticks.saturating_sub(ticks_before)).unwrap_or(u32::MAX);
            let memory = u32::try_from(kib).unwrap_or(u32::MAX);
            let usage = Usage {
                cpu_seconds: f64::from(used) / TICKS_PER_SECOND,
                memory_mib: f64::from(memory / 1_024),
            };
            (name, usage)
        };
        now.0.into_iter().map(usage).collect()
    }
}

fn processes() -> BTreeMap<u32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, process(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
        .collect()
}

/// The fields after the name, which is in parentheses and may hold anything.
fn process(stat: &str) -> Option<Process> {
    const PAGE_KIB: u64 = 4;
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some(Process {
        parent: u32::try_from(number(1)?).ok()?,
        ticks: number(11)? + number(12)?,
        resident_kib: number(21)? * PAGE_KIB,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat =
            "7 (a) b) S 3 7 7 0 -1 4194560 1 0 0 0 25 5 0 0 20 0 4 0 100 1000000 2048 18446744073709551615";
        let process = process(stat).expect("a line of /proc");
        assert_eq!((process.parent, process.ticks, process.resident_kib), (3, 30, 8_192));
    }

    #[test]
    fn a_watched_child_is_counted_once() {
        let mut watched = Watched::default();
        watched.add("load", 10);
        watched.add("shop", 20);
        let process = |parent| Process { parent, ticks: 1, resident_kib: 1 };
        let all = BTreeMap::from([(10, process(1)), (20, process(10)), (21, process(20)), (11, process(10))]);
        let of =
            |root| all.keys().filter(|pid| watched.belongs(**pid, root, &all)).copied().collect::<Vec<_>>();
        assert_eq!((of(10), of(20)), (vec![10, 11], vec![20, 21]));
    }

    #[test]
    fn own_work_is_seen() {
        let mut watched = Watched::default();
        watched.add("self", std::process::id());
        let before = watched.sample();
        let began = std::time::Instant::now();
        let mut sum = 0_u64;
        while began.elapsed().as_millis() < 300 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let used = watched.since(&before);
        assert!(used["self"].cpu_seconds > 0.0 && used["self"].memory_mib > 0.0, "{used:?}");
    }
}
