//! `daemon`: the process that keeps labs up. Labs go on while it is away.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Subcommand;
use control::api::{CloudWanted, LabSummary, Refused};
use control::client::Daemon;
use serde_json::json;

use super::running::paths;
use super::serve::{PaceArgs, serve_cloud};
use crate::cli::Global;
use crate::exit::{self, Result};
use crate::output::{Format, Output};

/// `daemon`.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Start it, if it does not run; with --ec2 it answers clients of AWS
    Start {
        /// Answer clients of AWS (EC2, STS, IAM) at this address of this machine, as `serve --ec2` has it
        #[arg(long, value_name = "ADDRESS:PORT")]
        ec2: Option<SocketAddr>,
        /// Let everybody who can open a connection do everything, signed or not
        #[arg(long, requires = "ec2")]
        no_auth: bool,
        #[command(flatten)]
        pace: PaceArgs,
    },
    /// Whether it runs (exit 1: no)
    Status,
    /// End it; labs go on, names and metadata inside them rest until it is back
    Stop,
    /// End it and start this version
    Restart,
}

/// Why the kernel does not follow, by lab.
fn refused(labs: Option<&[LabSummary]>) -> BTreeMap<&str, &Refused> {
    labs.into_iter().flatten().filter_map(|lab| Some((lab.name.as_str(), lab.refused.as_ref()?))).collect()
}

/// Looks after the daemon.
pub fn run(verb: &Verb, global: &Global, output: &Output) -> Result {
    if let Verb::Start { ec2: Some(address), no_auth, pace } = verb {
        let wanted = CloudWanted { address: *address, is_open: *no_auth, pace: pace.wanted(), account: None };
        return serve_cloud(wanted, None, global, output);
    }
    let running = Daemon::find(paths()?)?;
    let was_running = running.is_some();
    let daemon = match (verb, running) {
        (Verb::Status, daemon) => daemon,
        (Verb::Start { .. }, _) => Some(Daemon::reach(paths()?)?.0),
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
    let pid = daemon.as_ref().map(Daemon::about).transpose()?.map(|about| about.pid);
    if output.format == Format::Json {
        let shut: BTreeMap<&str, &str> = labs.iter().flatten().filter_map(|lab| Some((lab.name.as_str(), lab.door_shut.as_deref()?))).collect();
        output.json(&json!({
            "running": up.is_some(),
            "process": pid,
            "labs_up": up,
            "doors_shut": shut,
            "refused": refused(labs.as_deref()),
            "home": paths()?.home,
            "version": control::api::VERSION,
        }))?;
    } else {
        output.line(match up.zip(pid) {
            Some((up, pid)) => format!("running as process {pid}, {up} {} up; state in {}", if up == 1 { "lab" } else { "labs" }, paths()?.home.display()),
            None if was_running => "ended; labs that are up go on".to_owned(),
            None => "not running".to_owned(),
        });
        for (lab, why) in labs.iter().flatten().filter_map(|lab| Some((&lab.name, lab.door_shut.as_ref()?))) {
            output.line(format!("lab {lab}: clients of AWS are not answered: {why}"));
        }
        for lab in labs.iter().flatten() {
            if let Some(refused) = &lab.refused {
                output.line(format!("lab {}: {}", lab.name, refused.sentence()));
            }
        }
    }
    Ok(if up.is_none() && matches!(verb, Verb::Status) { exit::NO.into() } else { ExitCode::SUCCESS })
}
