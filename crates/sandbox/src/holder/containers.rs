//! Containers: a shim each, made on request, heard, and remembered until it is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::epoll::EventFlags;

use super::container_start::pipes;
use super::processes::{Parent, exit_pipe, settle};
use super::{Caller, Holder, Outcome};
use crate::channel::{Channel, Message, Received};
use crate::container::shim::{nanoseconds, number_of};
use crate::container::spec::{Attach, ContainerEnd, ContainerExecSpec, ContainerStatus, PauseMethod};
use crate::container::{Started, ToHolder, ToShim};
use crate::error::Fault;
use crate::process::ExitStatus;
use crate::protocol::{Answer, StdioKind};
use crate::sys;

pub(super) struct Container {
    pub(super) status: ContainerStatus,
    pub(super) token: u64,
    pub(super) channel: Channel,
    pub(super) stop_signal: i32,
    /// Its first process, and its network namespace, once it runs.
    pub(super) pidfd: Option<OwnedFd>,
    pub(super) network: Option<OwnedFd>,
    /// Who started it, with the streams that were asked for, until it runs.
    pub(super) pending: Option<(Caller, Vec<OwnedFd>)>,
    pub(super) warnings: Vec<String>,
    /// Who waits for an answer of the shim, and what it is then.
    pub(super) asked: BTreeMap<u64, (Caller, Asked)>,
    /// Write ends of pipes whose readers wait for its end.
    pub(super) waiting: Vec<OwnedFd>,
    /// Enforced limits, if there are.
    pub(super) cgroup: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    Done,
    Root,
    Paused(bool),
}

#[derive(Default)]
pub(super) struct Containers {
    pub(super) all: BTreeMap<String, Container>,
    pub(super) by_token: BTreeMap<u64, String>,
    pub(super) by_pid: BTreeMap<i32, String>,
    last_request: u64,
}

impl Containers {
    pub(super) fn knows(&self, token: u64) -> bool {
        self.by_token.contains_key(&token)
    }

    pub(super) fn list(&self) -> Vec<ContainerStatus> {
        self.all.values().filter(|known| known.pending.is_none()).map(|known| known.status.clone()).collect()
    }

    pub(super) fn status(&self, key: &str) -> Result<ContainerStatus, Fault> {
        self.get(key).map(|known| known.status.clone())
    }

    pub(super) fn get(&self, key: &str) -> Result<&Container, Fault> {
        let found = self.all.get(key).filter(|known| known.pending.is_none());
        found.ok_or_else(|| Fault::not_found(format!("container {key}")))
    }

    fn get_mut(&mut self, key: &str) -> Result<&mut Container, Fault> {
        let found = self.all.get_mut(key).filter(|known| known.pending.is_none());
        found.ok_or_else(|| Fault::not_found(format!("container {key}")))
    }

    fn running(&mut self, key: &str) -> Result<&mut Container, Fault> {
        let found = self.get_mut(key)?;
        match found.status.ended {
            None => Ok(found),
            Some(_) => Err(Fault::not_found(format!("running container {key}"))),
        }
    }

    /// Running containers of an instance, those that are starting among them.
    fn of_instance(&self, instance: &str) -> impl Iterator<Item = &Container> {
        self.all.values().filter(move |known| known.status.instance == instance && known.status.ended.is_none())
    }

    pub(super) fn wait(&mut self, key: &str) -> Result<Outcome, Fault> {
        let known = self.get_mut(key)?;
        let status = known.status.ended.as_ref().map(|end| end.status);
        let read = exit_pipe(status, &mut known.waiting)?;
        Ok(Outcome::WithDescriptors(Answer::Done, vec![read]))
    }

    /// Pids in the instance of everything below the shim that is in the container.
    pub(super) fn processes(&mut self, key: &str) -> Result<Vec<i32>, Fault> {
        let (first, shim) = {
            let known = self.running(key)?;
            (known.status.pid, known.status.shim_pid)
        };
        let all = survey();
        let is_inside = |pid: i32| {
            let mut at = pid;
            // Bounded: a chain of parents, of which each is in the table once.
            for _ in 0..all.len() {
                if at == first || at == shim {
                    return true;
                }
                match all.get(&at) {
                    Some((parent, _)) => at = *parent,
                    None => return false,
                }
            }
            false
        };
        // Own number in the lab, the instance and the container, and perhaps more below.
        let inside = all.iter().filter(|(pid, (_, numbers))| numbers.len() >= 3 && is_inside(**pid));
        let mut pids: Vec<i32> = inside.map(|(_, (_, numbers))| numbers[1]).collect();
        pids.sort_unstable();
        Ok(pids)
    }

    fn request(&mut self) -> u64 {
        self.last_request += 1;
        self.last_request
    }
}

