//! The folder that holds a stack: whose it is, who may reach it, and whether what is in it is whole.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{Context, Finding, Mend, context::shell};
use crate::{
    account::Account,
    error::{Result, StackError},
    folders::closed_to,
    secrets::Secrets,
    servers::postgres::{self, NODES},
};

/// How deep and how far the owners of files are looked at.
const DEPTH: usize = 3;
const MOST_ENTRIES: usize = 5_000;

fn require_started(context: &Context) -> Result<()> {
    if context.folders.data.is_dir() {
        return Ok(());
    }
    Err(StackError::refused("there is no data folder yet"))
}

fn account(context: &Context) -> Result<&Account> {
    context.account.as_ref().ok_or_else(|| StackError::refused("the account is made at the first start"))
}

pub(super) async fn belongs(context: &Context) -> Result<Finding> {
    require_started(context)?;
    let folders = &context.folders;
    match folders.marked_checkout() {
        Some(marked) if marked == folders.checkout => Ok(Finding::well(folders.data.display().to_string())),
        Some(marked) => Ok(Finding::failure(
            format!("{} says that it belongs to {}", folders.data.display(), marked.display()),
            "two checkouts would write into one folder, or it was copied or moved here",
            of_other(context, &marked),
        )),
        None if folders.secrets().exists() => {
            Ok(Finding::well(format!("{} is marked at the next start", folders.data.display())))
        }
        None => Ok(Finding::failure(
            format!("{} holds neither {} nor secrets", folders.data.display(), folders.marker().display()),
            "somebody else made the folder, or its making was interrupted",
            Mend::command(format!(
                "mv {0} {0}.aside && {1}",
                shell(&folders.link(context.kind)),
                context.dev("up")
            )),
        )),
    }
}

/// Never marks the folder anew: the other checkout's servers may be at work in it.
fn of_other(context: &Context, marked: &Path) -> Mend {
    let folders = &context.folders;
    let link = folders.link(context.kind);
    if link.is_symlink() {
        return Mend::command(format!("rm {} && {}", shell(&link), context.dev("up")));
    }
    Mend::action(format!(
        "if it was copied from {}, put it aside and start anew; if the checkout was moved here, write {} into {}",
        marked.display(),
        folders.checkout.display(),
        folders.marker().display()
    ))
}

pub(super) async fn reachable(context: &Context) -> Result<Finding> {
    require_started(context)?;
    let account = account(context)?;
    if !account.change {
        return Ok(Finding::well("the servers run as the person who starts them"));
    }
    match closed_to(&context.folders.data, account) {
        None => Ok(Finding::well(format!("user {} can enter it", account.uid))),
        Some(closed) => Ok(Finding::failure(
            format!("user {} cannot pass through {}", account.uid, closed.display()),
            "the servers run as an unprivileged account, which has to reach their folder",
            Mend::command(format!("chmod a+x {}", shell(&closed))),
        )),
    }
}

pub(super) async fn owned(context: &Context) -> Result<Finding> {
    require_started(context)?;
    let account = account(context)?;
    let mut seen = 0;
    let mut foreign = None;
    for server in children(&context.folders.data.join("servers")) {
        foreign = foreign.or_else(|| first_foreign(&server, account.uid, DEPTH, &mut seen));
    }
    let read_by_programs = [context.folders.settings(), context.folders.secrets()];
    for file in &read_by_programs {
        foreign = foreign.or_else(|| first_foreign(file, account.uid, 0, &mut seen));
    }
    match foreign {
        None => Ok(unreadable(&read_by_programs)
            .unwrap_or_else(|| Finding::well(format!("{seen} files and folders of user {}", account.uid)))),
        Some((path, uid)) => Ok(Finding::failure(
            format!("{} belongs to user {uid}, not to {}", path.display(), account.uid),
            "something wrote there as another user, and the servers cannot",
            Mend::command(format!(
                "chown -R {}:{} {}",
                account.uid,
                account.gid,
                shell(&server_of(&context.folders.data, &path))
            )),
        )),
    }
}

/// Of files that belong to the account one that it may not read.
fn unreadable(files: &[PathBuf]) -> Option<Finding> {
    let mode =
        |file: &&PathBuf| fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o400 == 0);
    let file = files.iter().find(mode)?;
    Some(Finding::failure(
        format!("{} may not be read by anybody", file.display()),
        "its mode was changed, and the shop's programs do not start without it",
        Mend::command(format!("chmod 600 {}", shell(file))),
    ))
}

/// The server's folder that a path lies in.
fn server_of(data: &Path, path: &Path) -> PathBuf {
    let servers = data.join("servers");
    let inside = path.strip_prefix(&servers).ok().and_then(|inside| inside.components().next());
    inside.map_or_else(|| path.to_path_buf(), |server| servers.join(server))
}

