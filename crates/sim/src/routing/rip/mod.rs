//! RIP version 2 (RFC 2453): every router tells its neighbours each 30 seconds how far each network is, and at once what
//! changed; the nearest way wins. Split horizon with poisoned reverse; 16 hops are infinity.
//!
//! Start at [`Rip`]. Messages are `message`'s, what is known and how long it holds is `table`'s.

mod message;
mod table;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::Ipv4Net;

pub use message::{Command, Entry, INFINITY, MOST_ENTRIES, Message};

use super::alarm::Alarm;
use crate::app::{App, Calls, Datagram, End, SendTo, SocketId};
use crate::host::{Host, Origin};
use crate::random::Random;
use crate::table::Table;
use crate::time::{Span, Time};
use crate::trace::{Reason, TraceEvent, Verb};

use table::{Change, Known, Networks, Source, Told};

/// The port of RIP.
pub const PORT: u16 = 520;
/// All routers that speak RIP version 2.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 9);

/// How RIP is set. [`RipSpec::default`] is what RFC 2453 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RipSpec {
    /// Between two updates of everything.
    pub update: Span,
    /// By so much an update comes earlier or later, by chance.
    pub jitter: Span,
    /// After so long without a word a route is lost.
    pub timeout: Span,
    /// After so long a lost route is forgotten.
    pub garbage: Span,
    /// Between two triggered updates, at least and at most.
    pub hold: (Span, Span),
    /// Whether neighbours learn routes that somebody wrote.
    pub tells_static: bool,
}

impl Default for RipSpec {
    fn default() -> Self {
        Self {
            update: Span::seconds(30),
            jitter: Span::seconds(5),
            timeout: Span::seconds(180),
            garbage: Span::seconds(120),
            hold: (Span::seconds(1), Span::seconds(5)),
            tells_static: true,
        }
    }
}

/// The program.
pub struct Rip {
    spec: RipSpec,
    socket: SocketId,
    networks: Networks,
    random: Option<Random>,
    alarm: Alarm,
    /// When everything is told next.
    update_at: Time,
    /// Before this, nothing is told only because it changed.
    held_until: Time,
}

impl Rip {
    /// To be run on a router.
    pub fn new(spec: RipSpec) -> Self {
        Self {
            spec,
            socket: SocketId::default(),
            networks: Networks::new(spec.timeout, spec.garbage),
            random: None,
            alarm: Alarm::default(),
            update_at: Time::NEVER,
            held_until: Time::ZERO,
        }
    }

    /// A span between two, by chance.
    fn between(&mut self, least: Span, most: Span) -> Span {
        let milliseconds = u32::try_from((most - least).0 / 1_000_000).unwrap_or(u32::MAX);
        let drawn = self.random.as_mut().map_or(0, |random| random.below(milliseconds));
        least + Span::milliseconds(drawn.into())
    }

    fn speaks_at(calls: &Calls<'_, '_>, interface: u16) -> bool {
        calls.is_up(interface) && !calls.subnets(interface).is_empty()
    }

    /// Own networks and written routes, as they are now.
    fn look_at_own(&mut self, calls: &Calls<'_, '_>) {
        let now = calls.now();
        let mut own: Vec<(Ipv4Net, u16, Source)> = Vec::new();
        for interface in (0..calls.interfaces()).filter(|interface| calls.is_up(*interface)) {
            own.extend(calls.subnets(interface).iter().map(|net| (net.trunc(), interface, Source::Connected)));
        }
        if self.spec.tells_static {
            let works = |(_, interface): &(Ipv4Net, u16)| calls.is_up(*interface);
            own.extend(
                calls.static_routes().into_iter().filter(works).map(|(to, interface)| (to, interface, Source::Static)),
            );
        }
        let is_lost = |to: Ipv4Net, known: &Known| {
            let still = |(own, _, source): &(Ipv4Net, u16, Source)| *own == to && *source == known.source;
            !matches!(known.source, Source::Router { .. }) && !own.iter().any(still)
        };
        let lost: Vec<Ipv4Net> = self.networks.iter().filter(|(to, known)| is_lost(*to, known)).map(|(to, _)| to).collect();
        lost.into_iter().for_each(|to| _ = self.networks.lose(to, now));
        own.into_iter().for_each(|(to, interface, source)| _ = self.networks.own(to, interface, source));
    }

