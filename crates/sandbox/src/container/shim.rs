//! Keeps a container: makes its first process, holds its streams, writes its log, runs commands in it, tells the holder
//! how it ended.
//!
//! A copy of the holder, a process of the instance, with the holder's view of files: it opens logs as the launching
//! user. It needs nobody to be connected. When it dies the holder ends the container.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, WaitOptions};
use rustix::thread::LinkNameSpaceType;

use super::birth::{self, NAMESPACES, Said, Surroundings};
use super::log::{Log, Stream};
use super::message::{ToHolder, ToShim};
use super::spec::{Attach, ContainerEnd, ContainerSpec};
use super::streams::{Input, Listeners};
use super::{exec, root};
use crate::channel::{Channel, Message, Received};
use crate::error::Fault;
use crate::process::{ExitStatus, set_terminal_size};
use crate::{init, sys};

/// How long the last words of a terminal may be under way after its last program.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a shim begins with.
pub(crate) struct Beginning {
    pub spec: Box<ContainerSpec>,
    pub ids: u32,
    pub descriptor_limit: Option<u64>,
    pub channel: OwnedFd,
    /// To enter; a new one, or the shim's own, when absent.
    pub network: Option<OwnedFd>,
    /// Where its program waits for a byte before it runs.
    pub gate: Option<OwnedFd>,
    pub attach: Attach,
    /// Ends of the attached caller's pipes.
    pub pipes: Vec<OwnedFd>,
    /// The container's directory in the tree of control groups.
    pub cgroup: Option<PathBuf>,
}

struct Shim {
    spec: Box<ContainerSpec>,
    around: Surroundings,
    channel: Channel,
    signals: OwnedFd,
    pid: i32,
    namespaces: Vec<OwnedFd>,
    terminals: OwnedFd,
    files: Option<OwnedFd>,
    master: Option<OwnedFd>,
    output: Vec<(Stream, OwnedFd)>,
    input: Input,
    log: Log,
    listeners: Listeners,
    /// Commands of the holder, by pid.
    commands: BTreeMap<i32, u64>,
    cgroup: Option<PathBuf>,
    ended: bool,
}

/// The child's side of starting a container. Returns the exit code.
pub(crate) fn begin(user: BorrowedFd<'_>, beginning: Beginning) -> i32 {
    let Beginning { spec, ids, descriptor_limit, channel, network, gate, attach, pipes, cgroup } = beginning;
    let entered = sys::enter(user, LinkNameSpaceType::User);
    let (has_network, has_gate) = (network.is_some(), gate.is_some());
    let all = std::iter::once(channel).chain(network).chain(gate).chain(pipes).collect();
    let Ok(kept) = sys::keep_only(all) else { return 1 };
    let mut kept = kept.into_iter();
    let Some(channel) = kept.next() else { return 1 };
    let mut channel = Channel::new(channel);
    let network = if has_network { kept.next() } else { None };
    let gate = if has_gate { kept.next() } else { None };
    // Its arguments are the holder's, paths of the host among them.
    let _ = sys::rename_process(c"container-shim");
    let around = Surroundings { ids, descriptor_limit };
    let started = entered
        .map_err(Fault::os("entering an instance"))
        .and_then(|()| start(spec, around, birth::Handed { network, gate }, cgroup));
    match started {
        Ok((mut shim, said, own_network)) => {
            if let Some(input) = shim.listeners.attach(attach, kept.collect()) {
                shim.input.add(input);
            }
            shim.channel = channel;
            let payload = serde_json::to_vec(&said).unwrap_or_default();
            if shim.channel.send(0, payload, own_network).is_err() {
                return 1;
            }
            match shim.serve() {
                Ok(()) => 0,
                Err(fault) => {
                    crate::say!("shim of {}: {fault}", shim.spec.key);
                    1
                }
            }
        }
        Err(fault) => {
            if let Ok(payload) = serde_json::to_vec(&ToHolder::NotStarted(fault)) {
                // A holder that does not listen is about to be ended by the kernel.
                let _ = channel.send(0, payload, Vec::new());
            }
            1
        }
    }
}

