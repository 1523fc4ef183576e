//! The machine: what is installed, and what is left of its disk, memory, files and time.

use std::{fs, path::Path};

use jiff::{SignedDuration, Timestamp};
use rustix::{
    fs::{StatVfsMountFlags, statvfs},
    process::{Resource, getrlimit},
};

use super::{
    Context, Finding, Mend,
    context::{megabytes, shell},
};
use crate::{
    error::{Result, StackError},
    install,
    servers::postgres,
    tools::{self, OLDEST_JAVA},
};

const MB: u64 = 1024 * 1024;
/// RabbitMQ stops taking messages below it.
const DISK_FAILS: u64 = 1024 * MB;
const DISK_WARNS: u64 = 5 * 1024 * MB;
/// What a running stack needs beside what it has.
const MEMORY_FAILS: u64 = 256 * MB;
const MEMORY_WARNS: u64 = 768 * MB;
/// What all servers of a stack take.
const STACK_NEEDS: u64 = 3 * 1024 * MB;
/// A search engine holds a file for each segment; PostgreSQL and Pgpool-II some per session.
const FILES_FAIL: u64 = 4_096;
const FILES_WARN: u64 = 16_384;
/// Beyond it, sign-ins, leases and ids made of the time go wrong.
const CLOCK_WARNS: SignedDuration = SignedDuration::from_secs(5);
/// Nothing of this stack was written before.
const EARLIEST: Timestamp = Timestamp::constant(1_760_000_000, 0);

pub(super) async fn packages(context: &Context) -> Result<Finding> {
    let tools = required_tools(context)?;
    let missing = install::missing(context.kind, tools).packages;
    if missing.is_empty() {
        return Ok(Finding::well("all there"));
    }
    let list = missing.join(" ");
    Ok(Finding::failure(
        format!("{} missing: {list}", missing.len()),
        "the distribution's packages were never installed here, or were removed",
        Mend::command(format!("apt-get update && apt-get install --yes --no-install-recommends {list}")),
    ))
}

pub(super) async fn programs(context: &Context) -> Result<Finding> {
    let tools = required_tools(context)?;
    let mut missing = install::missing(context.kind, tools).programs;
    // A Java has a check of its own.
    missing.retain(|tool| *tool != tools::JAVA);
    if missing.is_empty() {
        return Ok(Finding::well(format!("in {}", tools.root.display())));
    }
    Ok(Finding::failure(
        format!("{} not in {}", missing.join(", "), tools.root.display()),
        "they were not downloaded yet, or the cache was emptied",
        Mend::command(context.dev("up")),
    ))
}

pub(super) async fn java(context: &Context) -> Result<Finding> {
    let tools = required_tools(context)?;
    if let Some(home) = tools.java_home() {
        return Ok(Finding::well(home.display().to_string()));
    }
    let newest = tools.installed_javas().into_iter().max();
    let seen = match &newest {
        Some((version, home)) => format!("the newest is {version}, in {}", home.display()),
        None => format!("none in {}", tools.javas.display()),
    };
    Ok(Finding::failure(
        seen,
        format!("the search engine runs on Java {OLDEST_JAVA} or newer"),
        Mend::command(context.dev("up")),
    ))
}

fn required_tools(context: &Context) -> Result<&tools::Tools> {
    context.tools.as_ref().ok_or_else(|| StackError::refused("HOME is not set"))
}