    /// What is told at an interface: what was learned there is infinitely far (poisoned reverse), and who is there knows the
    /// subnet itself.
    fn entries(&self, interface: u16, changed_only: bool) -> Vec<Entry> {
        let entry = |(to, known): (Ipv4Net, &Known)| {
            let is_here = known.interface == interface;
            let metric = match known.source {
                Source::Connected if is_here => return None,
                _ if is_here => INFINITY,
                _ => known.metric,
            };
            Some(Entry { tag: known.tag, ..Entry::route(to, metric) })
        };
        self.networks.iter().filter(|(_, known)| known.is_changed || !changed_only).filter_map(entry).collect()
    }

    fn send(&self, calls: &mut Calls<'_, '_>, interface: u16, to: SocketAddr, command: Command, entries: &[Entry]) {
        for entries in entries.chunks(MOST_ENTRIES) {
            let message = Message { command, entries: entries.to_vec() };
            let how = SendTo { ttl: Some(1), interface: Some(interface), ..SendTo::default() };
            match calls.send_to(self.socket, to, how, &message.emit()) {
                Ok(()) => calls.outcome().sent += 1,
                Err(error) => calls.say(error.into(), || "rip: cannot send".to_owned()),
            }
        }
    }

    /// Tells all neighbours everything or what changed.
    fn tell(&mut self, calls: &mut Calls<'_, '_>, changed_only: bool) {
        for interface in 0..calls.interfaces() {
            if Self::speaks_at(calls, interface) {
                let entries = self.entries(interface, changed_only);
                self.send(calls, interface, group(), Command::Response, &entries);
            }
        }
        self.networks.all_told();
    }

    fn ask(&self, calls: &mut Calls<'_, '_>, interface: u16) {
        if Self::speaks_at(calls, interface) {
            self.send(calls, interface, group(), Command::Request, &[Entry::everything()]);
        }
    }

    /// RFC 2453 3.9.1.
    fn answer(&mut self, calls: &mut Calls<'_, '_>, datagram: &Datagram, mut entries: Vec<Entry>) {
        if let [one] = entries[..]
            && (one.family, one.metric) == (0, INFINITY)
        {
            let entries = self.entries(datagram.interface, false);
            return self.send(calls, datagram.interface, datagram.source, Command::Response, &entries);
        }
        for entry in &mut entries {
            // Whoever asks for single networks wants to see the table, not to route by it: no split horizon.
            let to = Entry { metric: 1, ..*entry }.destination();
            entry.metric = to.and_then(|to| self.networks.get(to)).map_or(INFINITY, |known| known.metric);
        }
        self.send(calls, datagram.interface, datagram.source, Command::Response, &entries);
    }

    /// RFC 2453 3.9.2.
    fn learn(&mut self, calls: &mut Calls<'_, '_>, datagram: &Datagram, entries: &[Entry]) {
        let IpAddr::V4(teller) = datagram.source.ip() else {
            return;
        };
        let (interface, now) = (datagram.interface, calls.now());
        let subnets = calls.subnets(interface);
        let is_near = |address: Ipv4Addr| subnets.iter().any(|net| net.contains(&address));
        if datagram.source.port() != PORT || !is_near(teller) || calls.host().is_own(teller.into()) {
            return calls.say(Reason::RoutingInformation, || format!("rip: {} is no neighbour", datagram.source));
        }
        for entry in entries {
            let Some(to) = entry.destination() else {
                continue;
            };
            let is_other = !entry.next_hop.is_unspecified() && is_near(entry.next_hop);
            let next_hop = if is_other && !calls.host().is_own(entry.next_hop.into()) { entry.next_hop } else { teller };
            let metric = (entry.metric + 1).min(INFINITY);
            let was = self.networks.get(to).map(|known| known.metric);
            match self.networks.learn(Told { to, metric, next_hop, teller, interface, tag: entry.tag }, now) {
                Change::None => {}
                Change::Way => {
                    calls.trace(interface, Verb::State, Reason::RoutingInformation, || {
                        let was = was.map_or_else(|| "unknown".to_owned(), |was| was.to_string());
                        format!("{to}: metric {was} to {metric}, told by {teller}")
                    });
                    calls.install(Origin::Rip, to, Some(next_hop), interface, metric);
                }
                Change::Lost => self.lost(calls, to, "its router says so"),
            }
        }
    }

