//! `devstack`: the program behind `./dev`.

use std::process::ExitCode;

use clap::Parser;
use devstack::commands::{CommandLine, exit_code, run};

fn main() -> ExitCode {
    match run(CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(exit_code(&error))
        }
    }
}
