//! Commands inside guests: ping, traceroute, arping, and those that only have to be carried out.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::Walker;
use super::exchange::{Party, address_of, dropped, interface_index, party};
use crate::engine::{
    Drop, EngineError, GuestCommand, IcmpErrorSeen, Leg, ListenerState, Observation, Outcome, PacketProbe, Sender,
    Traffic,
};
use crate::fabric::Fabric;
use crate::packet::{Family, Header, Packet, Transport, icmp};
use crate::reason::{Component, Reason, Stage};
use crate::stage::exempt;

/// Headers of an ICMP packet, bytes: of IP without options, and eight.
fn overhead(to: IpAddr) -> u32 {
    if to.is_ipv4() { 28 } else { 48 }
}

/// Payload of ping(8).
const DEFAULT_PAYLOAD: u32 = 56;
/// Longest packet of an interface, bytes (L2-7).
const INTERFACE_MTU: u32 = 9_001;
/// traceroute(8)'s limit.
const MAXIMUM_HOPS: u8 = 30;

impl Walker {
    pub(super) fn guest_command(
        &mut self,
        fabric: &Fabric,
        from: &Sender,
        command: &GuestCommand,
    ) -> Result<Outcome, EngineError> {
        let sender = party(from)?;
        match *command {
            GuestCommand::Ping { to, count, ttl, size, dont_fragment, broadcast: _ } => {
                let ttl = ttl.unwrap_or(Packet::DEFAULT_TTL);
                let length = size.unwrap_or(DEFAULT_PAYLOAD) + overhead(to);
                self.ping(fabric, &sender, to, count.max(1), Shape { ttl, length, dont_fragment })
            }
            GuestCommand::Traceroute { to } => self.traceroute(fabric, &sender, to),
            GuestCommand::Arping { to, count } => {
                let outcome = arping(fabric, &sender, to, count.max(1))?;
                if let (Party::Interface(id), Outcome::Observed(Observation::Arping { replies, .. })) = (&sender, &outcome) {
                    self.arrivals.extend((0..*replies).map(|_| (id.clone(), super::ARP)));
                }
                Ok(outcome)
            }
            GuestCommand::IpAddr => addresses(fabric, &sender),
            GuestCommand::Ntp { to } => {
                let traffic = Traffic::Udp { source_port: 123, destination_port: 123 };
                let is_service = matches!(to, IpAddr::V4(exempt::TIME)) || to == IpAddr::V6(exempt::TIME_IPV6);
                match (is_service, from) {
                    (true, Sender::Interface(_)) => Ok(Outcome::Observed(Observation::Done)),
                    _ => self.packet_probe(fabric, &PacketProbe::new(from.clone(), to, traffic)),
                }
            }
            GuestCommand::DhcpRenew => Ok(Outcome::Observed(Observation::Done)),
        }
    }

    fn ping(
        &mut self,
        fabric: &Fabric,
        sender: &Party,
        to: IpAddr,
        count: u32,
        shape: Shape,
    ) -> Result<Outcome, EngineError> {
        let echo = self.echo(fabric, sender, to)?;
        let (mut replies, mut icmp_error, mut last) = (0, None, None);
        for _ in 0..count {
            let outcome = self.one_echo(fabric, sender, &echo, shape)?;
            match &outcome {
                Outcome::Allowed(_) => replies += 1,
                Outcome::Observed(Observation::Ping { icmp_error: error, .. }) => icmp_error = *error,
                _ => {}
            }
            last = Some(outcome);
        }
        match last {
            Some(outcome) if icmp_error.is_none() && (replies == count || replies == 0) => Ok(outcome),
            _ => Ok(Outcome::Observed(Observation::Ping { replies, icmp_error })),
        }
    }

    fn echo(&mut self, fabric: &Fabric, sender: &Party, to: IpAddr) -> Result<Header, EngineError> {
        let family = Family::of(to);
        let icmp_type = if family == Family::V4 { icmp::ECHO_REQUEST } else { icmp::V6_ECHO_REQUEST };
        let identifier = self.state.fresh_identifier();
        let source = address_of(fabric, sender, family)?;
        Ok(Header { source, destination: to, transport: Transport::Icmp { icmp_type, code: 0, identifier } })
    }

