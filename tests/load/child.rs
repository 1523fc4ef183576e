//! Processes that live as long as a measurement.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
pub use support::listening::{Listening, raised_api, raised_api_with};

/// The bare handler with recorded answers.
pub fn bare(recorded: &Path) -> anyhow::Result<Listening> {
    let arguments = [OsStr::new("bare"), recorded.as_os_str()];
    let mut child = Command::new(std::env::current_exe()?).args(arguments).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
    match line.trim().parse() {
        Ok(address) => Ok(Listening::new(child, address)),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error).context("the bare handler did not start")
        }
    }
}
