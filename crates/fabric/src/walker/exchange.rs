//! A request and its answer: packet probes, kept connections, forged ICMP errors.

use std::net::IpAddr;

use model::{NetworkInterfaceId, VpcEndpointId, VpnGatewayId};

use super::Walker;
use super::passing::Hop;
use super::transit::{Answerer, End, Exit, Fate, Step, Transit};
use crate::engine::{
    Arrival, Drop, EngineError, IcmpErrorSeen, Leg, ListenerState, Observation, Outcome, PacketProbe, Sender, Side,
    Traffic, Unsupported,
};
use crate::fabric::Fabric;
use crate::index::InterfaceIndex;
use crate::packet::{Family, Header, Packet, Segment, Transport, icmp};
use crate::reason::{Component, Reason, Stage};
use crate::stage::exempt;

/// An end of a connection, by what outlives a fabric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Party {
    Interface(NetworkInterfaceId),
    Outside(IpAddr, Way),
}

/// The exit by which a host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    Internet,
    Endpoint(VpcEndpointId),
    Vpn(VpnGatewayId),
}

/// A kept connection: what each side sends, and what arrives of it.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    client: Party,
    server: Party,
    /// As the client sends it.
    request: Header,
    /// The same as the server got it.
    request_at_server: Header,
    /// As the server sends it.
    response: Header,
    /// The same as the client got it.
    response_at_client: Header,
}

/// A packet's way, when it is over.
pub(super) struct Trip {
    pub step: Step,
    pub via: Vec<InterfaceIndex>,
    pub path: Vec<Hop>,
    /// What was passed although it blocks.
    pub blockers: Vec<Reason>,
    /// Whether an answer would say nothing.
    pub is_moot: bool,
}

impl Walker {
    /// Sends a packet from a party.
    pub(super) fn send(&mut self, fabric: &Fabric, from: &Party, packet: Packet) -> Result<Trip, EngineError> {
        enum Start {
            Interface(InterfaceIndex),
            Outside(Exit),
        }
        let start = match from {
            Party::Interface(id) => Start::Interface(interface_index(fabric, id)?),
            Party::Outside(_, way) => Start::Outside(exit(fabric, way)?),
        };
        let header = packet.header.clone();
        Ok(self.walk(fabric, header, |transit| match start {
            Start::Interface(interface) => transit.originate(interface, packet, false),
            Start::Outside(exit) => transit.leave_host(exit, packet),
        }))
    }

    /// Sends what a system answers: by the interface that its own routes choose (ENI-11), not by the one that was asked.
    pub(super) fn answer(&mut self, fabric: &Fabric, from: &Party, packet: Packet) -> Result<Trip, EngineError> {
        let Party::Interface(id) = from else { return self.send(fabric, from, packet) };
        let out = fabric.way_out(interface_index(fabric, id)?, packet.header.destination);
        let header = packet.header.clone();
        Ok(self.walk(fabric, header, |transit| transit.originate(out, packet, true)))
    }

