//! A request and its answer between hosts of a cloud: packet probes, kept connections, forged ICMP errors.

use std::net::IpAddr;
use std::sync::Arc;

use fabric::engine::{
    Drop, EngineError, Leg, ListenerState, Observation, Outcome, PacketProbe, Sender, Side, Traffic, Unsupported,
};
use fabric::packet::icmp;
use fabric::stage::{interface_state, security_group};
use fabric::{Component, Decision, Direction, Family, Header, Reason as StageReason, Stage, Transport};

use super::engine::SimEngine;
use super::outcome::{self, Received};
use super::topology::Cloud;
use crate::frame::FrameId;
use crate::app::{AppId, ConnectSpec, DatagramSpec, RawSpec};
use crate::host::{Flow, Host, Protocol, Saved, Services};
use crate::node::NodeId;
use crate::time::Span;

/// What a datagram carries: as long as a DNS header and no question, so that name servers answer, too (RFC 1035: "not
/// implemented").
const BODY: &[u8] = b"vpclab probe";
/// Events that one exchange may take: far more than any needs, and the end of what goes in circles.
const BUDGET: u64 = 1_000_000;
/// Longest simulated time of an exchange. Whoever waits for an answer that is not under way any more waits in vain.
const PATIENCE: Span = Span::seconds(1);
/// A delayed acknowledgement may take so long (RFC 1122 4.2.3.2).
const DELAYED: Span = Span::milliseconds(60);

/// A kept connection: who has which end.
#[derive(Debug, Clone)]
pub struct Kept {
    client: NodeId,
    app: AppId,
    server: Received,
    /// As the client sends it.
    request: Header,
}

/// Who sends, and from which address.
pub(super) struct Origin {
    pub node: NodeId,
    pub source: IpAddr,
    /// Whether it gives its packets fewer hops than usual, to see who says that they ran out.
    pub counts_hops: bool,
}

impl SimEngine {
    /// The host that sends for a sender, and its address. Errors: it does not exist, or has no address of the family.
    /// `Ok(Err(_))`: it is there and cannot send.
    pub(super) fn origin(&mut self, from: &Sender, family: Family) -> Result<Result<Origin, StageReason>, EngineError> {
        let cloud = self.running()?;
        match from {
            Sender::Container(_) => Err(EngineError::Unsupported(Unsupported::Container)),
            Sender::Outside(address) => Ok(Ok(Origin { node: cloud.host(*address), source: *address, counts_hops: false })),
            Sender::Interface(id) => {
                let fabric = Arc::clone(cloud.fabric());
                let interface = fabric.interface_by_id(id).ok_or_else(|| EngineError::NotFound(id.to_string()))?;
                let own = &fabric.interfaces[interface];
                let source = match family {
                    Family::V4 => IpAddr::V4(own.primary_address()),
                    Family::V6 => {
                        let first = own.ipv6.first().ok_or_else(|| EngineError::BadProbe(format!("{id} has no IPv6 address")))?;
                        IpAddr::V6(*first)
                    }
                };
                match cloud.place(id) {
                    // Nobody is there to send.
                    Some((node, _)) if own.status.is_running() => Ok(Ok(Origin { node, source, counts_hops: false })),
                    // Nobody is there to send.
                    _ => match interface_state::decide(&fabric, interface) {
                        Decision::Drop(reason) => Ok(Err(reason)),
                        Decision::Pass(_) => Err(EngineError::NotFound(format!("whoever is behind {id}"))),
                    },
                }
            }
        }
    }

    /// A request, or as many as are asked for; the first that gets another verdict than an arrival decides.
    pub(super) fn packet_probe(&mut self, probe: &PacketProbe) -> Result<Outcome, EngineError> {
        let mut last = None;
        for number in 0..probe.connections.max(1) {
            let traffic = later(probe.traffic, number)?;
            let (outcome, kept) = self.request(probe, traffic)?;
            let arrived = matches!(outcome, Outcome::Allowed(_));
            match (kept, &probe.keep) {
                (Some(kept), Some(name)) if number == 0 && arrived => {
                    self.kept.insert(name.clone(), kept);
                }
                _ => {}
            }
            self.forget()?;
            last = Some(outcome);
            if !arrived {
                break;
            }
            if number + 1 < probe.connections {
                self.running()?.simulator.clear_trace();
            }
        }
        // Several connections are open at once, and stay so.
        if probe.keep.is_none() && probe.connections <= 1 {
            self.running()?.close();
        }
        last.ok_or_else(|| EngineError::BadProbe("no connection was asked for".to_owned()))
    }