/// Parent and numbers of every process of the lab.
fn survey() -> BTreeMap<i32, (i32, Vec<i32>)> {
    let numbers = |text: &str, name: &str| -> Vec<i32> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().split_whitespace().filter_map(|number| number.parse().ok()).collect()
    };
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            Some((pid, (*numbers(&text, "PPid:").first()?, numbers(&text, "NSpid:"))))
        })
        .collect()
}

impl Holder {
    fn order_shim(&mut self, key: &str, order: &ToShim, descriptors: Vec<OwnedFd>) -> Result<(), Fault> {
        let known = self.containers.running(key)?;
        let payload = serde_json::to_vec(order).map_err(|error| Fault::invalid(error.to_string()))?;
        // Its end is on the way when it does not listen.
        known
            .channel
            .send(0, payload, descriptors)
            .map_err(|_| Fault::not_found(format!("running container {key}")))?;
        if known.channel.has_backlog() {
            let token = known.token;
            self.server.want_writes(&self.containers.all[key].channel, token, true);
        }
        Ok(())
    }

    fn ask_shim(&mut self, key: &str, caller: Caller, asked: Asked, order: impl FnOnce(u64) -> ToShim) -> Result<Outcome, Fault> {
        let request = self.containers.request();
        self.order_shim(key, &order(request), Vec::new())?;
        self.containers.running(key)?.asked.insert(request, (caller, asked));
        Ok(Outcome::Later)
    }

