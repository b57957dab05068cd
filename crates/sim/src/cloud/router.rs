//! The implicit router of a VPC: what it does with a packet from an interface or a gateway, stage after stage
//! (PIPE-2 … PIPE-11). Each stage is `fabric`'s; here is their order, and on which cable the packet goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use fabric::stage::{
    exempt, interface_state, local_delivery, network_acl, peering, route_table, source_dest_check, transit_gateway,
};
use fabric::flow_log::{Action, Sighting};
use fabric::state::{Circumstances, Flows};
use fabric::{
    Component, Decision, Direction, Fabric, FlowKey, Interface, InterfaceIndex, InterfaceKind, NextHop, PeeringIndex,
    Reason as StageReason, RouteTableIndex, Stage, SubnetIndex, TransitGatewayIndex, VpcIndex,
};
use model::{
    EgressOnlyInternetGatewayId, InternetGatewayId, NetworkInterfaceId, SubnetId, TransitGatewayId, VpcEndpointId, VpcId,
    VpcPeeringConnectionId, VpnGatewayId,
};

use super::bytes;
use super::flow_log::Counts;
use super::judge::{Clock, Judge, Travel};
use super::lease;
use super::neighbor;
use crate::frame::FrameId;
use crate::node::{Context, Node};
use crate::table::Table;
use crate::time::Time;
use crate::trace::{Reason, Verb};

/// What a port of a VPC's router leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// A network interface.
    Interface(NetworkInterfaceId),
    /// The resolver, metadata and time.
    Services,
    /// An internet gateway.
    InternetGateway(InternetGatewayId),
    /// An egress-only internet gateway.
    EgressOnlyInternetGateway(EgressOnlyInternetGatewayId),
    /// A virtual private gateway.
    VpnGateway(VpnGatewayId),
    /// Another VPC.
    Peering(VpcPeeringConnectionId),
    /// A transit gateway, by a subnet of the attachment.
    TransitGateway(TransitGatewayId, SubnetId),
    /// A gateway endpoint.
    VpcEndpoint(VpcEndpointId),
}

/// Source MAC address of frames between the devices of a cloud.
pub const FABRIC: [u8; 6] = [0x06, 0x01, 0, 0, 0, 0];
/// The same of what somebody passed on before it went over a peering (SG-12).
pub const PASSED_ON: [u8; 6] = [0x06, 0x01, 0, 0, 0, 2];
/// The same of what came by a transit gateway, which a NAT gateway lets in besides its own VPC (NAT-10).
pub const BY_TRANSIT_GATEWAY: [u8; 6] = [0x06, 0x01, 0, 0, 0, 1];

/// The MAC address of a host outside: nobody else on its cable could have it.
pub fn host_mac(address: IpAddr) -> [u8; 6] {
    let last: [u8; 4] = match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => {
            let octets = address.octets();
            [octets[12], octets[13], octets[14], octets[15]]
        }
    };
    [0x06, 0x02, last[0], last[1], last[2], last[3]]
}

/// The router of a VPC.
pub struct Router {
    /// Fabric and time of day.
    pub judge: Judge,
    id: VpcId,
    /// Its place in the fabric; `None` when the VPC is gone.
    vpc: Option<VpcIndex>,
    sides: Vec<Side>,
    ports: BTreeMap<Side, u16>,
    flows: Flows,
    /// Flows that came into the VPC by a transit gateway.
    came_by_transit_gateway: BTreeSet<FlowKey>,
    counts: Counts,
}

/// What is known of a packet besides its bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Circumstance {
    /// SG-12.
    straight: bool,
    /// SG-21.
    always_tracked: bool,
    /// Whether it came into this VPC by a transit gateway (NAT-10).
    by_transit_gateway: bool,
    /// MAC address of the interface that sent it, if it is of this VPC.
    sender: Option<InterfaceIndex>,
}

impl Router {
    /// The router of a VPC, without ports.
    pub fn new(fabric: Arc<Fabric>, id: VpcId) -> Self {
        let (sides, ports, flows) = (Vec::new(), BTreeMap::new(), Flows::default());
        let (judge, counts) = (Judge::new(Arc::clone(&fabric)), Counts::default());
        let came_by_transit_gateway = BTreeSet::new();
        let mut router = Self { judge, id, vpc: None, sides, ports, flows, came_by_transit_gateway, counts };
        router.apply(fabric);
        router
    }

