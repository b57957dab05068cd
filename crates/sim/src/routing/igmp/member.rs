//! A host in a group: it says so when it joins and when it is asked, unless another one just did, and says when it leaves
//! (RFC 2236 3).

use std::net::Ipv4Addr;

use super::{ALL_ROUTERS, Kind, Message, PROTOCOL, send, within};
use crate::app::{App, Calls, Datagram, End, SocketId};
use crate::host::Host;
use crate::random::Random;
use crate::routing::alarm::Alarm;
use crate::table::Table;
use crate::time::{Span, Time};
use crate::trace::{Reason, Verb};

/// A join is said twice, the second time within so long (8.10).
const AGAIN: Span = Span::seconds(10);

/// The program.
pub struct Member {
    interface: u16,
    group: Ipv4Addr,
    random: Option<Random>,
    alarm: Alarm,
    /// When it says that it is there.
    report_at: Time,
    /// Whether it was the last to say so.
    is_last: bool,
}

impl Member {
    /// To be run on a host that joins a group at an interface.
    pub fn new(interface: u16, group: Ipv4Addr) -> Self {
        Self { interface, group, random: None, alarm: Alarm::default(), report_at: Time::NEVER, is_last: false }
    }

    /// Leaves the group; the program is over.
    pub fn leave(&mut self, calls: &mut Calls<'_, '_>) {
        if self.is_last {
            self.say(calls, Kind::Leave, ALL_ROUTERS);
        }
        let group = self.group;
        calls.set_member(self.interface, group, false);
        calls.trace(self.interface, Verb::State, Reason::Igmp, || format!("left {group}"));
        calls.finish(End::Answered);
    }

    fn say(&self, calls: &mut Calls<'_, '_>, kind: Kind, to: Ipv4Addr) {
        send(calls, self.interface, to, &Message { kind, within: 0, group: self.group });
    }

    fn report(&mut self, calls: &mut Calls<'_, '_>) {
        self.say(calls, Kind::Report, self.group);
        (self.report_at, self.is_last) = (Time::NEVER, true);
    }

    /// Says so some time within a span, unless it is going to earlier.
    fn report_within(&mut self, calls: &mut Calls<'_, '_>, span: Span) {
        let milliseconds = u32::try_from(span.0 / 1_000_000).unwrap_or(u32::MAX);
        let drawn = self.random.as_mut().map_or(0, |random| random.below(milliseconds));
        let at = calls.now() + Span::milliseconds(drawn.into());
        if self.report_at == Time::NEVER || self.report_at > calls.now() + span {
            self.report_at = at;
        }
        self.alarm.set(calls, self.report_at);
    }

    fn join(&mut self, calls: &mut Calls<'_, '_>) {
        self.report(calls);
        self.report_within(calls, AGAIN);
    }
}

impl App for Member {
    fn kind(&self) -> &'static str {
        "igmp"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        if let Err(reason) = calls.bind_protocol(PROTOCOL, None) {
            return calls.finish(End::Failed(reason));
        }
        let group = self.group;
        self.random = Some(calls.random(&format!("igmp {group}")));
        calls.set_member(self.interface, group, true);
        calls.trace(self.interface, Verb::State, Reason::Igmp, || format!("joined {group}"));
        self.join(calls);
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        let Ok(message) = Message::parse(calls.payload(datagram)) else {
            return;
        };
        if datagram.interface != self.interface {
            return;
        }
        match message.kind {
            Kind::Query if message.group == self.group || message.group.is_unspecified() => {
                self.report_within(calls, within(&message));
            }
            // Somebody else is there: that is all that a router wants to know.
            Kind::Report | Kind::ReportV1 if message.group == self.group => {
                (self.report_at, self.is_last) = (Time::NEVER, false);
            }
            _ => {}
        }
    }

    fn on_link(&mut self, calls: &mut Calls<'_, '_>, interface: u16, is_up: bool) {
        if is_up && interface == self.interface {
            self.join(calls);
        }
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, _: u32) {
        self.alarm.rings(calls.now());
        if self.report_at <= calls.now() {
            self.report(calls);
        }
        self.alarm.set(calls, self.report_at);
    }

    fn inspect(&self, host: &Host, now: Time) -> Vec<Table> {
        let mut table = Table::new("groups", &["group", "interface", "last reporter", "report in"]);
        let left = if self.report_at == Time::NEVER { "-".to_owned() } else { self.report_at.since(now).to_string() };
        let last = if self.is_last { "yes" } else { "no" };
        table.row([self.group.to_string(), host.name(self.interface), last.to_owned(), left]);
        vec![table]
    }
}
