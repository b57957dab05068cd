//! Gateways between a VPC and what lies beyond: internet gateway, egress-only internet gateway, virtual private gateway.
//! Port 0 leads to the VPC's router, port 1 to the internet.

use std::net::IpAddr;
use std::sync::Arc;

use fabric::packet::icmp;
use fabric::stage::{egress_only_internet_gateway, exempt, internet_gateway, local_delivery, route_table, vpn_gateway};
use fabric::state::Outbound;
use fabric::{Direction, Fabric, Family, InterfaceIndex, InternetGatewayIndex, NextHop, VpcIndex};
use ipnet::Ipv4Net;
use model::{EgressOnlyInternetGatewayId, InternetGatewayId, VpnGatewayId};

use super::bytes;
use super::errors;
use super::judge::{Clock, Judge, Travel, translated};
use super::neighbor;
use super::router::FABRIC;
use super::tables;
use crate::frame::FrameId;
use crate::fragment;
use crate::node::{Context, Node};
use crate::table::Table;
use crate::time::Time;
use crate::trace::{Reason, Verb};

/// The port towards the VPC.
pub const INSIDE: u16 = 0;
/// The port towards the internet.
pub const OUTSIDE: u16 = 1;

/// An internet gateway: 1:1 translation between public and private addresses (IGW-2).
pub struct InternetGateway {
    /// Fabric and time of day.
    pub judge: Judge,
    id: InternetGatewayId,
}

impl InternetGateway {
    /// A gateway by its id.
    pub fn new(fabric: Arc<Fabric>, id: InternetGatewayId) -> Self {
        Self { judge: Judge::new(fabric), id }
    }

    fn out(&mut self, context: &mut Context<'_>, gateway: InternetGatewayIndex, travel: &Travel) {
        let fabric = Arc::clone(&self.judge.fabric);
        let packet = &travel.packet;
        if !self.judge.pass(context, travel, internet_gateway::egress(&fabric, gateway, &packet.header)) {
            return;
        }
        let vpc = fabric.internet_gateways[gateway].vpc;
        if vpc.is_some_and(|vpc| is_told(context, &fabric, vpc, travel)) {
            return;
        }
        if packet.length > internet_gateway::MTU && packet.dont_fragment && packet.header.family() == Family::V4 {
            // L2-8: in the name of the router of the sender's subnet.
            let sender = vpc.and_then(|vpc| fabric.vpcs[vpc].addresses.get(&packet.header.source));
            let Some(sender) = sender else { return };
            let router = IpAddr::V4(fabric.subnets[fabric.interfaces[*sender].subnet].router);
            let mtu = internet_gateway::MTU as u16;
            context.trace_value(travel.port, Verb::Drop, Reason::FragmentationNeeded, travel.frame, packet.length);
            return errors::send(context, travel, router, (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED), mtu);
        }
        let header = internet_gateway::translate_egress(&fabric, gateway, &packet.header);
        let out = translated(context, travel, &header);
        fragment::send(context, OUTSIDE, out, internet_gateway::MTU);
    }
}

impl Node for InternetGateway {
    fn kind(&self) -> &'static str {
        "internet-gateway"
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        let Some(travel) = self.judge.read(context, port, frame) else { return };
        let fabric = Arc::clone(&self.judge.fabric);
        let Some(gateway) = fabric.internet_gateways.find(&self.id, |gateway| &gateway.id) else {
            return context.trace(port, Verb::Drop, Reason::NotConnected, frame);
        };
        if port == INSIDE {
            return self.out(context, gateway, &travel);
        }
        if !self.judge.pass(context, &travel, internet_gateway::ingress(&fabric, gateway, &travel.packet.header)) {
            return;
        }
        let header = internet_gateway::translate_ingress(&fabric, gateway, &travel.packet.header);
        let vpc = fabric.internet_gateways[gateway].vpc;
        if let Some(vpc) = vpc.filter(|vpc| exempt::is_reserved(&fabric, *vpc, header.destination)) {
            // PIPE-2: the gateway speaks for the routers of subnets (L2-8), and takes out what is for them.
            return self.judge.refuse(context, &travel, local_delivery::decide(&fabric, vpc, header.destination).0.reason().clone());
        }
        // Where its own route table leads, the router sees to; whether it may lead there is the gateway's question (RT-19).
        if let Some(middlebox) = redirected(&fabric, gateway, header.destination)
            && !self.judge.pass(context, &travel, internet_gateway::redirect(&fabric, gateway, middlebox))
        {
            return;
        }
        let inside = translated(context, &travel, &header);
        context.send(INSIDE, inside);
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        tables::internet_gateway(&self.judge.fabric, &self.id)
    }
}

