//! `devstack`: the program behind `./dev`.

use std::process::ExitCode;

use clap::Parser;
use devstack::commands::{CommandLine, exit_code, run};
use rustix::fs::Mode;

fn main() -> ExitCode {
    // Tools and copies are for the unprivileged account too; what is private is made so by name.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    match run(CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(exit_code(&error))
        }
    }
}
