//! `containers`: containers in the instances of a lab, with the words of Docker's commands.

mod commit;
mod create;
mod exec;
mod files;
mod joining;
mod list;
mod logs;
mod look;
mod run;
mod signals;
mod up;
mod verbs;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Subcommand;
use container::engine::{Engine, Error, Record};

use super::images;
use super::running::{Running, paths};
use super::source::did_you_mean;
use crate::cli::Global;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

pub use exec::in_container;
pub use logs::of_container;
pub use up::bring;

/// `containers`.
#[derive(Debug, Subcommand)]
pub enum ContainersCommand {
    /// Make a container of an image and start it; ends with its program's exit code
    Run(Box<run::RunArgs>),
    /// Make a container of an image; start begins it
    Create(Box<create::CreateArgs>),
    /// List containers that run; -a: all
    #[command(visible_alias = "ps")]
    Ls(list::LsArgs),
    /// Start containers that do not run
    Start(run::StartArgs),
    /// Ask containers to end, and kill those that do not in time
    Stop(verbs::StopArgs),
    /// Stop containers and start them
    Restart(verbs::StopArgs),
    /// Send a signal to containers
    Kill(verbs::KillArgs),
    /// Stand containers still
    Pause(verbs::NamesArgs),
    /// Let paused containers go on
    Unpause(verbs::NamesArgs),
    /// Remove containers with what they wrote
    Rm(verbs::RmArgs),
    /// Wait until containers have ended, and print their exit codes
    Wait(verbs::NamesArgs),
    /// Give a container another name
    Rename(verbs::RenameArgs),
    /// Run a command in a container; ends with the command's exit code
    Exec(exec::ExecArgs),
    /// Join a container that runs: see what it prints, type to it
    Attach(run::AttachArgs),
    /// What a container printed
    Logs(logs::LogsArgs),
    /// Everything about containers, in Docker's shape
    Inspect(look::InspectArgs),
    /// Processes of a container
    Top(look::OneArgs),
    /// What containers take: processor, memory, network
    Stats(look::StatsArgs),
    /// What a container wrote: A added, C changed, D deleted
    Diff(look::OneArgs),
    /// Make an image of what a container wrote
    Commit(commit::CommitArgs),
    /// Ports of the instance that lead to a container
    Port(look::PortArgs),
    /// Copy files into a container or out of it, whether it runs or not
    Cp(files::CpArgs),
    /// Write all files of a container as a tar, without those of its volumes
    Export(files::ExportArgs),
    /// Change when containers are started again and what they may use
    Update(files::UpdateArgs),
    /// Remove all containers that do not run
    Prune(verbs::PruneArgs),
}

/// Runs one of them.
pub fn run(command: &ContainersCommand, global: &Global, output: &Output) -> Result {
    let place = Place::open(global)?;
    match command {
        ContainersCommand::Run(arguments) => run::run(arguments, &place, output),
        ContainersCommand::Create(arguments) => run::create_only(arguments, &place, output),
        ContainersCommand::Ls(arguments) => list::ls(arguments, &place, output),
        ContainersCommand::Start(arguments) => run::start(arguments, &place, output),
        ContainersCommand::Stop(arguments) => verbs::stop(arguments, &place, output),
        ContainersCommand::Restart(arguments) => verbs::restart(arguments, &place, output),
        ContainersCommand::Kill(arguments) => verbs::kill(arguments, &place, output),
        ContainersCommand::Pause(arguments) => verbs::pause(arguments, &place, output),
        ContainersCommand::Unpause(arguments) => verbs::unpause(arguments, &place, output),
        ContainersCommand::Rm(arguments) => verbs::rm(arguments, &place, output),
        ContainersCommand::Wait(arguments) => verbs::wait(arguments, &place, output),
        ContainersCommand::Rename(arguments) => verbs::rename(arguments, &place),
        ContainersCommand::Exec(arguments) => exec::run(arguments, &place),
        ContainersCommand::Attach(arguments) => run::attach(arguments, &place),
        ContainersCommand::Logs(arguments) => logs::run(arguments, &place, output),
        ContainersCommand::Inspect(arguments) => look::inspect(arguments, &place, output),
        ContainersCommand::Top(arguments) => look::top(arguments, &place, output),
        ContainersCommand::Stats(arguments) => look::stats(arguments, &place, output),
        ContainersCommand::Diff(arguments) => look::diff(arguments, &place, output),
        ContainersCommand::Commit(arguments) => commit::run(arguments, &place, output),
        ContainersCommand::Port(arguments) => look::port(arguments, &place, output),
        ContainersCommand::Cp(arguments) => files::cp(arguments, &place, output),
        ContainersCommand::Export(arguments) => files::export(arguments, &place, output),
        ContainersCommand::Update(arguments) => files::update(arguments, &place, output),
        ContainersCommand::Prune(arguments) => verbs::prune(arguments, &place, output),
    }
}

