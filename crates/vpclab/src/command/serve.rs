//! `serve`: where clients of other programs are answered, as lines for a shell. The daemon serves as long as the lab is up.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use control::api::{CloudWanted, Pace, Wanted};
use control::client::Daemon;
use model::Region;
use serde_json::{Map, Value, json};

use super::docker::{host, socket};
use super::env::{aws, quoted, with_key_of};
use super::running::{Running, bring, daemon, named, whole};
use super::source::nothing;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// The lab that is made where none is named and none is up.
const NAME: &str = "cloud";
/// How long an empty lab may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Instance whose containers are meant; left out: those of the whole lab
    #[arg(value_name = "INSTANCE", conflicts_with = "ec2")]
    pub instance: Option<String>,
    /// Answer clients of AWS (EC2, STS, IAM) at this address of this machine; port 0 takes a free one. A lab is made where none is up
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub ec2: Option<SocketAddr>,
    /// With the key of this user instead of the owner's
    #[arg(long, requires = "ec2", value_name = "USER")]
    pub user: Option<String>,
    /// Let everybody who can open a connection do everything, signed or not
    #[arg(long, requires = "ec2")]
    pub no_auth: bool,
    #[command(flatten)]
    pub pace: PaceArgs,
    /// Print the key of this account's owner; twelve digits. Both are made when they are not there
    #[arg(long, requires = "ec2", value_name = "ACCOUNT", conflicts_with = "user")]
    pub account: Option<String>,
}

/// How long things take that clients of AWS begin.
#[derive(Debug, Clone, Copy, Args)]
pub struct PaceArgs {
    /// What clients begin passes through AWS's states, in seconds: pending, stopping, deleting
    #[arg(long, requires = "ec2", conflicts_with = "instant")]
    pub aws_like: bool,
    /// What clients begin is there at once; so it is unless --aws-like was said
    #[arg(long, requires = "ec2")]
    pub instant: bool,
}

impl PaceArgs {
    /// What is wanted, if anything is.
    pub fn wanted(self) -> Option<Pace> {
        match (self.aws_like, self.instant) {
            (true, _) => Some(Pace::AwsLike),
            (false, true) => Some(Pace::Instant),
            (false, false) => None,
        }
    }
}

/// Prints `export` lines for `eval "$(vpclab serve)"`.
pub fn run(arguments: &ServeArgs, global: &Global, output: &Output) -> Result {
    match arguments.ec2 {
        Some(address) => {
            let (is_open, pace) = (arguments.no_auth, arguments.pace.wanted());
            let wanted = CloudWanted { address, is_open, pace, account: arguments.account.clone() };
            serve_cloud(wanted, arguments.user.as_deref(), global, output)
        }
        None => serve_docker(arguments.instance.as_deref(), global, output),
    }
}

fn serve_docker(instance: Option<&str>, global: &Global, output: &Output) -> Result {
    let running = Running::open(global)?;
    let host = host(&socket(&running, instance)?);
    if output.format == Format::Json {
        output.json(&json!({"DOCKER_HOST": host}))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line(format!("export DOCKER_HOST={}", quoted(&host)));
    let instance = instance.map(|name| format!(" {name}")).unwrap_or_default();
    output.line(format!("# eval \"$(vpclab serve{instance})\""));
    Ok(ExitCode::SUCCESS)
}

/// Opens the door of a lab and prints what clients are told by, with the key of a user or of an account's owner.
pub fn serve_cloud(wanted: CloudWanted, user: Option<&str>, global: &Global, output: &Output) -> Result {
    let daemon = daemon()?;
    let lab = lab(&daemon, global, output)?;
    let served = daemon.open_cloud(&lab, &wanted)?;
    if wanted.is_open {
        eprintln!("warning: whatever runs on this machine can change lab {lab}: nothing has to be signed");
    }
    let served = match user {
        Some(user) => with_key_of(served, user, &lab)?,
        None => served,
    };
    let settings = aws(&served);
    if output.format == Format::Json {
        let object: Map<String, Value> = settings.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        output.json(&object)?;
        return Ok(ExitCode::SUCCESS);
    }
    settings.iter().for_each(|(name, value)| output.line(format!("export {name}={}", quoted(value))));
    let no_auth = if wanted.is_open { " --no-auth" } else { "" };
    let account = wanted.account.map(|account| format!(" --account {account}")).unwrap_or_default();
    let pace = if served.pace == Pace::AwsLike { " --aws-like" } else { "" };
    output.line(format!("# lab {lab}: eval \"$(vpclab serve --ec2 {}{no_auth}{pace}{account})\"", served.address));
    Ok(ExitCode::SUCCESS)
}

/// The lab that is meant, up. One that nobody has described yet is made with nothing in it.
fn lab(daemon: &Daemon, global: &Global, output: &Output) -> std::result::Result<String, Failure> {
    let up: Vec<String> = whole(daemon.labs()?).into_iter().filter(|lab| lab.is_up).map(|lab| lab.name).collect();
    let name = match (named(global)?, up.as_slice()) {
        (Some(name), _) => name,
        (None, [one]) => one.clone(),
        (None, []) => NAME.to_owned(),
        (None, several) => {
            let failure = Failure::usage(format!("several labs are up: {}", several.join(", ")));
            return Err(failure.hint("say which one with --lab NAME"));
        }
    };
    if up.contains(&name) {
        return Ok(name);
    }
    let known = daemon.lab(&name)?;
    if known.is_some() || (global.lab.is_none() && name != NAME) {
        return Err(Failure::usage(format!("lab {name} is not up")).hint("vpclab up brings it up"));
    }
    let wanted = Wanted { base_generation: None, file: None, model: nothing(&name, Region::default()), claims: Vec::new(), rights: Vec::new() };
    // Another command that was faster has made it.
    bring(daemon, &name, &wanted, PATIENCE)?;
    output.note(format!("lab {name} begins with nothing in it; vpclab down --lab {name} ends it"));
    Ok(name)
}