    /// Connections that no name is kept for are over, and nobody is told: the probe was a question, not a program.
    pub(super) fn forget(&mut self) -> Result<(), EngineError> {
        let kept: Vec<(NodeId, Header)> = self.kept.values().flat_map(|kept| {
            [(kept.client, kept.request.clone()), (kept.server.node, kept.server.packet.header.clone())]
        }).collect();
        let cloud = self.running()?;
        for node in cloud.all_hosts() {
            let keeps: Vec<&Header> = kept.iter().filter(|(at, _)| *at == node).map(|(_, header)| header).collect();
            cloud.simulator.with(node, |host: &mut Host, _| {
                host.forget_connections(|local, remote| {
                    keeps.iter().any(|header| {
                        let Some((source, destination)) = header.ports() else { return false };
                        let ends = ((header.source, source), (header.destination, destination));
                        ends == (local, remote) || ends == (remote, local)
                    })
                });
            });
        }
        Ok(())
    }

    /// Ends a program, and nobody is told.
    pub(super) fn cancel(&mut self, node: NodeId, app: Option<AppId>) -> Result<(), EngineError> {
        if let Some(app) = app {
            self.running()?.simulator.with(node, |host: &mut Host, context| host.cancel(context, app));
        }
        Ok(())
    }

    fn request(&mut self, probe: &PacketProbe, traffic: Traffic) -> Result<(Outcome, Option<Kept>), EngineError> {
        let family = Family::of(probe.to);
        let origin = match self.origin(&probe.from, family)? {
            Ok(origin) => origin,
            Err(reason) => return Ok((outcome::dropped(Leg::Forward, reason), None)),
        };
        let source = probe.source.unwrap_or(origin.source);
        if Family::of(source) != family {
            return Err(EngineError::BadProbe(format!("{source} and {} are of two families", probe.to)));
        }
        self.meet(probe.to)?;
        let is_own = self.running()?.holder(probe.to) == Some(origin.node);
        self.listen(probe.listener, Some(origin.node).filter(|_| !is_own))?;
        self.bind(&probe.from, &origin, source)?;
        let request = Header { source, destination: probe.to, transport: self.transport(traffic) };
        let app = match &probe.inject_at {
            None => Some(self.start(origin.node, &request, probe.keep.is_some() || probe.connections > 1)?),
            Some(gateway) => {
                let cloud = self.running()?;
                let (internet, port) = cloud.internet_port(gateway).ok_or_else(|| EngineError::NotFound(gateway.to_string()))?;
                let bytes = super::forged::frame(&request);
                cloud.simulator.with(internet, |_: &mut super::internet::Internet, context| {
                    let frame = context.make(FrameId::NONE, |out| out.extend_from_slice(&bytes));
                    context.send(port, frame);
                });
                None
            }
        };
        self.run()?;
        let outcome = self.judge(&origin, &request, probe.listener)?;
        self.listen(ListenerState::Open, None)?;
        if probe.keep.is_none() && probe.connections <= 1 {
            self.cancel(origin.node, app)?;
        }
        let kept = match (app, self.first_arrival(origin.node, &request)?) {
            (Some(app), Some(server)) => {
                Some(Kept { client: origin.node, app, server, request })
            }
            _ => None,
        };
        Ok((outcome, kept))
    }

    /// Makes the host outside that an address may be.
    pub(super) fn meet(&mut self, address: IpAddr) -> Result<(), EngineError> {
        let cloud = self.running()?;
        if cloud.fabric().is_outside_host(address) {
            cloud.host(address);
        }
        Ok(())
    }

