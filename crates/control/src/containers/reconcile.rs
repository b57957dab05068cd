//! The containers that a lab file describes, made so: what is gone from the file goes, what is described differently is made
//! anew, what does not run is started, each after those that it waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use container::{Digest, build};
use container::engine::record::{Declared, HealthStatus};
use container::engine::{Engine, Error, Options, Record, Removal, RestartPolicy, Started, Status};
use container::network::{DEFAULT_NETWORK, NetworkMode, NetworkOptions};
use model::container::{ContainerSpec, ImageSource, Readiness};
use model::{InstanceState, Model};

use super::instance_names;
use super::options::options;

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A container was made and started.
    Created(String),
    /// A container was made anew.
    Replaced(String),
    /// A container may be made anew: the files that its image (the second name) comes of are others now.
    MayReplace(String, String),
    /// A container that did not run was started.
    Started(String),
    /// A container is gone.
    Removed(String),
    /// What is waited for.
    Waiting(String),
    /// What was asked for and cannot be had here.
    Warning(String),
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Created(name) => write!(f, "+ container {name}"),
            Step::Replaced(name) => write!(f, "~ container {name}: made anew"),
            Step::MayReplace(name, image) => {
                write!(f, "~ container {name}: made anew if image {image} comes out another: its files have changed")
            }
            Step::Started(name) => write!(f, "~ container {name}: started"),
            Step::Removed(name) => write!(f, "- container {name}"),
            Step::Waiting(text) => write!(f, "waiting for {text}"),
            Step::Warning(text) => write!(f, "warning: {text}"),
        }
    }
}

/// After this long it is said what is waited for.
const SILENCE: Duration = Duration::from_millis(500);

/// One run of it.
pub struct Reconcile<'a> {
    /// The lab's engine.
    pub engine: &'a Engine,
    /// What the file says.
    pub model: &'a Model,
    /// The id of the image that a spec means, brought here where it is not.
    pub image: &'a mut dyn FnMut(&str) -> Result<Digest, Error>,
    /// Told of every step.
    pub say: &'a mut dyn FnMut(Step),
    /// When waiting ends.
    pub deadline: Instant,
}

