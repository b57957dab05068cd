//! Commands by number: who waits for them, how they ended.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::pipe::{PipeFlags, pipe_with};

use super::{Caller, Holder, Outcome};
use crate::error::{Fault, FaultKind};
use crate::exec::{self, NewProcess};
use crate::process::{ExitStatus, ProcessStatus};
use crate::protocol::{Answer, Order, StdioKind};
use crate::spec::ExecSpec;
use crate::sys;

/// Ended commands that can still be asked about.
const REMEMBERED: usize = 1024;

/// Whose child a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parent {
    /// The init of the instance of that key.
    Init,
    /// The holder itself (`run`).
    Holder,
    /// The shim of the container of that key.
    Shim,
}

struct Entry {
    status: ProcessStatus,
    parent: Parent,
    /// Gets the answer when it has started.
    pending: Option<Caller>,
    /// Ended with this client's connection.
    bound_to: Option<u64>,
    /// Write ends of pipes whose readers wait for its end.
    waiting: Vec<OwnedFd>,
}

pub(super) struct Processes {
    all: BTreeMap<u64, Entry>,
    ended: VecDeque<u64>,
    last: u64,
    descriptor_limit: Option<u64>,
}

impl Processes {
    pub(super) fn new(descriptor_limit: Option<u64>) -> Processes {
        Processes {
            all: BTreeMap::new(),
            ended: VecDeque::new(),
            last: 0,
            descriptor_limit,
        }
    }

    pub(super) fn descriptor_limit(&self) -> Option<u64> {
        self.descriptor_limit
    }

    pub(super) fn running(&self) -> usize {
        self.all.len() - self.ended.len()
    }

    pub(super) fn list(&self) -> Vec<ProcessStatus> {
        self.all
            .values()
            .filter(|entry| entry.pending.is_none())
            .map(|entry| entry.status.clone())
            .collect()
    }

    pub(super) fn add(
        &mut self,
        key: &str,
        argv: Vec<String>,
        parent: Parent,
        bound: bool,
        caller: Caller,
    ) -> u64 {
        self.last += 1;
        let status = ProcessStatus {
            process: self.last,
            key: key.to_owned(),
            pid: 0,
            argv,
            status: None,
        };
        let bound_to = bound.then_some(caller.client);
        let entry = Entry {
            status,
            parent,
            pending: Some(caller),
            bound_to,
            waiting: Vec::new(),
        };
        self.all.insert(self.last, entry);
        self.last
    }

    /// The answer for whoever started it, and who that is.
    pub(super) fn started(
        &mut self,
        process: u64,
        pid: i32,
        terminal: Vec<OwnedFd>,
    ) -> Option<(Caller, Answer, Vec<OwnedFd>)> {
        let entry = self.all.get_mut(&process)?;
        let caller = entry.pending.take()?;
        entry.status.pid = pid;
        match exit_pipe(entry.status.status, &mut entry.waiting) {
            Ok(read) => {
                let descriptors = std::iter::once(read).chain(terminal).collect();
                Some((caller, Answer::Started { process, pid }, descriptors))
            }
            Err(fault) => Some((caller, Answer::Refused(fault), Vec::new())),
        }
    }

    /// Forgets one that never started; who waits for it.
    pub(super) fn abandon(&mut self, process: u64) -> Option<Caller> {
        self.all.remove(&process)?.pending
    }

    /// An exit pipe for one that runs or has ended.
    pub(super) fn attach(&mut self, process: u64) -> Result<Outcome, Fault> {
        let entry = self
            .all
            .get_mut(&process)
            .filter(|entry| entry.pending.is_none())
            .ok_or_else(|| Fault::not_found(format!("process {process}")))?;
        let read = exit_pipe(entry.status.status, &mut entry.waiting)?;
        Ok(Outcome::WithDescriptors(
            Answer::Started {
                process,
                pid: entry.status.pid,
            },
            vec![read],
        ))
    }

    pub(super) fn ended(&mut self, process: u64, status: ExitStatus) {
        let Some(entry) = self.all.get_mut(&process) else {
            return;
        };
        if entry.status.status.is_some() {
            return;
        }
        entry.status.status = Some(status);
        settle(&mut entry.waiting, status);
        self.ended.push_back(process);
        if self.ended.len() > REMEMBERED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.all.remove(&oldest);
        }
    }

    pub(super) fn child_ended(&mut self, pid: i32, status: ExitStatus) {
        let found = self
            .all
            .values()
            .find(|entry| {
                entry.parent == Parent::Holder && entry.status.pid == pid && entry.status.status.is_none()
            });
        if let Some(process) = found.map(|entry| entry.status.process) {
            self.ended(process, status);
        }
    }

    /// The kernel ended all commands of an instance or container; who waits for one to start.
    pub(super) fn place_ended(&mut self, parent: Parent, key: &str) -> Vec<Caller> {
        let affected: Vec<u64> = self
            .all
            .values()
            .filter(|entry| {
                entry.parent == parent && entry.status.key == key && entry.status.status.is_none()
            })
            .map(|entry| entry.status.process)
            .collect();
        let mut waiting = Vec::new();
        for process in affected {
            if self
                .all
                .get(&process)
                .is_some_and(|entry| entry.pending.is_some())
            {
                waiting.extend(self.abandon(process));
            } else {
                self.ended(process, ExitStatus::Signal(libc::SIGKILL));
            }
        }
        waiting
    }

    /// Commands to end when this client goes.
    pub(super) fn bound_to(&self, client: u64) -> Vec<u64> {
        let bound =
            |entry: &&Entry| entry.bound_to == Some(client) && entry.status.status.is_none();
        self.all
            .values()
            .filter(bound)
            .map(|entry| entry.status.process)
            .collect()
    }
}

