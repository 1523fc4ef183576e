//! Where one stack keeps its data, and where that has to move when the checkout cannot be entered by the
//! account.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use crate::{
    account::Account,
    error::{Result, StackError},
    stack::StackKind,
};

/// A socket's path may have 107 bytes; a data folder longer than this leaves too little for the rest.
const LONGEST_PATH: usize = 70;

/// The folders of one stack.
#[derive(Debug, Clone)]
pub struct Folders {
    /// The checkout that the stack belongs to.
    pub checkout: PathBuf,
    /// Everything of this stack, real path.
    pub data: PathBuf,
    /// Log files, one per server.
    pub logs: PathBuf,
    /// Sockets and process ids.
    pub run: PathBuf,
    /// HOME of every child.
    pub home: PathBuf,
    /// Copies of our binaries, so that a rebuild does not disturb what runs.
    pub binaries: PathBuf,
}

impl Folders {
    /// Finds or makes the folders of a checkout's stack.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(kind: StackKind, checkout: &Path, account: &Account) -> Result<Self> {
        let checkout = checkout.canonicalize().map_err(StackError::path("find", checkout))?;
        let link = checkout.join(Self::link_name(kind));
        let data = match link.canonicalize() {
            Ok(existing) => existing,
            Err(_) => make_data(kind, &checkout, &link, account)?,
        };
        let folders = Self::within(checkout, data);
        let is_ours = folders.is_marked_or_older()?;
        for folder in [&folders.data, &folders.logs, &folders.run, &folders.home] {
            account.make_folder(folder)?;
        }
        fs::create_dir_all(&folders.binaries).map_err(StackError::path("make", &folders.binaries))?;
        if is_ours {
            folders.mark(account)?;
        }
        Ok(folders)
    }

    /// Whether this is a stack's folder: marked, empty so far, or of a stack from before there were marks.
    fn is_marked_or_older(&self) -> Result<bool> {
        let mut entries = fs::read_dir(&self.data).map_err(StackError::path("read", &self.data))?;
        Ok(self.marker().exists() || self.secrets().exists() || entries.next().is_none())
    }

    /// Writes down whose stack this is, once: only what is marked is ever removed.
    fn mark(&self, account: &Account) -> Result<()> {
        if self.marker().exists() {
            return Ok(());
        }
        account.write_private(&self.marker(), &format!("{}\n", self.checkout.display()))
    }

    /// The checkout that the data folder says it belongs to; `None` when it says nothing.
    #[must_use]
    pub fn marked_checkout(&self) -> Option<PathBuf> {
        let text = fs::read_to_string(self.marker()).ok()?;
        Some(PathBuf::from(text.trim_end_matches('\n')))
    }

    /// The file that makes a folder that of a stack.
    #[must_use]
    pub fn marker(&self) -> PathBuf {
        self.data.join("checkout")
    }

    /// Where the folders of a checkout's stack are or will be; nothing is made.
    #[must_use]
    pub fn expected(kind: StackKind, checkout: &Path) -> Self {
        let checkout = checkout.canonicalize().unwrap_or_else(|_| checkout.to_path_buf());
        Self::existing(kind, &checkout).unwrap_or_else(|| {
            let data = checkout.join(Self::link_name(kind));
            Self::within(checkout, data)
        })
    }

    /// The link in the checkout, or the data folder itself.
    #[must_use]
    pub fn link(&self, kind: StackKind) -> PathBuf {
        self.checkout.join(Self::link_name(kind))
    }

    /// The secrets file.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.data.join("secrets.toml")
    }

    /// The folders of a checkout's stack when it was started before; nothing is made.
    #[must_use]
    pub fn existing(kind: StackKind, checkout: &Path) -> Option<Self> {
        let checkout = checkout.canonicalize().ok()?;
        let data = checkout.join(Self::link_name(kind)).canonicalize().ok()?;
        Some(Self::within(checkout, data))
    }

    fn within(checkout: PathBuf, data: PathBuf) -> Self {
        Self {
            logs: data.join("logs"),
            run: data.join("run"),
            home: data.join("home"),
            binaries: data.join("bin"),
            checkout,
            data,
        }
    }

    fn link_name(kind: StackKind) -> &'static str {
        match kind {
            StackKind::Development => ".devstack",
            StackKind::Test => ".devstack-test",
        }
    }

    /// The data folder of one server.
    #[must_use]
    pub fn server(&self, name: &str) -> PathBuf {
        self.data.join("servers").join(name)
    }

    /// The log file of one server.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// The settings file of our processes.
    #[must_use]
    pub fn settings(&self) -> PathBuf {
        self.data.join("settings.toml")
    }

    /// What the supervisor says about itself and its servers.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.data.join("state.json")
    }

    /// What tests need to know.
    #[must_use]
    pub fn test_stack(&self) -> PathBuf {
        self.data.join("stack.json")
    }

    /// The pictures and other objects.
    #[must_use]
    pub fn objects(&self) -> PathBuf {
        self.data.join("objects")
    }

    /// The lake of Parquet files.
    #[must_use]
    pub fn lake(&self) -> PathBuf {
        self.data.join("lake")
    }
}

