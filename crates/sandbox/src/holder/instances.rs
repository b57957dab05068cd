//! Instances that run: what they are told, what is heard of them, how they end in batches. How they are made is in [`start`].

mod start;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;

use super::processes::Parent;
use super::{Caller, Holder, Outcome};
use crate::channel::{Channel, Received};
use crate::error::Fault;
use crate::protocol::{Answer, Event, HostView, InstanceStatus, Order, RootOrder};
use crate::spec::{Bind, RootSpec};
use crate::{root, sys};

pub(super) use start::channel_pair;

/// How long a survey of the host's `/etc` stays good.
const SURVEY_LIFETIME: Duration = Duration::from_secs(5);

pub(super) struct Instance {
    pid: i32,
    token: u64,
    channel: Channel,
    hostname: String,
    /// Its pid namespace, once it is ready.
    processes: Option<OwnedFd>,
    /// Present until the first command.
    root: Option<Box<RootSpec>>,
    /// Volumes that it sees, or will see, by path.
    volumes: BTreeMap<PathBuf, PathBuf>,
}

#[derive(Default)]
pub(super) struct Instances {
    running: BTreeMap<String, Instance>,
    by_token: BTreeMap<u64, String>,
    by_pid: BTreeMap<i32, String>,
    stops: Vec<Stop>,
    survey: Option<(Instant, HostView)>,
}

/// Somebody waits until these have ended.
struct Stop {
    caller: Caller,
    keys: BTreeSet<String>,
    /// Those of them whose containers are to end before they are told themselves.
    containers_first: BTreeSet<String>,
    /// When patience with those containers ends.
    containers_deadline: Option<Instant>,
    /// When patience ends; `None` once it has.
    deadline: Option<Instant>,
}

impl Instances {
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    pub(super) fn running(&self, key: &str) -> bool {
        self.running.contains_key(key)
    }

    /// The pid namespace of a running instance.
    pub(super) fn processes(&self, key: &str) -> Result<&OwnedFd, Fault> {
        let instance = self.running.get(key);
        instance
            .and_then(|instance| instance.processes.as_ref())
            .ok_or_else(|| Fault::not_found(format!("running instance {key}")))
    }

    pub(super) fn list(&self) -> Vec<InstanceStatus> {
        let status = |(key, instance): (&String, &Instance)| InstanceStatus {
            key: key.clone(),
            pid: instance.pid,
            hostname: instance.hostname.clone(),
            root_mounted: instance.root.is_none(),
        };
        self.running.iter().map(status).collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.stops.iter().flat_map(|stop| [stop.deadline, stop.containers_deadline]).flatten().min()
    }

    /// Whether somebody waits for its end.
    pub(super) fn is_stopping(&self, key: &str) -> bool {
        self.stops.iter().any(|stop| stop.keys.contains(key))
    }

    /// Instances whose containers have had their time.
    pub(super) fn out_of_patience_with_containers(&mut self) -> BTreeSet<String> {
        let now = Instant::now();
        let mut found = BTreeSet::new();
        for stop in &mut self.stops {
            if stop.containers_deadline.is_some_and(|deadline| deadline <= now) {
                stop.containers_deadline = None;
                found.extend(stop.containers_first.iter().cloned());
            }
        }
        found
    }

    /// The last container of an instance has ended: now its own programs are told, if that is wanted.
    pub(super) fn containers_ended(&mut self, key: &str) {
        let mut waiting = false;
        for stop in &mut self.stops {
            waiting |= stop.containers_first.remove(key);
        }
        if let Some(instance) = self.running.get(key).filter(|_| waiting) {
            // Not yet reaped, so the number is still its own.
            let _ = sys::kill(instance.pid, libc::SIGTERM, false);
        }
    }

    pub(super) fn enforce_deadlines(&mut self) {
        let now = Instant::now();
        for stop in &mut self.stops {
            if stop.deadline.is_some_and(|deadline| deadline <= now) {
                stop.deadline = None;
                for key in &stop.keys {
                    if let Some(instance) = self.running.get(key) {
                        // Not yet reaped, so the number is still its own.
                        let _ = sys::kill(instance.pid, libc::SIGKILL, false);
                    }
                }
            }
        }
    }

