//! Virtual private gateway: private addresses of attached interfaces only, IPv4 only (VPN-1, VPN-2).

use std::net::IpAddr;

use crate::fabric::Fabric;
use crate::index::{VpcIndex, VpnGatewayIndex};
use crate::packet::Header;
use crate::reason::{Component, Decision, Direction, ExplanationCode, Reason, Stage};

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
