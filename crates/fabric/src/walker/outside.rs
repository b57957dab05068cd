//! A packet's way out of VPCs and into them: internet gateways, hosts outside, virtual private gateways.

use std::net::IpAddr;

use super::transit::{Answerer, End, Exit, Fate, Step, Transit};
use crate::fabric::InterfaceKind;
use crate::index::*;
use crate::packet::{Family, Header, Packet, icmp};
use crate::reason::{Direction, Reason};
use crate::route::NextHop;
use crate::stage::{egress_only_internet_gateway, exempt, internet, internet_gateway, route_table, vpn_gateway};

impl Transit<'_> {
    /// Out through an internet gateway.
    pub(super) fn leave_vpc(&mut self, gateway: InternetGatewayIndex, mut packet: Packet, sender: Option<InterfaceIndex>) -> Step {
        self.pass(internet_gateway::egress(self.fabric, gateway, &packet.header))?;
        if let Some(answered) = self.too_big(&packet, sender) {
            return Ok(answered);
        }
        packet.fragmented |= packet.length > internet_gateway::MTU;
        packet.header = internet_gateway::translate_egress(self.fabric, gateway, &packet.header);
        self.straight = false;
        self.internet(packet)
    }

    /// What the router of the sender's subnet says of a packet that is too big for the internet and not to be cut (L2-8), as none is
    /// over IPv6 (RFC 8200, 5).
    pub(super) fn too_big(&self, packet: &Packet, sender: Option<InterfaceIndex>) -> Option<Fate> {
        let is_ipv6 = packet.header.family() == Family::V6;
        let sender = sender.filter(|_| packet.length > internet_gateway::MTU && (packet.dont_fragment || is_ipv6))?;
        let own = &self.fabric.interfaces[sender];
        let subnet = &self.fabric.subnets[own.subnet];
        let answer = match is_ipv6 {
            false => packet.header.error(subnet.router.into(), icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED, Some(1_500)),
            true => {
                let router = subnet.router_of(packet.header.source).or_else(|| subnet.routers().find(IpAddr::is_ipv6))?;
                packet.header.error(router, icmp::V6_PACKET_TOO_BIG, 0, Some(1_500))
            }
        };
        let by = match own.kind {
            InterfaceKind::NatGateway(nat) => Answerer::NatGateway(nat),
            _ => Answerer::Router(sender),
        };
        Some(Fate::Answered { by, answer })
    }

    /// Between the gateways: to another public address of the region (IGW-7), or to a host.
    pub(super) fn internet(&mut self, packet: Packet) -> Step {
        self.header = packet.header.clone();
        let destination = packet.header.destination;
        let inside = match destination {
            IpAddr::V4(a) => self.fabric.public_addresses.contains_key(&a),
            IpAddr::V6(_) => self.fabric.vpcs.values().any(|vpc| vpc.contains(destination)),
        };
        if inside { self.enter_by_public_address(packet) } else { self.host(packet, Exit::Internet) }
    }

    pub(super) fn host(&mut self, packet: Packet, exit: Exit) -> Step {
        let address = packet.header.destination;
        self.pass(internet::decide(self.fabric, address))?;
        Ok(Fate::Arrived { end: End::Outside(address, exit), packet })
    }

    /// Out through a virtual private gateway: into the lan that announced the address, else to a named host.
    pub(super) fn leave_by_vpn(&mut self, gateway: VpnGatewayIndex, mut packet: Packet) -> Step {
        let Some(decision) = vpn_gateway::tunnel(self.fabric, gateway, &packet) else {
            return self.host(packet, Exit::Vpn(gateway));
        };
        self.pass(decision)?;
        // Whoever asked is there to be answered.
        if let Some(decision) = vpn_gateway::beyond(self.fabric, gateway, packet.header.destination).filter(|_| !self.answers) {
            self.pass(decision)?;
        }
        packet.fragmented |= packet.length > vpn_gateway::MTU;
        Ok(Fate::Arrived { end: End::Outside(packet.header.destination, Exit::Vpn(gateway)), packet })
    }

    /// A host sends, by the exit that it was reached through.
    pub(super) fn leave_host(&mut self, exit: Exit, packet: Packet) -> Step {
        self.straight = false;
        match exit {
            Exit::Internet => self.enter_by_public_address(packet),
            Exit::Endpoint(endpoint) => {
                let receiver = self.local(self.fabric.vpc_endpoints[endpoint].vpc, packet.header.destination)?;
                self.enter_interface(receiver, None, packet)
            }
            Exit::Vpn(gateway) => {
                let vpn = &self.fabric.vpn_gateways[gateway];
                let Some(vpc) = vpn.vpc else { return Err(unrouted(&packet.header)) };
                let is_lan = self.fabric.is_in_lan(vpn, packet.header.source);
                if let Some(drop) = vpn_gateway::carry(gateway, &packet, Direction::Ingress).filter(|_| is_lan) {
                    self.pass(drop)?;
                }
                self.pass(vpn_gateway::decide(self.fabric, gateway, vpc, &packet.header, Direction::Ingress))?;
                self.deliver_from_edge(vpc, vpn.edge_route_table, None, packet)
            }
        }
    }

    /// Public addresses lead to the gateway of their VPC.
    fn enter_by_public_address(&mut self, packet: Packet) -> Step {
        self.go_on()?;
        let header = &packet.header;
        match header.destination {
            IpAddr::V4(destination) => match self.fabric.public_addresses.get(&destination) {
                Some(mapping) => match self.fabric.vpcs[mapping.vpc].internet_gateway {
                    Some(gateway) => self.enter_vpc(gateway, packet),
                    None => Err(unrouted(header)),
                },
                None if self.fabric.is_outside_host(header.destination) => self.host(packet, Exit::Internet),
                None => match vpn_gateway::towards(self.fabric, header) {
                    Some(gateway) => self.leave_host(Exit::Vpn(gateway), packet),
                    None => Err(unrouted(header)),
                },
            },
            IpAddr::V6(_) => self.enter_by_ipv6(packet),
        }
    }

    fn enter_by_ipv6(&mut self, packet: Packet) -> Step {
        let header = &packet.header;
        let Some((index, vpc)) = self.fabric.vpcs.iter().find(|(_, vpc)| vpc.contains(header.destination)) else {
            return self.host(packet, Exit::Internet);
        };
        // Which of the two gateways a block is announced by, its subnet's table says (EIGW-1).
        let subnet = vpc.subnets.iter().find(|subnet| self.fabric.subnets[**subnet].contains(header.destination));
        let table = subnet.map(|subnet| self.fabric.subnets[*subnet].route_table);
        let hop = table.and_then(|table| self.fabric.route_tables[table].lookup(header.source)).map(|route| route.next_hop);
        match (hop, vpc.internet_gateway) {
            (Some(NextHop::EgressOnlyInternetGateway(gateway)), _) => {
                let id = &self.fabric.egress_only_internet_gateways[gateway].id;
                let known = self.state.of_egress_only(id).is_answered_by(header, self.now);
                self.pass(egress_only_internet_gateway::decide(gateway, header, Direction::Ingress, known))?;
                self.always_tracked = true;
                self.deliver_from_edge(index, None, None, packet)
            }
            (_, Some(gateway)) => self.enter_vpc(gateway, packet),
            (_, None) => Err(unrouted(header)),
        }
    }

    /// In through an internet gateway: translation, then its own route table (PIPE-5, RT-18).
    pub(super) fn enter_vpc(&mut self, gateway: InternetGatewayIndex, mut packet: Packet) -> Step {
        self.straight = false;
        self.header = packet.header.clone();
        self.pass(internet_gateway::ingress(self.fabric, gateway, &packet.header))?;
        packet.header = internet_gateway::translate_ingress(self.fabric, gateway, &packet.header);
        let igw = &self.fabric.internet_gateways[gateway];
        match igw.vpc {
            Some(vpc) => self.deliver_from_edge(vpc, igw.edge_route_table, Some(gateway), packet),
            None => Err(unrouted(&packet.header)),
        }
    }

    fn deliver_from_edge(
        &mut self,
        vpc: VpcIndex,
        edge: Option<RouteTableIndex>,
        gateway: Option<InternetGatewayIndex>,
        packet: Packet,
    ) -> Step {
        self.header = packet.header.clone();
        if let Some(table) = edge.filter(|_| !exempt::is_reserved(self.fabric, vpc, packet.header.destination)) {
            let (routed, hop) = route_table::decide(self.fabric, table, packet.header.destination);
            self.pass(routed)?;
            if let Some(NextHop::Interface(middlebox)) = hop {
                if let Some(gateway) = gateway {
                    self.pass(internet_gateway::redirect(self.fabric, gateway, middlebox))?;
                }
                return self.enter_interface(middlebox, None, packet);
            }
        }
        let receiver = self.local(vpc, packet.header.destination)?;
        self.enter_interface(receiver, None, packet)
    }
}

fn unrouted(header: &Header) -> Box<Reason> {
    Box::new(internet::unrouted(header.destination))
}
