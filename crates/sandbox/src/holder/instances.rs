//! Instances: made in batches, ended in batches.
//!
//! Making one is a clone with namespaces and no exec. The holder goes on to the next while inits finish
//! on the other cores, and collects their reports at the end of the batch.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::Pid;
use rustix::thread::LinkNameSpaceType;

use super::namespaces::{Namespace, open};
use super::processes::Parent;
use super::{Caller, Holder, Outcome};
use crate::channel::{Channel, Received};
use crate::error::Fault;
use crate::process::poll_readable;
use crate::protocol::{Answer, Event, HostView, InstanceStatus, NetworkStart, Order, RootOrder};
use crate::spec::{Bind, InstanceSpec, RootSpec};
use crate::{identity, init, root, sys};

/// The longest that an init may take to report.
const READY_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a survey of the host's `/etc` stays good.
const SURVEY_LIFETIME: Duration = Duration::from_secs(5);
/// What a process of an instance is born with, besides user and network namespaces. Mounts and IPC
/// follow with the root file system, when the first command runs.
const OWN_PROCESSES: i32 = libc::CLONE_NEWPID | libc::CLONE_NEWUTS;

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

    /// Answers with those that failed.
    pub(super) fn start_instances(&mut self, specs: Vec<InstanceSpec>) -> BTreeMap<String, Fault> {
        let mut failures = BTreeMap::new();
        let mut begun = Vec::new();
        for spec in specs {
            let key = spec.key.clone();
            match self.begin_instance(spec) {
                Ok(made_network) => begun.push((key, made_network)),
                Err(fault) => {
                    failures.insert(key, fault);
                }
            }
        }
        let deadline = Instant::now() + READY_TIMEOUT;
        for (key, made_network) in begun {
            if let Err(fault) = self.await_ready(&key, deadline) {
                if let Some(instance) = self.instances.running.get(&key) {
                    let _ = sys::kill(instance.pid, libc::SIGKILL, false);
                }
                if made_network {
                    self.namespaces.remove(&key);
                }
                failures.insert(key, fault);
            }
        }
        failures
    }

    /// Makes the processes and namespaces of one; true when its network namespace is new.
    fn begin_instance(&mut self, spec: InstanceSpec) -> Result<bool, Fault> {
        if spec.key.is_empty() || spec.hostname.is_empty() || spec.hostname.len() > 64 {
            return Err(Fault::invalid(
                "an instance needs a name, and a host name of 1 to 64 bytes",
            ));
        }
        if self.instances.running(&spec.key) {
            return Err(Fault::exists(format!("instance {}", spec.key)));
        }
        let (ours, theirs) = channel_pair()?;
        let limit = self.processes.descriptor_limit();
        let (pid, made) = match self.namespaces.get(&spec.key) {
            Some(Namespace {
                network,
                user: Some(user),
                ..
            }) => (join_namespaces(user, network, theirs, limit)?, None),
            Some(_) => {
                return Err(Fault::invalid(format!(
                    "network namespace {} belongs to the lab",
                    spec.key
                )));
            }
            None => {
                let flags = OWN_PROCESSES | libc::CLONE_NEWUSER | libc::CLONE_NEWNET;
                let Some(pid) = sys::clone3(flags).map_err(Fault::os("making an instance"))? else {
                    sys::child(|| init::begin(theirs, limit));
                };
                (pid, Some(self.own(pid)))
            }
        };
        let network = match made {
            Some(Ok(namespace)) => {
                self.namespaces.insert(spec.key.clone(), namespace);
                Some(NetworkStart {
                    ipv6: spec.ipv6,
                    sysctls: spec.sysctls,
                })
            }
            Some(Err(fault)) => {
                let _ = sys::kill(pid.as_raw_pid(), libc::SIGKILL, false);
                return Err(fault);
            }
            None => None,
        };
        let made_network = network.is_some();
        if let Some(tree) = &self.cgroup
            && let Err(error) = tree.take_instance(&spec.key, pid.as_raw_pid(), &spec.limits)
        {
            // What was delegated was taken back, say: a lab without limits, which says so, is better than none.
            crate::say!("holder: limits are not enforced any more: {error}");
            self.cgroup = None;
        }
        let token = self.server.new_token();
        let mut channel = Channel::new(ours);
        let begun = serde_json::to_vec(&Order::Go {
            hostname: spec.hostname.clone(),
            network,
        })
        .map_err(|error| Fault::invalid(error.to_string()))
        .and_then(|payload| {
            channel
                .send(0, payload, Vec::new())
                .map_err(Fault::os("starting an init"))
        })
        .and_then(|()| self.server.watch(&channel, token));
        if let Err(fault) = begun {
            let _ = sys::kill(pid.as_raw_pid(), libc::SIGKILL, false);
            if made_network {
                self.namespaces.remove(&spec.key);
            }
            return Err(fault);
        }
        let instance = Instance {
            pid: pid.as_raw_pid(),
            token,
            channel,
            hostname: spec.hostname,
            processes: None,
            volumes: spec.root.volumes.clone(),
            root: Some(Box::new(spec.root)),
        };
        self.instances.by_token.insert(token, spec.key.clone());
        self.instances.by_pid.insert(instance.pid, spec.key.clone());
        self.instances.running.insert(spec.key, instance);
        Ok(made_network)
    }

    /// Maps a new child's ids and takes hold of its namespaces, while it still is looked into like any
    /// process of this user.
    fn own(&self, pid: Pid) -> Result<Namespace, Fault> {
        identity::map_instance(pid, self.ids).map_err(Fault::os("mapping an instance's ids"))?;
        let raw = pid.as_raw_pid();
        let opened = |name: &str| {
            open(&format!("/proc/{raw}/ns/{name}")).map_err(Fault::os("opening a namespace"))
        };
        Ok(Namespace {
            network: opened("net")?,
            user: Some(opened("user")?),
            is_of_container: false,
        })
    }

    /// Namespaces of an instance without the instance.
    pub(super) fn create_for_instance(&self, start: &NetworkStart) -> Result<Namespace, Fault> {
        let (ours, theirs) = channel_pair()?;
        let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNET;
        let Some(pid) = sys::clone3(flags).map_err(Fault::os("making namespaces"))? else {
            drop(ours);
            sys::child(|| {
                // Ends when the holder lets go, whether that is in order or not.
                let _ = poll_readable(theirs.as_fd(), READY_TIMEOUT);
                0
            });
        };
        let made = self.own(pid).and_then(|namespace| {
            sys::enter(namespace.network.as_fd(), LinkNameSpaceType::Network)
                .map_err(Fault::os("entering a namespace"))?;
            let result = crate::init::set_up_network(start);
            self.namespaces.come_home();
            result.map(|()| namespace)
        });
        drop(ours);
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
        made
    }

    fn await_ready(&mut self, key: &str, deadline: Instant) -> Result<(), Fault> {
        let gone = || Fault::invalid(format!("the init of {key} ended while starting"));
        let instance = self.instances.running.get_mut(key).ok_or_else(gone)?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let ready = poll_readable(instance.channel.as_fd(), left)
                .map_err(|error| Fault::invalid(error.to_string()))?;
            if !ready {
                return Err(Fault::invalid(format!("the init of {key} does not report")));
            }
            match instance
                .channel
                .receive()
                .map_err(Fault::os("hearing an init"))?
            {
                Received::Message(message) => match serde_json::from_slice(&message.payload) {
                    Ok(Event::Ready) => {
                        instance.processes = message.descriptors.into_iter().next();
                        return Ok(());
                    }
                    Ok(Event::NotReady(fault)) => return Err(fault),
                    _ => return Err(gone()),
                },
                Received::Nothing => {}
                Received::Closed(_) => return Err(gone()),
            }
        }
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

