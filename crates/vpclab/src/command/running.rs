//! A lab that is up, as commands meet it: found by name or file, its cloud compiled, its holder and daemon at hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use control::api::{LabSummary, LabView, Problem, ProblemKind, Probes, Refused, Wanted};
use control::client::Daemon;
use control::paths::Paths;
use fabric::Fabric;
use fabric::engine::{Answer, Request};
use model::Model;
use model::lan::Device;
use model::selector::live_instances;

use super::{devices, source};
use crate::cli::Global;
use crate::exit::{self, Failure, Result};

/// How often a change is worked out anew when another command was faster: clients of AWS change a lab dozens of times in a second.
const TRIES: usize = 100;

/// A lab that is up.
pub struct Running {
    /// Its name.
    pub name: String,
    /// The file it came from last.
    pub file: Option<PathBuf>,
    /// The cloud.
    pub model: Arc<Model>,
    /// What it means for packets.
    pub fabric: Arc<Fabric>,
    /// What its file promises.
    pub claims: Vec<model::Claim>,
    /// What its file promises about rights.
    pub rights: Vec<iam::Claim>,
    /// What the kernel refused of it.
    pub refused: Option<Refused>,
    daemon: Daemon,
}

/// Where this user's state is.
pub fn paths() -> Result<Paths> {
    Paths::of_user().map_err(|e| Failure::environment(e.to_string()).hint("export HOME=… or VPCLAB_HOME=…"))
}

/// The daemon of this user, started when needed.
pub fn daemon() -> Result<Daemon> {
    let (daemon, version) = Daemon::reach(paths()?)?;
    if let Some(notice) = version.notice {
        eprintln!("warning: {notice}");
    }
    Ok(daemon)
}

/// The daemon, where there is one or has to be: labs go on where it died or was ended, and only a daemon knows them. Where no lab is up, none is started.
pub fn daemon_of_labs() -> Result<Option<Daemon>> {
    let paths = paths()?;
    if let Some(daemon) = Daemon::find(paths.clone())? {
        return Ok(Some(daemon));
    }
    let lives = |lab: &String| sandbox::Client::connect(&paths.holder_socket(lab)).is_ok();
    if paths.holders().iter().any(lives) { daemon().map(Some) } else { Ok(None) }
}

/// Works a change out anew until no other command was faster: `attempt` gives `None` when one was. Errors: those of the
/// attempt; others are faster every time.
pub fn until_first<T>(lab: &str, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    for _ in 0..TRIES {
        if let Some(done) = attempt()? {
            return Ok(done);
        }
    }
    Err(Failure::environment(format!("lab {lab} is being changed by other commands all the time")).hint("type it again"))
}

/// Brings a lab to what is wanted, and says what of it the kernel does not do; `None` when another command was faster. Errors: it takes longer than `patience`, which
/// ends the wait and not the work; the daemon refuses.
pub fn bring(daemon: &Daemon, lab: &str, wanted: &Wanted, patience: Duration) -> Result<Option<Vec<String>>> {
    match daemon.bring(lab, wanted, patience) {
        Ok(Some(applied)) => Ok(Some(applied.notes)),
        Ok(None) => {
            let message = format!("lab {lab} is not ready after {} s; the daemon goes on", patience.as_secs());
            Err(Failure { code: exit::TIMEOUT, message, hint: Some("vpclab ls shows when it is".to_owned()) })
        }
        Err(problem) if problem.kind == ProblemKind::Conflict => Ok(None),
        Err(problem) => Err(problem.into()),
    }
}

/// The holder of a lab that is up.
pub fn holder(lab: &str) -> Result<sandbox::Client> {
    sandbox::Client::connect(&paths()?.holder_socket(lab)).map_err(|e| Failure::environment(e.to_string()))
}

/// The name of the lab that a command means: `--lab`, else the one of the lab file given or here; `None`: no file.
pub fn named(global: &Global) -> Result<Option<String>> {
    if let Some(name) = &global.lab {
        return Ok(Some(name.clone()));
    }
    match source::find_if_any(None, global)? {
        // A file with a mistake in it still says which lab is meant.
        Some(path) => Ok(Some(source::name_of(&path))),
        None => Ok(None),
    }
}

/// Labs without those that are parts of others: who names none means a whole one.
pub fn whole(mut labs: Vec<LabSummary>) -> Vec<LabSummary> {
    labs.retain(|lab| lab.part_of.is_none());
    labs
}

/// Whether somebody who wrote this meant a file and no lab.
fn is_file_name(path: &std::path::Path) -> bool {
    path.components().count() > 1 || path.extension().is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known))
}

impl Running {
    /// The lab that a command means: `--lab`, else the lab file's, else the only one that is up.
    pub fn open(global: &Global) -> Result<Running> {
        let daemon = daemon()?;
        let labs = daemon.labs()?;
        let up: Vec<String> = labs.iter().filter(|lab| lab.is_up).map(|lab| lab.name.clone()).collect();
        let name = match named(global)? {
            Some(name) => name,
            None => match whole(labs).into_iter().filter(|lab| lab.is_up).map(|lab| lab.name).collect::<Vec<_>>().as_slice() {
                [one] => one.clone(),
                [] => return Err(Failure::usage("no lab is up").hint("vpclab up -f FILE brings one up")),
                several => {
                    let failure = Failure::usage(format!("several labs are up: {}", several.join(", ")));
                    return Err(failure.hint("say which one with --lab NAME"));
                }
            },
        };
        match daemon.lab(&name)? {
            Some(view) if view.is_up => Ok(Running::of(view, daemon)),
            _ => {
                if let Some(file) = global.file.as_ref().filter(|file| global.lab.is_none() && is_file_name(file) && !file.exists()) {
                    return Err(Failure::usage(format!("there is no file {}, and no lab {name} is up", file.display())).hint("vpclab ls shows what is up"));
                }
                let hint = match up.as_slice() {
                    [] => "vpclab up brings it up".to_owned(),
                    up => format!("vpclab up brings it up; up now: {}", up.join(", ")),
                };
                Err(Failure::usage(format!("lab {name} is not up")).hint(hint))
            }
        }
    }