pub(super) async fn disk(context: &Context) -> Result<Finding> {
    let folder = nearest(&context.folders.data);
    let space = statvfs(folder).map_err(|error| StackError::path("look at", folder)(error.into()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let percent = free.saturating_mul(100) / space.f_blocks.saturating_mul(space.f_frsize).max(1);
    let seen = format!("{} free ({percent} %) at {}", megabytes(free), folder.display());
    let mend = || {
        let biggest = format!("du -xh --max-depth=3 {} | sort -h | tail -20", shell(folder));
        Mend::action(format!("make room; this shows what is big: {biggest}"))
    };
    let cause = "below 1 GB the broker takes no more messages, and databases stop when nothing is left";
    Ok(match free {
        _ if free < DISK_FAILS => Finding::failure(seen, cause, mend()),
        _ if free < DISK_WARNS => Finding::warning(seen, cause, mend()),
        _ => Finding::well(seen),
    })
}

/// The folder, or that which it will be made in.
fn nearest(folder: &Path) -> &Path {
    folder.ancestors().find(|ancestor| ancestor.is_dir()).unwrap_or(Path::new("/"))
}

pub(super) async fn memory(context: &Context) -> Result<Finding> {
    let path = &context.memory;
    let text = fs::read_to_string(path).map_err(StackError::path("read", path))?;
    let Some(free) = available(&text) else {
        return Ok(Finding::skipped(format!("{} does not say", path.display())));
    };
    let needed = if context.is_supervised() { 0 } else { STACK_NEEDS };
    let seen = format!("{} available, {} needed", megabytes(free), megabytes(needed + MEMORY_FAILS));
    let cause =
        "the kernel kills the largest process when nothing is left, which is a search engine or a database";
    let mend = || Mend::action("end what takes most memory: ps -eo rss,pid,comm --sort=-rss | head");
    Ok(match free {
        _ if free < needed + MEMORY_FAILS => Finding::failure(seen, cause, mend()),
        _ if free < needed + MEMORY_WARNS => Finding::warning(seen, cause, mend()),
        _ => Finding::well(seen),
    })
}

/// Bytes that programs can still get without swapping.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

pub(super) async fn open_files(_: &Context) -> Result<Finding> {
    let limit = getrlimit(Resource::Nofile);
    // The servers raise their own limit up to the hard one where they need to.
    let Some(most) = limit.maximum else { return Ok(Finding::well("no limit")) };
    let seen = format!("{most} files per process");
    let cause =
        "a search engine holds a file for each segment, Pgpool-II and the databases some for each session";
    let mend = Mend::command(format!("ulimit -n {FILES_WARN}"));
    Ok(match most {
        _ if most < FILES_FAIL => Finding::failure(seen, cause, mend),
        _ if most < FILES_WARN => Finding::warning(seen, cause, mend),
        _ => Finding::well(seen),
    })
}

pub(super) async fn clock(context: &Context) -> Result<Finding> {
    let mend = || Mend::command("timedatectl set-ntp true");
    let now = context.now;
    let newest = context.state.as_ref().map_or(EARLIEST, |state| state.started_at.max(EARLIEST));
    if now < newest {
        return Ok(Finding::failure(
            format!("it is {now:.0}, and the stack was started at {newest:.0}"),
            "the clock was set back: ids, leases and what expires follow the time",
            mend(),
        ));
    }
    let (Ok(stack), true) = (context.stack(), context.runs(&postgres::server_name(0))) else {
        return Ok(Finding::well(format!("{now:.0}")));
    };
    let asked = std::time::Instant::now();
    let client = postgres::connect(stack, 0).await?;
    let there: Timestamp = client.query_one("SELECT clock_timestamp()", &[]).await?.get(0);
    // The context's time is that of before the questions.
    let elapsed = SignedDuration::try_from(context.since.elapsed()).unwrap_or_default();
    let (here, doubt) = (now + elapsed, SignedDuration::try_from(asked.elapsed()).unwrap_or_default());
    let apart = here.duration_since(there).abs();
    let seen = format!("{:.1} s apart from PostgreSQL's", apart.as_secs_f64());
    if apart > CLOCK_WARNS + doubt {
        let cause = "clocks differ: leases, expiries and ids made of the time go wrong";
        return Ok(Finding::failure(seen, cause, mend()));
    }
    Ok(Finding::well(seen))
}

pub(super) async fn executable(context: &Context) -> Result<Finding> {
    let folders = [Some(&context.folders.binaries), context.tools.as_ref().map(|tools| &tools.root)];
    for folder in folders.into_iter().flatten() {
        let folder = nearest(folder);
        let space = statvfs(folder).map_err(|error| StackError::path("look at", folder)(error.into()))?;
        if space.f_flag.contains(StatVfsMountFlags::NOEXEC) {
            return Ok(Finding::failure(
                format!("{} is mounted with noexec", folder.display()),
                "programs are kept there, and the kernel does not run them",
                Mend::command(format!(
                    "mount -o remount,exec \"$(df --output=target {} | tail -1)\"",
                    shell(folder)
                )),
            ));
        }
    }
    Ok(Finding::well("programs can be run from there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_what_the_kernel_says() {
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:     2048 kB\n"), Some(2 * MB));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
    }

    #[test]
    fn a_folder_to_come_is_where_its_parent_is() {
        assert_eq!(nearest(Path::new("/proc/self/no/such")), Path::new("/proc/self"));
    }
}