    /// Who is asked to send by an interface sends by that one.
    pub(super) fn bind(&mut self, from: &Sender, origin: &Origin, source: IpAddr) -> Result<(), EngineError> {
        let cloud = self.running()?;
        let Sender::Interface(id) = from else { return Ok(()) };
        if let Some((node, port)) = cloud.place(id) {
            debug_assert_eq!(node, origin.node);
            cloud.simulator.with(node, |host: &mut Host, _| host.bind(Some((source, port))));
        }
        Ok(())
    }

    /// What hosts do with what comes to them; who asks waits for his answer and serves nobody.
    fn listen(&mut self, listener: ListenerState, asks: Option<NodeId>) -> Result<(), EngineError> {
        let cloud = self.running()?;
        for node in cloud.all_hosts() {
            let default_open = listener == ListenerState::Open && asks != Some(node);
            cloud.simulator.with(node, |host: &mut Host, _| {
                host.set_services(Services { default_open, ..Services::default() });
                host.bind(None);
            });
        }
        Ok(())
    }

    fn transport(&mut self, traffic: Traffic) -> Transport {
        use fabric::Segment;
        match traffic {
            Traffic::Tcp { source_port, destination_port } => {
                Transport::Tcp { source_port, destination_port, segment: Segment::Syn }
            }
            Traffic::Udp { source_port, destination_port } => Transport::Udp { source_port, destination_port },
            Traffic::Icmp { icmp_type, code } => Transport::Icmp { icmp_type, code, identifier: self.fresh_identifier() },
            Traffic::Other(protocol) => Transport::Other { protocol },
        }
    }

    /// Lets a host send a request.
    fn start(&mut self, node: NodeId, request: &Header, keep_open: bool) -> Result<AppId, EngineError> {
        let (source, destination) = (Some(request.source), request.destination);
        let raw = |payload: Vec<u8>| RawSpec { source, dont_fragment: true, ..RawSpec::new(destination, request.protocol(), &payload) };
        let body = self.body.clone().unwrap_or_else(|| BODY.to_vec());
        let cloud = self.running()?;
        let started = cloud.simulator.with(node, |host: &mut Host, context| match request.transport {
            Transport::Tcp { source_port, destination_port, .. } => {
                let spec = ConnectSpec::new(destination, destination_port);
                host.connect(context, ConnectSpec { source, source_port: Some(source_port), keep_open, ..spec })
            }
            Transport::Udp { source_port, destination_port } => {
                let spec = DatagramSpec::new(destination, destination_port, &body);
                host.datagram(context, DatagramSpec { source, source_port: Some(source_port), ..spec })
            }
            Transport::Icmp { .. } | Transport::IcmpError { .. } => host.raw(context, raw(super::forged::icmp(request))),
            Transport::Other { .. } => host.raw(context, raw(BODY.to_vec())),
        });
        started.ok_or_else(|| EngineError::Failed("the sender is no host".to_owned()))
    }

    /// Runs until nothing is under way any more.
    pub(super) fn run(&mut self) -> Result<(), EngineError> {
        let cloud = self.running()?;
        let limit = cloud.simulator.now() + PATIENCE;
        cloud.simulator.run_quiet(limit, BUDGET);
        Ok(())
    }

    fn first_arrival(&mut self, sender: NodeId, request: &Header) -> Result<Option<Received>, EngineError> {
        let cloud = self.running()?;
        Ok(outcome::received(cloud).into_iter().find(|received| is_arrival(received, sender, request)))
    }

