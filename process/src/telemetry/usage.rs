//! What the program itself takes: memory, processor time, open files.

use std::fs;
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};

const PERIOD: Duration = Duration::from_secs(5);
/// Of the system's processor clock, the same on every Linux.
const TICK_MS: u64 = 10;

/// Reports from now on, until the guard is dropped.
pub(super) fn report() -> DropGuard {
    let stop = CancellationToken::new();
    let guard = stop.clone().drop_guard();
    tokio::spawn(stop.run_until_cancelled_owned(async {
        loop {
            measure();
            tokio::time::sleep(PERIOD).await;
        }
    }));
    guard
}

/// A system without these files shows nothing.
fn measure() {
    let memory = fs::read_to_string("/proc/self/status").ok().and_then(|text| resident_kib(&text));
    if let Some(kib) = memory {
        metrics::gauge!("process_resident_memory_bytes").set(f64::from(kib) * 1_024.0);
    }
    let ticks = fs::read_to_string("/proc/self/stat").ok().and_then(|text| processor_ticks(&text));
    if let Some(ticks) = ticks {
        metrics::counter!("process_cpu_milliseconds_total").absolute(ticks * TICK_MS);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        metrics::gauge!("process_open_fds").set(u32::try_from(files.count()).unwrap_or(u32::MAX));
    }
}

fn resident_kib(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Of every thread, in user and in kernel mode. The program's name is in brackets and may hold anything.
fn processor_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_files_are_understood() {
        assert_eq!(resident_kib("Name:\tx\nVmRSS:\t    5124 kB\n"), Some(5_124));
        assert_eq!(resident_kib("Name:\tx\n"), None);
        assert_eq!(processor_ticks("7 (a ) b) S 1 7 7 0 -1 4194560 9 0 0 0 250 31 0 0 20 0 9"), Some(281));
        assert_eq!(processor_ticks("7 (a) S 1"), None);
    }
}
