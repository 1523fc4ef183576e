//! The programs that cargo builds: whether they are as new as their sources, and what runs as new as they.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::process::Command;

use super::{Context, Finding, Mend, context::shell};
use crate::{
    error::{Result, StackError},
    servers::ours::PROGRAMS,
};

/// How many names of files are shown.
const SHOWN: usize = 3;
const RUSTUP_DEADLINE: Duration = Duration::from_secs(4);

pub(super) async fn toolchain(context: &Context) -> Result<Finding> {
    let file = context.folders.checkout.join("rust-toolchain.toml");
    let text = fs::read_to_string(&file).map_err(StackError::path("read", &file))?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| StackError::Malformed {
        file: file.display().to_string(),
        reason: error.message().to_owned(),
    })?;
    let channel = table.get("toolchain").and_then(|toolchain| toolchain.get("channel"));
    let channel = channel.and_then(toml::Value::as_str).unwrap_or("stable");
    let mut missing = Vec::new();
    for program in ["cargo", "clippy-driver", "rustfmt"] {
        let mut command = Command::new("rustup");
        command.args(["which", "--toolchain", channel, program]).env("RUSTUP_AUTO_INSTALL", "0");
        let ended = tokio::time::timeout(RUSTUP_DEADLINE, command.kill_on_drop(true).output()).await;
        if !ended.is_ok_and(|output| output.is_ok_and(|output| output.status.success())) {
            missing.push(program);
        }
    }
    if missing.is_empty() {
        return Ok(Finding::well(format!("Rust {channel}")));
    }
    Ok(Finding::failure(
        format!("Rust {channel} has no {}", missing.join(", no ")),
        "rust-toolchain.toml names it, and nothing can be built without",
        Mend::command(format!(
            "rustup toolchain install {channel} --profile minimal --component clippy,rustfmt"
        )),
    ))
}

pub(super) async fn stale(context: &Context) -> Result<Finding> {
    let names = PROGRAMS.map(|(program, _)| program).into_iter().chain(["devstack"]);
    let built: Vec<PathBuf> =
        names.map(|name| context.programs.join(name)).filter(|program| program.is_file()).collect();
    if built.is_empty() {
        return Ok(Finding::skipped(format!("nothing is built in {}", context.programs.display())));
    }
    for program in &built {
        let newer = newer_sources(program);
        if !newer.is_empty() {
            let shown: Vec<String> =
                newer.iter().take(SHOWN).map(|source| source.display().to_string()).collect();
            return Ok(Finding::warning(
                format!(
                    "{} is older than {} of its sources: {}",
                    program.display(),
                    newer.len(),
                    shown.join(", ")
                ),
                "a source was changed or another commit checked out, and nothing was built since",
                Mend::command(format!(
                    "cd {} && cargo build --workspace --bins",
                    shell(&context.folders.checkout)
                )),
            ));
        }
    }
    Ok(Finding::well(format!("{} programs are as new as their sources", built.len())))
}

/// What cargo wrote down as the sources of a program, those that changed after it was built or are gone.
fn newer_sources(program: &Path) -> Vec<PathBuf> {
    let Some(built_at) = changed_at(program) else { return Vec::new() };
    let list = fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let sources = list.split_once(": ").map_or("", |(_, sources)| sources);
    sources
        .trim_end()
        .replace("\\ ", "\0")
        .split(' ')
        .filter(|source| !source.is_empty())
        .map(|source| PathBuf::from(source.replace('\0', " ")))
        .filter(|source| changed_at(source).is_none_or(|changed| changed > built_at))
        .collect()
}

/// Seconds and nanoseconds of a file's last change.
fn changed_at(path: &Path) -> Option<(i64, i64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.mtime(), metadata.mtime_nsec()))
}

pub(super) async fn running(context: &Context) -> Result<Finding> {
    let copies: Vec<(PathBuf, PathBuf)> = PROGRAMS
        .iter()
        .map(|(name, _)| (context.programs.join(name), context.folders.binaries.join(name)))
        .filter(|(built, copy)| built.is_file() && copy.is_file())
        .collect();
    if copies.is_empty() || !context.is_supervised() {
        return Ok(Finding::skipped("none of the shop's programs runs"));
    }
    let is_older = |(built, copy): &&(PathBuf, PathBuf)| changed_at(copy) < changed_at(built);
    let older: Vec<String> =
        copies.iter().filter(is_older).map(|(built, _)| built.display().to_string()).collect();
    if older.is_empty() {
        return Ok(Finding::well(format!("{} programs run as they were built last", copies.len())));
    }
    Ok(Finding::warning(
        format!("built since they were started: {}", older.join(", ")),
        "the stack goes on with its own copies of what was built before",
        Mend::command(context.start_anew()),
    ))
}
