//! `plan`: what `up` would change, in the lab's things and in who reaches whom.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use model::Model;

use super::diff::Differences;
use super::meant::{by_position, refuse_other};
use super::running::{daemon_of_labs, paths};
use super::source::{empty, find};
use super::up;
use crate::cli::Global;
use crate::exit::{self, Result};
use crate::output::{Format, Output};

/// `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Lab file
    #[arg(value_name = "FILE")]
    pub positional: Option<PathBuf>,
    /// Exit 1 when something would change
    #[arg(long)]
    pub exit_code: bool,
}

/// Shows what `up` would do. Exit 1 with `--exit-code` when that is anything.
pub fn run(arguments: &PlanArgs, global: &Global, output: &Output) -> Result {
    output.only(&Differences::FORMATS)?;
    let global = &by_position(global, arguments.positional.as_deref());
    let lab = up::read(arguments.positional.as_deref(), global, output)?;
    // A plan starts nothing: without a daemon, no lab is up that could differ from an empty account.
    let (known, identities) = match daemon_of_labs()? {
        Some(daemon) => {
            refuse_other(global, Some(&find(arguments.positional.as_deref(), global)?), &daemon.labs()?)?;
            let known = daemon.lab(&lab.name)?;
            let identities = known.is_some().then(|| daemon.identities(&lab.name)).transpose()?;
            (known, identities)
        }
        None => (None, None),
    };
    let next = up::next(&lab, known.as_ref(), identities, output)?;
    up::note_other_file(known.as_ref(), &find(arguments.positional.as_deref(), global)?, output);
    let was: Model = known.as_ref().map_or_else(|| empty(&lab), |known| known.model.clone());
    let all = Differences::of(&was, &next.model, next.changes, super::gaps::Gaps::default())?;
    all.print(&format!("lab {}", lab.name), output)?;
    // What the lab's file says of containers may be true of the cloud and not of what runs.
    let started = match &known {
        Some(known) if known.is_up && all.changes.is_empty() => containers(&lab.name, &next.model)?,
        _ => Vec::new(),
    };
    if output.format != Format::Json {
        started.iter().for_each(|step| output.line(step));
        match started.len() {
            0 => output.note(up::closing(&lab.name, &all.changes, known.as_ref())),
            1 => output.note(format!("1 container to start or make anew; lab {} is up", lab.name)),
            many => output.note(format!("{many} containers to start or make anew; lab {} is up", lab.name)),
        }
    }
    Ok(if arguments.exit_code && !(all.is_empty() && started.is_empty()) { exit::NO.into() } else { ExitCode::SUCCESS })
}

/// What `up` would do with containers of a lab whose cloud is what its file says.
fn containers(lab: &str, model: &Model) -> Result<Vec<String>> {
    let paths = paths()?;
    if model.containers.is_empty() {
        return Ok(Vec::new());
    }
    let engine = control::containers::engine(&paths, lab, &fabric::Fabric::compile(model));
    let steps = engine.and_then(|engine| control::containers::pending(&engine, model)).map_err(|error| super::containers::failed(&error))?;
    Ok(steps.iter().map(|step| step.to_string().replace(": started", ": start it").replace(": made anew", ": make it anew")).collect())
}
