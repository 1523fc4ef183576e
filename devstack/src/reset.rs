//! Removes a stack's folder: only one that is marked as this checkout's, and nothing that a link in it points to.

use std::{
    fs::{self, File},
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};

use crate::{
    error::{Result, StackError},
    folders::Folders,
    progress::Progress,
    stack::StackKind,
    start,
};

const MB: u64 = 1024 * 1024;

/// Stops the stack of a checkout and removes its folder, after a person's yes or with `--yes`.
///
/// # Errors
/// When the folder is not a stack's or another checkout's, when nobody says yes, or when the system refuses.
pub async fn run(checkout: &Path, kind: StackKind, yes: bool) -> Result<()> {
    let Some(folders) = Folders::existing(kind, checkout) else {
        println!("there is nothing to remove");
        return Ok(());
    };
    require_own(&folders)?;
    println!("{} is to be removed:", folders.data.display());
    let parts = parts(&folders.data);
    let (big, small): (Vec<_>, Vec<_>) = parts.iter().partition(|(_, bytes)| *bytes >= MB);
    for (name, bytes) in big {
        println!("  {:>8} MB  {name}", bytes / MB);
    }
    if !small.is_empty() {
        println!("  and {} more below 1 MB: configuration, secrets, sockets", small.len());
    }
    if !yes && !agreed()? {
        return Err(StackError::refused("nothing was removed"));
    }
    let mut progress = Progress::begin();
    let stopped = start::down(&folders, &mut progress).await;
    progress.end();
    stopped?;
    remove(&folders, kind)?;
    println!("removed");
    Ok(())
}

/// Fails unless the folder is marked as that of this checkout's stack.
fn require_own(folders: &Folders) -> Result<()> {
    match folders.marked_checkout() {
        Some(checkout) if checkout == folders.checkout => Ok(()),
        Some(other) => Err(StackError::refused(format!(
            "{} belongs to {}, so it is left alone",
            folders.data.display(),
            other.display()
        ))),
        None => Err(StackError::refused(format!(
            "{} is not marked as a stack's folder ({} is missing), so it is left alone",
            folders.data.display(),
            folders.marker().display()
        ))),
    }
}

fn agreed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(StackError::refused("there is nobody to ask: --yes removes it"));
    }
    print!("all of it is lost then. Remove it? [y/N] ");
    std::io::stdout().flush().map_err(StackError::io("ask"))?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(StackError::io("read the answer"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Removes everything, the mark last: what an interruption leaves can still be removed.
fn remove(folders: &Folders, kind: StackKind) -> Result<()> {
    let path = folders.data.join("supervisor.lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(StackError::path("open", &path))?;
    lock.try_lock().map_err(|_| StackError::refused("a supervisor of this stack is at work"))?;
    let (marker, link) = (folders.marker(), folders.link(kind));
    for entry in children(&folders.data)?.into_iter().filter(|path| *path != marker) {
        let is_folder = fs::symlink_metadata(&entry).is_ok_and(|metadata| metadata.is_dir());
        let removed = if is_folder { fs::remove_dir_all(&entry) } else { fs::remove_file(&entry) };
        removed.map_err(StackError::path("remove", &entry))?;
    }
    fs::remove_dir_all(&folders.data).map_err(StackError::path("remove", &folders.data))?;
    if fs::symlink_metadata(&link).is_ok_and(|metadata| metadata.is_symlink()) {
        fs::remove_file(&link).map_err(StackError::path("remove", &link))?;
    }
    Ok(())
}

fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(StackError::path("read", folder))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(StackError::path("read", folder))?.path());
    }
    Ok(paths)
}

/// The parts of a stack's folder with their sizes in bytes, the biggest first; the servers one by one.
fn parts(data: &Path) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    for path in children(data).unwrap_or_default() {
        let inside = if path.ends_with("servers") { children(&path).unwrap_or_default() } else { vec![path] };
        for part in inside {
            let name = part.strip_prefix(data).unwrap_or(&part).display().to_string();
            parts.push((name, size(&part)));
        }
    }
    parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    parts
}

fn size(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    children(path).unwrap_or_default().iter().map(|child| size(child)).sum()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::account::Account;

    /// A checkout in a folder of its own.
    fn checkout(name: &str) -> PathBuf {
        let checkout = std::env::temp_dir().join(format!("entrepot-reset-{name}-{}", std::process::id()));
        fs::create_dir_all(&checkout).unwrap();
        checkout.canonicalize().unwrap()
    }

    fn opened(checkout: &Path) -> Folders {
        let oneself = Account {
            change: false,
            ..Account::find().unwrap().unwrap_or(Account { uid: 0, gid: 0, change: false })
        };
        Folders::open(StackKind::Development, checkout, &oneself).unwrap()
    }

    #[tokio::test]
    async fn a_stack_is_removed_and_nothing_that_it_points_to() {
        let checkout = checkout("links");
        let folders = opened(&checkout);
        let outside = checkout.join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "kept").unwrap();
        symlink(&outside, folders.data.join("linked")).unwrap();
        fs::create_dir_all(folders.server("redis")).unwrap();
        symlink(&outside, folders.server("redis").join("linked")).unwrap();
        run(&checkout, StackKind::Development, true).await.unwrap();
        assert!(!folders.data.exists());
        assert!(fs::symlink_metadata(folders.link(StackKind::Development)).is_err());
        assert_eq!(fs::read_to_string(outside.join("precious")).unwrap(), "kept");
        run(&checkout, StackKind::Development, true).await.unwrap();
        fs::remove_dir_all(checkout).unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_is_not_a_stack_s_is_left_alone() {
        let checkout = checkout("unmarked");
        let data = checkout.join(".devstack");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("precious"), "kept").unwrap();
        let refused = run(&checkout, StackKind::Development, true).await.unwrap_err().to_string();
        assert!(refused.contains("is not marked"), "{refused}");
        fs::write(data.join("checkout"), "/another\n").unwrap();
        let refused = run(&checkout, StackKind::Development, true).await.unwrap_err().to_string();
        assert!(refused.contains("belongs to /another"), "{refused}");
        assert!(data.join("precious").exists());
        fs::remove_dir_all(checkout).unwrap();
    }

    #[test]
    fn parts_have_their_sizes() {
        let folder = checkout("parts");
        fs::create_dir_all(folder.join("servers/redis")).unwrap();
        fs::write(folder.join("servers/redis/dump"), "12345").unwrap();
        fs::write(folder.join("state.json"), "12").unwrap();
        let expected = [("servers/redis".to_owned(), 5), ("state.json".to_owned(), 2)];
        assert_eq!(parts(&folder), expected);
        fs::remove_dir_all(folder).unwrap();
    }
}