    /// What came of a request.
    pub(super) fn judge(&mut self, origin: &Origin, request: &Header, listener: ListenerState) -> Result<Outcome, EngineError> {
        let cloud = self.running()?;
        let host: Option<&Host> = cloud.simulator.get(origin.node);
        if host.is_some_and(|host| host.is_own(request.destination)) {
            // A system talks to itself without its interface.
            return Ok(itself(cloud, origin, request, listener));
        }
        let received = outcome::received(cloud);
        let drop = outcome::first_drop(cloud);
        let arrival = received.iter().find(|received| is_arrival(received, origin.node, request));
        let Some(arrival) = arrival else {
            return Ok(match (received.iter().find(|r| r.node == origin.node), drop) {
                (Some(back), Some((_, reason))) if !origin.counts_hops && outcome::is_time_exceeded(&back.packet.header) => {
                    outcome::dropped(Leg::Forward, reason)
                }
                (Some(back), _) if outcome::icmp_error(&back.packet.header).is_some() => {
                    let icmp_error = outcome::icmp_error(&back.packet.header);
                    Outcome::Observed(Observation::Ping { replies: 0, icmp_error })
                }
                (Some(back), _) if outcome::is_refusal(&back.packet.header) => Outcome::Refused { at: self.answerer(back)? },
                (_, Some((_, reason))) => outcome::dropped(Leg::Forward, filtered_before(cloud, origin, request, reason)),
                (_, None) => silence(Leg::Forward),
            });
        };
        let end = arrival.packet.header.clone();
        // Messages that nobody answers have done all they can by arriving.
        if end.reply().is_none() {
            return Ok(Outcome::Allowed(outcome::arrival(cloud, arrival, arrival.at)));
        }
        // That an answer's hops ran out is no answer, whoever hears of it.
        let quotes_request = |quoted: &Header| (quoted.source, quoted.destination) == (request.source, request.destination);
        let is_answer = |header: &Header| {
            (is_answer(&end, header) || header.quoted().is_some_and(quotes_request)) && !outcome::is_time_exceeded(header)
        };
        let answers = received.iter().filter(|r| r.at > arrival.at && is_answer(&r.packet.header));
        let Some(answer) = answers.min_by_key(|answer| answer.at) else {
            return Ok(match drop {
                Some((at, reason)) if at > arrival.at => outcome::dropped(Leg::Return, reason),
                _ => silence(Leg::Return),
            });
        };
        let back = &answer.packet.header;
        let is_expected = answer.node == origin.node && match back.quoted() {
            Some(quoted) => quoted.source == request.source && quoted.destination == request.destination,
            None => (back.source, back.destination) == (request.destination, request.source) && same_ports(request, back),
        };
        if !is_expected {
            let at = outcome::component(cloud, answer.node, answer.port, back.destination);
            let text = format!("nobody there waits for an answer from {}", back.source);
            return Ok(outcome::dropped(Leg::Return, StageReason::new(Stage::Guest, at, text)));
        }
        if outcome::is_refusal(back) {
            return Ok(Outcome::Refused { at: Some(outcome::component(cloud, arrival.node, arrival.port, end.destination)) });
        }
        Ok(Outcome::Allowed(outcome::arrival(cloud, arrival, answer.at)))
    }

    /// Who on the way answered in the receiver's place.
    fn answerer(&mut self, back: &Received) -> Result<Option<Component>, EngineError> {
        let cloud = self.running()?;
        let fabric = Arc::clone(cloud.fabric());
        let simulator = &cloud.simulator;
        let answers = simulator.trace().events().before(back.at).iter().rev();
        let by = answers.filter(|event| event.verb == crate::trace::Verb::Answer).map(|event| event.node).next();
        let name = by.map(|node| simulator.name(node).to_owned());
        let nat = fabric.nat_gateways.iter().find(|(_, nat)| Some(&nat.name) == name.as_ref()).map(|(nat, _)| nat);
        Ok(nat.map(Component::NatGateway))
    }

