//! Virtual private gateway: private addresses of attached interfaces only, IPv4 only (VPN-1, VPN-2), and the tunnels to
//! lans behind it (L2-8, L2-10).

use std::net::IpAddr;

use crate::fabric::Fabric;
use crate::index::{VpcIndex, VpnGatewayIndex};
use crate::packet::{Header, Packet};
use crate::reason::{Component, Decision, Direction, ExplanationCode, Reason, Stage};
use crate::route::NextHop;

/// Longest packet in a tunnel, bytes (L2-10): what is longer is cut, or dropped and nobody is told (L2-8).
pub const MTU: u32 = 1_446;

/// Into a tunnel to the lan that announced the destination; `None` if no lan did, and whoever lies behind the gateway is
/// somebody else's to know. What is announced and outside all the same ([`Fabric::is_in_lan`]) ends here: nobody has it there.
pub fn tunnel(fabric: &Fabric, gateway: VpnGatewayIndex, packet: &Packet) -> Option<Decision> {
    let (own, destination) = (&fabric.vpn_gateways[gateway], packet.header.destination);
    let network = own.network_of(destination)?;
    let reason = |text: String| Reason::new(Stage::VpnGateway, Component::VpnGateway(gateway), text).direction(Direction::Egress);
    if !fabric.is_in_lan(own, destination) {
        return Some(Decision::Drop(reason(format!("{destination} is outside, and {network} leads into a lan that it is not in"))));
    }
    Some(carry(gateway, packet, Direction::Egress).unwrap_or_else(|| {
        Decision::Pass(reason(format!("{destination} is in {network}, which a lan announces")))
    }))
}

/// What becomes of a packet in the lan that a tunnel leads into, as far as addresses say it; `None` where somebody may have the
/// destination. An engine that runs the lan shows the same: a router asks for the address, and nobody answers (RFC 826).
pub fn beyond(fabric: &Fabric, gateway: VpnGatewayIndex, destination: IpAddr) -> Option<Decision> {
    let network = fabric.vpn_gateways[gateway].vacant_in(destination)?;
    let text = format!("nobody in the lan has {destination}: a router asks for it in {network}, and nobody answers (ARP)");
    let reason = Reason::new(Stage::VpnGateway, Component::VpnGateway(gateway), text).direction(Direction::Egress);
    Some(Decision::Drop(reason.code(ExplanationCode::NoPossibleDestination)))
}

/// The gateway through which a host outside, or in a lan, reaches a private address: one whose VPC has the address and routes
/// the host to it. What a lan announces leads to the lan alone.
pub fn towards(fabric: &Fabric, header: &Header) -> Option<VpnGatewayIndex> {
    let leads = |gateway: VpnGatewayIndex, vpc: VpcIndex| {
        let tables = fabric.route_tables.values().filter(|table| table.vpc == vpc);
        let mut hops = tables.filter_map(|table| table.lookup(header.source).map(|route| route.next_hop));
        hops.any(|hop| hop == NextHop::VpnGateway(gateway))
    };
    fabric.vpn_gateways.iter().find_map(|(index, gateway)| {
        let vpc = gateway.vpc.filter(|vpc| fabric.vpcs[*vpc].contains(header.destination))?;
        let is_way = match gateway.network_of(header.source) {
            Some(_) => fabric.is_in_lan(gateway, header.source),
            None => leads(index, vpc),
        };
        is_way.then_some(index)
    })
}

/// Why a tunnel cannot carry a packet, if it cannot: it is too long and must not be cut.
pub fn carry(gateway: VpnGatewayIndex, packet: &Packet, direction: Direction) -> Option<Decision> {
    (packet.length > MTU && packet.dont_fragment).then(|| {
        let text = format!("{} bytes are more than the {MTU} of a tunnel, and nobody is told", packet.length);
        Decision::Drop(Reason::new(Stage::VpnGateway, Component::VpnGateway(gateway), text).direction(direction))
    })
}

/// Out: the source, in: the destination must be held by a running interface of the VPC.
pub fn decide(fabric: &Fabric, gateway: VpnGatewayIndex, vpc: VpcIndex, header: &Header, direction: Direction) -> Decision {
    let reason = |text: String| {
        Reason::new(Stage::VpnGateway, Component::VpnGateway(gateway), text).direction(direction)
    };
    let (address, code): (IpAddr, _) = match direction {
        Direction::Egress => (header.source, ExplanationCode::VgwPrivateIpAssociationForEgress),
        Direction::Ingress => (header.destination, ExplanationCode::VgwPrivateIpAssociationForIngress),
    };
    let holder = fabric.vpcs[vpc].addresses.get(&address);
    match holder.is_some_and(|interface| fabric.interfaces[*interface].status.is_running()) {
        true => Decision::Pass(reason(format!("{address} is an interface's private address"))),
        false => Decision::Drop(reason(format!("{address} is no attached interface's private address")).code(code)),
    }
}