    fn lost(&self, calls: &mut Calls<'_, '_>, to: Ipv4Net, why: &str) {
        let interface = self.networks.get(to).map_or(TraceEvent::NO_PORT, |known| known.interface);
        calls.trace(interface, Verb::State, Reason::RoutingInformation, || format!("{to}: metric to 16, {why}"));
        calls.uninstall(Origin::Rip, to);
    }

    /// Ends every call: what is due is done, what changed is told, and the alarm is set.
    fn settle(&mut self, calls: &mut Calls<'_, '_>) {
        let now = calls.now();
        for to in self.networks.time_out(now) {
            self.lost(calls, to, "nobody spoke of it for the timeout");
        }
        for to in self.networks.collect(now) {
            calls.trace(TraceEvent::NO_PORT, Verb::Forget, Reason::RoutingInformation, || {
                format!("{to} after the garbage collection")
            });
        }
        if self.update_at <= now {
            self.look_at_own(calls);
            self.tell(calls, false);
            let (update, jitter) = (self.spec.update, self.spec.jitter);
            self.update_at = now + self.between(update - jitter, update + jitter);
        } else if self.networks.has_changed() && self.held_until <= now {
            self.tell(calls, true);
            let (least, most) = self.spec.hold;
            self.held_until = now + self.between(least, most);
        }
        let told_at = if self.networks.has_changed() { self.held_until } else { Time::NEVER };
        let next = self.networks.next().min(self.update_at).min(told_at);
        self.alarm.set(calls, next);
    }
}

fn group() -> SocketAddr {
    SocketAddr::new(GROUP.into(), PORT)
}

impl App for Rip {
    fn kind(&self) -> &'static str {
        "rip"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        match calls.bind(None, Some(PORT), None) {
            Ok(socket) => self.socket = socket,
            Err(reason) => return calls.finish(End::Failed(reason)),
        }
        self.random = Some(calls.random("rip"));
        for interface in 0..calls.interfaces() {
            calls.set_member(interface, GROUP, true);
            calls.follow_link(interface);
        }
        self.look_at_own(calls);
        self.networks.all_told();
        for interface in 0..calls.interfaces() {
            self.ask(calls, interface);
        }
        let update = self.spec.update;
        self.update_at = calls.now() + self.between(Span::ZERO, update);
        self.settle(calls);
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        match Message::parse(calls.payload(datagram)) {
            Ok(Message { command: Command::Request, entries }) => self.answer(calls, datagram, entries),
            Ok(Message { command: Command::Response, entries }) => self.learn(calls, datagram, &entries),
            Err(error) => calls.say(Reason::RoutingInformation, || format!("rip: {error}")),
        }
        self.settle(calls);
    }

    fn on_link(&mut self, calls: &mut Calls<'_, '_>, interface: u16, is_up: bool) {
        calls.follow_link(interface);
        let now = calls.now();
        if !is_up {
            let is_there = |(_, known): &(Ipv4Net, &Known)| known.interface == interface && known.metric < INFINITY;
            let lost: Vec<Ipv4Net> = self.networks.iter().filter(is_there).map(|(to, _)| to).collect();
            for to in lost {
                self.networks.lose(to, now);
                self.lost(calls, to, "the link is down");
            }
        }
        self.look_at_own(calls);
        if is_up {
            // A nearer way than any that was learned.
            for net in calls.subnets(interface) {
                calls.uninstall(Origin::Rip, net.trunc());
            }
            self.ask(calls, interface);
        }
        self.settle(calls);
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, _: u32) {
        self.alarm.rings(calls.now());
        self.settle(calls);
    }

    fn inspect(&self, host: &Host, now: Time) -> Vec<Table> {
        let mut table = Table::new("rip", &["destination", "metric", "via", "interface", "state", "time left"]);
        for (to, known) in self.networks.iter() {
            let (via, state, until) = match (known.source, known.gone) {
                (Source::Router { next_hop, .. }, Some(gone)) => (next_hop.to_string(), "garbage", Some(gone)),
                (Source::Router { next_hop, until, .. }, None) => (next_hop.to_string(), "learned", Some(until)),
                (_, Some(gone)) => ("on link".to_owned(), "garbage", Some(gone)),
                (Source::Connected, None) => ("on link".to_owned(), "connected", None),
                (Source::Static, None) => ("static route".to_owned(), "static", None),
            };
            let left = until.map_or_else(String::new, |until| until.since(now).to_string());
            let (metric, interface) = (known.metric.to_string(), host.name(known.interface));
            table.row([to.to_string(), metric, via, interface, state.to_owned(), left]);
        }
        vec![table]
    }
}
