//! The programs that no package of the distribution installs, and where they are kept once extracted.

use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::error::{Result, StackError};

/// OpenSearch, the search engine of the stack.
pub const OPENSEARCH: &str = "opensearch-3.8.0";
/// Elasticsearch, which the tests prove wire compatibility with.
pub const ELASTICSEARCH: &str = "elasticsearch-9.2.0";
/// The last Elasticsearch of the version before.
pub const ELASTICSEARCH_8: &str = "elasticsearch-8.19.5";
/// MongoDB's server.
pub const MONGOD: &str = "mongod-6.0.5";
/// A Java of our own, only where no installed one is new enough.
pub const JAVA: &str = "java-25";
/// Name and version of the engine in Python that reports are compared with.
pub const DUCKDB: &str = "python-duckdb-2.0.0";
/// Name and version of the distributed engine that can take the reports over.
pub const PYSPARK: &str = "python-pyspark-4.3.0";
/// The oldest Java that the engines run on.
pub const OLDEST_JAVA: u32 = 21;

/// Where the tools are.
#[derive(Debug, Clone)]
pub struct Tools {
    /// One folder per tool and version, shared by all stacks of this machine.
    pub root: PathBuf,
    /// Where the distribution keeps its Javas.
    pub javas: PathBuf,
}

impl Tools {
    /// The folder of this machine's (root) or this person's tools.
    ///
    /// # Errors
    /// When a person without HOME asks.
    pub fn locate() -> Result<Self> {
        if geteuid().is_root() {
            return Ok(Self::in_folder("/var/cache/entrepot/tools".into()));
        }
        let home = std::env::var_os("HOME").ok_or_else(|| StackError::refused("HOME is not set"))?;
        Ok(Self::in_folder(Path::new(&home).join(".cache/entrepot/tools")))
    }

    fn in_folder(root: PathBuf) -> Self {
        Self { root, javas: PathBuf::from("/usr/lib/jvm") }
    }

    /// The folder of one tool.
    #[must_use]
    pub fn folder(&self, tool: &str) -> PathBuf {
        self.root.join(tool)
    }

    /// MongoDB's server program.
    #[must_use]
    pub fn mongod(&self) -> PathBuf {
        self.folder(MONGOD).join("mongod")
    }

    /// The Java to run the search engines with: an installed one, else our own.
    #[must_use]
    pub fn java_home(&self) -> Option<PathBuf> {
        let newest = self.installed_javas().into_iter().max().filter(|(version, _)| *version >= OLDEST_JAVA);
        newest.map(|(_, home)| home).or_else(|| {
            let own = self.folder(JAVA);
            own.join("bin/java").is_file().then_some(own)
        })
    }

    /// The major version and the folder of each Java that the distribution has installed, by its `release` file.
    #[must_use]
    pub fn installed_javas(&self) -> Vec<(u32, PathBuf)> {
        let homes = std::fs::read_dir(&self.javas).into_iter().flatten().flatten();
        homes
            .map(|entry| entry.path())
            .filter(|home| home.join("bin/java").is_file())
            .filter_map(|home| {
                let release = std::fs::read_to_string(home.join("release")).ok()?;
                Some((java_version(&release)?, home))
            })
            .collect()
    }
}

/// The major version in the text of a `release` file.
fn java_version(release: &str) -> Option<u32> {
    let line = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    line.trim_matches('"').split(['.', '-', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::java_version;

    #[test]
    fn a_java_is_known_by_its_release_file() {
        assert_eq!(java_version("IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"25.0.1\"\n"), Some(25));
        assert_eq!(java_version("JAVA_VERSION=\"21\"\n"), Some(21));
        assert_eq!(java_version("JAVA_VERSION=\"1.8.0_412\"\n"), Some(1));
        assert_eq!(java_version("nothing"), None);
    }
}
