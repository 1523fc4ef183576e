//! The unprivileged system account that every child runs as, and files that belong to it.

use std::{
    fs,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt, chown},
    path::Path,
};

use rustix::process::{getegid, geteuid};

use crate::error::{Result, StackError};

/// The system account that is made when devstack runs as root.
const NAME: &str = "entrepot";

/// Who the children run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Whether children have to change to it: devstack itself runs as root.
    pub change: bool,
}

impl Account {
    /// The account to use: oneself, or `entrepot` when we are root, which is made when it is missing.
    ///
    /// # Errors
    /// When the account cannot be made.
    pub fn find_or_make() -> Result<Self> {
        if let Some(account) = Self::find()? {
            return Ok(account);
        }
        // Two first runs at once: the loser's useradd fails, and the account is there all the same.
        let made = std::process::Command::new("useradd")
            .args(["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"])
            .args(["--shell", "/usr/sbin/nologin", NAME])
            .output()
            .map_err(StackError::io("run useradd"))?;
        Self::find()?.ok_or_else(|| {
            StackError::refused(format!(
                "the system account {NAME} could not be made: {}",
                String::from_utf8_lossy(&made.stderr).trim()
            ))
        })
    }

    /// The account to use, when it is there; nothing is made.
    ///
    /// # Errors
    /// When the system's table of accounts cannot be read.
    pub fn find() -> Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(Some(Self { uid: geteuid().as_raw(), gid: getegid().as_raw(), change: false }));
        }
        let table = fs::read_to_string("/etc/passwd").map_err(StackError::io("read /etc/passwd"))?;
        Ok(entry_of(&table, NAME).map(|(uid, gid)| Self { uid, gid, change: true }))
    }

    /// Gives a path to the account.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn own(&self, path: &Path) -> Result<()> {
        if self.change {
            chown(path, Some(self.uid), Some(self.gid)).map_err(StackError::path("give away", path))?;
        }
        Ok(())
    }

    /// Makes a folder (and its parents) that only the account can enter.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn make_folder(&self, path: &Path) -> Result<()> {
        fs::create_dir_all(path).map_err(StackError::path("make", path))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(StackError::path("protect", path))?;
        self.own(path)
    }

    /// Writes a file that only the account can read, whole or not at all.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write_private(&self, path: &Path, contents: &str) -> Result<()> {
        self.write(path, contents, 0o600)
    }

    /// Writes a script that the account can run, whole or not at all.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write_script(&self, path: &Path, contents: &str) -> Result<()> {
        self.write(path, contents, 0o700)
    }

    fn write(&self, path: &Path, contents: &str, mode: u32) -> Result<()> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let fresh = Path::new(&name);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(fresh)
            .map_err(StackError::path("write", fresh))?;
        file.write_all(contents.as_bytes()).map_err(StackError::path("write", fresh))?;
        file.set_permissions(fs::Permissions::from_mode(mode)).map_err(StackError::path("protect", fresh))?;
        self.own(fresh)?;
        fs::rename(fresh, path).map_err(StackError::path("replace", path))
    }
}

/// The user and group id of `name` in the text of /etc/passwd.
fn entry_of(table: &str, name: &str) -> Option<(u32, u32)> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let table =
            "root:x:0:0:root:/root:/bin/bash\nentrepot2:x:7:8::/:/bin/sh\nentrepot:x:998:997::/:/bin/sh\n";
        assert_eq!(entry_of(table, "entrepot"), Some((998, 997)));
        assert_eq!(entry_of(table, "nobody"), None);
    }
}