impl Reconcile<'_> {
    /// Does it. Errors: what could not be done; what comes before it is done.
    pub fn run(&mut self) -> Result<(), Error> {
        // Another `up` of the same lab goes first, and this one finds what it made.
        let patience = self.deadline.saturating_duration_since(Instant::now());
        let _alone = self.engine.folder.lock_file(patience)?;
        self.volumes()?;
        self.remove()?;
        let names = instance_names(self.model);
        for (id, specs) in &self.model.containers {
            if self.model.instances.get(id).is_none_or(|instance| instance.state != InstanceState::Running) {
                continue;
            }
            let key = linux::naming::instance_namespace(id);
            let shown = names.get(&key).cloned().unwrap_or_else(|| id.to_string());
            for name in order(specs) {
                self.bring(&key, &shown, &name, &specs[&name])?;
            }
        }
        Ok(())
    }

    fn volumes(&self) -> Result<(), Error> {
        if self.model.volumes.is_empty() {
            return Ok(());
        }
        let lock = self.engine.volumes.lock()?;
        for (name, volume) in &self.model.volumes {
            self.engine.volumes.ensure(&lock, Some(name), &volume.labels)?;
        }
        Ok(())
    }

    /// Removes what the file has no more, and everything in instances that are no more.
    fn remove(&mut self) -> Result<(), Error> {
        let names = instance_names(self.model);
        let is_there = |key: &String| {
            self.model.instances.values().any(|instance| {
                instance.state != InstanceState::Terminated && linux::naming::instance_namespace(&instance.id) == *key
            })
        };
        let is_wanted = |record: &Record| {
            let Some(declared) = &record.declared else { return true };
            let specs = self.model.containers.iter().find(|(id, _)| linux::naming::instance_namespace(id) == record.instance);
            specs.is_some_and(|(_, specs)| specs.contains_key(&declared.name))
        };
        let gone: Vec<Record> =
            self.engine.folder.list()?.into_iter().filter(|record| !is_there(&record.instance) || !is_wanted(record)).collect();
        for record in gone {
            self.take_away(&record)?;
            let shown = names.get(&record.instance).map_or_else(|| record.name.clone(), |instance| format!("{instance}/{}", record.name));
            (self.say)(Step::Removed(shown));
        }
        Ok(())
    }

    fn take_away(&self, record: &Record) -> Result<(), Error> {
        take_away(self.engine, record)
    }

    fn bring(&mut self, key: &str, instance: &str, name: &str, spec: &ContainerSpec) -> Result<(), Error> {
        let shown = format!("{instance}/{name}");
        // As the files are before it is looked what comes of them: a change meanwhile is one for the next.
        let source = stamp(self.engine, self.model, &spec.image);
        let image = (self.image)(&spec.image)?;
        let (mut options, digest) = described(name, &image, spec)?;
        options.image.clone_from(&spec.image);
        let mut all = self.engine.folder.list()?;
        all.retain(|record| record.instance == key && record.declared.as_ref().is_some_and(|d| d.name == name));
        match self.engine.one_of(all)? {
            Some(record) if record.declared.as_ref().is_some_and(|declared| declared.digest == digest) => {
                let mut held = self.engine.folder.hold(&record.id)?;
                self.engine.settle(&mut held)?;
                if let Some(declared) = held.record.declared.as_mut().filter(|declared| declared.source != source) {
                    declared.source = source;
                    held.save()?;
                }
                let record = held.record.clone();
                drop(held);
                if record.state.status.is_alive() || record.state.status == Status::Restarting || is_done(&record) {
                    return Ok(());
                }
                self.wait_for(key, instance, spec)?;
                self.start(&record, &shown)?;
                (self.say)(Step::Started(shown));
                return Ok(());
            }
            other => {
                self.networks(key, &options)?;
                self.wait_for(key, instance, spec)?;
                // The image by its id: a name may mean another one by the time it starts.
                options.image = image.to_string();
                let declared = Declared { name: name.to_owned(), digest, source };
                let step = if other.is_none() { Step::Created } else { Step::Replaced };
                match other {
                    None => {
                        let record = self.create(key, options, declared, spec)?;
                        self.start(&record, &shown)?;
                    }
                    Some(old) => self.replace(&old, &shown, options, declared, spec)?,
                }
                (self.say)(step(shown));
            }
        }
        Ok(())
    }

    fn create(&self, key: &str, options: Options, declared: Declared, spec: &ContainerSpec) -> Result<Record, Error> {
        let record = self.engine.create(key, options, Some(declared))?;
        let mut held = self.engine.folder.hold(&record.id)?;
        held.record.image.name.clone_from(&spec.image);
        held.save()?;
        Ok(held.record.clone())
    }

    /// What would fail is found out before the old one ends; what fails all the same brings it back.
    fn replace(&mut self, old: &Record, shown: &str, options: Options, declared: Declared, spec: &ContainerSpec) -> Result<(), Error> {
        let mut held = self.engine.folder.hold(&old.id)?;
        self.engine.settle(&mut held)?;
        let old = held.record.clone();
        drop(held);
        let make = || self.create(&old.instance, options.clone(), declared, spec);
        let ports = self.engine.check_ports(&old, &options.network, &options.publish);
        match ports.and_then(|()| self.engine.replace(&old, make)) {
            Ok(started) => self.warn(&started, shown),
            Err(error) => {
                (self.say)(Step::Warning(format!("container {shown} stays what it was: what the file says of it could not be had")));
                return Err(of_container(error, shown));
            }
        }
        Ok(())
    }

    fn start(&mut self, record: &Record, shown: &str) -> Result<(), Error> {
        let started = self.engine.start(&record.id, sandbox::container::spec::Attach::default()).map_err(|error| of_container(error, shown))?;
        self.warn(&started, shown);
        Ok(())
    }

    fn warn(&mut self, started: &Started, shown: &str) {
        for warning in &started.container.warnings {
            (self.say)(Step::Warning(format!("container {shown}: {warning}")));
        }
    }

    /// Networks that the file names are made where they are missing.
    fn networks(&self, key: &str, options: &container::engine::Options) -> Result<(), Error> {
        let NetworkMode::Bridge(first) = &options.network else { return Ok(()) };
        let there: BTreeSet<String> = self.engine.networks(key)?.networks.into_keys().collect();
        for name in std::iter::once(first).chain(&options.more_networks) {
            if name != DEFAULT_NETWORK && !there.contains(name) {
                self.engine.create_network(key, |id| NetworkOptions::new(name, id))?;
            }
        }
        Ok(())
    }

    /// Waits for those that come before.
    fn wait_for(&mut self, key: &str, instance: &str, spec: &ContainerSpec) -> Result<(), Error> {
        for (other, readiness) in &spec.depends_on {
            self.wait_until(key, &format!("{instance}/{other}"), other, *readiness)?;
        }
        Ok(())
    }

    fn wait_until(&mut self, key: &str, shown: &str, name: &str, readiness: Readiness) -> Result<(), Error> {
        let (begun, mut is_told) = (Instant::now(), false);
        loop {
            let record = self.engine.find(name, Some(key))?;
            match ready(&record, readiness) {
                Ok(true) => return Ok(()),
                Ok(false) if Instant::now() < self.deadline => {
                    if !is_told && begun.elapsed() > SILENCE {
                        (self.say)(Step::Waiting(format!("{shown} to be {}: {}", readiness.as_str(), as_it_is(&record))));
                        is_told = true;
                    }
                    std::thread::sleep(LOOK);
                }
                Ok(false) => {
                    let (wanted, is) = (readiness.as_str(), as_it_is(&record));
                    return Err(Error::Conflict(format!("container {shown} is not {wanted} in time: {is}")));
                }
                Err(why) => return Err(Error::Conflict(format!("container {shown} {why}"))),
            }
        }
    }

    /// Waits until every container that says so is healthy.
    pub fn wait_for_health(&mut self) -> Result<(), Error> {
        let names = instance_names(self.model);
        for record in self.engine.folder.list()?.iter().filter(|record| record.declared.is_some() && record.settings.health.is_some()) {
            if is_done(record) {
                continue;
            }
            let shown = names.get(&record.instance).map_or_else(|| record.name.clone(), |instance| format!("{instance}/{}", record.name));
            self.wait_until(&record.instance, &shown, &record.name, Readiness::Healthy)?;
        }
        Ok(())
    }
}