/// Makes the first process and waits until its program runs.
fn start(
    spec: Box<ContainerSpec>,
    around: Surroundings,
    handed: birth::Handed,
    cgroup: Option<PathBuf>,
) -> Result<(Shim, ToHolder, Vec<OwnedFd>), Fault> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(Fault::os("closing the shim to its instance"))?;
    let signals = sys::signal_descriptor(&[libc::SIGCHLD, libc::SIGTERM]).map_err(Fault::os("watching signals"))?;
    let log = Log::open(spec.log.clone()).map_err(Fault::os("opening the log"))?;
    let pair = |kind| rustix::net::socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None);
    let (ours, theirs) = pair(SocketType::SEQPACKET).map_err(Fault::os("making a channel"))?;
    let Some(pid) = sys::clone3(birth::namespaces(&spec)).map_err(Fault::os("making its namespaces"))? else {
        sys::child(|| birth::begin(&spec, around, theirs, handed, cgroup.as_deref()));
    };
    drop((theirs, handed));
    let mut setup = Channel::new(ours);
    let (mut ready, mut failed) = (None, None);
    // Two messages at most; the end is exec, or the death of all who could say more.
    while let Ok(Received::Message(message)) = setup.receive() {
        match serde_json::from_slice(&message.payload) {
            Ok(Said::Ready { warnings }) => ready = Some((warnings, Vec::from(message.descriptors))),
            Ok(Said::Failed(fault)) => failed = Some(fault),
            Err(error) => failed = Some(Fault::invalid(format!("a container's report: {error}"))),
        }
    }
    let (Some((mut warnings, descriptors)), None) = (ready, &failed) else {
        let _ = sys::kill(pid.as_raw_pid(), libc::SIGKILL, false);
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
        return Err(failed.unwrap_or_else(|| Fault::invalid("its first process ended while starting")));
    };
    let started = nanoseconds();
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(Fault::os("watching its first process"))?;
    let mut shim = take_up(spec, around, signals, log, pid, descriptors, cgroup)?;
    if let Some(adjustment) = shim.spec.oom_score_adj {
        let file = format!("/proc/{}/oom_score_adj", own_view(pid, &pidfd));
        if let Err(error) = std::fs::write(file, adjustment.to_string()) {
            warnings.push(format!("oom score adjustment {adjustment} is not set: {error}"));
        }
    }
    let network = shim.namespaces[2].try_clone().map_err(Fault::os("duplicating a descriptor"))?;
    shim.output.retain(|(_, source)| rustix::io::ioctl_fionbio(source, true).is_ok());
    let said = ToHolder::Started { instance_pid: pid.as_raw_pid(), started, warnings };
    Ok((shim, said, vec![pidfd, network]))
}

/// Sorts what the first process handed over.
fn take_up(
    spec: Box<ContainerSpec>,
    around: Surroundings,
    signals: OwnedFd,
    log: Log,
    pid: Pid,
    descriptors: Vec<OwnedFd>,
    cgroup: Option<PathBuf>,
) -> Result<Shim, Fault> {
    let mut descriptors = descriptors.into_iter();
    let namespaces: Vec<OwnedFd> = descriptors.by_ref().take(NAMESPACES.len()).collect();
    let missing = || Fault::invalid("its first process handed over too little");
    let terminals = descriptors.next().ok_or_else(missing)?;
    let files = if spec.files.is_empty() { None } else { descriptors.next() };
    let copy = |descriptor: &OwnedFd| descriptor.try_clone().map_err(Fault::os("duplicating a descriptor"));
    let (mut master, mut output) = (None, Vec::new());
    let to = if spec.process.terminal.is_some() {
        let terminal = descriptors.next().ok_or_else(missing)?;
        output.push((Stream::Output, copy(&terminal)?));
        master = Some(copy(&terminal)?);
        spec.process.stdin_open.then_some(terminal)
    } else {
        let to = if spec.process.stdin_open { descriptors.next() } else { None };
        output.extend([Stream::Output, Stream::Errors].into_iter().zip(descriptors));
        to
    };
    // The end of a caller's input is no end of a terminal's.
    let once = spec.process.stdin_once && master.is_none();
    Ok(Shim {
        input: Input::new(to, once).map_err(Fault::os("opening its input"))?,
        // Replaced by the caller; a channel to nobody until then.
        channel: Channel::new(copy(&terminals)?),
        spec,
        around,
        signals,
        pid: pid.as_raw_pid(),
        namespaces,
        terminals,
        files,
        master,
        output,
        log,
        listeners: Listeners::default(),
        commands: BTreeMap::new(),
        cgroup,
        ended: false,
    })
}

/// A process's number in the `/proc` that this process sees, which is the lab's.
fn own_view(pid: Pid, pidfd: &OwnedFd) -> i32 {
    number_of(pidfd).unwrap_or(pid.as_raw_pid())
}

