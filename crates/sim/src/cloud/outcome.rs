//! What a trace says of an exchange: whether the request arrived, who dropped it or its answer, who refused it.

use std::collections::BTreeSet;

use fabric::engine::{Arrival, Drop, IcmpErrorSeen, Leg, Outcome};
use fabric::packet::icmp;
use fabric::{Component, Header, Reason as StageReason, Segment, Stage, Transport};

use super::bytes;
use super::topology::Cloud;
use crate::frame::FrameId;
use crate::host::Host;
use crate::node::NodeId;
use crate::trace::{Detail, Reason, TraceEvent, Verb};

/// A packet that a host received.
#[derive(Debug, Clone)]
pub struct Received {
    /// Which host.
    pub node: NodeId,
    /// By this port.
    pub port: u16,
    /// As it came.
    pub packet: fabric::Packet,
    /// Its place in the trace.
    pub at: usize,
}

/// Packets that came to hosts for addresses of theirs, and were not for others behind them, in order.
pub fn received(cloud: &Cloud) -> Vec<Received> {
    let simulator = &cloud.simulator;
    let events = simulator.trace().events();
    let goes_on = |event: &TraceEvent| matches!(event.verb, Verb::Forward | Verb::Translate) && cloud.is_host(event.node);
    let passed: BTreeSet<(NodeId, FrameId)> = events.iter().filter(goes_on).flat_map(|event| {
        [(event.node, event.frame), (event.node, simulator.frames().parent(event.frame))]
    }).collect();
    let is_end = |event: &TraceEvent| event.verb == Verb::Receive && cloud.is_host(event.node) && !passed.contains(&(event.node, event.frame));
    let came = events.iter().enumerate().filter(|(_, event)| is_end(event));
    came.filter_map(|(at, event)| {
        let packet = bytes::read(simulator.frames().bytes(event.frame))?.packet;
        let host: &Host = simulator.get(event.node)?;
        let is_ours = host.is_own(packet.header.destination) && !is_among_neighbours(&packet.header);
        is_ours.then_some(Received { node: event.node, port: event.port, packet, at })
    })
    .collect()
}

/// Whether hosts say with a packet who their neighbours are (RFC 4861): no packet of a flow, and over IPv4 none of IP at all.
fn is_among_neighbours(header: &Header) -> bool {
    header.source.is_ipv6() && matches!(header.transport, Transport::Icmp { icmp_type: 133..=137, .. })
}

/// The first IP packet that a host sent.
pub fn first_sent(cloud: &Cloud, node: NodeId) -> Option<Header> {
    let simulator = &cloud.simulator;
    let sent = simulator.trace().events().iter().filter(|event| event.verb == Verb::Send && event.node == node);
    let mut headers = sent.filter_map(|event| bytes::read(simulator.frames().bytes(event.frame))).map(|read| read.packet.header);
    headers.find(|header| !is_among_neighbours(header))
}

/// The first thing that ended a packet, with its place in the trace: a stage's decision, or a guest that passes nothing on.
pub fn first_drop(cloud: &Cloud) -> Option<(usize, StageReason)> {
    let trace = cloud.simulator.trace();
    trace.events().iter().enumerate().find_map(|(at, event)| {
        if event.verb != Verb::Drop {
            return None;
        }
        match trace.detail(&event) {
            Some(Detail::Stage(reason)) => Some((at, (**reason).clone())),
            // Nobody sends with fewer hops than any way has: whose hops ran out went in a circle.
            _ if event.reason == Reason::TimeExceeded => Some((at, circle())),
            _ => guest_drop(cloud, &event).map(|reason| (at, reason)),
        }
    })
}

/// What a packet with all its hops met that used them up.
pub fn circle() -> StageReason {
    StageReason::new(Stage::RouteTable, Component::Fabric, "routes lead in a circle")
}

/// A guest that is sent what is for others, and passes nothing on. What a host does with what is for itself is its answer.
fn guest_drop(cloud: &Cloud, event: &TraceEvent) -> Option<StageReason> {
    if event.reason != Reason::NotForMe {
        return None;
    }
    let interface = cloud.interface_at(event.node, event.port)?;
    let interface = cloud.fabric().interface_by_id(interface)?;
    Some(StageReason::new(Stage::Guest, Component::Guest(interface), "the guest does not pass packets on"))
}

/// Whoever is behind a node's port, as a component of the fabric.
pub fn component(cloud: &Cloud, node: NodeId, port: u16, address: std::net::IpAddr) -> Component {
    let fabric = cloud.fabric();
    match cloud.interface_at(node, port).and_then(|id| fabric.interface_by_id(id)) {
        Some(interface) => Component::Guest(interface),
        None => fabric.outside_host(address).map_or(Component::Internet, Component::Outside),
    }
}

/// The arrival of a request, with the middleboxes that both it and its answer passed; the answer came at this place of the
/// trace.
pub fn arrival(cloud: &Cloud, received: &Received, answered: usize) -> Arrival {
    let header = &received.packet.header;
    let events = cloud.simulator.trace().events().before(answered).iter();
    let passed = events.filter(|event| event.verb == Verb::Forward && cloud.is_host(event.node));
    let fabric = cloud.fabric();
    let via = passed.filter_map(|event| cloud.interface_at(event.node, event.port)).filter(|id| fabric.interface_by_id(id).is_some());
    Arrival {
        source: header.source,
        destination: header.destination,
        source_port: header.ports().map(|(source, _)| source),
        ttl: Some(received.packet.ttl),
        via: Some(via.cloned().collect()),
        path: None,
    }
}

/// A drop on one way.
pub fn dropped(leg: Leg, reason: StageReason) -> Outcome {
    Outcome::Dropped(Drop { leg, at: Some(reason.at), code: reason.code, reason: Some(reason) })
}

/// An error of ICMP that a packet carries.
pub fn icmp_error(header: &Header) -> Option<IcmpErrorSeen> {
    match header.transport {
        Transport::IcmpError { icmp_type, code, mtu, .. } => Some(IcmpErrorSeen { from: header.source, icmp_type, code, mtu }),
        _ => None,
    }
}

/// Whether a packet says that another one's hops ran out.
pub fn is_time_exceeded(header: &Header) -> bool {
    let kind = icmp_error(header).map(|error| (header.source.is_ipv4(), error.icmp_type));
    matches!(kind, Some((true, icmp::TIME_EXCEEDED) | (false, icmp::V6_TIME_EXCEEDED)))
}

/// Whether a packet says that nobody listens: a reset, or port unreachable.
pub fn is_refusal(header: &Header) -> bool {
    match header.transport {
        Transport::Tcp { segment, .. } => segment == Segment::Rst,
        Transport::IcmpError { icmp_type, code, .. } => match header.source {
            std::net::IpAddr::V4(_) => (icmp_type, code) == (icmp::UNREACHABLE, icmp::PORT_UNREACHABLE),
            std::net::IpAddr::V6(_) => (icmp_type, code) == (icmp::V6_UNREACHABLE, 4),
        },
        _ => false,
    }
}
