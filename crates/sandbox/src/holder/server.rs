//! The event loop: callers come, ask and go; inits report; children end; deadlines pass.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::net::SocketFlags;

use super::{Caller, Holder, Outcome};
use crate::channel::{Channel, Message, Received};
use crate::error::{Error, Fault, Result};
use crate::protocol::{Answer, Request};
use crate::sys;

const LISTENER: u64 = 0;
const SIGNALS: u64 = 1;
/// More than this at once is a mistake.
const MOST_CLIENTS: usize = 256;

/// Sources of events and the connections among them.
pub(super) struct Server {
    epoll: OwnedFd,
    listener: OwnedFd,
    signals: OwnedFd,
    clients: BTreeMap<u64, Channel>,
    last_token: u64,
}

impl Server {
    pub(super) fn new(listener: OwnedFd) -> Result<Server> {
        // Everything that could interrupt or end the lab by accident is blocked; only SIGCHLD is read.
        let signals = sys::signal_descriptor(&[
            libc::SIGCHLD,
            libc::SIGINT,
            libc::SIGTERM,
            libc::SIGHUP,
            libc::SIGQUIT,
            libc::SIGPIPE,
            libc::SIGUSR1,
            libc::SIGUSR2,
            libc::SIGALRM,
        ])
        .map_err(Error::os("watching signals"))?;
        let epoll =
            epoll::create(epoll::CreateFlags::CLOEXEC).map_err(Error::os("making an epoll"))?;
        let server = Server {
            epoll,
            listener,
            signals,
            clients: BTreeMap::new(),
            last_token: SIGNALS,
        };
        server.watch(&server.listener, LISTENER)?;
        server.watch(&server.signals, SIGNALS)?;
        Ok(server)
    }

    pub(super) fn new_token(&mut self) -> u64 {
        self.last_token += 1;
        self.last_token
    }

    pub(super) fn watch(&self, source: impl AsFd, token: u64) -> Result<(), Fault> {
        epoll::add(
            &self.epoll,
            source,
            EventData::new_u64(token),
            EventFlags::IN,
        )
        .map_err(Fault::os("watching"))
    }

    pub(super) fn clients(&self) -> usize {
        self.clients.len()
    }

    pub(super) fn unwatch(&self, source: impl AsFd) {
        // Fails only for a source that is not watched.
        let _ = epoll::delete(&self.epoll, source);
    }

    pub(super) fn knows(&self, client: u64) -> bool {
        self.clients.contains_key(&client)
    }

    pub(super) fn want_writes(&self, source: impl AsFd, token: u64, wanted: bool) {
        let flags = if wanted {
            EventFlags::IN | EventFlags::OUT
        } else {
            EventFlags::IN
        };
        // Fails only for a source that is not watched.
        let _ = epoll::modify(&self.epoll, source, EventData::new_u64(token), flags);
    }