fn of_container(error: Error, shown: &str) -> Error {
    match error {
        Error::NotStarted { code, why } => Error::NotStarted { code, why: format!("container {shown}: {why}") },
        other => other,
    }
}

/// What a container of the file is to be, and the digest by which another one is told apart.
fn described(name: &str, image: &Digest, spec: &ContainerSpec) -> Result<(Options, String), Error> {
    let options = options(name, &image.to_string(), spec);
    let text = serde_json::to_string(&options).map_err(|e| Error::Conflict(format!("container {name}: {e}")))?;
    let digest = Digest::of(text.as_bytes()).to_string();
    Ok((options, digest))
}

/// How the files look that an image comes of, where it does; none also where they cannot be read, which `up` says.
fn stamp(engine: &Engine, model: &Model, image: &str) -> Option<String> {
    let source = &model.container_images.get(image)?.source;
    match source {
        ImageSource::Archive(path) => build::stamp::of_archive(path.as_ref()).ok(),
        source => {
            let asked = source.build()?;
            build::stamp::of_build(&engine.store, asked.context.as_ref(), asked.dockerfile.as_deref()).ok()
        }
    }
}

/// Whether a container is another one than the file says. An image that an archive or a build brings is taken to be the same:
/// only `up` looks, see [`stamp`].
fn is_other(engine: &Engine, model: &Model, record: &Record, declared: &Declared, spec: &ContainerSpec) -> Result<bool, Error> {
    let reference = match model.container_images.get(&spec.image).map(|image| &image.source) {
        None => Some(&spec.image),
        Some(ImageSource::Pull(reference)) => Some(reference),
        Some(_) => None,
    };
    let image = match reference.map(|reference| engine.store.find(reference)) {
        Some(Ok(image)) => image.id,
        Some(Err(container::Error::NoImage(_))) => return Ok(true),
        Some(Err(error)) => return Err(error.into()),
        None => record.image.id,
    };
    Ok(described(&declared.name, &image, spec)?.1 != declared.digest)
}

fn take_away(engine: &Engine, record: &Record) -> Result<(), Error> {
    engine.stop(&record.id, None, None)?;
    match engine.remove(&record.id, Removal { force: true, volumes: true }) {
        Err(Error::NoContainer(_)) => Ok(()),
        done => done,
    }
}

/// Removes containers of instances that are no more, with their anonymous volumes; their names.
pub fn forget_terminated(engine: &Engine, model: &Model) -> Result<Vec<String>, Error> {
    let live: BTreeSet<String> =
        model.instances.values().filter(|one| one.state != InstanceState::Terminated).map(|one| linux::naming::instance_namespace(&one.id)).collect();
    let mut gone = Vec::new();
    for record in engine.folder.list()?.into_iter().filter(|record| !live.contains(&record.instance)) {
        take_away(engine, &record)?;
        gone.push(record.name);
    }
    Ok(gone)
}

