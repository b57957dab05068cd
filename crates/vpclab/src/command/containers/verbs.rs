//! `containers stop`, `restart`, `kill`, `pause`, `unpause`, `rm`, `wait`, `rename`, `prune`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use container::engine::{Error, Removal, Status, words};
use sandbox::container::spec::PauseMethod;
use serde_json::json;

use super::{Place, each, failed};
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// Containers by name.
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// Only containers of this instance
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Containers: names, ids, beginnings of ids, or INSTANCE/NAME
    #[arg(required = true, value_name = "CONTAINER")]
    pub containers: Vec<String>,
}

/// `containers stop` and `restart`.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// Seconds before they are killed; default: each its own, 10
    #[arg(short = 't', long, visible_alias = "timeout", value_name = "SECONDS")]
    pub time: Option<u64>,
    /// Signal instead of its own
    #[arg(short, long, value_name = "SIGNAL")]
    pub signal: Option<String>,
    /// Which ones
    #[command(flatten)]
    pub names: NamesArgs,
}

/// `containers kill`.
#[derive(Debug, Args)]
pub struct KillArgs {
    /// Signal
    #[arg(short, long, default_value = "KILL", value_name = "SIGNAL")]
    pub signal: String,
    /// Which ones
    #[command(flatten)]
    pub names: NamesArgs,
}

/// `containers rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Those too that run: they are killed; -f means it too, where no file comes behind it
    #[arg(long)]
    pub force: bool,
    /// Their anonymous volumes too
    #[arg(short, long)]
    pub volumes: bool,
    /// Which ones
    #[command(flatten)]
    pub names: NamesArgs,
}

/// `containers rename`.
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// Container: name, id, or the beginning of an id
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    /// Its new name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Only containers of this instance
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
}

/// `containers prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Their anonymous volumes too
    #[arg(long)]
    pub volumes: bool,
}

fn no(error: Error) -> Failure {
    failed(&error)
}

pub fn stop(arguments: &StopArgs, place: &Place, output: &Output) -> Result {
    let signal = arguments.signal.as_deref().map(words::signal).transpose().map_err(no)?;
    each(&arguments.names.containers, place, arguments.names.instance.as_deref(), output, |record| {
        place.engine.stop(&record.id, signal, arguments.time.map(Duration::from_secs)).map_err(no)?;
        Ok(None)
    })
}

pub fn restart(arguments: &StopArgs, place: &Place, output: &Output) -> Result {
    let signal = arguments.signal.as_deref().map(words::signal).transpose().map_err(no)?;
    each(&arguments.names.containers, place, arguments.names.instance.as_deref(), output, |record| {
        place.engine.restart(&record.id, signal, arguments.time.map(Duration::from_secs)).map_err(no)?;
        Ok(None)
    })
}

pub fn kill(arguments: &KillArgs, place: &Place, output: &Output) -> Result {
    let signal = words::signal(&arguments.signal).map_err(no)?;
    each(&arguments.names.containers, place, arguments.names.instance.as_deref(), output, |record| {
        place.engine.kill(&record.id, signal).map_err(no)?;
        Ok(None)
    })
}

pub fn pause(arguments: &NamesArgs, place: &Place, output: &Output) -> Result {
    each(&arguments.containers, place, arguments.instance.as_deref(), output, |record| {
        if place.engine.pause(&record.id).map_err(no)? == PauseMethod::Stopped {
            output.note(format!("{}: no cgroup was given to this user, so every process got SIGSTOP, which it can notice", record.name));
        }
        Ok(None)
    })
}

pub fn unpause(arguments: &NamesArgs, place: &Place, output: &Output) -> Result {
    each(&arguments.containers, place, arguments.instance.as_deref(), output, |record| {
        place.engine.unpause(&record.id).map_err(no)?;
        Ok(None)
    })
}

pub fn rm(arguments: &RmArgs, place: &Place, output: &Output) -> Result {
    let removal = Removal { force: arguments.force, volumes: arguments.volumes };
    each(&arguments.names.containers, place, arguments.names.instance.as_deref(), output, |record| {
        match place.engine.remove(&record.id, removal) {
            // Somebody else wanted the same.
            Ok(()) | Err(Error::NoContainer(_)) => {}
            Err(error @ Error::State { .. }) => return Err(no(error).hint(format!("vpclab containers rm --force {}", record.name))),
            Err(error) => return Err(no(error)),
        }
        if record.declared.is_some() {
            output.note(format!("{} is in the lab file: the next up makes it again", record.name));
        }
        Ok(None)
    })
}

pub fn wait(arguments: &NamesArgs, place: &Place, output: &Output) -> Result {
    let mut codes = Vec::new();
    for name in &arguments.containers {
        let record = place.find(name, arguments.instance.as_deref())?;
        let code = place.engine.wait(&record.id).map_err(no)?;
        if output.format == Format::Json {
            codes.push(json!({"name": record.name, "exit_code": code}));
        } else {
            output.line(code.to_string());
        }
    }
    if output.format == Format::Json {
        output.json(&codes)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub fn rename(arguments: &RenameArgs, place: &Place) -> Result {
    let record = place.find(&arguments.container, arguments.instance.as_deref())?;
    place.engine.rename(&record.id, &arguments.name).map_err(no)?;
    Ok(ExitCode::SUCCESS)
}

pub fn prune(arguments: &PruneArgs, place: &Place, output: &Output) -> Result {
    let all = place.engine.folder.list().map_err(no)?;
    let goes = |status: Status| matches!(status, Status::Created | Status::Exited | Status::Dead);
    let gone: Vec<_> = all.into_iter().filter(|record| goes(record.state.status)).collect();
    if !arguments.yes && !gone.is_empty() {
        let names: Vec<&str> = gone.iter().map(|record| record.name.as_str()).take(8).collect();
        let failure = Failure::usage(format!("this removes {} containers: {}", gone.len(), names.join(", ")));
        return Err(failure.hint("--yes says that it is meant"));
    }
    let mut removed = Vec::new();
    for record in gone {
        match place.engine.remove(&record.id, Removal { force: false, volumes: arguments.volumes }) {
            Ok(()) => removed.push(record),
            // It was removed or started meanwhile.
            Err(Error::NoContainer(_) | Error::State { .. }) => {}
            Err(error) => return Err(no(error)),
        }
    }
    if output.format == Format::Json {
        output.json(&removed.iter().map(|record| json!({"id": record.id, "name": record.name})).collect::<Vec<_>>())?;
    } else {
        removed.iter().for_each(|record| output.line(format!("removed {}", record.name)));
    }
    Ok(ExitCode::SUCCESS)
}