/// Makes the data folder: in the checkout, or under /var/tmp with a link to it when the account could not
/// reach it there or sockets would get too long a path.
fn make_data(kind: StackKind, checkout: &Path, link: &Path, account: &Account) -> Result<PathBuf> {
    let reachable = !account.change || can_be_entered(checkout, account);
    if reachable && link.as_os_str().len() <= LONGEST_PATH {
        account.make_folder(link)?;
        return Ok(link.to_path_buf());
    }
    let mut hasher = DefaultHasher::new();
    checkout.hash(&mut hasher);
    let suffix = if kind == StackKind::Test { "-test" } else { "" };
    let elsewhere = PathBuf::from(format!("/var/tmp/entrepot-{:016x}{suffix}", hasher.finish()));
    make_own(&elsewhere, account)?;
    if link.symlink_metadata().is_ok() {
        fs::remove_file(link).map_err(StackError::path("remove the broken link", link))?;
    }
    symlink(&elsewhere, link).map_err(StackError::path("link", link))?;
    Ok(elsewhere)
}

/// Makes a folder in a place where everybody can write, refusing one that somebody else put there.
fn make_own(folder: &Path, account: &Account) -> Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => account.make_folder(folder),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(folder).map_err(StackError::path("look at", folder))?;
            if found.is_dir() && found.uid() == account.uid {
                return account.make_folder(folder);
            }
            Err(StackError::refused(format!("{} belongs to somebody else", folder.display())))
        }
        Err(error) => Err(StackError::path("make", folder)(error)),
    }
}

/// Whether the account may pass through every folder down to `folder`.
fn can_be_entered(folder: &Path, account: &Account) -> bool {
    closed_to(folder, account).is_none()
}

/// The outermost folder on the way to `folder` that the account may not pass through.
#[must_use]
pub fn closed_to(folder: &Path, account: &Account) -> Option<PathBuf> {
    let is_open = |ancestor: &Path| {
        fs::metadata(ancestor).is_ok_and(|metadata| {
            let shift = match () {
                () if metadata.uid() == account.uid => 6,
                () if metadata.gid() == account.gid => 3,
                () => 0,
            };
            (metadata.permissions().mode() >> shift) & 0o1 == 1
        })
    };
    let closed: Vec<&Path> = folder.ancestors().filter(|ancestor| !is_open(ancestor)).collect();
    closed.last().map(|ancestor| ancestor.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_folder_cannot_be_entered_by_others() {
        let folder = std::env::temp_dir().join(format!("entrepot-folders-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = Account { uid: 64_000, gid: 64_000, change: true };
        assert!(!can_be_entered(&folder, &stranger));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).unwrap();
        assert!(can_be_entered(&folder, &stranger));
        fs::remove_dir(&folder).unwrap();
    }
}