/// A lab that is up, with its containers.
pub struct Place {
    /// The lab.
    pub running: Running,
    /// Its containers.
    pub engine: Engine,
    /// Names of instances by the holder's key.
    names: BTreeMap<String, String>,
}

impl Place {
    /// The lab that a command means.
    pub fn open(global: &Global) -> Result<Place> {
        Place::of(Running::open(global)?)
    }

    /// Of a lab that is known.
    pub fn of(running: Running) -> Result<Place> {
        let engine = control::containers::engine(&paths()?, &running.name, &running.fabric);
        let names = control::containers::instance_names(&running.model);
        Ok(Place { engine: engine.map_err(|error| failed(&error))?, running, names })
    }

    /// What an instance is called, by its key.
    pub fn instance_name<'a>(&'a self, key: &'a str) -> &'a str {
        self.names.get(key).map_or(key, String::as_str)
    }

    /// The key of the instance meant; without a word the only one that runs.
    pub fn instance_or_only(&self, word: Option<&str>) -> Result<String> {
        if let Some(word) = word {
            return self.running.namespace(word);
        }
        let live: Vec<&model::Instance> =
            self.running.model.instances.values().filter(|instance| instance.state == model::InstanceState::Running).collect();
        match live[..] {
            [one] => Ok(linux::naming::instance_namespace(&one.id)),
            [] => Err(Failure::usage(format!("no instance of lab {} runs", self.running.name)).hint("vpclab ps")),
            _ => {
                let names: Vec<&str> = live.iter().filter_map(|instance| model::tag::name(&instance.tags)).take(8).collect();
                Err(Failure::usage("several instances run: say in which one").hint(format!("--instance {}", names.join(" | "))))
            }
        }
    }

    /// The container meant: name, id, beginning of an id, or INSTANCE/NAME.
    pub fn find(&self, text: &str, instance: Option<&str>) -> Result<Record> {
        let (instance, name) = match text.split_once('/') {
            Some((instance, name)) if !instance.is_empty() => (Some(instance), name),
            _ => (instance, text),
        };
        let key = instance.map(|word| self.running.instance(word).map(|i| linux::naming::instance_namespace(&i.id))).transpose()?;
        self.engine.find(name, key.as_deref()).map_err(|error| match &error {
            Error::NoContainer(_) => {
                let all = self.engine.folder.list().unwrap_or_default();
                let is_here = |record: &&Record| key.as_ref().is_none_or(|key| *key == record.instance);
                let names: Vec<&str> = all.iter().filter(is_here).map(|record| record.name.as_str()).collect();
                let elsewhere: Vec<&str> = all.iter().filter(|record| record.name == name).map(|record| self.instance_name(&record.instance)).collect();
                let message = match &key {
                    Some(key) => format!("{} has no container `{name}`", self.instance_name(key)),
                    None => error.to_string(),
                };
                let failure = Failure { message, ..failed(&error) };
                match (&elsewhere[..], &names[..]) {
                    ([_, ..], _) => failure.hint(format!("{name} is a container of {}", elsewhere.join(", "))),
                    ([], []) if all.is_empty() => failure.hint("there is none yet: vpclab containers run IMAGE"),
                    ([], []) => failure.hint("it has none: vpclab containers ls -a"),
                    ([], _) => failure.hint(did_you_mean(name, "container", &names)),
                }
            }
            Error::Ambiguous { .. } if let several @ [_, _, ..] = &self.called(name)[..] => {
                Failure::usage(format!("{} containers are called `{name}`", several.len())).hint(several.join(" | "))
            }
            Error::Ambiguous { .. } => failed(&error).hint("write INSTANCE/NAME, or more of the id"),
            _ => failed(&error),
        })
    }