/// Tells those who wait.
pub(super) fn settle(waiting: &mut Vec<OwnedFd>, status: ExitStatus) {
    for pipe in waiting.drain(..) {
        // A reader that went away wants no answer; a fresh pipe has room for eight bytes.
        let _ = rustix::io::write(&pipe, &status.to_bytes());
    }
}

/// A pipe that will carry the status, or already does.
pub(super) fn exit_pipe(status: Option<ExitStatus>, waiting: &mut Vec<OwnedFd>) -> Result<OwnedFd, Fault> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
        .map_err(Fault::os("making an exit pipe"))?;
    // The caller may block on its end.
    rustix::io::ioctl_fionbio(&read, false).map_err(Fault::os("making an exit pipe"))?;
    match status {
        Some(status) => {
            rustix::io::write(&write, &status.to_bytes())
                .map_err(Fault::os("filling an exit pipe"))?;
        }
        None => waiting.push(write),
    }
    Ok(read)
}

impl Holder {
    pub(super) fn exec(
        &mut self,
        key: &str,
        spec: ExecSpec,
        stdio: StdioKind,
        descriptors: Vec<OwnedFd>,
        caller: Caller,
    ) -> Result<Outcome, Fault> {
        let expected = if stdio == StdioKind::Descriptors {
            3
        } else {
            0
        };
        if descriptors.len() != expected {
            return Err(Fault::invalid(format!(
                "{} descriptors instead of {expected}",
                descriptors.len()
            )));
        }
        let process = self.processes.add(key, spec.argv.clone(), Parent::Init, spec.kill_on_disconnect, caller);
        let order = |root| Order::Exec {
            process,
            spec,
            stdio,
            root,
        };
        match self.order(key, true, order, descriptors) {
            Ok(()) => Ok(Outcome::Later),
            Err(fault) => {
                self.processes.abandon(process);
                Err(fault)
            }
        }
    }

    pub(super) fn run(
        &mut self,
        key: &str,
        spec: ExecSpec,
        inherited: usize,
        mut descriptors: Vec<OwnedFd>,
        caller: Caller,
    ) -> Result<Outcome, Fault> {
        if descriptors.len().checked_sub(3) != Some(inherited) {
            return Err(Fault::invalid("three descriptors and those to inherit"));
        }
        let inherited = descriptors.split_off(3);
        let pid = exec::start(&NewProcess {
            spec: &ExecSpec {
                working_directory: Some(
                    spec.working_directory.clone().unwrap_or_else(|| "/".into()),
                ),
                ..spec.clone()
            },
            environment: &BTreeMap::from([(
                "PATH".to_owned(),
                "/usr/local/bin:/usr/bin:/bin".to_owned(),
            )]),
            standard: [
                descriptors[0].as_fd(),
                descriptors[1].as_fd(),
                descriptors[2].as_fd(),
            ],
            inherited: &inherited,
            terminal: false,
            network: Some(self.namespaces.network(key)?),
            program: Some(Path::new("/proc/self/exe")),
            descriptor_limit: None,
            filtered: None,
        })?;
        let process = self.processes.add(key, spec.argv.clone(), Parent::Holder, spec.kill_on_disconnect, caller);
        match self
            .processes
            .started(process, pid.as_raw_pid(), Vec::new())
        {
            Some((_, answer, descriptors)) => Ok(Outcome::WithDescriptors(answer, descriptors)),
            None => Err(Fault::not_found(format!("process {process}"))),
        }
    }

    pub(super) fn signal(&mut self, process: u64, signal: i32) -> Result<(), Fault> {
        let missing = || Fault::not_found(format!("running process {process}"));
        let entry = self
            .processes
            .all
            .get(&process)
            .filter(|entry| entry.status.status.is_none())
            .ok_or_else(missing)?;
        if !(1..=64).contains(&signal) {
            return Err(Fault::invalid(format!("signal {signal}: not 1 to 64")));
        }
        if entry.parent == Parent::Holder {
            return sys::kill(entry.status.pid, signal, true)
                .map_err(Fault::os("sending a signal"));
        }
        let key = entry.status.key.clone();
        if entry.parent == Parent::Shim {
            return self.signal_in_container(&key, process, signal);
        }
        match self.order(
            &key,
            false,
            |_| Order::Signal { process, signal },
            Vec::new(),
        ) {
            Err(fault) if fault.kind == FaultKind::NotFound => Err(missing()),
            other => other,
        }
    }

    /// Its client may have gone while it was being started.
    pub(super) fn kill_if_abandoned(&mut self, process: u64, caller: Caller) {
        let bound = self
            .processes
            .all
            .get(&process)
            .is_some_and(|entry| entry.bound_to == Some(caller.client));
        if bound && !self.server.knows(caller.client) {
            let _ = self.signal(process, libc::SIGKILL);
        }
    }
}