/// The holder's end does not block; the init's does.
pub(super) fn channel_pair() -> Result<(OwnedFd, OwnedFd), Fault> {
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(Fault::os("making a channel"))?;
    rustix::io::ioctl_fionbio(&ours, true).map_err(Fault::os("making a channel"))?;
    Ok((ours, theirs))
}

/// Starts an init in namespaces that exist. Only a process can enter a user namespace, not a clone: a
/// go-between enters, makes the init as the holder's child, says its number and ends.
fn join_namespaces(
    user: &OwnedFd,
    network: &OwnedFd,
    channel: OwnedFd,
    limit: Option<u64>,
) -> Result<Pid, Fault> {
    let (report, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(Fault::os("making a pipe"))?;
    let Some(between) = sys::fork().map_err(Fault::os("making a process"))? else {
        sys::child(|| {
            let entered = sys::enter(user.as_fd(), LinkNameSpaceType::User)
                .and_then(|()| sys::enter(network.as_fd(), LinkNameSpaceType::Network))
                .and_then(|()| sys::clone3(OWN_PROCESSES | libc::CLONE_PARENT));
            let number = match entered {
                Ok(None) => return init::begin(channel, limit),
                Ok(Some(pid)) => pid.as_raw_pid(),
                Err(error) => -error.raw_os_error().unwrap_or(libc::EIO),
            };
            let _ = rustix::io::write(&write, &number.to_ne_bytes());
            0
        });
    };
    drop(write);
    drop(channel);
    let mut bytes = [0; 4];
    let read = std::io::Read::read_exact(&mut std::fs::File::from(report), &mut bytes);
    let _ = rustix::process::waitpid(Some(between), rustix::process::WaitOptions::empty());
    read.map_err(Fault::os("joining an instance's namespaces"))?;
    let number = i32::from_ne_bytes(bytes);
    match Pid::from_raw(number) {
        Some(pid) if number > 0 => Ok(pid),
        _ => Err(Fault::os("joining an instance's namespaces")(
            std::io::Error::from_raw_os_error(-number),
        )),
    }
}
