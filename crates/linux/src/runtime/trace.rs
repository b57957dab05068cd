//! The way of a packet: probes with growing TTL, who answers them, and which hops they were seen to pass in silence.
//!
//! Nothing is inferred from the fabric: packet sockets at the hops see the probes pass, known by the identification of
//! their IP headers, which translation leaves alone, and over IPv6 by the flow label. Times are those of the kernel at the
//! sender.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use fabric::engine::{EngineError, Traffic};
use fabric::{Fabric, InterfaceIndex};
use rustix::io::Errno;
use rustix::net::{SendFlags, sockopt};
use sandbox::{Client, SocketSpec};
use wire::packet::{Ip, Transport};
use wire::tcp::Flags;
use wire::{Icmpv4, Icmpv6, Ipv4, Ipv6, Packet, Tcp, Udp, protocol};

use super::capture::{Capture, Captured, Direction, Hop, Kind};
use super::error::Error;
use super::place::Place;

/// A protocol number that hands over whole packets, IP header included (raw(7): IPPROTO_RAW).
const IPPROTO_RAW: i32 = 255;
/// Probes of one trace, told apart by what fits into every protocol.
const MOST_PROBES: u16 = 255;
/// What UDP and ICMP probes carry.
const BODY: &[u8] = b"vpclab traceroute";

/// What is traced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where it is sent: the place of a sender, or one behind it (a container's network), which has no hop of the lab.
    pub from: Place,
    /// To whom.
    pub to: IpAddr,
    /// What: ports of TCP and UDP probes count up from the source port, ICMP is an echo.
    pub traffic: Traffic,
    /// The largest TTL.
    pub most: u8,
    /// Probes with each TTL.
    pub queries: u8,
    /// How long to wait for answers once all probes are sent.
    pub wait: Duration,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// What answered, by TTL from 1 on; ends at the last TTL that was answered.
    pub steps: Vec<Vec<Step>>,
    /// Whether the destination answered.
    pub reached: bool,
    /// Whether it answered that nobody listens.
    pub refused: bool,
    /// Hops at which the probe that came farthest was seen, in order, the sender's own left out.
    pub passed: Vec<Hop>,
    /// Whether that probe was seen to arrive at an interface that has the destination's address, or on the internet.
    pub arrived: bool,
}

/// An answer to a probe; none came if there is no sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Who answered.
    pub from: Option<IpAddr>,
    /// Time there and back.
    pub time: Option<Duration>,
}

struct Probe {
    ttl: u8,
    identification: u16,
    /// Until the capture has seen it leave: when we sent it.
    sent: Option<Duration>,
    answer: Option<Answer>,
    passed: Vec<usize>,
}

struct Answer {
    from: IpAddr,
    time: Duration,
    is_end: bool,
    is_refusal: bool,
}

/// Sends the probes and watches them.
pub fn trace(client: &Client, fabric: &Fabric, request: &Request) -> Result<Trace, EngineError> {
    let to = request.to;
    if u16::from(request.most) * u16::from(request.queries) > MOST_PROBES {
        return Err(EngineError::BadProbe(format!("a trace sends at most {MOST_PROBES} probes")));
    }
    let sender = &request.from.clone().towards(fabric, to)?;
    let mut hops = watched(fabric, sender, to);
    let own = hops.iter().position(|hop| is_own(hop, sender)).unwrap_or_else(|| {
        hops.push(behind(sender));
        hops.len() - 1
    });
    let mut capture = Capture::open(client, hops)?;
    let socket = open(client, sender, to)?;
    let tracer = Tracer { from: sender.address, to, traffic: request.traffic, base: base() };
    let mut probes = Vec::new();
    for ttl in 1..=request.most {
        for _ in 0..request.queries {
            let number = probes.len() as u16;
            tracer.send(&socket, number, ttl)?;
            let identification = tracer.identification(number);
            probes.push(Probe { ttl, identification, sent: None, answer: None, passed: Vec::new() });
        }
    }
    let deadline = Instant::now() + request.wait;
    while Instant::now() < deadline && !is_complete(&probes) {
        let left = deadline.saturating_duration_since(Instant::now());
        for captured in capture.next(&[], left)? {
            tracer.see(&mut probes, &captured, own);
        }
    }
    for captured in capture.rest()? {
        tracer.see(&mut probes, &captured, own);
    }
    Ok(summary(fabric, capture.hops(), own, to, request, &probes))
}