/// What `up` would do with containers of a file that says what runs already: those that are not there, those that an `up` which
/// failed or another image left different, and those that ended and are started. Nothing is changed.
pub fn pending(engine: &Engine, model: &Model) -> Result<Vec<Step>, Error> {
    let (records, names) = (engine.folder.list()?, instance_names(model));
    let known = engine.client.list_containers()?;
    let mut steps = Vec::new();
    for (id, specs) in &model.containers {
        let key = linux::naming::instance_namespace(id);
        let Some(instance) = names.get(&key).filter(|_| model.instances.get(id).is_some_and(|one| one.state == InstanceState::Running)) else { continue };
        for name in order(specs) {
            let shown = format!("{instance}/{name}");
            let record = records.iter().find(|record| record.instance == key && record.declared.as_ref().is_some_and(|d| d.name == name));
            let Some(record) = record else {
                steps.push(Step::Created(shown));
                continue;
            };
            if let Some(declared) = &record.declared
                && is_other(engine, model, record, declared, &specs[&name])?
            {
                steps.push(Step::Replaced(shown));
                continue;
            }
            let was = record.declared.as_ref().and_then(|declared| declared.source.as_ref());
            if was.is_some() && stamp(engine, model, &specs[&name].image).as_ref() != was {
                steps.push(Step::MayReplace(shown, specs[&name].image.clone()));
                continue;
            }
            let has_ended = record.state.status.is_alive()
                && known.iter().find(|one| one.key == record.id.as_str()).is_none_or(|one| one.ended.is_some());
            let is_off = !record.state.status.is_alive() && record.state.status != Status::Restarting && !is_done(record);
            if is_off || (has_ended && record.options.restart == RestartPolicy::No) {
                steps.push(Step::Started(shown));
            }
        }
    }
    Ok(steps)
}

/// A job that did its work is not done again by the same file.
fn is_done(record: &Record) -> bool {
    let state = &record.state;
    record.options.restart == RestartPolicy::No && state.status == Status::Exited && state.exit_code == 0 && !state.is_stopped
}

/// The state of one that is waited for, and what its health check said last.
fn as_it_is(record: &Record) -> String {
    let state = &record.state;
    let said = state.health.as_ref().and_then(|health| health.log.last()).map(|answer| answer.output.trim());
    match (state.status, said) {
        (Status::Restarting, _) => format!("it is restarting: it ended with {}", state.exit_code),
        (Status::Running, Some(said)) if !said.is_empty() => format!("its health check says: {said}"),
        (Status::Running, _) if state.health.is_some() => "its health check has not succeeded yet".to_owned(),
        (status, _) => format!("it is {}", status.name()),
    }
}

/// Whether a container is what others wait for; an error: it will not be unless somebody does something, and what.
fn ready(record: &Record, readiness: Readiness) -> Result<bool, String> {
    let state = &record.state;
    let ended = format!("ended with {}: vpclab containers logs {}", state.exit_code, record.name);
    if state.status == Status::Paused && readiness != Readiness::Started {
        return Err(format!("is paused: vpclab containers unpause {}", record.name));
    }
    match readiness {
        Readiness::Started => Ok(state.status.is_alive() || is_done(record)),
        Readiness::Completed => match state.status {
            Status::Exited if state.exit_code == 0 => Ok(true),
            Status::Exited | Status::Dead => Err(ended),
            _ => Ok(false),
        },
        Readiness::Healthy => match (&state.health, state.status) {
            (_, Status::Exited | Status::Dead) => Err(ended),
            (None, Status::Running) => Err("has no health check".into()),
            (Some(health), Status::Running) if health.status == HealthStatus::Unhealthy => {
                let said = health.log.last().map(|answer| answer.output.trim().to_owned()).unwrap_or_default();
                Err(if said.is_empty() { "is unhealthy".into() } else { format!("is unhealthy: {said}") })
            }
            (Some(health), Status::Running) => Ok(health.status == HealthStatus::Healthy),
            _ => Ok(false),
        },
    }
}

/// Names so that each comes after those that it waits for; a circle, which the model refuses, is cut.
fn order(specs: &BTreeMap<String, ContainerSpec>) -> Vec<String> {
    fn visit(name: &String, specs: &BTreeMap<String, ContainerSpec>, seen: &mut BTreeSet<String>, all: &mut Vec<String>) {
        let Some(spec) = specs.get(name).filter(|_| seen.insert(name.clone())) else { return };
        let shared = match &spec.network {
            model::container::NetworkChoice::Container(other) => Some(other),
            _ => None,
        };
        spec.depends_on.keys().chain(shared).for_each(|other| visit(other, specs, seen, all));
        all.push(name.clone());
    }
    let (mut seen, mut all) = (BTreeSet::new(), Vec::new());
    specs.keys().for_each(|name| visit(name, specs, &mut seen, &mut all));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::container::NetworkChoice;

    #[test]
    fn each_comes_after_those_it_waits_for() {
        let spec = |others: &[&str]| ContainerSpec {
            depends_on: others.iter().map(|other| ((*other).to_owned(), Readiness::Started)).collect(),
            ..ContainerSpec::default()
        };
        let mut specs = BTreeMap::from([("a", spec(&["c"])), ("b", spec(&["a", "d"])), ("c", spec(&[])), ("d", spec(&["c"]))]);
        specs.insert("0", ContainerSpec { network: NetworkChoice::Container("b".into()), ..ContainerSpec::default() });
        let specs = specs.into_iter().map(|(name, spec)| (name.to_owned(), spec)).collect();
        assert_eq!(order(&specs), ["c", "a", "d", "b", "0"]);
    }
}
