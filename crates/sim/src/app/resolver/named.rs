//! A program that is given a name in place of an address: it looks the name up and goes on as the program for the first
//! address that fits. Its number and its outcome stay the same.

use std::net::IpAddr;

use wire::Mac;

use crate::host::Host;
use crate::table::Table;
use crate::time::Time;

use super::{App, Asking, Calls, Datagram, IcmpError, LookupSpec, Progress, SocketId, StreamEvent, StreamId, keep};

/// Timers from here on are the resolver's: no program has so many.
const KEYS: u32 = 0xffff_0000;

/// Makes a program for an address.
type Begin = Box<dyn FnOnce(IpAddr) -> Box<dyn App>>;

enum Stage {
    Asking(Box<Asking>, Begin),
    /// With the resolver's own socket, at which late answers mean nothing to the program.
    Running(Box<dyn App>, Option<SocketId>),
    Over,
}

/// The program.
pub struct Named {
    kind: &'static str,
    stage: Stage,
}

impl Named {
    /// To be run on a host: `begin` makes the program, whose kind is `kind`, once the address is known.
    pub fn new(kind: &'static str, spec: LookupSpec, begin: impl FnOnce(IpAddr) -> Box<dyn App> + 'static) -> Self {
        Self { kind, stage: Stage::Asking(Box::new(Asking::new(spec, KEYS)), Box::new(begin)) }
    }

    fn advance(&mut self, calls: &mut Calls<'_, '_>, step: impl FnOnce(&mut Asking, &mut Calls<'_, '_>) -> Progress) {
        let Stage::Asking(asking, _) = &mut self.stage else { return };
        match step(asking, calls) {
            Progress::Waiting => {}
            Progress::Over(end) => calls.finish(end),
            Progress::Found(response) => {
                keep(calls, &response);
                let outcome = calls.outcome();
                // What counts is what the program itself sends and gets.
                (outcome.sent, outcome.bytes_sent, outcome.bytes_received) = (0, 0, 0);
                outcome.replies.clear();
                outcome.errors.clear();
                outcome.data.clear();
                let Some(address) = response.addresses().first().copied() else { return };
                let Stage::Asking(asking, begin) = std::mem::replace(&mut self.stage, Stage::Over) else { return };
                let mut app = begin(address);
                app.on_start(calls);
                self.stage = Stage::Running(app, asking.socket);
            }
        }
    }

    fn running(&mut self) -> Option<&mut dyn App> {
        match &mut self.stage {
            Stage::Running(app, _) => Some(&mut **app),
            Stage::Asking(..) | Stage::Over => None,
        }
    }
}

impl App for Named {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        self.advance(calls, Asking::start);
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, socket: SocketId, datagram: &Datagram) {
        match &mut self.stage {
            Stage::Running(_, resolver) if *resolver == Some(socket) => {}
            Stage::Running(app, _) => app.on_datagram(calls, socket, datagram),
            Stage::Asking(asking, _) if asking.is_its(socket) => {
                self.advance(calls, |asking, calls| asking.on_datagram(calls, datagram));
            }
            Stage::Asking(..) | Stage::Over => {}
        }
    }

    fn on_error(&mut self, calls: &mut Calls<'_, '_>, error: &IcmpError) {
        match self.running() {
            Some(app) => app.on_error(calls, error),
            None => {
                calls.outcome().errors.push(*error);
                self.advance(calls, |asking, calls| asking.on_error(calls, error));
            }
        }
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match &mut self.stage {
            Stage::Running(app, _) => app.on_stream(calls, stream, event),
            Stage::Asking(asking, _) if asking.is_its_stream(stream) => {
                self.advance(calls, |asking, calls| asking.on_stream(calls, stream, event));
            }
            Stage::Asking(..) | Stage::Over => {}
        }
    }

    fn on_neighbor(&mut self, calls: &mut Calls<'_, '_>, interface: u16, address: IpAddr, mac: Mac) {
        if let Some(app) = self.running() {
            app.on_neighbor(calls, interface, address, mac);
        }
    }

    fn on_link(&mut self, calls: &mut Calls<'_, '_>, interface: u16, is_up: bool) {
        if let Some(app) = self.running() {
            app.on_link(calls, interface, is_up);
        }
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, key: u32) {
        match self.running() {
            Some(app) if key < KEYS => app.on_timer(calls, key),
            Some(_) => {}
            None => self.advance(calls, |asking, calls| asking.on_timer(calls, key)),
        }
    }

    fn on_send(&mut self, calls: &mut Calls<'_, '_>, bytes: &[u8]) -> bool {
        self.running().is_some_and(|app| app.on_send(calls, bytes))
    }

    fn inspect(&self, host: &Host, now: Time) -> Vec<Table> {
        match &self.stage {
            Stage::Running(app, _) => app.inspect(host, now),
            Stage::Asking(..) | Stage::Over => Vec::new(),
        }
    }
}