    /// The disk of an instance whose root file system is still to be mounted.
    fn disk_to_mount(&self, key: &str) -> Option<PathBuf> {
        self.running.get(key)?.root.as_ref()?.disk.clone()
    }

    /// The volumes of an instance whose root file system is still to be mounted.
    fn volumes_to_mount(&self, key: &str) -> BTreeMap<PathBuf, PathBuf> {
        let waiting = self.running.get(key).filter(|instance| instance.root.is_some());
        waiting.map(|instance| instance.volumes.clone()).unwrap_or_default()
    }

    /// Notes what volumes an instance is to see; those that it sees, once its root file system is mounted.
    pub(super) fn replace_volumes(
        &mut self,
        key: &str,
        volumes: BTreeMap<PathBuf, PathBuf>,
    ) -> Result<Option<BTreeMap<PathBuf, PathBuf>>, Fault> {
        let instance = self.running.get_mut(key).ok_or_else(|| Fault::not_found(format!("running instance {key}")))?;
        let known = std::mem::replace(&mut instance.volumes, volumes);
        Ok(Some(known).filter(|_| instance.root.is_none()))
    }

    /// Sends an order, with the root file system ahead of the first command.
    fn order(
        &mut self,
        key: &str,
        ids: u32,
        starts_command: bool,
        (disk, volumes): (Option<PathBuf>, Vec<Bind>),
        make: impl FnOnce(Option<Box<RootOrder>>) -> Order,
        descriptors: Vec<OwnedFd>,
    ) -> Result<&Instance, Fault> {
        if starts_command
            && self
                .survey
                .as_ref()
                .is_none_or(|(at, _)| at.elapsed() >= SURVEY_LIFETIME)
        {
            self.survey = Some((Instant::now(), root::survey::survey()));
        }
        let instance = self
            .running
            .get_mut(key)
            .ok_or_else(|| Fault::not_found(format!("running instance {key}")))?;
        let spec = if starts_command {
            instance.root.take()
        } else {
            None
        };
        let root = match (spec, &self.survey) {
            (Some(spec), Some((_, host))) => Some(Box::new(RootOrder {
                spec: RootSpec { disk, binds: [spec.binds.clone(), volumes].concat(), ..*spec },
                ids,
                host: host.clone(),
            })),
            _ => None,
        };
        let payload =
            serde_json::to_vec(&make(root)).map_err(|error| Fault::invalid(error.to_string()))?;
        instance
            .channel
            .send(0, payload, descriptors)
            .map_err(Fault::os(format!("ordering instance {key}")))?;
        Ok(instance)
    }
}

impl Holder {
    /// Passes an order to an init; what its socket does not take follows when it does.
    pub(super) fn order(
        &mut self,
        key: &str,
        starts_command: bool,
        make: impl FnOnce(Option<Box<RootOrder>>) -> Order,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), Fault> {
        let disk = match self.instances.disk_to_mount(key).filter(|_| starts_command) {
            Some(wanted) => Some(self.disks.prepare(&wanted, self.ids)?),
            None => None,
        };
        let volumes = match starts_command {
            true => self.volumes_to_bind(&self.instances.volumes_to_mount(key))?,
            false => Vec::new(),
        };
        let instance =
            self.instances
                .order(key, self.ids, starts_command, (disk, volumes), make, descriptors)?;
        if instance.channel.has_backlog() {
            self.server
                .want_writes(&instance.channel, instance.token, true);
        }
        Ok(())
    }

