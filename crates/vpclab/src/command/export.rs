//! `export`: a lab file of a lab that is up, whoever built it: `up` of that file makes the same lab anew.

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::import::{MadeArgs, put};
use super::running::Running;
use crate::cli::Global;
use crate::exit::{self, Result};
use crate::output::{Format, Output};

/// `export`.
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// A lab file of what is up, built by commands, by clients of AWS, or both
    Lab(MadeArgs),
}

/// Writes the lab file, and lists on stderr what could not be said in one.
pub fn run(command: &ExportCommand, global: &Global, output: &Output) -> Result {
    let ExportCommand::Lab(arguments) = command;
    output.only(&[Format::Table, Format::Json])?;
    let running = Running::open(global)?;
    let to_stdout = arguments.write == Path::new("-");
    let name = if to_stdout { running.name.clone() } else { lab::load::stem(&arguments.write.to_string_lossy()) };
    let exported = lab::export(&running.model, &name);
    put(arguments, &exported)?;
    if output.format == Format::Json {
        output.json(&json!({
            "lab": name,
            "file": (!to_stdout).then(|| arguments.write.display().to_string()),
            "text": exported.text,
            "incomplete": !exported.unsaid.is_empty(),
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
            let model = &running.model;
            let what = format!("{} VPCs, {} subnets, {} instances", model.vpcs.len(), model.subnets.len(), model.instances.len());
            output.line(format!("{} written: {what}", arguments.write.display()));
        }
    }
    Ok(if arguments.strict && !exported.unsaid.is_empty() { exit::NO.into() } else { ExitCode::SUCCESS })
}