    /// The lab of this name, if it is up; starts no lab.
    pub fn find(name: &str) -> Result<Option<Running>> {
        let Some(daemon) = daemon_of_labs()? else { return Ok(None) };
        Ok(daemon.lab(name)?.filter(|view| view.is_up).map(|view| Running::of(view, daemon)))
    }

    /// The only lab that is up; starts no lab.
    pub fn only() -> Result<Option<Running>> {
        let Some(daemon) = daemon_of_labs()? else { return Ok(None) };
        let up: Vec<String> = whole(daemon.labs()?).into_iter().filter(|lab| lab.is_up).map(|lab| lab.name).collect();
        match up.as_slice() {
            [one] => Ok(daemon.lab(one)?.map(|view| Running::of(view, daemon))),
            _ => Ok(None),
        }
    }

    fn of(view: LabView, daemon: Daemon) -> Running {
        if let Some(refused) = &view.refused {
            eprintln!("warning: lab {}: {}", view.name, refused.sentence());
            refused.hint.iter().for_each(|hint| eprintln!("hint: {hint}"));
        }
        let model = Arc::new(view.model);
        let fabric = Arc::new(Fabric::compile(&model));
        Running { name: view.name, file: view.file, model, fabric, claims: view.claims, rights: view.rights, refused: view.refused, daemon }
    }

    /// The daemon.
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// The lab's holder: sockets in its namespaces, commands in its instances.
    pub fn holder(&self) -> Result<sandbox::Client> {
        holder(&self.name)
    }

    /// Sends probes through the lab; answers in their order.
    pub fn probe(&self, requests: &[Request]) -> Result<Vec<std::result::Result<Answer, String>>> {
        let probes = Probes { generation: self.model.generation, requests: requests.to_vec() };
        Ok(self.daemon.probe(&self.name, &probes)?.answers)
    }

    /// An instance by name, id or one of its addresses, running or not. Errors: there is none; several have the name; it is terminated.
    pub fn instance(&self, word: &str) -> Result<&model::Instance> {
        devices::instance(&self.model, &self.fabric, word)?.ok_or_else(|| {
            let is_called = |own: &&model::Instance| own.id.as_str() == word || model::tag::name(&own.tags) == Some(word);
            // One that is gone is seen for an hour, and nothing can be done with it.
            if let Some(gone) = self.model.instances.values().find(is_called) {
                let failure = Failure::usage(format!("{word} is {}, and does not come back", gone.state.as_str()));
                return failure.hint("vpclab ps shows what there is; vpclab up makes what the lab file has");
            }
            let mut names: Vec<&str> = live_instances(&self.model).filter_map(|i| model::tag::name(&i.tags)).collect();
            names.extend(self.model.lans.values().flat_map(|lan| lan.devices.keys()).map(String::as_str));
            names.sort_unstable();
            if let Some((lan, device)) = self.model.lans.iter().find_map(|(lan, own)| Some((lan, own.devices.get(word)?))) {
                let failure = Failure::usage(format!("{word} is a {} of lan {lan}, and no instance", device.kind()));
                return failure.hint(format!("vpclab exec {word} -- COMMAND; devices of lans run while the lab is up, and have no log"));
            }
            let failure = Failure::usage(format!("lab {} has no instance `{word}`", self.name));
            failure.hint(source::did_you_mean(word, "instance", &names))
        })
    }

    /// A device of a lan by name or one of its addresses.
    pub fn device(&self, word: &str) -> Option<(&str, &Device)> {
        devices::device(&self.model, word)
    }

    /// The namespace of a running instance, or of a device of a lan.
    pub fn namespace(&self, word: &str) -> Result<String> {
        if let Some((name, device)) = self.device(word).filter(|(name, _)| *name == word || self.instance(word).is_err()) {
            return Ok(linux::naming::device_namespace(name, device));
        }
        let instance = self.instance(word)?;
        if instance.state != model::InstanceState::Running {
            let failure = Failure { code: exit::NO, message: format!("{word} is {}", instance.state.as_str()), hint: None };
            return Err(failure.hint(format!("vpclab start {word}")));
        }
        Ok(linux::naming::instance_namespace(&instance.id))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        let code = match problem.kind {
            ProblemKind::BadRequest | ProblemKind::NotFound | ProblemKind::Conflict => exit::USAGE,
            ProblemKind::Environment | ProblemKind::Failed => exit::ENVIRONMENT,
        };
        Failure { code, message: problem.message, hint: problem.hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_worked_out_anew_until_no_other_command_was_faster_and_not_for_ever() {
        for (faster, wanted) in [(0, Some(1)), (3, Some(4)), (TRIES - 1, Some(TRIES)), (TRIES, None)] {
            let mut tries = 0;
            let done = until_first("shop", || {
                tries += 1;
                Ok((tries > faster).then_some(tries))
            });
            assert_eq!(done.ok(), wanted, "{faster} faster ones");
        }
        let mut tries = 0;
        let failed: Result<()> = until_first("shop", || {
            tries += 1;
            Err(Failure::usage("no such instance"))
        });
        assert_eq!((failed.map_err(|failure| failure.message), tries), (Err("no such instance".to_owned()), 1), "no second try");
    }
}