    /// Takes over a new fabric. Flows of interfaces that are gone are forgotten (SG-23).
    pub fn apply(&mut self, fabric: Arc<Fabric>) {
        self.vpc = fabric.vpcs.find(&self.id, |vpc| &vpc.id);
        self.flows.keep_only(|id| fabric.interface_by_id(id).is_some());
        self.judge.fabric = fabric;
    }

    /// Says what its next port leads to.
    pub fn plug(&mut self, side: Side, port: u16) {
        assert_eq!(usize::from(port), self.sides.len(), "ports are plugged in order");
        self.sides.push(side.clone());
        self.ports.insert(side, port);
    }

    /// The port that leads somewhere.
    pub fn port(&self, side: &Side) -> Option<u16> {
        self.ports.get(side).copied()
    }

    /// What ports lead to, in order.
    pub fn sides(&self) -> &[Side] {
        &self.sides
    }

    /// An exchange begins: what it begins is over with [`Router::close`].
    pub fn begin(&mut self) {
        self.flows.begin();
    }

    /// The exchange ended and closed its TCP connections.
    pub fn close(&mut self) {
        self.flows.close();
    }

    /// Forgets all flows.
    pub fn reset(&mut self) {
        self.flows = Flows::default();
        self.came_by_transit_gateway.clear();
    }

    /// What it counted for flow logs since it was asked before.
    pub fn take_counts(&mut self) -> Vec<Sighting> {
        self.counts.take()
    }

    /// Counts a packet for flow logs, at one end of its way (FL-4).
    fn count(&mut self, context: &Context<'_>, at: InterfaceIndex, end: (Direction, Action), travel: &Travel) {
        self.counts.note(&self.judge.fabric, at, end, travel, context.bytes(travel.frame));
    }

    /// Sets the time of day.
    pub fn set_clock(&mut self, clock: Clock) {
        self.judge.clock = clock;
    }

    fn interface_sends(&mut self, context: &mut Context<'_>, vpc: VpcIndex, interface: InterfaceIndex, mut travel: Travel) {
        let fabric = Arc::clone(&self.judge.fabric);
        let own = &fabric.interfaces[interface];
        let header = &travel.packet.header;
        let (subnet, destination) = (own.subnet, header.destination);
        if let InterfaceKind::NatGateway(_) = own.kind {
            return self.nat_gateway_sends(context, vpc, interface, travel);
        }
        if !self.judge.pass(context, &travel, interface_state::decide(&fabric, interface)) {
            return;
        }
        if let pass @ Decision::Pass(_) = exempt::decide(&fabric, interface, header) {
            let _ = self.judge.pass(context, &travel, pass);
            return self.serve(context, vpc, interface, &travel);
        }
        if !self.judge.pass(context, &travel, local_delivery::is_unicast(&fabric, interface, destination)) {
            return;
        }
        let check = source_dest_check::decide(&fabric, interface, header, Direction::Egress);
        if !self.judge.pass(context, &travel, check) {
            return;
        }
        let on_link = fabric.subnets[subnet].contains(destination);
        let (routed, hop) = match on_link {
            true => (None, Some(NextHop::Local)),
            false => {
                let (decision, hop) = route_table::decide(&fabric, fabric.subnets[subnet].route_table, destination);
                (Some(decision), hop)
            }
        };
        let passes_on = !matches!(hop, None | Some(NextHop::Local | NextHop::Peering { .. }));
        let how = Circumstance {
            // SG-12: from an address of its own, and nobody passes it on.
            straight: own.holds(header.source),
            always_tracked: is_always_tracked(&fabric, vpc, hop, destination),
            by_transit_gateway: false,
            sender: Some(interface),
        };
        if !self.security_groups(context, &travel, interface, Direction::Egress, how.straight && !passes_on, how.always_tracked) {
            return self.count(context, interface, (Direction::Egress, Action::Reject), &travel);
        }
        let how = Circumstance { straight: how.straight && !passes_on, ..how };
        let Some(routed) = routed else {
            // RT-20, PIPE-6: neighbours talk directly.
            self.count(context, interface, (Direction::Egress, Action::Accept), &travel);
            return self.deliver(context, vpc, Some(subnet), how, &mut travel);
        };
        self.cross_and_follow(context, subnet, routed, hop, how, &mut travel);
    }

