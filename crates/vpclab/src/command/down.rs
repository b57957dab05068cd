//! `down`: everything of a lab ends. What to end is what was recorded, never what the file says today.

use std::process::ExitCode;

use clap::Args;
use control::client::Daemon;
use serde_json::json;

use super::meant::refuse_other;
use super::running::{named, paths, whole};
use super::source;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `down`.
#[derive(Debug, Args)]
pub struct DownArgs {
    /// Lab; default: the one of the lab file here, else the only one there is
    #[arg(value_name = "LAB")]
    pub name: Option<String>,
    /// All labs of this user
    #[arg(long, conflicts_with = "name")]
    pub all: bool,
    /// Their volumes too, with all that is in them: without this, volumes that have names stay
    #[arg(long)]
    pub volumes: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// Ends labs. Exit 0 also when there was nothing to end.
pub fn run(arguments: &DownArgs, global: &Global, output: &Output) -> Result {
    let daemon = Daemon::reach(paths()?)?.0;
    let labs = whole(daemon.labs()?);
    if arguments.name.is_none() && !arguments.all && global.lab.is_some() && !global.typed.lab {
        refuse_other(global, source::find_if_any(None, global)?.as_deref(), &labs)?;
    }
    let known: Vec<String> = labs.into_iter().map(|lab| lab.name).collect();
    let names = match (&arguments.name, arguments.all) {
        (_, true) => known,
        (Some(name), false) => vec![name.clone()],
        (None, false) => match (named(global)?, known.as_slice()) {
            (Some(name), _) => vec![name],
            (None, []) => Vec::new(),
            (None, [one]) => vec![one.clone()],
            (None, several) => {
                let failure = Failure::usage(format!("there are several labs: {}", several.join(", ")));
                return Err(failure.hint("vpclab down NAME, or vpclab down --all"));
            }
        },
    };
    if arguments.volumes && !arguments.yes {
        let failure = Failure::usage(format!("this removes the volumes of {} and what is in them", names.join(", ")));
        return Err(failure.hint("--yes says that it is meant; vpclab volumes export keeps what is in one"));
    }
    let mut rows = Vec::new();
    for name in &names {
        let gone = if arguments.volumes { daemon.take_down_with_volumes(name) } else { daemon.take_down(name) }?;
        if output.format != Format::Json {
            output.line(match gone.existed {
                true => format!("- {name}: {}", counted(gone.instances, gone.devices)),
                false => format!("{name} is not up: nothing to do"),
            });
        }
        rows.push(json!({"lab": name, "existed": gone.existed, "instances": gone.instances, "devices": gone.devices}));
    }
    if output.format == Format::Json {
        output.json(&rows)?;
    } else if names.is_empty() {
        output.line("no lab is up: nothing to do");
    }
    Ok(ExitCode::SUCCESS)
}

/// What ended: what there was none of is not spoken of, unless there was nothing at all.
fn counted(instances: usize, devices: usize) -> String {
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    match (instances, devices) {
        (_, 0) => many(instances, "instance"),
        (0, _) => many(devices, "device"),
        _ => format!("{}, {}", many(instances, "instance"), many(devices, "device")),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn what_a_lab_had_is_counted() {
        let table = [(0, 0, "0 instances"), (1, 0, "1 instance"), (0, 1, "1 device"), (0, 12, "12 devices"), (2, 3, "2 instances, 3 devices")];
        for (instances, devices, wanted) in table {
            assert_eq!(counted(instances, devices), wanted);
        }
    }
}