    pub(super) fn stop_instances(
        &mut self,
        keys: &[String],
        grace_milliseconds: u64,
        caller: Caller,
    ) -> Outcome {
        let keys: BTreeSet<String> = keys
            .iter()
            .filter(|key| self.instances.running(key))
            .cloned()
            .collect();
        if keys.is_empty() {
            return Outcome::Answer(Answer::Done);
        }
        let signal = if grace_milliseconds == 0 {
            libc::SIGKILL
        } else {
            libc::SIGTERM
        };
        let containers_first = match grace_milliseconds {
            0 => BTreeSet::new(),
            _ => self.ask_containers_to_end(&keys),
        };
        for instance in keys
            .iter()
            .filter(|key| !containers_first.contains(*key))
            .filter_map(|key| self.instances.running.get(key))
        {
            // Not yet reaped, so the number is still its own.
            let _ = sys::kill(instance.pid, signal, false);
        }
        let after = |milliseconds| Instant::now().checked_add(Duration::from_millis(milliseconds));
        let deadline = after(grace_milliseconds);
        // A quarter is left for the instance's own programs.
        let containers_deadline = after(grace_milliseconds / 4 * 3).filter(|_| !containers_first.is_empty());
        self.instances.stops.push(Stop {
            caller,
            keys,
            containers_first,
            containers_deadline,
            deadline: deadline.filter(|_| grace_milliseconds > 0),
        });
        Outcome::Later
    }

    /// What an init has to say.
    pub(super) fn hear_init(&mut self, token: u64, flags: EventFlags) {
        let Some(key) = self.instances.by_token.get(&token).cloned() else {
            return;
        };
        loop {
            let Some(instance) = self.instances.running.get_mut(&key) else {
                return;
            };
            // A closed channel shows below.
            if flags.contains(EventFlags::OUT) && instance.channel.flush().is_ok_and(|all| all) {
                self.server.want_writes(&instance.channel, token, false);
            }
            match instance.channel.receive() {
                Ok(Received::Message(message)) => self.hear_event(&key, message),
                Ok(Received::Nothing) => return,
                // SIGCHLD is on its way; not to hear it again until then, let go of the channel.
                Ok(Received::Closed(_)) | Err(_) => {
                    self.instances.by_token.remove(&token);
                    self.server.unwatch(&self.instances.running[&key].channel);
                    return;
                }
            }
        }
    }

    fn hear_event(&mut self, key: &str, message: crate::channel::Message) {
        match serde_json::from_slice(&message.payload) {
            Ok(Event::Started { process, pid }) => {
                if let Some((caller, answer, descriptors)) =
                    self.processes
                        .started(process, pid, message.descriptors.into())
                {
                    self.server.answer(caller, &answer, descriptors);
                    self.kill_if_abandoned(process, caller);
                }
            }
            Ok(Event::NotStarted { process, fault }) => {
                if let Some(caller) = self.processes.abandon(process) {
                    self.server
                        .answer(caller, &Answer::Refused(fault), Vec::new());
                }
            }
            Ok(Event::Exited { process, status }) => self.processes.ended(process, status),
            Ok(Event::Ready | Event::NotReady(_)) => {}
            Err(error) => crate::say!("holder: init of {key}: {error}"),
        }
    }

    /// Settles everything about an instance whose init was reaped; false for a pid that is no init's.
    pub(super) fn init_ended(&mut self, pid: i32) -> bool {
        let Some(key) = self.instances.by_pid.remove(&pid) else {
            return false;
        };
        if let Some(token) = self
            .instances
            .running
            .get(&key)
            .map(|instance| instance.token)
        {
            // What it said last comes first.
            self.hear_init(token, EventFlags::IN);
            self.instances.by_token.remove(&token);
        }
        self.instances.running.remove(&key);
        if let Some(tree) = &self.cgroup {
            tree.forget_instance(&key);
        }
        for caller in self.processes.place_ended(Parent::Init, &key) {
            let fault = Fault::invalid(format!("instance {key} ended before the command started"));
            self.server
                .answer(caller, &Answer::Refused(fault), Vec::new());
        }
        let mut settled = Vec::new();
        self.instances.stops.retain_mut(|stop| {
            stop.keys.remove(&key);
            if stop.keys.is_empty() {
                settled.push(stop.caller);
            }
            !stop.keys.is_empty()
        });
        for caller in settled {
            self.server.answer(caller, &Answer::Done, Vec::new());
        }
        true
    }
}