    /// A NAT gateway sends into its own subnet's border (NAT-13), from where a route may lead back to it (NAT-17).
    fn nat_gateway_sends(&mut self, context: &mut Context<'_>, vpc: VpcIndex, interface: InterfaceIndex, mut travel: Travel) {
        let fabric = Arc::clone(&self.judge.fabric);
        let subnet = fabric.interfaces[interface].subnet;
        let destination = travel.packet.header.destination;
        let how = Circumstance { straight: false, always_tracked: true, by_transit_gateway: false, sender: Some(interface) };
        if fabric.subnets[subnet].contains(destination) {
            self.count(context, interface, (Direction::Egress, Action::Accept), &travel);
            return self.deliver(context, vpc, Some(subnet), how, &mut travel);
        }
        let (routed, hop) = route_table::decide(&fabric, fabric.subnets[subnet].route_table, destination);
        self.cross_and_follow(context, subnet, routed, hop, how, &mut travel);
    }

    /// Over a subnet's border: network ACL, route table, next hop. What stays in the subnet does not cross (ACL-3).
    fn cross_and_follow(
        &mut self,
        context: &mut Context<'_>,
        subnet: SubnetIndex,
        routed: Decision,
        hop: Option<NextHop>,
        how: Circumstance,
        travel: &mut Travel,
    ) {
        let fabric = Arc::clone(&self.judge.fabric);
        let stays = match hop {
            Some(NextHop::Interface(i)) => fabric.interfaces[i].subnet == subnet,
            Some(NextHop::NatGateway(n)) => fabric.nat_gateways[n].subnet == subnet,
            _ => false,
        };
        if !stays {
            let decision = network_acl::decide(&fabric, subnet, &travel.packet.header, Direction::Egress);
            if !self.judge.pass(context, travel, decision) {
                if let Some(sender) = how.sender {
                    self.count(context, sender, (Direction::Egress, Action::Reject), travel);
                }
                return;
            }
        }
        // FL-13: what becomes of it from here on is no matter of its sender's groups and lists.
        if let Some(sender) = how.sender {
            self.count(context, sender, (Direction::Egress, Action::Accept), travel);
        }
        if !self.judge.pass(context, travel, routed) {
            return;
        }
        let vpc = fabric.subnets[subnet].vpc;
        match hop.unwrap_or(NextHop::Local) {
            // A blackhole dropped already.
            NextHop::Local | NextHop::Blackhole(_) => self.deliver(context, vpc, Some(subnet), how, travel),
            NextHop::Interface(middlebox) => self.enter_interface(context, middlebox, Some(subnet), how, travel),
            NextHop::NatGateway(nat) => match fabric.nat_gateways[nat].interface {
                Some(interface) => self.enter_interface(context, interface, Some(subnet), how, travel),
                None => {
                    let at = Component::NatGateway(nat);
                    let reason = StageReason::new(Stage::NatGateway, at, "the gateway has no interface");
                    self.judge.refuse(context, travel, reason);
                }
            },
            NextHop::InternetGateway(gateway) => {
                self.send(context, &Side::InternetGateway(fabric.internet_gateways[gateway].id.clone()), FABRIC, travel);
            }
            NextHop::Peering { peering, vpc: other } => self.cross_peering(context, peering, vpc, other, how, travel),
            NextHop::TransitGateway(gateway) => self.enter_transit_gateway(context, gateway, subnet, how, travel),
            NextHop::EgressOnlyInternetGateway(gateway) => {
                let id = fabric.egress_only_internet_gateways[gateway].id.clone();
                self.send(context, &Side::EgressOnlyInternetGateway(id), FABRIC, travel);
            }
            NextHop::VpcEndpoint(endpoint) => {
                self.send(context, &Side::VpcEndpoint(fabric.vpc_endpoints[endpoint].id.clone()), FABRIC, travel);
            }
            NextHop::VpnGateway(gateway) => {
                self.send(context, &Side::VpnGateway(fabric.vpn_gateways[gateway].id.clone()), FABRIC, travel);
            }
        }
    }