/// The number of a pidfd's process as `/proc` here counts.
pub(crate) fn number_of(pidfd: &OwnedFd) -> Option<i32> {
    let path = format!("/proc/self/fdinfo/{}", std::os::fd::AsRawFd::as_raw_fd(pidfd));
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok()).filter(|number| *number > 0)
}

pub(crate) fn nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl Shim {
    fn serve(&mut self) -> Result<(), Fault> {
        while !self.ended || !self.listeners.is_empty() {
            self.wait()?;
            self.listeners.flush();
            self.input.pump();
            self.read_output();
            while let Some(signal) = sys::next_signal(&self.signals) {
                if signal == libc::SIGTERM && !self.ended {
                    // The instance is told to end.
                    let _ = sys::kill(self.pid, self.spec.stop_signal, false);
                }
            }
            self.reap();
            if !self.hear_holder()? {
                return Ok(());
            }
            if self.ended {
                self.listeners.end();
            }
        }
        Ok(())
    }

    /// Until something can be done.
    fn wait(&self) -> Result<(), Fault> {
        let mut sources = vec![PollFd::new(&self.channel, PollFlags::IN), PollFd::new(&self.signals, PollFlags::IN)];
        let readable = self.output.iter().filter(|(stream, _)| self.listeners.have_room(*stream));
        sources.extend(readable.map(|(_, source)| PollFd::new(source, PollFlags::IN)));
        let input: Vec<_> = self.input.sources().collect();
        sources.extend(input.iter().map(|source| PollFd::new(source, PollFlags::IN)));
        let writable = self.input.wants_to_write();
        sources.extend(writable.iter().map(|target| PollFd::new(target, PollFlags::OUT)));
        let listeners: Vec<_> = self.listeners.sources().collect();
        // Without something to write only their end is of interest, which is always reported.
        let flags = |wants: bool| if wants { PollFlags::OUT } else { PollFlags::empty() };
        sources.extend(listeners.iter().filter(|(_, wants)| *wants).map(|(pipe, wants)| PollFd::new(pipe, flags(*wants))));
        let timeout = self.listeners.deadline().map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() }
        });
        match poll(&mut sources, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(Fault::os("waiting")(error)),
        }
    }

    /// One buffer of each stream that may be read.
    fn read_output(&mut self) {
        let mut buffer = [0; 64 << 10];
        let (log, listeners) = (&mut self.log, &mut self.listeners);
        self.output.retain(|(stream, source)| {
            if !listeners.have_room(*stream) {
                return true;
            }
            match rustix::io::read(source, &mut buffer) {
                Ok(0) => false,
                Ok(count) => {
                    log.append(*stream, &buffer[..count]);
                    listeners.hear(*stream, &buffer[..count]);
                    true
                }
                Err(Errno::INTR | Errno::AGAIN) => true,
                // A terminal that nobody has open any more.
                Err(_) => false,
            }
        });
    }

    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let status = init::exit_status(status);
            if pid.as_raw_pid() == self.pid {
                self.end(status);
            } else if let Some(process) = self.commands.remove(&pid.as_raw_pid()) {
                self.tell(&ToHolder::ProcessExited { process, status }, Vec::new());
            }
        }
    }

    /// The first process has ended, and with it all of its namespace: what they wrote is in the pipes.
    fn end(&mut self, status: ExitStatus) {
        let finished = nanoseconds();
        self.input.close();
        let is_terminal = self.master.is_some();
        let deadline = Instant::now() + LAST_WORDS;
        let mut buffer = [0; 64 << 10];
        for (stream, source) in std::mem::take(&mut self.output) {
            loop {
                match rustix::io::read(&source, &mut buffer) {
                    Ok(0) => break,
                    Ok(count) => {
                        self.log.append(stream, &buffer[..count]);
                        self.listeners.hear(stream, &buffer[..count]);
                    }
                    Err(Errno::INTR) => {}
                    // The kernel passes a terminal's output on when it finds time.
                    Err(Errno::AGAIN) if is_terminal && Instant::now() < deadline => {
                        let left = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
                        let _ = poll(&mut [PollFd::new(&source, PollFlags::IN)], Some(&left));
                    }
                    Err(_) => break,
                }
            }
        }
        self.log.finish();
        self.ended = true;
        let end = ContainerEnd { status, finished, out_of_memory: self.ran_out_of_memory(), error: None };
        self.tell(&ToHolder::Ended(end), Vec::new());
        self.listeners.end();
    }

    fn ran_out_of_memory(&self) -> bool {
        let events = self.cgroup.as_ref().map(|path| std::fs::read_to_string(path.join("memory.events")));
        let killed = |line: &str| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0");
        matches!(events, Some(Ok(text)) if text.lines().any(killed))
    }

    /// False when the holder is gone.
    fn hear_holder(&mut self) -> Result<bool, Fault> {
        let mut source = [PollFd::new(&self.channel, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if !matches!(poll(&mut source, Some(&now)), Ok(1..)) {
            return Ok(true);
        }
        match self.channel.receive().map_err(Fault::os("hearing the holder"))? {
            Received::Message(message) => self.obey(message)?,
            Received::Nothing => {}
            Received::Closed(_) => return Ok(false),
        }
        Ok(true)
    }

    fn obey(&mut self, message: Message) -> Result<(), Fault> {
        let order: ToShim =
            serde_json::from_slice(&message.payload).map_err(|error| Fault::invalid(format!("order: {error}")))?;
        match order {
            ToShim::Exec { process, spec, stdio } => {
                let started = exec::start(exec::Command {
                    container: &self.spec,
                    around: self.around,
                    namespaces: &self.namespaces,
                    terminals: self.terminals.as_fd(),
                    spec: &spec,
                    stdio,
                    standard: message.descriptors.into(),
                });
                match started {
                    Ok((pid, master)) => {
                        self.commands.insert(pid, process);
                        self.tell(&ToHolder::ProcessStarted { process, pid }, master.into_iter().collect());
                    }
                    Err(fault) => self.tell(&ToHolder::ProcessNotStarted { process, fault }, Vec::new()),
                }
            }
            ToShim::SignalProcess { process, signal } => {
                if let Some((pid, _)) = self.commands.iter().find(|(_, known)| **known == process) {
                    // It may have ended just now; its status is under way.
                    let _ = sys::kill(*pid, signal, true);
                }
            }
            ToShim::Signal { signal } => {
                if !self.ended {
                    let _ = sys::kill(self.pid, signal, false);
                }
            }
            ToShim::Attach { attach } => {
                if let Some(input) = self.listeners.attach(attach, message.descriptors.into()) {
                    self.input.add(input);
                }
            }
            ToShim::Resize { request, rows, columns } => {
                let resized = match &self.master {
                    Some(master) => set_terminal_size(master, rows, columns).map_err(|error| Fault::invalid(error.to_string())),
                    None => Err(Fault::invalid("the container has no terminal")),
                };
                self.answer(request, resized);
            }
            ToShim::Stop { request, stop } => {
                let done = self.stop(stop);
                self.answer(request, done);
            }
            ToShim::OpenRoot { request } => match exec::open_root(&self.namespaces) {
                Ok(root) => self.tell(&ToHolder::Answer { request, refused: None }, vec![root]),
                Err(fault) => self.answer(request, Err(fault)),
            },
            ToShim::WriteFile { request, path, content } => {
                let number = self.spec.files.keys().position(|known| *known == path);
                let written = match (number, &self.files) {
                    (Some(number), Some(files)) => root::write_file(files.as_fd(), &number.to_string(), &content)
                        .map_err(Fault::os(format!("writing {path}"))),
                    _ => Err(Fault::invalid(format!("{path} is none of the container's files"))),
                };
                self.answer(request, written);
            }
        }
        Ok(())
    }

    /// The first process before the others when they stop, after them when they go on: it could start more.
    fn stop(&self, stop: bool) -> Result<(), Fault> {
        let first = |signal| sys::kill(self.pid, signal, false).map_err(Fault::os("sending a signal"));
        if stop {
            first(libc::SIGSTOP)?;
            exec::signal_others(&self.namespaces, libc::SIGSTOP)
        } else {
            exec::signal_others(&self.namespaces, libc::SIGCONT)?;
            first(libc::SIGCONT)
        }
    }

    fn answer(&mut self, request: u64, result: Result<(), Fault>) {
        self.tell(&ToHolder::Answer { request, refused: result.err() }, Vec::new());
    }

    /// A shim whose holder does not listen is about to be ended by the kernel.
    fn tell(&mut self, said: &ToHolder, descriptors: Vec<OwnedFd>) {
        if let Ok(payload) = serde_json::to_vec(said) {
            let _ = self.channel.send(0, payload, descriptors);
        }
    }
}