    /// A packet on a kept connection. Whoever does not know the connection answers with a reset (EIP-10).
    pub(super) fn kept_probe(&mut self, name: &str, side: Side) -> Result<Outcome, EngineError> {
        let kept = self.kept.get(name).cloned();
        let kept = kept.ok_or_else(|| EngineError::NotFound(format!("the kept connection `{name}`")))?;
        let cloud = self.running()?;
        let at_server = &kept.server.packet.header;
        let (node, header) = match side {
            Side::Client => (kept.client, kept.request.clone()),
            Side::Server => (kept.server.node, at_server.reply().unwrap_or_else(|| at_server.clone())),
        };
        // What is lost is not sent again when time goes on: the probe was one packet.
        let before: Vec<(NodeId, Saved)> = [kept.client, kept.server.node].into_iter().filter_map(|node| {
            cloud.simulator.with(node, |host: &mut Host, _| host.save()).map(|saved| (node, saved))
        }).collect();
        let data = b"vpclab".to_vec();
        let (remote_port, port) = at_server.ports().unwrap_or_default();
        let flow = Flow { local: at_server.destination, port, remote: at_server.source, remote_port };
        let protocol = Protocol(at_server.protocol());
        let is_sent = cloud.simulator.with(node, |host: &mut Host, context| match side {
            Side::Server => host.answer_on(context, protocol, flow, &data),
            Side::Client => host.send_on(context, kept.app, &data),
        });
        if is_sent != Some(true) {
            return Ok(silence(Leg::Forward));
        }
        self.run()?;
        let origin = Origin { node, source: header.source, counts_hops: false };
        let mut outcome = self.judge(&origin, &header, ListenerState::Open)?;
        if matches!(&outcome, Outcome::Dropped(Drop { leg: Leg::Return, at: None, .. })) {
            let cloud = self.running()?;
            let until = cloud.simulator.now() + DELAYED;
            cloud.simulator.run_until(until, BUDGET);
            outcome = self.judge(&origin, &header, ListenerState::Open)?;
        }
        if !matches!(outcome, Outcome::Allowed(_)) {
            let cloud = self.running()?;
            for (node, saved) in before {
                cloud.simulator.with(node, |host: &mut Host, _| host.restore(saved));
            }
        }
        Ok(outcome)
    }

    /// An ICMP error that quotes the last packet of a side, as it arrived at the other.
    pub(super) fn icmp_error_probe(
        &mut self,
        from: &Sender,
        to: IpAddr,
        (icmp_type, code): (u8, u8),
        name: &str,
        side: Side,
    ) -> Result<Outcome, EngineError> {
        let kept = self.kept.get(name).cloned();
        let kept = kept.ok_or_else(|| EngineError::NotFound(format!("the kept connection `{name}`")))?;
        let quoted = match side {
            Side::Client => kept.server.packet.header.clone(),
            Side::Server => kept.request.reply().unwrap_or_else(|| kept.request.clone()),
        };
        let origin = match self.origin(from, Family::of(to))? {
            Ok(origin) => origin,
            Err(reason) => return Ok(outcome::dropped(Leg::Forward, reason)),
        };
        self.meet(to)?;
        let needs_mtu = (icmp_type, code) == (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED);
        let mtu = needs_mtu.then_some(1_400);
        let transport = Transport::IcmpError { icmp_type, code, mtu, quoted: Box::new(quoted) };
        let request = Header { source: origin.source, destination: to, transport };
        self.start(origin.node, &request, false)?;
        self.run()?;
        let outcome = self.judge(&origin, &request, ListenerState::Open)?;
        self.forget()?;
        Ok(outcome)
    }
}

/// The traffic of the connection with this number: source ports count up.
fn later(traffic: Traffic, number: u32) -> Result<Traffic, EngineError> {
    let add = |port: u16| {
        let port = u16::try_from(u32::from(port) + number);
        port.map_err(|_| EngineError::BadProbe("there are not so many source ports".to_owned()))
    };
    Ok(match traffic {
        Traffic::Tcp { source_port, destination_port } => Traffic::Tcp { source_port: add(source_port)?, destination_port },
        Traffic::Udp { source_port, destination_port } => Traffic::Udp { source_port: add(source_port)?, destination_port },
        other => other,
    })
}