/// Every hop that is no interface, and of those: the sender's, the receiver's, and all whose guest passes packets on.
fn watched(fabric: &Fabric, sender: &Place, to: IpAddr) -> Vec<Hop> {
    let is_interesting = |index: InterfaceIndex| {
        let interface = &fabric.interfaces[index];
        let passes_on = interface.instance().is_some_and(|i| fabric.instances[i].guest.ip_forward || fabric.instances[i].guest.masquerade);
        let is_receiver = interface.holds(to) || is_public(interface, to);
        passes_on || is_receiver || sender.interface == Some(index)
    };
    let wanted = |hop: &Hop| !matches!(hop.kind, Kind::Interface(index) if !is_interesting(index));
    Hop::all(fabric).into_iter().filter(wanted).collect()
}

/// Whether an address stands for one of an interface's.
fn is_public(interface: &fabric::Interface, to: IpAddr) -> bool {
    interface.addresses.iter().any(|address| address.public.is_some_and(|public| to == IpAddr::V4(public)))
}

/// The hop of a sender that the lab knows nothing of.
fn behind(sender: &Place) -> Hop {
    let kind = sender.interface.map_or(Kind::Internet, Kind::Interface);
    let (name, description) = (sender.namespace.clone(), sender.address.to_string());
    Hop { name, description, kind, namespace: sender.namespace.clone(), device: sender.device.clone(), links: Default::default() }
}

fn is_own(hop: &Hop, sender: &Place) -> bool {
    hop.namespace == sender.namespace && hop.device == sender.device
}

fn open(client: &Client, sender: &Place, to: IpAddr) -> Result<OwnedFd, EngineError> {
    let mut spec = SocketSpec::raw(&sender.namespace, to.is_ipv6(), IPPROTO_RAW);
    spec.device = sender.device.clone();
    let socket = client.open_socket(spec).map_err(Error::from)?;
    sockopt::set_socket_broadcast(&socket, true).map_err(Error::os("allowing broadcast"))?;
    Ok(socket)
}

/// Something that differs from trace to trace: ports and identifications of an earlier one are not mistaken for ours.
fn base() -> u16 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    (now.as_micros() as u16) | 1
}

/// Whether nothing more is to come that matters: every probe up to the first TTL that reached the end is answered, and
/// that one has arrived.
fn is_complete(probes: &[Probe]) -> bool {
    let end = probes.iter().filter(|probe| probe.answer.as_ref().is_some_and(|answer| answer.is_end)).map(|probe| probe.ttl).min();
    end.is_some_and(|end| probes.iter().filter(|probe| probe.ttl <= end).all(|probe| probe.answer.is_some()))
}

struct Tracer {
    from: IpAddr,
    to: IpAddr,
    traffic: Traffic,
    base: u16,
}

/// What tells the packets of one trace apart: the identification, or the flow label.
fn mark(ip: &Ip) -> u16 {
    if ip.source.is_ipv6() { ip.flow_label as u16 } else { ip.identification }
}

impl Tracer {
    fn identification(&self, number: u16) -> u16 {
        // Zero would be replaced by the kernel (raw(7)).
        self.base.wrapping_add(number).max(1)
    }

    /// Source port of a probe, kept within the ephemeral range.
    fn source_port(&self, number: u16) -> u16 {
        49_152 + self.base.wrapping_add(number) % 16_000
    }