fn first_foreign(path: &Path, uid: u32, depth: usize, seen: &mut usize) -> Option<(PathBuf, u32)> {
    if *seen >= MOST_ENTRIES {
        return None;
    }
    // It may be gone by now: servers remove files all the time.
    let metadata = fs::symlink_metadata(path).ok()?;
    *seen += 1;
    if metadata.uid() != uid {
        return Some((path.to_path_buf(), metadata.uid()));
    }
    if !metadata.is_dir() || depth == 0 {
        return None;
    }
    children(path).into_iter().find_map(|child| first_foreign(&child, uid, depth - 1, seen))
}

fn children(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

pub(super) async fn secrets(context: &Context) -> Result<Finding> {
    require_started(context)?;
    let file = context.folders.secrets();
    let metadata = fs::metadata(&file).map_err(StackError::path("look at", &file))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Ok(Finding::failure(
            format!("{} has mode {mode:o}", file.display()),
            "every user of the machine can read the passwords",
            Mend::command(format!("chmod 600 {}", shell(&file))),
        ));
    }
    Ok(Finding::well(format!("mode {mode:o}")))
}

pub(super) async fn secrets_whole(context: &Context) -> Result<Finding> {
    require_started(context)?;
    let file = context.folders.secrets();
    if !file.exists() {
        return Ok(Finding::skipped("they are made at the first start"));
    }
    match Secrets::load(&file) {
        Ok(_) => Ok(Finding::well("complete")),
        Err(error) => Ok(Finding::failure(
            error.to_string(),
            "the file was edited or cut off; the databases know the old passwords, so new ones do not help",
            Mend::action(format!(
                "put {} back as it was, or begin anew without the data: {}",
                file.display(),
                context.dev("reset")
            )),
        )),
    }
}

pub(super) async fn half_made(context: &Context) -> Result<Finding> {
    require_started(context)?;
    let data = |index| context.folders.server(&postgres::server_name(index)).join("data");
    let is_whole = |index: &usize| data(*index).join("PG_VERSION").is_file() && !spoilt(&data(*index));
    let started: Vec<usize> = (0..NODES).filter(|index| data(*index).exists()).collect();
    if started.is_empty() {
        return Ok(Finding::skipped("no node was made yet"));
    }
    let broken: Vec<usize> = started.iter().copied().filter(|index| !is_whole(index)).collect();
    // One that is marked is copied again by itself, if the others are in order.
    let worst = broken.iter().find(|index| !spoilt(&data(**index))).or(broken.first());
    let Some(first) = worst.copied() else {
        return Ok(Finding::well(format!("{} nodes are whole", started.len())));
    };
    let seen = format!("{} is not whole", data(first).display());
    let cause = "its making, a copy or a rewind was interrupted";
    let is_standby = |index: &usize| data(*index).join("standby.signal").exists();
    let whole: Vec<usize> = started.iter().copied().filter(|index| is_whole(index)).collect();
    let has_primary = whole.iter().any(|index| !is_standby(index));
    // A marked one is copied again at its next start by itself.
    if spoilt(&data(first)) && has_primary {
        return Ok(Finding::warning(seen, cause, Mend::command(context.start_anew())));
    }
    if !whole.is_empty() {
        // It may be the primary's, so it is kept; the standbys have all that was confirmed.
        let is_primary = !has_primary;
        if is_primary && whole.len() < NODES - 1 {
            let cause =
                format!("{cause}; it is the primary's, and what was confirmed may be on no other node");
            let words = "put it back as it was, or begin anew without the data";
            let mend = Mend::action(format!("{words}: {}", context.dev("reset")));
            return Ok(Finding::failure(seen, cause, mend));
        }
        let (folder, aside) = (data(first), data(first).with_extension("aside"));
        let away = if is_primary {
            format!("mv {} {}", shell(&folder), shell(&aside))
        } else {
            format!("rm -r {}", shell(&folder))
        };
        let and_then = if is_primary { "; it is the primary's: a standby takes its place" } else { "" };
        return Ok(Finding::failure(
            seen,
            format!("{cause}{and_then}"),
            Mend::command(format!("{} && {away} && {}", context.dev("down"), context.dev("up"))),
        ));
    }
    let again = format!("{} && {}", context.dev("reset"), context.dev("up"));
    Ok(Finding::failure(seen, format!("{cause}, and no other node is whole"), Mend::command(again)))
}

fn spoilt(data: &Path) -> bool {
    data.with_file_name(postgres::SPOILT).exists()
}

pub(super) async fn version(context: &Context) -> Result<Finding> {
    require_started(context)?;
    let programs = postgres::programs()?;
    let installed = programs.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let installed = installed.into_owned();
    for index in 0..NODES {
        let file = context.folders.server(&postgres::server_name(index)).join("data/PG_VERSION");
        let Ok(made) = fs::read_to_string(&file) else { continue };
        if made.trim() != installed {
            return Ok(Finding::failure(
                format!("{} says {}, and the newest installed is {installed}", file.display(), made.trim()),
                "another major version of PostgreSQL was installed since; it cannot read the old one's files",
                Mend::action(format!(
                    "keep the data with pg_upgrade or pg_dumpall of version {}, or begin anew without it: {}",
                    made.trim(),
                    context.dev("reset")
                )),
            ));
        }
    }
    Ok(Finding::well(format!("PostgreSQL {installed}")))
}