    fn one_echo(
        &mut self,
        fabric: &Fabric,
        sender: &Party,
        echo: &Header,
        shape: Shape,
    ) -> Result<Outcome, EngineError> {
        let mut packet = Packet::new(echo.clone());
        (packet.ttl, packet.length, packet.dont_fragment) = (shape.ttl, shape.length, shape.dont_fragment);
        if packet.length > INTERFACE_MTU {
            if packet.dont_fragment {
                let at = match sender {
                    Party::Interface(id) => Component::Guest(interface_index(fabric, id)?),
                    Party::Outside(..) => Component::Internet,
                };
                let text = format!("the interface sends at most {INTERFACE_MTU} bytes at a time");
                return Ok(dropped(Leg::Forward, Reason::new(Stage::Guest, at, text)));
            }
            packet.fragmented = true;
        }
        let trip = self.send(fabric, sender, packet)?;
        Ok(self.conclude(fabric, sender, echo.clone(), trip, ListenerState::Open)?.0)
    }

    /// Traceroute by ICMP: a hop is who says that the TTL ran out.
    fn traceroute(&mut self, fabric: &Fabric, sender: &Party, to: IpAddr) -> Result<Outcome, EngineError> {
        const SILENT_HOPS: usize = 3;
        let mut hops: Vec<Option<IpAddr>> = Vec::new();
        for ttl in 1..=MAXIMUM_HOPS {
            let echo = self.echo(fabric, sender, to)?;
            let shape = Shape { ttl, length: DEFAULT_PAYLOAD + overhead(to), dont_fragment: false };
            match self.one_echo(fabric, sender, &echo, shape)? {
                Outcome::Allowed(_) => {
                    hops.push(Some(to));
                    break;
                }
                Outcome::Observed(Observation::Ping { icmp_error: Some(IcmpErrorSeen { from, .. }), .. }) => {
                    hops.push(Some(from));
                }
                _ => hops.push(None),
            }
            if hops.len() >= SILENT_HOPS && hops.iter().rev().take(SILENT_HOPS).all(Option::is_none) {
                break;
            }
        }
        Ok(Outcome::Observed(Observation::Traceroute { hops }))
    }
}

/// What a ping sends.
#[derive(Debug, Clone, Copy)]
struct Shape {
    ttl: u8,
    /// Of the whole IP packet, bytes.
    length: u32,
    dont_fragment: bool,
}

/// The fabric answers ARP: for the router and for interfaces of the own subnet, nobody else (L2-1, L2-2).
fn arping(fabric: &Fabric, sender: &Party, to: IpAddr, count: u32) -> Result<Outcome, EngineError> {
    let (Party::Interface(id), IpAddr::V4(to)) = (sender, to) else {
        return Err(EngineError::BadProbe("arping asks for an IPv4 address from an interface".to_owned()));
    };
    let own = &fabric.interfaces[interface_index(fabric, id)?];
    let subnet = &fabric.subnets[own.subnet];
    let holder = fabric.vpcs[own.vpc].addresses.get(&IpAddr::V4(to)).map(|index| &fabric.interfaces[*index]);
    let mac = match holder {
        _ if to == subnet.router => Some(subnet.router_mac()),
        // The resolver is at the VPC's base + 2, in whichever subnet that is (DNS-1).
        _ if subnet.cidr.contains(&to) && exempt::is_resolver(fabric, own.vpc, IpAddr::V4(to)) => Some(subnet.router_mac()),
        Some(interface) if interface.subnet == own.subnet => Some(interface.mac),
        _ => None,
    };
    Ok(match mac {
        Some(mac) => Outcome::Observed(Observation::Arping { replies: count, mac: Some(mac) }),
        None => {
            let text = format!("nobody in the subnet has {to}");
            let reason = Reason::new(Stage::LocalDelivery, Component::Fabric, text);
            Outcome::Dropped(Drop { leg: Leg::Forward, at: Some(reason.at), code: None, reason: Some(reason) })
        }
    })
}

fn addresses(fabric: &Fabric, sender: &Party) -> Result<Outcome, EngineError> {
    let Party::Interface(id) = sender else {
        return Err(EngineError::BadProbe("ip-addr is asked of an interface".to_owned()));
    };
    let own = &fabric.interfaces[interface_index(fabric, id)?];
    let length = fabric.subnets[own.subnet].cidr.prefix_len();
    // IGW-2: public addresses are the gateway's business.
    let addresses = own.addresses.iter().map(|a| IpNet::V4(Ipv4Net::new_assert(a.private, length))).collect();
    Ok(Outcome::Observed(Observation::Addresses(addresses)))
}