    pub(super) fn signal_container(&mut self, key: &str, signal: i32) -> Result<(), Fault> {
        if !(1..=64).contains(&signal) {
            return Err(Fault::invalid(format!("signal {signal}: not 1 to 64")));
        }
        let known = self.containers.running(key)?;
        let gone = || Fault::not_found(format!("running container {key}"));
        let pidfd = known.pidfd.as_ref().ok_or_else(gone)?;
        match sys::kill_by_descriptor(pidfd.as_fd(), signal) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Err(gone()),
            other => other.map_err(Fault::os("sending a signal")),
        }
    }

    pub(super) fn pause_container(&mut self, key: &str, pause: bool, caller: Caller) -> Result<Outcome, Fault> {
        let known = self.containers.running(key)?;
        if known.status.paused == pause {
            let state = if pause { "already" } else { "not" };
            return Err(Fault::invalid(format!("container {key} is {state} paused")));
        }
        if let Some(cgroup) = &known.cgroup
            && std::fs::write(cgroup.join("cgroup.freeze"), if pause { "1" } else { "0" }).is_ok()
        {
            known.status.paused = pause;
            return Ok(Outcome::Answer(Answer::Paused(PauseMethod::Frozen)));
        }
        self.ask_shim(key, caller, Asked::Paused(pause), |request| ToShim::Stop { request, stop: pause })
    }

    pub(super) fn resize_container(&mut self, key: &str, rows: u16, columns: u16, caller: Caller) -> Result<Outcome, Fault> {
        self.ask_shim(key, caller, Asked::Done, |request| ToShim::Resize { request, rows, columns })
    }

    pub(super) fn container_root(&mut self, key: &str, caller: Caller) -> Result<Outcome, Fault> {
        self.ask_shim(key, caller, Asked::Root, |request| ToShim::OpenRoot { request })
    }

    pub(super) fn write_container_file(
        &mut self,
        key: &str,
        path: String,
        content: String,
        caller: Caller,
    ) -> Result<Outcome, Fault> {
        self.ask_shim(key, caller, Asked::Done, |request| ToShim::WriteFile { request, path, content })
    }

    pub(super) fn attach_container(&mut self, key: &str, attach: Attach) -> Result<Outcome, Fault> {
        let (streams, pipes) = pipes(attach)?;
        self.order_shim(key, &ToShim::Attach { attach }, pipes)?;
        Ok(Outcome::WithDescriptors(Answer::Done, streams))
    }

    pub(super) fn exec_in_container(
        &mut self,
        key: &str,
        spec: ContainerExecSpec,
        stdio: StdioKind,
        descriptors: Vec<OwnedFd>,
        caller: Caller,
    ) -> Result<Outcome, Fault> {
        let expected = if stdio == StdioKind::Descriptors { 3 } else { 0 };
        if descriptors.len() != expected {
            return Err(Fault::invalid(format!("{} descriptors instead of {expected}", descriptors.len())));
        }
        if self.containers.running(key)?.status.paused {
            return Err(Fault::invalid(format!("container {key} is paused, unpause the container before exec")));
        }
        let process = self.processes.add(key, spec.args.clone(), Parent::Shim, false, caller);
        let result = self.order_shim(key, &ToShim::Exec { process, spec, stdio }, descriptors);
        if result.is_err() {
            self.processes.abandon(process);
        }
        result.map(|()| Outcome::Later)
    }

    pub(super) fn signal_in_container(&mut self, key: &str, process: u64, signal: i32) -> Result<(), Fault> {
        self.order_shim(key, &ToShim::SignalProcess { process, signal }, Vec::new())
    }

    pub(super) fn remove_container(&mut self, key: &str) -> Result<(), Fault> {
        let known = self.containers.get(key)?;
        if known.status.ended.is_none() {
            return Err(Fault::invalid(format!("container {key} still runs")));
        }
        if let Some(known) = self.containers.all.remove(key) {
            // Its shim may still write to slow callers; it is reaped as a child of no record.
            self.containers.by_token.remove(&known.token);
            self.containers.by_pid.remove(&known.status.shim_pid);
            self.server.unwatch(&known.channel);
        }
        Ok(())
    }

    /// Instances among these with containers, each of which has been sent its stop signal.
    pub(super) fn ask_containers_to_end(&mut self, keys: &BTreeSet<String>) -> BTreeSet<String> {
        let mut asked = BTreeSet::new();
        for key in keys {
            for known in self.containers.of_instance(key) {
                asked.insert(key.clone());
                if let Some(pidfd) = &known.pidfd {
                    // One that has just ended needs none; one that is paused hears it when it goes on.
                    let _ = sys::kill_by_descriptor(pidfd.as_fd(), known.stop_signal);
                    let _ = sys::kill_by_descriptor(pidfd.as_fd(), libc::SIGCONT);
                }
            }
        }
        asked
    }

    /// Ends containers that had their time.
    pub(super) fn end_late_containers(&mut self) {
        for key in self.instances.out_of_patience_with_containers() {
            for known in self.containers.of_instance(&key) {
                match &known.pidfd {
                    Some(pidfd) => drop(sys::kill_by_descriptor(pidfd.as_fd(), libc::SIGKILL)),
                    None => drop(sys::kill(known.status.shim_pid, libc::SIGKILL, false)),
                }
            }
        }
    }

    /// What a shim has to say.
    pub(super) fn hear_shim(&mut self, token: u64, flags: EventFlags) {
        let Some(key) = self.containers.by_token.get(&token).cloned() else {
            return;
        };
        loop {
            let Some(known) = self.containers.all.get_mut(&key) else {
                return;
            };
            // A closed channel shows below.
            if flags.contains(EventFlags::OUT) && known.channel.flush().is_ok_and(|all| all) {
                self.server.want_writes(&known.channel, token, false);
            }
            match known.channel.receive() {
                Ok(Received::Message(message)) => self.hear_container(&key, message),
                Ok(Received::Nothing) => return,
                // SIGCHLD is on its way; not to hear it again until then, let go of the channel.
                Ok(Received::Closed(_)) | Err(_) => {
                    self.containers.by_token.remove(&token);
                    self.server.unwatch(&self.containers.all[&key].channel);
                    return;
                }
            }
        }
    }

    fn hear_container(&mut self, key: &str, message: Message) {
        match serde_json::from_slice(&message.payload) {
            Ok(ToHolder::Started { instance_pid, started, warnings }) => {
                self.container_started(key, instance_pid, started, warnings, message.descriptors.into());
            }
            Ok(ToHolder::NotStarted(fault)) => self.container_not_started(key, fault),
            Ok(ToHolder::ProcessStarted { process, pid }) => {
                if let Some((caller, answer, descriptors)) = self.processes.started(process, pid, message.descriptors.into()) {
                    self.server.answer(caller, &answer, descriptors);
                }
            }
            Ok(ToHolder::ProcessNotStarted { process, fault }) => {
                if let Some(caller) = self.processes.abandon(process) {
                    self.server.answer(caller, &Answer::Refused(fault), Vec::new());
                }
            }
            Ok(ToHolder::ProcessExited { process, status }) => self.processes.ended(process, status),
            Ok(ToHolder::Answer { request, refused }) => self.shim_answered(key, request, refused, message.descriptors.into()),
            Ok(ToHolder::Ended(end)) => self.container_ended(key, end),
            Err(error) => crate::say!("holder: shim of {key}: {error}"),
        }
    }

    fn container_started(&mut self, key: &str, instance_pid: i32, started: u64, warnings: Vec<String>, descriptors: Vec<OwnedFd>) {
        let Some(known) = self.containers.all.get_mut(key) else {
            return;
        };
        let mut descriptors = descriptors.into_iter();
        (known.pidfd, known.network) = (descriptors.next(), descriptors.next());
        known.status.instance_pid = instance_pid;
        known.status.started = started;
        // None: it has ended already.
        known.status.pid = known.pidfd.as_ref().and_then(number_of).unwrap_or(0);
        known.status.network_inode = known.network.as_ref().and_then(|network| Some(rustix::fs::fstat(network).ok()?.st_ino)).unwrap_or(0);
        known.warnings.extend(warnings);
        let answer = Answer::ContainerStarted(Started {
            pid: known.status.pid,
            instance_pid,
            started,
            warnings: std::mem::take(&mut known.warnings),
        });
        if let Some((caller, streams)) = known.pending.take() {
            self.server.answer(caller, &answer, streams);
        }
    }

    fn container_not_started(&mut self, key: &str, fault: Fault) {
        if let Some(known) = self.containers.all.remove(key) {
            self.containers.by_token.remove(&known.token);
            self.containers.by_pid.remove(&known.status.shim_pid);
            self.server.unwatch(&known.channel);
            let instance = known.status.instance.clone();
            if let Some((caller, _)) = known.pending {
                self.server.answer(caller, &Answer::Refused(fault), Vec::new());
            }
            self.forget_cgroup(known.cgroup.as_deref());
            self.tell_if_last(&instance);
        }
    }

    fn shim_answered(&mut self, key: &str, request: u64, refused: Option<Fault>, descriptors: Vec<OwnedFd>) {
        let Some(known) = self.containers.all.get_mut(key) else {
            return;
        };
        let Some((caller, asked)) = known.asked.remove(&request) else {
            return;
        };
        let answer = match (refused, asked) {
            (Some(fault), _) => Answer::Refused(fault),
            (None, Asked::Done) => Answer::Done,
            (None, Asked::Root) if descriptors.len() == 1 => {
                self.server.answer(caller, &Answer::Done, descriptors);
                return;
            }
            (None, Asked::Root) => Answer::Refused(Fault::invalid("a shim handed no root over")),
            (None, Asked::Paused(paused)) => {
                known.status.paused = paused;
                Answer::Paused(PauseMethod::Stopped)
            }
        };
        self.server.answer(caller, &answer, Vec::new());
    }

    fn container_ended(&mut self, key: &str, end: ContainerEnd) {
        let Some(known) = self.containers.all.get_mut(key).filter(|known| known.status.ended.is_none()) else {
            return;
        };
        let status = end.status;
        known.status.ended = Some(end);
        (known.status.paused, known.status.cgroup) = (false, None);
        // A number that is given to another process means nothing.
        (known.pidfd, known.network) = (None, None);
        settle(&mut known.waiting, status);
        let asked = std::mem::take(&mut known.asked);
        let (instance, cgroup) = (known.status.instance.clone(), known.cgroup.take());
        for (_, (caller, _)) in asked {
            let fault = Fault::not_found(format!("running container {key}"));
            self.server.answer(caller, &Answer::Refused(fault), Vec::new());
        }
        for caller in self.processes.place_ended(Parent::Shim, key) {
            let fault = Fault::not_found(format!("running container {key}"));
            self.server.answer(caller, &Answer::Refused(fault), Vec::new());
        }
        self.forget_cgroup(cgroup.as_deref());
        self.tell_if_last(&instance);
    }

    fn forget_cgroup(&self, cgroup: Option<&Path>) {
        if let Some(cgroup) = cgroup {
            // Its last process may not be quite gone: then it goes with the lab's scope.
            let _ = std::fs::remove_dir(cgroup);
        }
    }

    fn tell_if_last(&mut self, instance: &str) {
        if self.containers.of_instance(instance).next().is_none() {
            self.instances.containers_ended(instance);
        }
    }

    /// Settles everything about a container whose shim was reaped; false for a pid that is no shim's.
    pub(super) fn shim_ended(&mut self, pid: i32) -> bool {
        let Some(key) = self.containers.by_pid.remove(&pid) else {
            return false;
        };
        if let Some(token) = self.containers.all.get(&key).map(|known| known.token) {
            // What it said last comes first.
            self.hear_shim(token, EventFlags::IN);
            self.containers.by_token.remove(&token);
        }
        let Some(known) = self.containers.all.get_mut(&key) else {
            return true;
        };
        let why = match self.instances.is_stopping(&known.status.instance) {
            true => "its instance was stopped",
            false => "its shim was killed",
        };
        if known.pending.is_some() {
            self.container_not_started(&key, Fault::invalid(format!("container {key} did not start: {why}")));
        } else if known.status.ended.is_none() {
            if let Some(pidfd) = &known.pidfd {
                // Without a shim nobody would hear it, nor how it ends.
                let _ = sys::kill_by_descriptor(pidfd.as_fd(), libc::SIGKILL);
            }
            let end = ContainerEnd {
                status: ExitStatus::Signal(libc::SIGKILL),
                finished: nanoseconds(),
                out_of_memory: false,
                error: Some(why.to_owned()),
            };
            self.container_ended(&key, end);
        }
        true
    }
}