    fn cross_peering(
        &mut self,
        context: &mut Context<'_>,
        index: PeeringIndex,
        vpc: VpcIndex,
        other: VpcIndex,
        how: Circumstance,
        travel: &Travel,
    ) {
        let fabric = Arc::clone(&self.judge.fabric);
        let decision = peering::decide(&fabric, index, vpc, other, &travel.packet.header);
        if self.judge.pass(context, travel, decision) {
            let source = if how.straight { FABRIC } else { PASSED_ON };
            self.send(context, &Side::Peering(fabric.peerings[index].id.clone()), source, travel);
        }
    }

    fn enter_transit_gateway(
        &mut self,
        context: &mut Context<'_>,
        gateway: TransitGatewayIndex,
        from: SubnetIndex,
        how: Circumstance,
        travel: &mut Travel,
    ) {
        let fabric = Arc::clone(&self.judge.fabric);
        let (decision, entered) = transit_gateway::enter(&fabric, gateway, from);
        if let Some((_, subnet)) = entered {
            // ACL-14: in the sender's own subnet as in the attachment's, what goes to the gateway is asked by its source too.
            let border = network_acl::decide(&fabric, subnet, &travel.packet.header, Direction::Ingress);
            if !self.judge.pass(context, travel, border) {
                return;
            }
        }
        if self.judge.pass(context, travel, decision)
            && let Some((_, subnet)) = entered
        {
            let side = Side::TransitGateway(fabric.transit_gateways[gateway].id.clone(), fabric.subnets[subnet].id.clone());
            match how.by_transit_gateway {
                false => self.send(context, &side, FABRIC, travel),
                true => {
                    let Some(again) = self.judge.go_round(context, travel) else { return };
                    self.send(context, &side, FABRIC, &again);
                    context.release(again.frame);
                }
            }
        }
    }

    /// To whoever holds the destination.
    fn deliver(&mut self, context: &mut Context<'_>, vpc: VpcIndex, from: Option<SubnetIndex>, how: Circumstance, travel: &mut Travel) {
        let fabric = Arc::clone(&self.judge.fabric);
        let (decision, receiver) = local_delivery::decide(&fabric, vpc, travel.packet.header.destination);
        if self.judge.pass(context, travel, decision)
            && let Some(receiver) = receiver
        {
            self.enter_interface(context, receiver, from, how, travel);
        }
    }

    /// A packet comes to an interface (PIPE-5); `from` is the subnet that it comes from, if one.
    fn enter_interface(
        &mut self,
        context: &mut Context<'_>,
        interface: InterfaceIndex,
        from: Option<SubnetIndex>,
        how: Circumstance,
        travel: &mut Travel,
    ) {
        let fabric = Arc::clone(&self.judge.fabric);
        let own = &fabric.interfaces[interface];
        if from != Some(own.subnet) {
            let decision = network_acl::decide(&fabric, own.subnet, &travel.packet.header, Direction::Ingress);
            if !self.judge.pass(context, travel, decision) {
                return self.count(context, interface, (Direction::Ingress, Action::Reject), travel);
            }
        }
        if !matches!(own.kind, InterfaceKind::NatGateway(_)) {
            let always_tracked = how.always_tracked || matches!(own.kind, InterfaceKind::VpcEndpoint(_));
            if !self.security_groups(context, travel, interface, Direction::Ingress, how.straight, always_tracked) {
                return self.count(context, interface, (Direction::Ingress, Action::Reject), travel);
            }
            let check = source_dest_check::decide(&fabric, interface, &travel.packet.header, Direction::Ingress);
            if !self.judge.pass(context, travel, check)
                || !self.judge.pass(context, travel, interface_state::decide(&fabric, interface))
            {
                return;
            }
        }
        self.count(context, interface, (Direction::Ingress, Action::Accept), travel);
        let source = match how.sender {
            _ if how.by_transit_gateway || self.came_by_transit_gateway(own, travel) => BY_TRANSIT_GATEWAY,
            // RT-20: a neighbour's frame comes from the neighbour.
            Some(sender) if fabric.interfaces[sender].subnet == own.subnet => fabric.interfaces[sender].mac.0,
            _ => fabric.subnets[own.subnet].router_mac().0,
        };
        self.send(context, &Side::Interface(own.id.clone()), source, travel);
    }

