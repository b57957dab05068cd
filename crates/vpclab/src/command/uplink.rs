//! `uplink`: instances reach the real internet where their routes and gateways let them; off unless asked for.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use sandbox::uplink::{self, Program, UplinkSpec};
use sandbox::{Client, SelfCommand};
use serde_json::json;

use super::running::Running;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `uplink`.
#[derive(Debug, Args)]
pub struct UplinkArgs {
    /// End it
    #[arg(long)]
    pub off: bool,
    /// Which program carries packets; default: pasta, else slirp4netns
    #[arg(long, value_name = "PROGRAM", value_parser = ["pasta", "slirp4netns"], conflicts_with = "off")]
    pub program: Option<String>,
}

/// Begins or ends the uplink of a running lab.
pub fn run(arguments: &UplinkArgs, global: &Global, output: &Output) -> Result {
    let lab = Running::open(global)?;
    let client = lab.holder()?;
    let program = if arguments.off {
        stop(&client)?;
        None
    } else {
        Some(start(&client, arguments.program.as_deref())?)
    };
    match (output.format, program) {
        (Format::Json, _) => output.json(&json!({ "lab": lab.name, "program": program.map(Program::name) }))?,
        (_, None) => output.line(format!("lab {} is cut off from the real internet", lab.name)),
        (_, Some(program)) => {
            let by = program.name();
            output.line(format!("lab {} reaches the real internet by {by}, instances where their routes let them", lab.name));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Begins the uplink of a lab, if it has none; who carries its packets. Exit 3 when nobody can.
pub fn start(client: &Client, wanted: Option<&str>) -> Result<Program> {
    let failed = |error: &dyn std::fmt::Display| Failure::environment(error.to_string());
    let there = uplink::running().into_iter().find(|one| one.spec.holder == client.socket());
    if let Some(there) = there {
        let other = wanted.filter(|wanted| *wanted != there.spec.program.name());
        if other.is_none() {
            linux::runtime::uplink::open(client).map_err(|e| failed(&e))?;
            return Ok(there.spec.program);
        }
        there.end().map_err(|e| failed(&e))?;
    }
    let found = installed(wanted)?;
    let mut refusals = Vec::new();
    for (program, executable) in found {
        let spec =
            UplinkSpec { holder: client.socket().to_owned(), key: linux::naming::INTERNET.to_owned(), program, executable };
        match uplink::launch(&SelfCommand::current().map_err(|e| failed(&e))?, &spec) {
            Ok(()) => {
                linux::runtime::uplink::open(client).map_err(|e| failed(&e))?;
                return Ok(program);
            }
            Err(error) => refusals.push(error.to_string()),
        }
    }
    Err(Failure::environment(refusals.join("\n")).hint("vpclab doctor says what this machine lacks"))
}

/// The programs that can carry packets, with their files. Exit 3 when there is none.
pub fn installed(wanted: Option<&str>) -> Result<Vec<(Program, PathBuf)>> {
    let wanted: Vec<Program> = Program::ALL.into_iter().filter(|one| wanted.is_none_or(|name| name == one.name())).collect();
    let found: Vec<_> = wanted.iter().filter_map(|program| Some((*program, program.find()?))).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let names: Vec<&str> = wanted.iter().map(|one| one.name()).collect();
    let missing = match names.as_slice() {
        [one] => format!("{one} is not installed"),
        several => format!("neither {} is installed", several.join(" nor ")),
    };
    let package = wanted.first().map_or("passt", |one| one.package());
    Err(Failure::environment(missing).hint(format!("sudo apt install {package}")))
}

/// Ends the uplink of a lab; one that has none is cut off already.
pub fn stop(client: &Client) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| Failure::environment(error.to_string());
    for one in uplink::running().into_iter().filter(|one| one.spec.holder == client.socket()) {
        one.end().map_err(|e| failed(&e))?;
    }
    linux::runtime::uplink::close(client).map_err(|e| failed(&e))
}