    /// INSTANCE/NAME of all containers of a name.
    fn called(&self, name: &str) -> Vec<String> {
        let all = self.engine.folder.list().unwrap_or_default().into_iter();
        let mut called: Vec<String> =
            all.filter(|record| record.name == name).map(|record| format!("{}/{name}", self.instance_name(&record.instance))).collect();
        called.sort_unstable();
        called
    }

    /// Pulls an image that is not here.
    pub fn bring_image(&self, name: &str, output: &Output) -> Result<()> {
        match self.engine.store.find(name) {
            Ok(_) => Ok(()),
            Err(container::Error::NoImage(_)) => images::bring(&self.engine.store, name, output).map(drop),
            Err(error) => Err(images::failure(&error)),
        }
    }
}

/// The container that somebody named where an instance is meant, with its instance's name.
pub fn named(running: &Running, text: &str) -> Option<(Record, String)> {
    if running.instance(text).is_ok() {
        return None;
    }
    let folder = container::engine::lab::folder(&paths().ok()?.logs(&running.name));
    let own = text.rsplit('/').next().unwrap_or_default();
    let is_meant = |record: &Record| record.name == own || (own.len() >= 12 && record.id.as_str().starts_with(own));
    let record = folder.list().ok()?.into_iter().find(is_meant)?;
    let instance = control::containers::instance_names(&running.model).remove(&record.instance)?;
    Some((record, instance))
}

/// Whoever names a container where an instance is meant is told which command is about containers.
pub fn or_container(failure: Failure, command: &str, text: &str, running: &Running) -> Failure {
    match named(running, text) {
        Some((record, instance)) => {
            let name = &record.name;
            failure.hint(format!("{name} is a container of {instance}: vpclab containers {command} {name}"))
        }
        None => failure,
    }
}

/// Does one thing to each container named; one that fails keeps none of the others. The code is that of the last one that has
/// one, or of the first failure.
fn each(
    names: &[String],
    place: &Place,
    instance: Option<&str>,
    output: &Output,
    mut one: impl FnMut(&Record) -> Result<Option<i32>>,
) -> Result {
    let (mut first, mut code, mut done) = (None, None, Vec::new());
    for name in names {
        match place.find(name, instance).and_then(|record| one(&record)) {
            Ok(ended) => {
                code = ended.or(code);
                done.push(name);
            }
            Err(failure) => match first {
                None => first = Some(failure),
                Some(_) => output.failure(&failure),
            },
        }
    }
    if output.format == Format::Json && code.is_none() {
        output.json(&done)?;
    } else if code.is_none() {
        done.iter().for_each(|name| output.line(name));
    }
    match first {
        Some(failure) => Err(failure),
        None => Ok(code.map_or(ExitCode::SUCCESS, run::exit_code)),
    }
}

/// What the engine says, with the exit code and what to type next.
pub fn failed(error: &Error) -> Failure {
    let message = error.to_string();
    let failure = match error {
        Error::Name { .. } | Error::Option { .. } | Error::Conflict(_) | Error::Ambiguous { .. } => Failure::usage(message),
        Error::NameTaken { name, .. } => Failure::usage(message).hint(format!("vpclab containers rm {name}, or another --name")),
        Error::NoPath { .. } | Error::Refused(_) | Error::NoContainer(_) | Error::NoVolume(_) | Error::NoNetwork(_) | Error::Forbidden(_) | Error::State { .. } => Failure { code: exit::NO, message, hint: None },
        Error::VolumeExists(_) | Error::NetworkExists(_) | Error::NoDriver(_) => Failure::usage(message),
        Error::VolumeInUse { .. } => Failure { code: exit::NO, message, hint: None }.hint("vpclab containers rm those first"),
        Error::NotStarted { code, .. } => Failure { code: exit::Code(u8::try_from(*code).unwrap_or(125)), message, hint: None },
        Error::InUse { .. } | Error::Malformed { .. } => Failure::environment(message),
        Error::Image(error) => images::failure(error),
        Error::Network(container::network::Error::Sandbox(_) | container::network::Error::Kernel { .. }) => Failure::environment(message),
        Error::Network(_) => Failure::usage(message),
        Error::Sandbox(sandbox::Error::Environment { fix, .. }) => {
            let hint = fix.clone();
            Failure::environment(message).hint(hint)
        }
        Error::Sandbox(_) => Failure::environment(message),
    };
    Failure { hint: failure.hint.or_else(|| images::full_disk(error)), ..failure }
}