    /// Traffic of the fabric's own services meets no filter (PIPE-2).
    fn serve(&mut self, context: &mut Context<'_>, vpc: VpcIndex, interface: InterfaceIndex, travel: &Travel) {
        let fabric = Arc::clone(&self.judge.fabric);
        let header = &travel.packet.header;
        if lease::answer(context, &fabric, interface, travel) {
            return;
        }
        if let Some(reason) = exempt::silence(&fabric, vpc, header) {
            return self.judge.refuse(context, travel, reason);
        }
        if exempt::is_served(&fabric, vpc, header) {
            return self.send(context, &Side::Services, FABRIC, travel);
        }
        let text = "no service of the fabric answers that";
        self.judge.refuse(context, travel, StageReason::new(Stage::Exempt, Component::Fabric, text));
    }

    /// What a service answers, or the router itself says, goes straight to the interface.
    fn service_sends(&mut self, context: &mut Context<'_>, vpc: VpcIndex, travel: &Travel) {
        let fabric = Arc::clone(&self.judge.fabric);
        let (decision, receiver) = local_delivery::decide(&fabric, vpc, travel.packet.header.destination);
        if self.judge.pass(context, travel, decision)
            && let Some(receiver) = receiver
        {
            let own = &fabric.interfaces[receiver];
            self.send(context, &Side::Interface(own.id.clone()), fabric.subnets[own.subnet].router_mac().0, travel);
        }
    }

    /// In by a gateway: its own route table first (RT-18).
    fn edge_sends(&mut self, context: &mut Context<'_>, vpc: VpcIndex, edge: Option<RouteTableIndex>, travel: &mut Travel, always_tracked: bool) {
        let fabric = Arc::clone(&self.judge.fabric);
        let how = Circumstance { always_tracked, ..Circumstance::default() };
        if let Some(table) = edge.filter(|_| !exempt::is_reserved(&fabric, vpc, travel.packet.header.destination)) {
            let (routed, hop) = route_table::decide(&fabric, table, travel.packet.header.destination);
            if !self.judge.pass(context, travel, routed) {
                return;
            }
            if let Some(NextHop::Interface(middlebox)) = hop {
                return self.enter_interface(context, middlebox, None, how, travel);
            }
        }
        self.deliver(context, vpc, None, how, travel);
    }

    /// Into a VPC by a subnet of the attachment, whose route table says where to.
    fn transit_gateway_sends(&mut self, context: &mut Context<'_>, vpc: VpcIndex, subnet: SubnetIndex, travel: &mut Travel) {
        let fabric = Arc::clone(&self.judge.fabric);
        let how = Circumstance { always_tracked: true, by_transit_gateway: true, ..Circumstance::default() };
        self.came_by_transit_gateway.insert(FlowKey::started_by(&travel.packet.header));
        let destination = travel.packet.header.destination;
        if exempt::is_reserved(&fabric, vpc, destination) || fabric.subnets[subnet].contains(destination) {
            // ACL-14: what comes from the gateway to its own subnet is not checked.
            return self.deliver(context, vpc, Some(subnet), how, travel);
        }
        let (routed, hop) = route_table::decide(&fabric, fabric.subnets[subnet].route_table, destination);
        self.cross_and_follow(context, subnet, routed, hop, how, travel);
    }

    /// Whether a packet to a NAT gateway is of a flow that came by a transit gateway, and was passed on since (NAT-10).
    fn came_by_transit_gateway(&self, to: &Interface, travel: &Travel) -> bool {
        let is_nat = matches!(to.kind, InterfaceKind::NatGateway(_));
        is_nat && self.came_by_transit_gateway.contains(&FlowKey::started_by(&travel.packet.header))
    }

    fn security_groups(
        &mut self,
        context: &mut Context<'_>,
        travel: &Travel,
        interface: InterfaceIndex,
        direction: Direction,
        straight: bool,
        always_tracked: bool,
    ) -> bool {
        let now = self.judge.now(context);
        let circumstances = Circumstances { straight, always_tracked, now, as_if: false };
        let decision = self.flows.decide(&self.judge.fabric, interface, &travel.packet.header, direction, circumstances);
        self.judge.pass(context, travel, decision)
    }