    fn send(&self, socket: &OwnedFd, number: u16, ttl: u8) -> Result<(), EngineError> {
        let (source, destination) = (self.from, self.to);
        let (protocol, payload) = match self.traffic {
            Traffic::Tcp { destination_port, .. } => {
                let syn = Tcp {
                    source_port: self.source_port(number),
                    destination_port,
                    sequence: u32::from(self.base) << 16 | u32::from(number),
                    acknowledgement: 0,
                    flags: Flags::SYN,
                    window: 64_240,
                    urgent: 0,
                    options: Vec::new(),
                };
                (protocol::TCP, syn.segment(source, destination, &[]))
            }
            Traffic::Udp { destination_port, .. } => {
                let udp = Udp { source_port: self.source_port(number), destination_port };
                (protocol::UDP, udp.datagram(source, destination, BODY))
            }
            Traffic::Icmp { icmp_type: 8 | 128, code: 0 } => {
                let (id, sequence, data) = (self.base, number, BODY.to_vec());
                match (source, destination) {
                    (IpAddr::V6(source), IpAddr::V6(destination)) => {
                        (protocol::ICMPV6, Icmpv6::Echo { reply: false, id, sequence, data }.message(source, destination))
                    }
                    _ => (protocol::ICMP, Icmpv4::Echo { reply: false, id, sequence, data }.message()),
                }
            }
            Traffic::Icmp { .. } | Traffic::Other(_) => {
                return Err(EngineError::BadProbe("a trace sends TCP, UDP or icmp/echo".to_owned()));
            }
        };
        let mark = self.identification(number);
        let packet = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                Ipv4 { ttl, identification: mark, ..Ipv4::new(source, destination, protocol) }.packet(&payload)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                Ipv6 { hop_limit: ttl, flow_label: mark.into(), ..Ipv6::new(source, destination, protocol) }.packet(&payload)
            }
            _ => return Err(EngineError::BadProbe(format!("{source} and {destination} are of different families"))),
        };
        match rustix::net::sendto(socket, &packet, SendFlags::empty(), &SocketAddr::new(self.to, 0)) {
            // EPERM: the sender's own namespace dropped it, and logged why.
            Ok(_) | Err(Errno::PERM) => Ok(()),
            Err(error) => Err(Error::os(format!("sending to {}", self.to))(error).into()),
        }
    }

    fn protocol(&self) -> u8 {
        match self.traffic {
            Traffic::Tcp { .. } => protocol::TCP,
            Traffic::Udp { .. } => protocol::UDP,
            Traffic::Icmp { .. } if self.to.is_ipv6() => protocol::ICMPV6,
            Traffic::Icmp { .. } => protocol::ICMP,
            Traffic::Other(number) => number,
        }
    }

    /// Takes in what a hop saw.
    fn see(&self, probes: &mut [Probe], captured: &Captured, own: usize) {
        let packet = Packet::from_frame(&captured.bytes);
        let Some(ip) = packet.ip() else { return };
        let is_reply_here = captured.hop == own && captured.direction == Direction::Inbound;
        if let Some((number, from, is_end, is_refusal)) = is_reply_here.then(|| self.answer(ip)).flatten() {
            if let Some(probe) = probes.get_mut(usize::from(number))
                && probe.answer.is_none()
            {
                probe.answer = Some(Answer { from, time: captured.time, is_end, is_refusal });
            }
            return;
        }
        if ip.protocol != self.protocol() || !self.is_ours(ip) {
            return;
        }
        let Some(probe) = probes.iter_mut().find(|probe| probe.identification == mark(ip)) else { return };
        if captured.hop == own && probe.sent.is_none() {
            probe.sent = Some(captured.time);
        }
        if probe.passed.last() != Some(&captured.hop) {
            probe.passed.push(captured.hop);
        }
    }

    /// Whether a packet with the right identification carries what a probe carries.
    fn is_ours(&self, ip: &Ip) -> bool {
        match (&ip.transport, self.traffic) {
            (Transport::Tcp(tcp, _), Traffic::Tcp { destination_port, .. }) => {
                tcp.destination_port == destination_port && tcp.sequence >> 16 == u32::from(self.base)
            }
            (Transport::Udp(udp, _), Traffic::Udp { destination_port, .. }) => udp.destination_port == destination_port,
            (Transport::Icmpv4(Icmpv4::Echo { reply: false, data, .. }), Traffic::Icmp { .. })
            | (Transport::Icmpv6(Icmpv6::Echo { reply: false, data, .. }), Traffic::Icmp { .. }) => data == BODY,
            _ => false,
        }
    }

    /// Which probe a packet answers; who says it; whether that is the destination, and a refusal.
    fn answer(&self, ip: &Ip) -> Option<(u16, IpAddr, bool, bool)> {
        let from = ip.source;
        if ip.destination != self.from {
            return None;
        }
        let by_port = |port: u16| (0..MOST_PROBES).find(|number| self.source_port(*number) == port);
        match (&ip.transport, self.traffic) {
            (Transport::Tcp(tcp, _), Traffic::Tcp { destination_port, .. }) if from == self.to => {
                let answers = tcp.source_port == destination_port && tcp.acknowledgement.wrapping_sub(1) >> 16 == u32::from(self.base);
                let number = answers.then(|| by_port(tcp.destination_port)).flatten()?;
                Some((number, from, true, tcp.flags.has(Flags::RST)))
            }
            (Transport::Udp(udp, _), Traffic::Udp { destination_port, .. }) if from == self.to && udp.source_port == destination_port => {
                Some((by_port(udp.destination_port)?, from, true, false))
            }
            (Transport::Icmpv4(Icmpv4::Echo { reply: true, id, sequence, .. }), Traffic::Icmp { .. })
            | (Transport::Icmpv6(Icmpv6::Echo { reply: true, id, sequence, .. }), Traffic::Icmp { .. })
                if *id == self.base =>
            {
                Some((*sequence, from, from == self.to, false))
            }
            (Transport::Icmpv4(_) | Transport::Icmpv6(_), _) => {
                let quoted = ip.quoted().filter(|quoted| quoted.protocol == self.protocol() && quoted.destination == self.to)?;
                let number = mark(&quoted).wrapping_sub(self.base);
                let is_unreachable = matches!(
                    &ip.transport,
                    Transport::Icmpv4(Icmpv4::Unreachable { .. }) | Transport::Icmpv6(Icmpv6::Unreachable { .. })
                );
                let is_end = from == self.to && is_unreachable;
                Some((number, from, is_end, is_end))
            }
            _ => None,
        }
    }
}

