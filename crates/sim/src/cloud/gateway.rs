//! Gateways between a VPC and what lies beyond: internet gateway, egress-only internet gateway, virtual private gateway.
//! Port 0 leads to the VPC's router, port 1 to the internet.

use std::net::IpAddr;
use std::sync::Arc;

use fabric::packet::icmp;
use fabric::stage::{egress_only_internet_gateway, internet_gateway, vpn_gateway};
use fabric::state::Outbound;
use fabric::{Direction, Fabric, Family, InternetGatewayIndex};
use ipnet::IpNet;
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
        if packet.length > internet_gateway::MTU && packet.dont_fragment && packet.header.family() == Family::V4 {
            // L2-8: in the name of the router of the sender's subnet.
            let vpc = fabric.internet_gateways[gateway].vpc;
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
        if self.judge.pass(context, &travel, internet_gateway::ingress(&fabric, gateway, &travel.packet.header)) {
            let header = internet_gateway::translate_ingress(&fabric, gateway, &travel.packet.header);
            let inside = translated(context, &travel, &header);
            context.send(INSIDE, inside);
        }
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        tables::internet_gateway(&self.judge.fabric, &self.id)
    }
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
    /// What lies behind a tunnel, longest prefix first.
    tunnels: Vec<(IpNet, u16)>,
}

impl VpnGateway {
    /// A gateway by its id.
    pub fn new(fabric: Arc<Fabric>, id: VpnGatewayId) -> Self {
        Self { judge: Judge::new(fabric), id, tunnels: Vec::new() }
    }

    /// Says what lies behind a tunnel.
    pub fn plug(&mut self, blocks: impl IntoIterator<Item = IpNet>, port: u16) {
        self.tunnels.extend(blocks.into_iter().map(|block| (block, port)));
        self.tunnels.sort_by_key(|(block, port)| (std::cmp::Reverse(block.prefix_len()), block.addr(), *port));
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
        let destination = travel.packet.header.destination;
        let out = match port {
            INSIDE => self.tunnels.iter().find(|(block, _)| block.contains(&destination)).map_or(OUTSIDE, |(_, port)| *port),
            _ => INSIDE,
        };
        let copy = context.copy(frame);
        bytes::address(context.bytes_mut(copy), if out > OUTSIDE { [0xff; 6] } else { FABRIC }, FABRIC);
        context.send(out, copy);
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        Vec::new()
    }
}
