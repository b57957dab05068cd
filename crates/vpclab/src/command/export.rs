//! `export`: a lab file of a lab that is up, whoever built it.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::running::Running;
use crate::cli::Global;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// `export`.
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Of the lab that is up: networks, instances, identities and promises as a lab file. Keys are no part of it
    Lab(LabArgs),
}

/// `export lab`.
#[derive(Debug, Args)]
pub struct LabArgs {
    /// Where to write the lab file; `-` is standard output
    #[arg(long, short = 'w', default_value = "-", value_name = "FILE")]
    pub write: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
    /// Exit 1 when something could not be said
    #[arg(long)]
    pub strict: bool,
}

/// Writes the lab file, and lists on stderr what it does not say.
pub fn run(command: &ExportCommand, global: &Global, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    let ExportCommand::Lab(arguments) = command;
    let running = Running::open(global)?;
    let account = running.daemon().identities(&running.name)?.account;
    let mut exported = lab::export_with(&running.model, &account, &running.name);
    let promises = running.claims.iter().map(ToString::to_string).chain(running.rights.iter().map(ToString::to_string));
    let promises: Vec<String> = promises.map(|promise| format!("  - {}\n", json!(promise))).collect();
    if !promises.is_empty() {
        exported.text.push_str(&format!("expect:\n{}", promises.concat()));
    }
    let to_stdout = arguments.write == Path::new("-");
    if !to_stdout {
        if arguments.write.exists() && !arguments.force {
            return Err(Failure::usage(format!("{} exists", arguments.write.display())).hint("--force writes over it"));
        }
        std::fs::write(&arguments.write, &exported.text)
            .map_err(|e| Failure::usage(format!("{} cannot be written: {e}", arguments.write.display())))?;
    }
    if output.format == Format::Json {
        output.json(&json!({
            "lab": running.name,
            "file": if to_stdout { None } else { Some(arguments.write.display().to_string()) },
            "text": exported.text,
            "unsaid": exported.unsaid,
            "changed": exported.changed,
        }))?;
    } else {
        if to_stdout {
            output.line(exported.text.trim_end());
        }
        exported.changed.iter().for_each(|change| output.note(format!("changed: {change}")));
        exported.unsaid.iter().for_each(|unsaid| output.note(format!("left out: {unsaid}")));
        if !to_stdout {
            output.line(format!("{} written", arguments.write.display()));
        }
    }
    Ok(if arguments.strict && !exported.unsaid.is_empty() { exit::NO.into() } else { std::process::ExitCode::SUCCESS })
}
