//! Source translation behind one address: a NAT gateway's (NAT-5, NAT-11, NAT-12), or a NAT instance's (NATI-1).

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::Timestamp;
use model::traffic::protocol::TCP;

use crate::packet::{FlowKey, Header, Transport};

/// Many behind one address.
#[derive(Debug, Clone, Default)]
pub struct Translations {
    /// Source port (ICMP: identifier) outside of each flow from inside.
    by_flow: BTreeMap<FlowKey, u16>,
    /// Whose each outside port is, by protocol, destination and its port (ICMP: request type).
    by_destination: BTreeMap<(u8, IpAddr, u16), BTreeMap<u16, Inside>>,
    began: Vec<FlowKey>,
}

#[derive(Debug, Clone, Copy)]
struct Inside {
    flow: FlowKey,
    last: Timestamp,
}

/// How a table ages and numbers.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Idle translations are gone after this many seconds.
    pub idle_seconds: u64,
    /// Lowest outside port.
    pub lowest_port: u16,
    /// The present.
    pub now: Timestamp,
}

impl Translations {
    /// The outside port of a flow that is known and not idle for too long; used now. An error of ICMP is of no flow: one from
    /// inside is about what came in ([`Self::port_of_error`]), and what went out is no affair of anybody outside.
    pub fn known(&mut self, header: &Header, terms: Terms) -> Option<u16> {
        if matches!(header.transport, Transport::IcmpError { .. }) {
            return None;
        }
        let flow = FlowKey::started_by(header);
        let port = *self.by_flow.get(&flow)?;
        let entry = self.by_destination.get_mut(&destination(&flow))?.get_mut(&port)?;
        if is_idle(entry, terms) {
            self.forget(&flow);
            return None;
        }
        entry.last = terms.now;
        Some(port)
    }

    /// How many translations to the destination of a new flow are in use.
    pub fn in_use(&mut self, header: &Header, terms: Terms) -> usize {
        let flow = FlowKey::started_by(header);
        let Some(ports) = self.by_destination.get(&destination(&flow)) else { return 0 };
        // Looking for idle ones is only worth it when there is no room.
        if ports.len() < crate::stage::nat_gateway::CONNECTIONS_PER_DESTINATION {
            return ports.len();
        }
        let idle: Vec<FlowKey> = ports.values().filter(|e| is_idle(e, terms)).map(|e| e.flow).collect();
        idle.iter().for_each(|flow| self.forget(flow));
        self.by_destination.get(&destination(&flow)).map_or(0, BTreeMap::len)
    }

    /// Gives a new flow an outside port: its own if that is free, else the next free one.
    pub fn add(&mut self, header: &Header, terms: Terms) -> Option<u16> {
        let flow = FlowKey::started_by(header);
        let ports = self.by_destination.entry(destination(&flow)).or_default();
        let free = |port: &u16| ports.get(port).is_none_or(|entry| is_idle(entry, terms));
        let wanted = flow.source_port.max(terms.lowest_port);
        let port = (wanted..=u16::MAX).chain(terms.lowest_port..wanted).find(free)?;
        if let Some(old) = ports.insert(port, Inside { flow, last: terms.now }) {
            self.by_flow.remove(&old.flow);
        }
        self.by_flow.insert(flow, port);
        self.began.push(flow);
        Some(port)
    }

    /// The outside port of a flow of the guest's own: another one where a flow that it hides has that port already.
    pub fn of_own(&mut self, header: &Header, terms: Terms) -> Option<u16> {
        let flow = FlowKey::started_by(header);
        let taken = self.by_destination.get(&destination(&flow)).and_then(|ports| ports.get(&flow.source_port));
        let is_taken = taken.is_some_and(|entry| entry.flow != flow && !is_idle(entry, terms));
        self.known(header, terms).or_else(|| if is_taken { self.add(header, terms) } else { None })
    }

    /// Whom a packet from outside is for: address and port (ICMP: identifier) inside. For an ICMP error, whose packet
    /// it is about.
    pub fn inside_of(&mut self, header: &Header, terms: Terms) -> Option<(IpAddr, u16)> {
        let outside = match &header.transport {
            Transport::IcmpError { quoted, .. } => FlowKey::started_by(quoted),
            _ => FlowKey::answered_by(header)?,
        };
        let entry = self.by_destination.get_mut(&destination(&outside))?.get_mut(&outside.source_port)?;
        if is_idle(entry, terms) {
            return None;
        }
        if !matches!(header.transport, Transport::IcmpError { .. }) {
            entry.last = terms.now;
        }
        Some((entry.flow.source, entry.flow.source_port))
    }