    /// Answers, unless the caller is gone.
    pub(super) fn answer(&mut self, caller: Caller, answer: &Answer, descriptors: Vec<OwnedFd>) {
        let Some(channel) = self.clients.get_mut(&caller.client) else {
            return;
        };
        let sent = match serde_json::to_vec(answer) {
            Ok(payload) => channel.send(caller.request, payload, descriptors),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = sent {
            // Not removed here: the callers iterate. Reading from it ends it.
            crate::say!("holder: answering a client: {error}");
            let _ = rustix::net::shutdown(&*channel, rustix::net::Shutdown::Both);
        }
        if let Some(channel) = self.clients.get(&caller.client)
            && channel.has_backlog()
        {
            self.want_writes(channel, caller.client, true);
        }
    }
}

impl Holder {
    pub(super) fn serve(&mut self) -> Result<()> {
        let mut events = Vec::with_capacity(64);
        while !self.ending {
            let deadlines = [self.instances.next_deadline(), self.namespaces.next_deadline()];
            let timeout = deadlines.into_iter().flatten().min().map(|deadline| {
                let left = deadline.saturating_duration_since(Instant::now());
                Timespec {
                    tv_sec: left.as_secs().cast_signed(),
                    tv_nsec: i64::from(left.subsec_nanos()),
                }
            });
            events.clear();
            match epoll::wait(
                &self.server.epoll,
                rustix::buffer::spare_capacity(&mut events),
                timeout.as_ref(),
            ) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Error::os("waiting for events")(error)),
            }
            for event in &events {
                let flags = event.flags;
                match event.data.u64() {
                    LISTENER => self.accept(),
                    SIGNALS => self.reap(),
                    token if self.server.clients.contains_key(&token) => {
                        self.hear_client(token, flags)
                    }
                    token if self.containers.knows(token) => self.hear_shim(token, flags),
                    token => self.hear_init(token, flags),
                }
                if self.ending {
                    break;
                }
            }
            self.end_late_containers();
            self.instances.enforce_deadlines();
            self.namespaces.enforce_deadline();
        }
        Ok(())
    }

    fn accept(&mut self) {
        loop {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = match rustix::net::accept_with(&self.server.listener, flags) {
                Ok(socket) => socket,
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNABORTED) => continue,
                Err(rustix::io::Errno::AGAIN) => return,
                Err(error) => {
                    crate::say!("holder: accepting: {error}");
                    return;
                }
            };
            if self.server.clients.len() >= MOST_CLIENTS || !self.admits(&socket) {
                continue;
            }
            let token = self.server.new_token();
            if self.server.watch(&socket, token).is_ok() {
                self.server.clients.insert(token, Channel::new(socket));
            }
        }
    }

    /// The file's mode admits its user and root only. In here that user is 0; root (when it is someone
    /// else) has no number, like everybody who is not mapped. Instances' users are numbered 1 and up and
    /// have no business here, even if a mistake made the file visible to them.
    fn admits(&self, socket: &OwnedFd) -> bool {
        const UNMAPPED: u32 = 65_534;
        sys::peer_uid(socket)
            .is_ok_and(|uid| uid == 0 || (uid == UNMAPPED && !self.launched_by_root))
    }

    fn hear_client(&mut self, token: u64, flags: EventFlags) {
        if flags.contains(EventFlags::OUT)
            && let Some(channel) = self.server.clients.get_mut(&token)
        {
            match channel.flush() {
                Ok(true) => {
                    let channel = &self.server.clients[&token];
                    self.server.want_writes(channel, token, false);
                }
                Ok(false) => {}
                Err(_) => return self.forget_client(token),
            }
        }
        // One request an event, so that a busy caller does not keep others waiting; epoll is level-triggered.
        let Some(channel) = self.server.clients.get_mut(&token) else {
            return;
        };
        match channel.receive() {
            Ok(Received::Message(message)) => self.hear_request(message, token),
            Ok(Received::Nothing) => {}
            Ok(Received::Closed(why)) => {
                if let Some(why) = why {
                    crate::say!("holder: dropped a client: {why}");
                }
                self.forget_client(token);
            }
            Err(error) => {
                crate::say!("holder: hearing a client: {error}");
                self.forget_client(token);
            }
        }
    }

    fn hear_request(&mut self, message: Message, token: u64) {
        self.requests += 1;
        let caller = Caller {
            client: token,
            request: message.id,
        };
        let outcome = match serde_json::from_slice::<Request>(&message.payload) {
            Ok(request) => self
                .obey(request, message.descriptors.into(), caller)
                .unwrap_or_else(Outcome::from),
            Err(error) => Fault::invalid(format!("request: {error}")).into(),
        };
        match outcome {
            Outcome::Answer(answer) => self.server.answer(caller, &answer, Vec::new()),
            Outcome::WithDescriptors(answer, descriptors) => {
                self.server.answer(caller, &answer, descriptors)
            }
            Outcome::Later => {}
        }
    }

    fn forget_client(&mut self, token: u64) {
        self.server.clients.remove(&token);
        if self.owner == Some(token) {
            return self.end();
        }
        for process in self.processes.bound_to(token) {
            // A command that ended meanwhile needs no signal.
            let _ = self.signal(process, libc::SIGKILL);
        }
    }

    fn reap(&mut self) {
        while sys::next_signal(&self.server.signals).is_some() {}
        // Signals merge; children are asked for instead. Those of no record were orphans.
        while let Ok(Some((pid, status))) =
            rustix::process::wait(rustix::process::WaitOptions::NOHANG)
        {
            let pid = pid.as_raw_pid();
            if !self.init_ended(pid) && !self.shim_ended(pid) {
                self.processes
                    .child_ended(pid, crate::init::exit_status(status));
            }
        }
    }
}
