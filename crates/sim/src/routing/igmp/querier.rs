//! A router that asks who is in which group; of several on a link, the one with the lowest address (RFC 2236 3, 7).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::{ALL_ROUTERS, ALL_SYSTEMS, Kind, Message, PROTOCOL, WITHIN, send};
use crate::app::{App, Calls, Datagram, End, SocketId};
use crate::host::Host;
use crate::routing::alarm::Alarm;
use crate::table::Table;
use crate::time::{Span, Time};
use crate::trace::{Reason, Verb};

/// Between two queries (8.2), and between the first ones (8.6), of which there are so many (8.7).
const INTERVAL: Span = Span::seconds(125);
const FIRST_INTERVAL: Span = Span::milliseconds(31_250);
const FIRST: u32 = 2;
/// How long a member stays that is silent (8.4), and another router that asks (8.5).
const MEMBER: Span = Span::seconds(260);
const OTHER: Span = Span::seconds(255);
/// After a leave, others are asked so often (8.9), a second apart and within tenths of it (8.8).
const LAST: u32 = 2;
const LAST_WITHIN: u8 = 10;

/// A link with its groups.
#[derive(Debug)]
struct Network {
    address: Ipv4Addr,
    ask_at: Time,
    asked: u32,
    /// Whom this router lets ask, and until when.
    other: Option<(Ipv4Addr, Time)>,
    groups: BTreeMap<Ipv4Addr, Group>,
}

#[derive(Debug)]
struct Group {
    reporter: Ipv4Addr,
    until: Time,
    /// Questions that are yet to be asked after a leave, and when.
    questions: u32,
    ask_at: Time,
}

/// The program.
#[derive(Default)]
pub struct Querier {
    networks: BTreeMap<u16, Network>,
    alarm: Alarm,
}

impl Querier {
    /// To be run on a router; it asks at all its interfaces.
    pub fn new() -> Self {
        Self::default()
    }

    /// Networks and groups that have members, by interface.
    pub fn members(&self) -> Vec<(u16, Ipv4Addr)> {
        let groups = |(interface, network): (&u16, &Network)| {
            let interface = *interface;
            network.groups.keys().map(move |group| (interface, *group)).collect::<Vec<_>>()
        };
        self.networks.iter().flat_map(groups).collect()
    }

    fn begin(&mut self, calls: &Calls<'_, '_>, interface: u16) {
        if let Some(net) = calls.subnets(interface).first().filter(|_| calls.is_up(interface)) {
            let (address, ask_at) = (net.addr(), calls.now());
            let network = Network { address, ask_at, asked: 0, other: None, groups: BTreeMap::new() };
            self.networks.insert(interface, network);
        }
    }

    fn reported(&mut self, calls: &mut Calls<'_, '_>, interface: u16, group: Ipv4Addr, reporter: Ipv4Addr) {
        let until = calls.now() + MEMBER;
        let Some(network) = self.networks.get_mut(&interface).filter(|_| group.is_multicast()) else {
            return;
        };
        let member = Group { reporter, until, questions: 0, ask_at: Time::NEVER };
        if network.groups.insert(group, member).is_none() {
            calls.trace(interface, Verb::Learn, Reason::Igmp, || format!("{group} has a member, {reporter}"));
        }
    }

    fn left(&mut self, now: Time, interface: u16, group: Ipv4Addr) {
        let Some(network) = self.networks.get_mut(&interface).filter(|network| network.other.is_none()) else {
            return;
        };
        if let Some(known) = network.groups.get_mut(&group) {
            (known.questions, known.ask_at) = (LAST, now);
            known.until = known.until.min(now + Span::seconds(LAST.into()));
        }
    }

    fn asked(&mut self, calls: &mut Calls<'_, '_>, interface: u16, by: Ipv4Addr, message: &Message) {
        let now = calls.now();
        let Some(network) = self.networks.get_mut(&interface) else {
            return;
        };
        if by < network.address {
            if network.other.is_none() {
                calls.trace(interface, Verb::State, Reason::Igmp, || format!("{by} asks here, its address is lower"));
            }
            network.other = Some((by, now + OTHER));
        }
        // Who does not ask itself believes the one who does that the last member may have left (3).
        if network.other.is_some()
            && let Some(known) = network.groups.get_mut(&message.group)
        {
            let most = Span::milliseconds(100 * u64::from(message.within) * u64::from(LAST));
            known.until = known.until.min(now + most);
        }
    }

    fn settle(&mut self, calls: &mut Calls<'_, '_>) {
        let now = calls.now();
        let mut next = Time::NEVER;
        for (interface, network) in &mut self.networks {
            let interface = *interface;
            if network.other.is_some_and(|(_, until)| until <= now) {
                network.other = None;
                network.ask_at = now;
                calls.trace(interface, Verb::State, Reason::Igmp, || "nobody asks here any more".to_owned());
            }
            if network.ask_at <= now {
                network.asked += 1;
                network.ask_at = now + if network.asked < FIRST { FIRST_INTERVAL } else { INTERVAL };
                if network.other.is_none() {
                    let group = Ipv4Addr::UNSPECIFIED;
                    send(calls, interface, ALL_SYSTEMS, &Message { kind: Kind::Query, within: WITHIN, group });
                }
            }
            network.groups.retain(|group, known| {
                if known.until <= now {
                    calls.trace(interface, Verb::Forget, Reason::Igmp, || format!("{group} has no member"));
                    return false;
                }
                if known.ask_at <= now && known.questions > 0 {
                    send(calls, interface, *group, &Message { kind: Kind::Query, within: LAST_WITHIN, group: *group });
                    known.questions -= 1;
                    known.ask_at = if known.questions > 0 { now + Span::seconds(1) } else { Time::NEVER };
                }
                next = next.min(known.until).min(known.ask_at);
                true
            });
            next = next.min(network.ask_at).min(network.other.map_or(Time::NEVER, |(_, until)| until));
        }
        self.alarm.set(calls, next);
    }
}

impl App for Querier {
    fn kind(&self) -> &'static str {
        "igmp-querier"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        if let Err(reason) = calls.bind_protocol(PROTOCOL, None) {
            return calls.finish(End::Failed(reason));
        }
        for interface in 0..calls.interfaces() {
            calls.set_member(interface, ALL_ROUTERS, true);
            self.begin(calls, interface);
        }
        self.settle(calls);
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        let (Ok(message), IpAddr::V4(by)) = (Message::parse(calls.payload(datagram)), datagram.source.ip()) else {
            return;
        };
        match message.kind {
            Kind::Query => self.asked(calls, datagram.interface, by, &message),
            Kind::Report | Kind::ReportV1 => self.reported(calls, datagram.interface, message.group, by),
            Kind::Leave => self.left(calls.now(), datagram.interface, message.group),
        }
        self.settle(calls);
    }

    fn on_link(&mut self, calls: &mut Calls<'_, '_>, interface: u16, is_up: bool) {
        self.networks.remove(&interface);
        if is_up {
            self.begin(calls, interface);
        }
        self.settle(calls);
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, _: u32) {
        self.alarm.rings(calls.now());
        self.settle(calls);
    }

    fn inspect(&self, host: &Host, now: Time) -> Vec<Table> {
        let mut table = Table::new("igmp", &["interface", "querier", "group", "last reporter", "time left"]);
        for (interface, network) in &self.networks {
            let querier = network.other.map_or(network.address, |(other, _)| other).to_string();
            for (group, known) in &network.groups {
                let left = known.until.since(now).to_string();
                table.row([host.name(*interface), querier.clone(), group.to_string(), known.reporter.to_string(), left]);
            }
        }
        vec![table]
    }
}