    /// The outside port of the flow that an ICMP error from inside is about.
    pub fn port_of_error(&mut self, header: &Header, terms: Terms) -> Option<u16> {
        let flow = FlowKey::answered_by(header)?;
        let port = *self.by_flow.get(&flow)?;
        let entry = self.by_destination.get(&destination(&flow))?.get(&port)?;
        (!is_idle(entry, terms)).then_some(port)
    }

    /// Every flow from inside with its outside port and when it was last used, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&FlowKey, u16, Timestamp)> {
        self.by_flow.iter().filter_map(|(flow, port)| {
            let inside = self.by_destination.get(&destination(flow))?.get(port)?;
            Some((flow, *port, inside.last))
        })
    }

    /// A probe begins.
    pub fn begin(&mut self) {
        self.began.clear();
    }

    /// A probe ended and closed its TCP connections.
    pub fn close(&mut self) {
        for flow in std::mem::take(&mut self.began).iter().filter(|flow| flow.protocol == TCP) {
            self.forget(flow);
        }
    }

    fn forget(&mut self, flow: &FlowKey) {
        if let Some(port) = self.by_flow.remove(flow)
            && let Some(ports) = self.by_destination.get_mut(&destination(flow))
        {
            ports.remove(&port);
        }
    }
}

fn destination(flow: &FlowKey) -> (u8, IpAddr, u16) {
    (flow.protocol, flow.destination, flow.destination_port)
}

fn is_idle(entry: &Inside, terms: Terms) -> bool {
    terms.now >= entry.last.plus(terms.idle_seconds)
}

/// The packet with another source; an ICMP error's quoted packet went there.
pub fn with_source(header: &Header, address: IpAddr, port: u16) -> Header {
    let mut changed = header.clone();
    changed.source = address;
    match &mut changed.transport {
        Transport::Tcp { source_port, .. } | Transport::Udp { source_port, .. } => *source_port = port,
        Transport::Icmp { identifier, .. } => *identifier = port,
        Transport::IcmpError { quoted, .. } => **quoted = with_destination(quoted, address, port),
        Transport::Other { .. } => {}
    }
    changed
}

/// The packet with another destination; an ICMP error's quoted packet came from there.
pub fn with_destination(header: &Header, address: IpAddr, port: u16) -> Header {
    let mut changed = header.clone();
    changed.destination = address;
    match &mut changed.transport {
        Transport::Tcp { destination_port, .. } | Transport::Udp { destination_port, .. } => *destination_port = port,
        Transport::Icmp { identifier, .. } => *identifier = port,
        Transport::IcmpError { quoted, .. } => **quoted = with_source(quoted, address, port),
        Transport::Other { .. } => {}
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::icmp;

    fn udp(source: &str, destination: &str, ports: (u16, u16)) -> Option<Header> {
        let transport = Transport::Udp { source_port: ports.0, destination_port: ports.1 };
        Some(Header { source: source.parse().ok()?, destination: destination.parse().ok()?, transport })
    }

    /// RFC 5508, 4.2: an error from inside is about a packet from outside.
    #[test]
    fn an_error_from_inside_is_translated_where_it_is_about_what_came_in_and_nowhere_else() {
        let terms = Terms { idle_seconds: 350, lowest_port: 1_024, now: Timestamp::default() };
        let request = udp("10.0.1.5", "192.0.2.7", (40_000, 53));
        let answer = udp("192.0.2.7", "10.0.1.5", (53, 40_000));
        let mut table = Translations::default();
        let port = request.as_ref().and_then(|request| table.add(request, terms));
        assert_eq!(port, Some(40_000));
        for (about, from, expected) in [(answer, "10.0.1.5", port), (request, "10.0.2.9", None)] {
            let error = about.zip(from.parse().ok()).map(|(about, from)| about.error(from, icmp::UNREACHABLE, 3, None));
            let Some(error) = error else { panic!("an error is written") };
            assert_eq!(table.known(&error, terms), None, "it is no packet of the flow");
            assert_eq!(table.port_of_error(&error, terms), expected, "{error}");
        }
    }
}