/// The middlebox that the gateway's own route table sends a private destination to (RT-18), if any.
fn redirected(fabric: &Fabric, gateway: InternetGatewayIndex, destination: IpAddr) -> Option<InterfaceIndex> {
    let table = fabric.internet_gateways[gateway].edge_route_table?;
    match route_table::decide(fabric, table, destination).1 {
        Some(NextHop::Interface(middlebox)) => Some(middlebox),
        _ => None,
    }
}

/// Whether a packet of IPv6 is too big for the internet, which its sender is told in the name of its subnet's router (L2-8): none is cut
/// on its way (RFC 8200, 5).
fn is_told(context: &mut Context<'_>, fabric: &Fabric, vpc: VpcIndex, travel: &Travel) -> bool {
    let (packet, source) = (&travel.packet, travel.packet.header.source);
    if packet.header.family() == Family::V4 || packet.length <= internet_gateway::MTU {
        return false;
    }
    context.trace_value(travel.port, Verb::Drop, Reason::PacketTooBig, travel.frame, packet.length);
    let router = fabric.vpcs[vpc].subnets.iter().find_map(|subnet| fabric.subnets[*subnet].router_of(source));
    if let Some(IpAddr::V6(router)) = router {
        errors::too_big(context, travel, router, internet_gateway::MTU);
    }
    true
}

/// An egress-only internet gateway: out as it is, in only what answers (EIGW-1).
pub struct EgressOnlyInternetGateway {
    /// Fabric and time of day.
    pub judge: Judge,
    id: EgressOnlyInternetGatewayId,
    flows: Outbound,
}

impl EgressOnlyInternetGateway {
    /// A gateway by its id.
    pub fn new(fabric: Arc<Fabric>, id: EgressOnlyInternetGatewayId) -> Self {
        Self { judge: Judge::new(fabric), id, flows: Outbound::default() }
    }

    /// Sets the time of day.
    pub fn set_clock(&mut self, clock: Clock) {
        self.judge.clock = clock;
    }
}

impl Node for EgressOnlyInternetGateway {
    fn kind(&self) -> &'static str {
        "egress-only-internet-gateway"
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        let Some(travel) = self.judge.read(context, port, frame) else { return };
        let fabric = Arc::clone(&self.judge.fabric);
        let Some(gateway) = fabric.egress_only_internet_gateways.find(&self.id, |gateway| &gateway.id) else {
            return context.trace(port, Verb::Drop, Reason::NotConnected, frame);
        };
        let (header, now) = (&travel.packet.header, self.judge.now(context));
        let (direction, known) = match port {
            INSIDE => (Direction::Egress, false),
            _ => (Direction::Ingress, self.flows.is_answered_by(header, now)),
        };
        if !self.judge.pass(context, &travel, egress_only_internet_gateway::decide(gateway, header, direction, known)) {
            return;
        }
        let vpc = fabric.egress_only_internet_gateways[gateway].vpc;
        if port == INSIDE && is_told(context, &fabric, vpc, &travel) {
            return;
        }
        if port == INSIDE {
            self.flows.sent(header, now);
        }
        context.forward(1 - port, frame);
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        Vec::new()
    }
}

/// A virtual private gateway: the way between a VPC and hosts behind a VPN (VPN-1). Ports from 2 on are tunnels to lans.
pub struct VpnGateway {
    /// Fabric and time of day.
    pub judge: Judge,
    id: VpnGatewayId,
    /// Networks behind tunnels, longest prefix first, of equal ones the tunnel that was plugged first.
    tunnels: Vec<Tunnel>,
}

