//! The doctor as a program: its JSON, its exit code, and namespaces of its own to break things in.

use std::process::{Command, Output};

use serde_json::Value;
use support::files::checkout;

use crate::SHARED;

/// The program, beside the folder of the tests.
pub fn devstack() -> String {
    let own = std::env::current_exe().expect("a path");
    let program = own.parent().and_then(|folder| folder.parent()).expect("a folder").join("devstack");
    assert!(program.is_file(), "{} is built", program.display());
    program.display().to_string()
}

/// Runs a script as the root of a namespace in which mounts are its own.
pub fn in_namespace(script: &str) -> Output {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "bash", "-c", script]);
    command.output().expect("unshare runs")
}

/// One check in the report that a run has written.
pub fn examined(output: &Output, code: &str) -> Value {
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let checks = report["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["code"] == code).expect("the check").clone()
}

#[tokio::test]
async fn the_exit_code_says_whether_something_failed() {
    let _turn = SHARED.lock().await;
    let doctor = |arguments: &[&str]| {
        let mut command = Command::new(devstack());
        command.arg("--checkout").arg(checkout()).arg("doctor").args(arguments).output().expect("it runs")
    };
    let well = doctor(&["--test", "--json"]);
    assert_eq!(well.status.code(), Some(0), "{}", String::from_utf8_lossy(&well.stdout));
    assert_eq!(examined(&well, "server-down")["verdict"], "ok");
    let lines = doctor(&["--test"]);
    let lines = String::from_utf8_lossy(&lines.stdout).into_owned();
    assert!(lines.contains("  ok      there is a primary: postgres_"), "{lines}");
    let line = format!("ulimit -n 1024 && {} --checkout / doctor", devstack());
    let failed = Command::new("bash").args(["-c", &line]).output().expect("it runs");
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("open-files-few"));
    assert!(String::from_utf8_lossy(&failed.stdout).contains("[open-files-few]"));
}