    /// Puts the packet on a cable. The fabric is no hop: its TTL stays (L2-5).
    fn send(&mut self, context: &mut Context<'_>, side: &Side, source: [u8; 6], travel: &Travel) {
        let Some(port) = self.port(side) else {
            return context.trace(travel.port, Verb::Drop, Reason::NotConnected, travel.frame);
        };
        let destination = match side {
            Side::Interface(id) => match self.judge.fabric.interface_by_id(id) {
                Some(interface) => self.judge.fabric.interfaces[interface].mac.0,
                None => FABRIC,
            },
            Side::Services => host_mac(IpAddr::V4(exempt::RESOLVER)),
            _ => FABRIC,
        };
        let copy = context.copy(travel.frame);
        bytes::address(context.bytes_mut(copy), destination, source);
        context.send(port, copy);
    }
}

impl Node for Router {
    fn kind(&self) -> &'static str {
        "vpc-router"
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        let fabric = Arc::clone(&self.judge.fabric);
        let (Some(vpc), Some(side)) = (self.vpc, self.sides.get(usize::from(port)).cloned()) else {
            return context.trace(port, Verb::Drop, Reason::NotConnected, frame);
        };
        if let Side::Interface(id) = &side
            && let Some(interface) = fabric.interface_by_id(id)
            && neighbor::answer(context, &fabric, interface, port, frame)
        {
            return;
        }
        if side == Side::Services && neighbor::answer_all(context, port, frame) {
            return;
        }
        let Some(mut travel) = self.judge.read(context, port, frame) else { return };
        match side {
            Side::Interface(id) => match fabric.interface_by_id(&id) {
                Some(interface) => self.interface_sends(context, vpc, interface, travel),
                None => context.trace(port, Verb::Drop, Reason::NotConnected, frame),
            },
            Side::Services => self.service_sends(context, vpc, &travel),
            Side::InternetGateway(id) => {
                // L2-8: what the gateway says in the router's name.
                if exempt::is_router(&fabric, vpc, travel.packet.header.source) {
                    return self.service_sends(context, vpc, &travel);
                }
                let gateway = fabric.internet_gateways.find(&id, |gateway| &gateway.id);
                let edge = gateway.and_then(|gateway| fabric.internet_gateways[gateway].edge_route_table);
                self.edge_sends(context, vpc, edge, &mut travel, false);
            }
            Side::EgressOnlyInternetGateway(_) if exempt::is_router(&fabric, vpc, travel.packet.header.source) => {
                self.service_sends(context, vpc, &travel);
            }
            Side::EgressOnlyInternetGateway(_) => self.edge_sends(context, vpc, None, &mut travel, true),
            Side::VpnGateway(id) => {
                let gateway = fabric.vpn_gateways.find(&id, |gateway| &gateway.id);
                let edge = gateway.and_then(|gateway| fabric.vpn_gateways[gateway].edge_route_table);
                self.edge_sends(context, vpc, edge, &mut travel, false);
            }
            Side::Peering(_) => {
                let straight = context.bytes(frame)[6..12] != PASSED_ON;
                let how = Circumstance { straight, ..Circumstance::default() };
                self.deliver(context, vpc, None, how, &mut travel);
            }
            Side::TransitGateway(_, subnet) => match fabric.subnets.find(&subnet, |subnet| &subnet.id) {
                Some(subnet) => self.transit_gateway_sends(context, vpc, subnet, &mut travel),
                None => context.trace(port, Verb::Drop, Reason::NotConnected, frame),
            },
            Side::VpcEndpoint(_) => self.deliver(context, vpc, None, Circumstance::default(), &mut travel),
        }
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        super::tables::router(&self.judge.fabric, self.vpc)
    }
}

/// SG-21.
fn is_always_tracked(fabric: &Fabric, vpc: VpcIndex, hop: Option<NextHop>, destination: IpAddr) -> bool {
    let kind = |interface: &InterfaceIndex| fabric.interfaces[*interface].kind;
    let receiver = fabric.vpcs[vpc].addresses.get(&destination).map(kind);
    matches!(hop, Some(NextHop::NatGateway(_) | NextHop::EgressOnlyInternetGateway(_) | NextHop::TransitGateway(_)))
        || matches!(receiver, Some(InterfaceKind::NatGateway(_) | InterfaceKind::VpcEndpoint(_)))
}