/// A network that lies behind a tunnel.
#[derive(Debug, Clone, Copy)]
struct Tunnel {
    network: Ipv4Net,
    port: u16,
    /// Whom the tunnel leads to.
    router: [u8; 6],
}

impl VpnGateway {
    /// A gateway by its id.
    pub fn new(fabric: Arc<Fabric>, id: VpnGatewayId) -> Self {
        Self { judge: Judge::new(fabric), id, tunnels: Vec::new() }
    }

    /// Says what lies behind a tunnel, and the MAC address of the router at its other end.
    pub fn plug(&mut self, networks: impl IntoIterator<Item = Ipv4Net>, port: u16, router: [u8; 6]) {
        self.tunnels.extend(networks.into_iter().map(|network| Tunnel { network, port, router }));
        self.tunnels.sort_by_key(|tunnel| (std::cmp::Reverse(tunnel.network.prefix_len()), tunnel.network.addr(), tunnel.port));
    }

    /// The tunnel to an address: of several, one that is up.
    fn tunnel(&self, context: &Context<'_>, destination: IpAddr) -> Option<Tunnel> {
        let IpAddr::V4(destination) = destination else { return None };
        let longest = self.tunnels.iter().find(|tunnel| tunnel.network.contains(&destination))?;
        let mut alike = self.tunnels.iter().filter(|tunnel| tunnel.network == longest.network);
        alike.find(|tunnel| context.is_up(tunnel.port)).or(Some(longest)).copied()
    }

    /// On to a port, cut to what a tunnel takes; segments of TCP are told to fit (L2-10).
    fn send(context: &mut Context<'_>, travel: &Travel, port: u16, to: [u8; 6]) {
        let copy = context.copy(travel.frame);
        let bytes = context.bytes_mut(copy);
        bytes::address(bytes, to, FABRIC);
        bytes::clamp_segment_size(bytes, vpn_gateway::MTU as u16 - 40);
        fragment::send(context, port, copy, vpn_gateway::MTU);
    }
}

impl Node for VpnGateway {
    fn kind(&self) -> &'static str {
        "vpn-gateway"
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        if port > OUTSIDE && neighbor::answer_all(context, port, frame) {
            return;
        }
        let Some(travel) = self.judge.read(context, port, frame) else { return };
        let fabric = Arc::clone(&self.judge.fabric);
        let gateway = fabric.vpn_gateways.find(&self.id, |gateway| &gateway.id);
        let Some((gateway, vpc)) = gateway.and_then(|gateway| Some((gateway, fabric.vpn_gateways[gateway].vpc?))) else {
            return context.trace(port, Verb::Drop, Reason::NotConnected, frame);
        };
        let direction = if port == INSIDE { Direction::Egress } else { Direction::Ingress };
        if !self.judge.pass(context, &travel, vpn_gateway::decide(&fabric, gateway, vpc, &travel.packet.header, direction)) {
            return;
        }
        if port > OUTSIDE {
            if let Some(drop) = vpn_gateway::carry(gateway, &travel.packet, Direction::Ingress) {
                return self.judge.refuse(context, &travel, drop.reason().clone());
            }
            return Self::send(context, &travel, INSIDE, FABRIC);
        }
        if let Some(decision) = vpn_gateway::tunnel(&fabric, gateway, &travel.packet).filter(|_| port == INSIDE) {
            // A cloud alone has no tunnels plugged in: what its lans announce lies beyond all the same.
            let tunnel = self.tunnel(context, travel.packet.header.destination);
            let passes = self.judge.pass(context, &travel, decision);
            if let Some(tunnel) = tunnel.filter(|_| passes) {
                return Self::send(context, &travel, tunnel.port, tunnel.router);
            }
            if !passes {
                return;
            }
        }
        let copy = context.copy(frame);
        bytes::address(context.bytes_mut(copy), FABRIC, FABRIC);
        context.send(1 - port, copy);
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        let mut table = Table::new("tunnels", &["network", "port"]);
        for tunnel in &self.tunnels {
            table.row([tunnel.network.to_string(), tunnel.port.to_string()]);
        }
        vec![table]
    }
}
