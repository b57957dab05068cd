//! `run PATH… [--engine E] [--json] [--filter ID]…`: the runner without the rest of the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use conformance::{EngineName, Options};

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    sandbox::entry::dispatch();
    let (mut paths, mut engine, mut options) = (Vec::new(), EngineName::Proof, Options::default());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => options.json = true,
            "--filter" => options.filter.extend(arguments.next()),
            "--engine" => match arguments.next().as_deref().and_then(EngineName::parse) {
                Some(named) => engine = named,
                None => return usage("--engine takes proof or linux"),
            },
            flag if flag.starts_with('-') => return usage(&format!("unknown flag {flag}")),
            path => paths.push(PathBuf::from(path)),
        }
    }
    match conformance::run(&paths, engine, &options, &mut std::io::stdout().lock()) {
        Ok(report) => ExitCode::from(report.exit_code()),
        Err(error) => usage(&error.to_string()),
    }
}

fn usage(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(2)
}