/// Whether a packet that a host got is the request, as it came: the first of its protocol elsewhere, or, where it came back to
/// its sender by a public address of his, one that goes the same way.
fn is_arrival(received: &Received, sender: NodeId, request: &Header) -> bool {
    let header = &received.packet.header;
    if header.protocol() != request.protocol() {
        return false;
    }
    let is_error = header.quoted().is_some() && request.quoted().is_none();
    if received.node != sender {
        return !is_error;
    }
    let same_kind = match (&header.transport, &request.transport) {
        (Transport::Tcp { segment: a, .. }, Transport::Tcp { segment: b, .. }) => a == b,
        (Transport::Icmp { icmp_type: a, .. }, Transport::Icmp { icmp_type: b, .. }) => a == b,
        // A reply has the ports the other way around.
        _ => request.ports().is_some_and(|(a, b)| a != b) || header.source != request.destination,
    };
    same_kind && !is_error && header.ports().map(|(_, port)| port) == request.ports().map(|(_, port)| port)
}

/// Whether a packet answers one that arrived somewhere: it began where that ended.
fn is_answer(arrived: &Header, header: &Header) -> bool {
    if let Some(quoted) = header.quoted() {
        return quoted.destination == arrived.destination || header.source == arrived.destination || same_ports_either(arrived, quoted);
    }
    header.protocol() == arrived.protocol() && !is_same_way(arrived, header)
}

/// Whether a packet goes the same way as one that arrived: the client's own next segment.
fn is_same_way(arrived: &Header, header: &Header) -> bool {
    (header.source, header.destination) == (arrived.source, arrived.destination) && header.ports() == arrived.ports() && match (&header.transport, &arrived.transport) {
        (Transport::Icmp { icmp_type: a, .. }, Transport::Icmp { icmp_type: b, .. }) => a == b,
        _ => true,
    }
}

/// A packet for an address of its own subnet that nobody has waits for a neighbour that never answers, and meets no filter.
/// Where the sender's groups would not let it out either, that comes first, as it does for an address that somebody has (PIPE-3).
fn filtered_before(cloud: &Cloud, origin: &Origin, request: &Header, reason: StageReason) -> StageReason {
    let fabric = cloud.fabric();
    let is_nobody = reason.stage == Stage::LocalDelivery && reason.at == Component::Fabric;
    let interfaces = (0..cloud.simulator.ports(origin.node).len() as u16).filter_map(|port| cloud.interface_at(origin.node, port));
    let sender = interfaces.filter_map(|id| fabric.interface_by_id(id)).find(|index| fabric.interfaces[*index].holds(origin.source));
    let Some(sender) = sender.filter(|_| is_nobody) else { return reason };
    let subnet = &fabric.subnets[fabric.interfaces[sender].subnet];
    // L2-4: what is for many waits for no neighbour, and is lost whatever groups say.
    let is_near = subnet.contains(request.destination) && request.destination != IpAddr::V4(subnet.cidr.broadcast());
    match security_group::decide(fabric, sender, request, Direction::Egress, true) {
        Decision::Drop(before) if is_near => before,
        _ => reason,
    }
}

fn same_ports(request: &Header, back: &Header) -> bool {
    match (&request.transport, &back.transport) {
        (Transport::Icmp { identifier: a, .. }, Transport::Icmp { identifier: b, .. }) => a == b,
        _ => request.ports().map(|(a, b)| (b, a)) == back.ports(),
    }
}

fn same_ports_either(one: &Header, other: &Header) -> bool {
    one.ports() == other.ports()
}

/// Nothing came, and nobody says why.
fn silence(leg: Leg) -> Outcome {
    Outcome::Dropped(Drop { leg, at: None, code: None, reason: None })
}

fn itself(cloud: &Cloud, origin: &Origin, request: &Header, listener: ListenerState) -> Outcome {
    if listener == ListenerState::Closed {
        let port = (0..8).find(|port| {
            let host: Option<&Host> = cloud.simulator.get(origin.node);
            host.is_some_and(|host| host.addresses(*port).iter().any(|own| own.addr() == request.destination))
        });
        let at = outcome::component(cloud, origin.node, port.unwrap_or_default(), request.destination);
        return Outcome::Refused { at: Some(at) };
    }
    Outcome::Allowed(fabric::engine::Arrival {
        source: request.source,
        destination: request.destination,
        source_port: request.ports().map(|(source, _)| source),
        ttl: Some(fabric::Packet::DEFAULT_TTL),
        via: Some(Vec::new()),
        path: None,
    })
}
