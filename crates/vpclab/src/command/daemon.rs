//! `daemon`: the process that keeps labs up. Labs go on while it is away.

use std::process::ExitCode;

use clap::Subcommand;
use control::client::Daemon;
use serde_json::json;

use super::running::paths;
use crate::exit::{self, Result};
use crate::output::{Format, Output};

/// `daemon`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Verb {
    /// Whether it runs (exit 1: no)
    Status,
    /// End it; labs go on, names and metadata inside them rest until it is back
    Stop,
    /// End it and start this version
    Restart,
}

/// Looks after the daemon.
pub fn run(verb: Verb, output: &Output) -> Result {
    let running = Daemon::find(paths()?)?;
    let daemon = match (verb, running) {
        (Verb::Status, daemon) => daemon,
        (Verb::Stop, daemon) => {
            daemon.map_or(Ok(()), |daemon| daemon.leave())?;
            None
        }
        (Verb::Restart, daemon) => {
            daemon.map_or(Ok(()), |daemon| daemon.leave())?;
            Some(Daemon::reach(paths()?)?.0)
        }
    };
    let labs = daemon.as_ref().map(Daemon::labs).transpose()?;
    let up = labs.as_ref().map(|labs| labs.iter().filter(|lab| lab.is_up).count());
    if output.format == Format::Json {
        output.json(&json!({"running": up.is_some(), "labs_up": up, "home": paths()?.home, "version": control::api::VERSION}))?;
    } else {
        output.line(match up {
            Some(up) => format!("running, {up} labs up; state in {}", paths()?.home.display()),
            None => "not running".to_owned(),
        });
    }
    Ok(if up.is_none() && matches!(verb, Verb::Status) { exit::NO.into() } else { ExitCode::SUCCESS })
}