    fn walk(&mut self, fabric: &Fabric, header: Header, go: impl FnOnce(&mut Transit<'_>) -> Step) -> Trip {
        let mut transit = Transit::new(fabric, &mut self.state, self.now, header);
        (transit.inverted, transit.as_if) = (self.inverted, self.as_if);
        let step = go(&mut transit);
        let Transit { via, path, arrivals, blockers, is_moot, .. } = transit;
        self.arrivals.extend(arrivals.into_iter().map(|(at, protocol)| (fabric.interfaces[at].id.clone(), protocol)));
        Trip { step, via, path, blockers, is_moot }
    }

    /// A request, or as many as are asked for; the first that gets another verdict than an arrival decides.
    pub(super) fn packet_probe(&mut self, fabric: &Fabric, probe: &PacketProbe) -> Result<Outcome, EngineError> {
        let mut last = None;
        for number in 0..probe.connections.max(1) {
            let traffic = later(probe.traffic, number)?;
            let (outcome, kept) = self.request(fabric, probe, traffic)?;
            if let (Some(name), Some(kept)) = (&probe.keep, kept)
                && number == 0
            {
                self.state.kept.insert(name.clone(), kept);
            }
            let arrived = matches!(outcome, Outcome::Allowed(_));
            last = Some(outcome);
            if !arrived {
                break;
            }
        }
        // Several connections are open at once, and stay so.
        if probe.keep.is_none() && probe.connections <= 1 {
            self.state.close();
        }
        last.ok_or_else(|| EngineError::BadProbe("no connection was asked for".to_owned()))
    }

    fn request(
        &mut self,
        fabric: &Fabric,
        probe: &PacketProbe,
        traffic: Traffic,
    ) -> Result<(Outcome, Option<Kept>), EngineError> {
        let (client, request, trip) = self.open(fabric, probe, traffic)?;
        self.conclude(fabric, &client, request, trip, probe.listener)
    }

    /// Sends a request: who sent it, as it was sent, and its way.
    pub(super) fn open(
        &mut self,
        fabric: &Fabric,
        probe: &PacketProbe,
        traffic: Traffic,
    ) -> Result<(Party, Header, Trip), EngineError> {
        let client = party(&probe.from)?;
        let source = match probe.source {
            Some(source) => source,
            None => address_of(fabric, &client, Family::of(probe.to))?,
        };
        if Family::of(source) != Family::of(probe.to) {
            return Err(EngineError::BadProbe(format!("{source} and {} are of two families", probe.to)));
        }
        let transport = self.transport(traffic);
        let request = Header { source, destination: probe.to, transport };
        let packet = Packet::new(request.clone());
        let trip = match &probe.inject_at {
            None => self.send(fabric, &client, packet)?,
            Some(id) => {
                let gateway = fabric.internet_gateways.find(id, |gateway| &gateway.id);
                let gateway = gateway.ok_or_else(|| EngineError::NotFound(id.to_string()))?;
                self.walk(fabric, request.clone(), |transit| transit.enter_vpc(gateway, packet))
            }
        };
        Ok((client, request, trip))
    }

    /// What comes of a request that was sent: its arrival, the answer, and the answer's arrival.
    pub(super) fn conclude(
        &mut self,
        fabric: &Fabric,
        client: &Party,
        request: Header,
        trip: Trip,
        listener: ListenerState,
    ) -> Result<(Outcome, Option<Kept>), EngineError> {
        let (end, packet) = match trip.step {
            Err(reason) => return Ok((dropped(Leg::Forward, *reason), None)),
            Ok(Fate::Answered { by, answer }) => return Ok((self.answered(fabric, client, by, answer)?, None)),
            Ok(Fate::Arrived { end, packet }) => (end, packet),
        };
        let mut arrival = arrival(fabric, &packet, &trip.via, trip.path);
        let Some(server) = party_of(fabric, &end) else {
            // A service of the fabric answers on its own port and to nothing else; the router not at all (L2-6).
            let is_served = matches!(end, End::Service(vpc) if exempt::is_served(fabric, vpc, &packet.header));
            return Ok(match is_served {
                true => (Outcome::Allowed(arrival), None),
                false => {
                    let text = "no service of the fabric answers that";
                    (dropped(Leg::Forward, Reason::new(Stage::Exempt, Component::Fabric, text)), None)
                }
            });
        };
        let refused = listener == ListenerState::Closed;
        let response = match (refused, packet.header.reply()) {
            (true, _) => refusal(&packet.header),
            (false, response) => response,
        };
        // Messages that nobody answers have done all they can by arriving.
        let Some(response) = response else { return Ok((Outcome::Allowed(arrival), None)) };
        let back = self.answer(fabric, &server, Packet::new(response.clone()))?;
        let (end, answer) = match back.step {
            Err(reason) => return Ok((dropped(Leg::Return, *reason), None)),
            Ok(Fate::Answered { .. }) => return Ok((lost(fabric, &server, "the answer was refused on its way"), None)),
            Ok(Fate::Arrived { end, packet }) => (end, packet),
        };
        let expected = expected_answer(&request, &response);
        match (party_of(fabric, &end).as_ref().is_some_and(|at| same_place(at, client)), expected == answer.header) {
            (true, true) => {}
            (_, _) => return Ok((stray(fabric, &end, &answer.header), None)),
        }
        if refused {
            return Ok((Outcome::Refused { at: component(fabric, &server) }, None));
        }
        let via = back.via.iter().map(|at| fabric.interfaces[*at].id.clone());
        if let Some(all) = &mut arrival.via {
            all.extend(via);
        }
        let kept = Kept {
            client: client.clone(),
            server,
            request: established(&request),
            request_at_server: established(&packet.header),
            response: established(&response),
            response_at_client: established(&answer.header),
        };
        Ok((Outcome::Allowed(arrival), Some(kept)))
    }

    /// An answer from somebody on the way: a reset, or an ICMP error.
    fn answered(
        &mut self,
        fabric: &Fabric,
        sender: &Party,
        by: Answerer,
        answer: Header,
    ) -> Result<Outcome, EngineError> {
        let source = answer.source;
        let trip = match by {
            Answerer::NatGateway(nat) => {
                self.walk(fabric, answer.clone(), |t| t.leave_nat_gateway(nat, Packet::new(answer)))
            }
            Answerer::Guest(guest) => {
                self.walk(fabric, answer.clone(), |t| t.leave_interface(guest, Packet::new(answer)))
            }
            // PIPE-2: what the router says meets no filter.
            Answerer::Router(interface) => {
                self.arrivals.push((fabric.interfaces[interface].id.clone(), answer.protocol()));
                let step = Ok(Fate::Arrived { end: End::Guest(interface), packet: Packet::new(answer) });
                Trip { step, via: Vec::new(), path: Vec::new(), blockers: Vec::new(), is_moot: false }
            }
        };
        let (end, packet) = match trip.step {
            Err(reason) => return Ok(dropped(Leg::Return, *reason)),
            Ok(Fate::Answered { .. }) => return Ok(lost(fabric, sender, "the answer was refused on its way")),
            Ok(Fate::Arrived { end, packet }) => (end, packet),
        };
        if !party_of(fabric, &end).is_some_and(|at| same_place(&at, sender)) {
            return Ok(stray(fabric, &end, &packet.header));
        }
        let at = match by {
            Answerer::NatGateway(nat) => Component::NatGateway(nat),
            Answerer::Guest(guest) => Component::Guest(guest),
            Answerer::Router(interface) => Component::Interface(interface),
        };
        Ok(match packet.header.transport {
            Transport::IcmpError { icmp_type, code, mtu, .. } => {
                let icmp_error = Some(IcmpErrorSeen { from: source, icmp_type, code, mtu });
                Outcome::Observed(Observation::Ping { replies: 0, icmp_error })
            }
            _ => Outcome::Refused { at: Some(at) },
        })
    }

    /// A packet on a kept connection. Whoever does not know the connection answers with a reset (EIP-10).
    pub(super) fn kept_probe(&mut self, fabric: &Fabric, name: &str, side: Side) -> Result<Outcome, EngineError> {
        let kept = self.kept(name)?.clone();
        let (from, header, to, at_receiver) = match side {
            Side::Client => (kept.client, kept.request, kept.server, kept.request_at_server),
            Side::Server => (kept.server, kept.response, kept.client, kept.response_at_client),
        };
        let trip = match side {
            Side::Client => self.send(fabric, &from, Packet::new(header.clone()))?,
            Side::Server => self.answer(fabric, &from, Packet::new(header.clone()))?,
        };
        let mut knows = true;
        if let Ok(Fate::Arrived { end, packet }) = &trip.step {
            let place = party_of(fabric, end);
            let is_tcp = matches!(header.transport, Transport::Tcp { .. });
            knows = !is_tcp || (place.is_some_and(|at| same_place(&at, &to)) && packet.header == at_receiver);
        }
        let listener = if knows { ListenerState::Open } else { ListenerState::Closed };
        Ok(self.conclude(fabric, &from, header, trip, listener)?.0)
    }

    /// An ICMP error that quotes the last packet of a side, as it arrived at the other.
    pub(super) fn icmp_error_probe(
        &mut self,
        fabric: &Fabric,
        from: &Sender,
        to: IpAddr,
        (icmp_type, code): (u8, u8),
        name: &str,
        side: Side,
    ) -> Result<Outcome, EngineError> {
        let kept = self.kept(name)?;
        let quoted = match side {
            Side::Client => kept.request_at_server.clone(),
            Side::Server => kept.response_at_client.clone(),
        };
        let sender = party(from)?;
        let source = address_of(fabric, &sender, Family::of(to))?;
        let needs_mtu = (icmp_type, code) == (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED);
        let mtu = needs_mtu.then_some(1_400);
        let transport = Transport::IcmpError { icmp_type, code, mtu, quoted: Box::new(quoted) };
        let header = Header { source, destination: to, transport };
        let trip = self.send(fabric, &sender, Packet::new(header.clone()))?;
        Ok(self.conclude(fabric, &sender, header, trip, ListenerState::Open)?.0)
    }

    fn kept(&self, name: &str) -> Result<&Kept, EngineError> {
        self.state.kept.get(name).ok_or_else(|| EngineError::NotFound(format!("the kept connection `{name}`")))
    }

    fn transport(&mut self, traffic: Traffic) -> Transport {
        match traffic {
            Traffic::Tcp { source_port, destination_port } => {
                Transport::Tcp { source_port, destination_port, segment: Segment::Syn }
            }
            Traffic::Udp { source_port, destination_port } => Transport::Udp { source_port, destination_port },
            Traffic::Icmp { icmp_type, code } => {
                Transport::Icmp { icmp_type, code, identifier: self.state.fresh_identifier() }
            }
            Traffic::Other(protocol) => Transport::Other { protocol },
        }
    }
}

/// The traffic of the connection with this number: source ports count up.
fn later(traffic: Traffic, number: u32) -> Result<Traffic, EngineError> {
    let add = |port: u16| {
        let port = u16::try_from(u32::from(port) + number);
        port.map_err(|_| EngineError::BadProbe("there are not so many source ports".to_owned()))
    };
    Ok(match traffic {
        Traffic::Tcp { source_port, destination_port } => {
            Traffic::Tcp { source_port: add(source_port)?, destination_port }
        }
        Traffic::Udp { source_port, destination_port } => {
            Traffic::Udp { source_port: add(source_port)?, destination_port }
        }
        other => other,
    })
}

/// Who a sender is. Errors: a container, whose packets the walker does not make.
pub(super) fn party(sender: &Sender) -> Result<Party, EngineError> {
    match sender {
        Sender::Interface(id) => Ok(Party::Interface(id.clone())),
        Sender::Outside(address) => Ok(Party::Outside(*address, Way::Internet)),
        Sender::Container(_) => Err(EngineError::Unsupported(Unsupported::Container)),
    }
}

/// The address that a party sends from.
pub(super) fn address_of(fabric: &Fabric, party: &Party, family: Family) -> Result<IpAddr, EngineError> {
    match (party, family) {
        (Party::Outside(address, _), _) => Ok(*address),
        (Party::Interface(id), Family::V4) => {
            Ok(IpAddr::V4(fabric.interfaces[interface_index(fabric, id)?].primary_address()))
        }
        (Party::Interface(id), Family::V6) => {
            let first = fabric.interfaces[interface_index(fabric, id)?].ipv6.first().copied();
            first.map(IpAddr::V6).ok_or_else(|| EngineError::BadProbe(format!("{id} has no IPv6 address")))
        }
    }
}

pub(super) fn interface_index(fabric: &Fabric, id: &NetworkInterfaceId) -> Result<InterfaceIndex, EngineError> {
    fabric.interface_by_id(id).ok_or_else(|| EngineError::NotFound(id.to_string()))
}

fn exit(fabric: &Fabric, way: &Way) -> Result<Exit, EngineError> {
    let gone = |id: &dyn std::fmt::Display| EngineError::NotFound(id.to_string());
    match way {
        Way::Internet => Ok(Exit::Internet),
        Way::Endpoint(id) => {
            let found = fabric.vpc_endpoints.find(id, |endpoint| &endpoint.id);
            found.map(Exit::Endpoint).ok_or_else(|| gone(id))
        }
        Way::Vpn(id) => {
            let found = fabric.vpn_gateways.find(id, |gateway| &gateway.id);
            found.map(Exit::Vpn).ok_or_else(|| gone(id))
        }
    }
}

pub(super) fn party_of(fabric: &Fabric, end: &End) -> Option<Party> {
    match end {
        End::Guest(interface) => Some(Party::Interface(fabric.interfaces[*interface].id.clone())),
        End::Outside(address, exit) => Some(Party::Outside(
            *address,
            match exit {
                Exit::Internet => Way::Internet,
                Exit::Endpoint(index) => Way::Endpoint(fabric.vpc_endpoints[*index].id.clone()),
                Exit::Vpn(index) => Way::Vpn(fabric.vpn_gateways[*index].id.clone()),
            },
        )),
        End::Service(_) => None,
    }
}

/// Whether two parties are the same; by which way a host is reached does not matter.
pub(super) fn same_place(a: &Party, b: &Party) -> bool {
    match (a, b) {
        (Party::Outside(a, _), Party::Outside(b, _)) => a == b,
        (a, b) => a == b,
    }
}

pub(super) fn component(fabric: &Fabric, party: &Party) -> Option<Component> {
    match party {
        Party::Interface(id) => interface_index(fabric, id).ok().map(Component::Guest),
        Party::Outside(address, way) => Some(outside(fabric, *address, matches!(way, Way::Vpn(_)))),
    }
}

/// A host outside: a named place, else the lan behind a virtual private gateway, else the internet.
pub(super) fn outside(fabric: &Fabric, address: IpAddr, is_by_vpn: bool) -> Component {
    let is_private = matches!(address, IpAddr::V4(a) if a.is_private());
    let gateway = || fabric.behind_vpn(address).filter(|_| is_by_vpn || is_private).map(Component::VpnGateway);
    fabric.outside_host(address).map(Component::Outside).or_else(gateway).unwrap_or(Component::Internet)
}

/// The answer as the sender of a request waits for it.
pub(super) fn expected_answer(request: &Header, response: &Header) -> Header {
    let mut expected = response.clone();
    (expected.source, expected.destination) = (request.destination, request.source);
    match (&mut expected.transport, &request.transport) {
        (
            Transport::Tcp { source_port: s, destination_port: d, .. },
            Transport::Tcp { source_port, destination_port, .. },
        )
        | (
            Transport::Udp { source_port: s, destination_port: d },
            Transport::Udp { source_port, destination_port },
        ) => (*s, *d) = (*destination_port, *source_port),
        (Transport::Icmp { identifier, .. }, Transport::Icmp { identifier: own, .. }) => *identifier = *own,
        (Transport::IcmpError { quoted, .. }, _) => **quoted = request.clone(),
        _ => {}
    }
    expected
}

/// What a host without a listener says.
fn refusal(request: &Header) -> Option<Header> {
    match request.transport {
        Transport::Tcp { .. } => request.reset(),
        Transport::Udp { .. } => {
            let (icmp_type, code) = match request.family() {
                Family::V4 => (icmp::UNREACHABLE, icmp::PORT_UNREACHABLE),
                Family::V6 => (icmp::V6_UNREACHABLE, 4),
            };
            Some(request.error(request.destination, icmp_type, code, None))
        }
        _ => request.reply(),
    }
}

/// The packet as it looks once the connection is open.
fn established(header: &Header) -> Header {
    let mut later = header.clone();
    if let Transport::Tcp { segment, .. } = &mut later.transport {
        *segment = Segment::Ack;
    }
    later
}

fn arrival(fabric: &Fabric, packet: &Packet, via: &[InterfaceIndex], path: Vec<Hop>) -> Arrival {
    Arrival {
        source: packet.header.source,
        destination: packet.header.destination,
        source_port: packet.header.ports().map(|(source, _)| source),
        ttl: Some(packet.ttl),
        via: Some(via.iter().map(|at| fabric.interfaces[*at].id.clone()).collect()),
        path: Some(path.into_iter().map(|hop| hop.reason).collect()),
    }
}

pub(super) fn dropped(leg: Leg, reason: Reason) -> Outcome {
    Outcome::Dropped(Drop { leg, at: Some(reason.at), code: reason.code, reason: Some(reason) })
}

/// An answer that came to somebody who does not wait for it.
pub(super) fn stray(fabric: &Fabric, end: &End, header: &Header) -> Outcome {
    let at = party_of(fabric, end).and_then(|party| component(fabric, &party)).unwrap_or(Component::Fabric);
    let text = format!("nobody there waits for an answer from {}", header.source);
    dropped(Leg::Return, Reason::new(Stage::Guest, at, text))
}

fn lost(fabric: &Fabric, party: &Party, text: &str) -> Outcome {
    let at = component(fabric, party).unwrap_or(Component::Fabric);
    dropped(Leg::Return, Reason::new(Stage::Guest, at, text))
}
