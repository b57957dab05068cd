//! `import`: a lab file made of what another tool knows, and a list of what it could not say.

mod compose;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use lab::aws::NoteKind;
use serde_json::json;

use super::source::{dump, dump_name, plan};
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// `import`.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Of a folder of `aws ec2 describe-…` output: one JSON file a call, or one a call in a folder for each region
    Aws(AwsArgs),
    /// Of what `terraform show -json` wrote, of a plan or of a state
    Terraform(TerraformArgs),
    /// Of a compose file: its services become containers of one instance
    Compose(compose::ComposeArgs),
}

/// `import aws`.
#[derive(Debug, Args)]
pub struct AwsArgs {
    /// Folder; may hold several accounts and regions, as in accounts/ID/REGION/*.json
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    #[command(flatten)]
    pub made: MadeArgs,
}

/// `import terraform`.
#[derive(Debug, Args)]
pub struct TerraformArgs {
    /// Such as plan.json of: terraform plan -out plan; terraform show -json plan > plan.json
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub made: MadeArgs,
}

/// What becomes of the lab file that is made.
#[derive(Debug, Args)]
pub struct MadeArgs {
    /// Where to write the lab file; `-` is standard output
    #[arg(long, short = 'w', default_value = "-", value_name = "FILE")]
    pub write: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
    /// Exit 1 when something is missing or could not be said
    #[arg(long)]
    pub strict: bool,
}

/// Writes the lab file where it is to be a file. Errors: it is there, or cannot be written.
pub fn put(arguments: &MadeArgs, exported: &lab::Exported) -> std::result::Result<(), Failure> {
    if arguments.write == Path::new("-") {
        return Ok(());
    }
    if arguments.write.exists() && !arguments.force {
        return Err(Failure::usage(format!("{} exists", arguments.write.display())).hint("--force writes over it"));
    }
    let failed = |error| Failure::usage(format!("{} cannot be written: {error}", arguments.write.display()));
    std::fs::write(&arguments.write, &exported.text).map_err(failed)
}

/// Reads, writes the lab file, and lists on stderr what is not in it.
pub fn run(command: &ImportCommand, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    let (import, name, arguments) = match command {
        ImportCommand::Compose(arguments) => return compose::run(arguments, output),
        ImportCommand::Aws(AwsArgs { folder, made }) => {
            if !folder.is_dir() {
                let failure = Failure::usage(format!("{} is no folder", folder.display()));
                return Err(failure.hint("such as: mkdir dump; aws ec2 describe-vpcs > dump/vpcs.json; vpclab import aws dump"));
            }
            (dump(folder, output)?, dump_name(folder), made)
        }
        ImportCommand::Terraform(TerraformArgs { file, made }) => {
            if file.is_dir() {
                let failure = Failure::usage(format!("{} is a folder: Terraform's own JSON of a plan or state is read", file.display()));
                return Err(failure.hint("terraform plan -out plan; terraform show -json plan > plan.json; vpclab import terraform plan.json"));
            }
            (plan(file, output)?, lab::load::stem(&file.to_string_lossy()), made)
        }
    };
    let to_stdout = arguments.write == Path::new("-");
    let name = if to_stdout { name } else { lab::load::stem(&arguments.write.to_string_lossy()) };
    let exported = lab::export(&import.model, &name);
    put(arguments, &exported)?;
    let model = &import.model;
    let what = format!("{} VPCs, {} subnets, {} instances", model.vpcs.len(), model.subnets.len(), model.instances.len());
    if output.format == Format::Json {
        let note = |note: &lab::aws::Note| json!({"kind": note.kind.as_str(), "text": note.text, "file": note.origin.file, "line": note.origin.line});
        output.json(&json!({
            "lab": name,
            "file": if to_stdout { None } else { Some(arguments.write.display().to_string()) },
            "text": exported.text,
            "incomplete": import.is_incomplete() || !exported.unsaid.is_empty(),
            "notes": import.notes.iter().map(note).collect::<Vec<_>>(),
            "unsaid": exported.unsaid,
            "changed": exported.changed,
        }))?;
    } else {
        if to_stdout {
            output.line(exported.text.trim_end());
        }
        import.notes.iter().for_each(|note| output.note(note.to_string()));
        exported.changed.iter().for_each(|change| output.note(format!("changed: {change}")));
        exported.unsaid.iter().for_each(|unsaid| output.note(format!("left out: {unsaid}")));
        if !to_stdout {
            output.line(format!("{} written: {what}", arguments.write.display()));
        }
    }
    let gaps = import.notes.iter().any(|note| note.kind != NoteKind::Assumed) || !exported.unsaid.is_empty();
    Ok(if arguments.strict && gaps { exit::NO.into() } else { ExitCode::SUCCESS })
}
