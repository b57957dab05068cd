//! The command line: parse, call, print. What a command does is decided in the rooms below.
#![forbid(unsafe_code)]

mod cli;
mod command;
mod exit;
mod output;
mod reference;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // The lab's holder and the first process of every instance are this same program under another name.
    #[cfg(target_os = "linux")]
    sandbox::entry::dispatch();
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let output = output::Output::new(&cli.global);
    match command::run(cli.command, &cli.global, &output) {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.code.into()
        }
    }
}