fn summary(fabric: &Fabric, hops: &[Hop], own: usize, to: IpAddr, request: &Request, probes: &[Probe]) -> Trace {
    let ends = |probe: &&Probe| probe.answer.as_ref().is_some_and(|answer| answer.is_end);
    let end = probes.iter().filter(ends).map(|probe| probe.ttl).min();
    let answered = probes.iter().filter(|probe| probe.answer.is_some()).map(|probe| probe.ttl).max().unwrap_or(0);
    let last = end.unwrap_or(answered);
    let step = |probe: &Probe| Step {
        from: probe.answer.as_ref().map(|answer| answer.from),
        time: probe.answer.as_ref().and_then(|answer| Some(answer.time.saturating_sub(probe.sent?))),
    };
    let steps = (1..=last).map(|ttl| probes.iter().filter(|probe| probe.ttl == ttl).map(step).collect()).collect();
    // The one that reached the end says all; else the one with the largest TTL came as far as any.
    let farthest = probes.iter().find(|probe| ends(probe)).or_else(|| probes.iter().max_by_key(|probe| (probe.passed.len(), probe.ttl)));
    let seen: &[usize] = farthest.map_or(&[], |probe| &probe.passed);
    let is_internet = |hop: &Hop| hop.kind == Kind::Internet && fabric.is_outside_host(request.to);
    let receives = |hop: &Hop| match hop.kind {
        Kind::Interface(index) => {
            let interface = &fabric.interfaces[index];
            interface.holds(to) || is_public(interface, to)
        }
        _ => is_internet(hop),
    };
    let arrived = end.is_some() || seen.last().is_some_and(|last| *last != own && receives(&hops[*last]));
    let mut passed: Vec<Hop> = seen.iter().filter(|hop| **hop != own).map(|hop| hops[*hop].clone()).collect();
    passed.dedup();
    let refused = probes.iter().any(|probe| probe.answer.as_ref().is_some_and(|answer| answer.is_refusal));
    Trace { steps, reached: end.is_some(), refused, passed, arrived }
}
