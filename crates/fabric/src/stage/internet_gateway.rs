//! Internet gateway: stateless 1:1 translation of addresses, and what it refuses (IGW-2 … IGW-8). IPv6 passes as it is.

use std::net::{IpAddr, Ipv4Addr};

use model::cidr::{RFC_1918, RFC_6598};

use crate::fabric::Fabric;
use crate::index::{InternetGatewayIndex, InterfaceIndex};
use crate::packet::{Header, Transport};
use crate::reason::{Component, Decision, Direction, ExplanationCode, Reason, Stage};

/// Longest packet that leaves to the internet, bytes (IGW-8).
pub const MTU: u32 = 1_500;

/// What goes out: not to private destinations (IGW-5), and only from an address that has a public one (IGW-3).
pub fn egress(fabric: &Fabric, gateway: InternetGatewayIndex, header: &Header) -> Decision {
    let igw = &fabric.internet_gateways[gateway];
    let reason = |text: String| {
        Reason::new(Stage::InternetGateway, Component::InternetGateway(gateway), text).direction(Direction::Egress)
    };
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (header.source, header.destination) else {
        return Decision::Pass(reason("IPv6 is not translated".to_owned()));
    };
    if let Some(code) = private(destination, Direction::Egress) {
        return Decision::Drop(reason(format!("destination {destination} is a private address")).code(code));
    }
    match igw.by_private.get(&source) {
        Some(public) => Decision::Pass(reason(format!("{source} becomes {public}"))),
        None => Decision::Drop(
            reason(format!("{source} has no public address")).code(ExplanationCode::IgwPublicIpAssociationForEgress),
        ),
    }
}

/// Whether nothing goes out to a destination, whoever sends (IGW-5).
pub fn refuses(destination: Ipv4Addr) -> bool {
    private(destination, Direction::Egress).is_some()
}

/// What comes in: not from the VPC's own (IGW-6) or private addresses (IGW-5), and only to a mapped one (IGW-4).
pub fn ingress(fabric: &Fabric, gateway: InternetGatewayIndex, header: &Header) -> Decision {
    let igw = &fabric.internet_gateways[gateway];
    let reason = |text: String| {
        Reason::new(Stage::InternetGateway, Component::InternetGateway(gateway), text).direction(Direction::Ingress)
    };
    if igw.vpc.is_some_and(|vpc| fabric.vpcs[vpc].contains(header.source)) {
        let text = format!("source {} claims to be inside the VPC", header.source);
        return Decision::Drop(reason(text).code(ExplanationCode::GatewayRejectsSpoofedTraffic));
    }
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (header.source, header.destination) else {
        return Decision::Pass(reason("IPv6 is not translated".to_owned()));
    };
    if let Some(code) = private(source, Direction::Ingress) {
        return Decision::Drop(reason(format!("source {source} is a private address")).code(code));
    }
    match igw.by_public.get(&destination) {
        Some(mapping) => Decision::Pass(reason(format!("{destination} becomes {}", mapping.private))),
        None => Decision::Drop(
            reason(format!("{destination} is not a public address of this VPC"))
                .code(ExplanationCode::IgwPrivateIpAssociationForIngress),
        ),
    }
}

/// The packet as it leaves: the private source, and the destination that an ICMP error quotes, made public.
pub fn translate_egress(fabric: &Fabric, gateway: InternetGatewayIndex, header: &Header) -> Header {
    let igw = &fabric.internet_gateways[gateway];
    let public = |address: IpAddr| match address {
        IpAddr::V4(a) => igw.by_private.get(&a).map_or(address, |public| IpAddr::V4(*public)),
        IpAddr::V6(_) => address,
    };
    let mut out = header.clone();
    out.source = public(header.source);
    if let Transport::IcmpError { quoted, .. } = &mut out.transport {
        quoted.destination = public(quoted.destination);
    }
    out
}

/// The packet as it comes in: the public destination, and the source that an ICMP error quotes, made private.
pub fn translate_ingress(fabric: &Fabric, gateway: InternetGatewayIndex, header: &Header) -> Header {
    let igw = &fabric.internet_gateways[gateway];
    let private = |address: IpAddr| match address {
        IpAddr::V4(a) => igw.by_public.get(&a).map_or(address, |mapping| IpAddr::V4(mapping.private)),
        IpAddr::V6(_) => address,
    };
    let mut inside = header.clone();
    inside.destination = private(header.destination);
    if let Transport::IcmpError { quoted, .. } = &mut inside.transport {
        quoted.source = private(quoted.source);
    }
    inside
}

/// A gateway's own route table may send what comes in to a middlebox, which needs a public address (RT-19).
pub fn redirect(fabric: &Fabric, gateway: InternetGatewayIndex, middlebox: InterfaceIndex) -> Decision {
    let reason = |text: &str| Reason::new(Stage::InternetGateway, Component::InternetGateway(gateway), text);
    match fabric.interfaces[middlebox].addresses.iter().any(|address| address.public.is_some()) {
        true => Decision::Pass(reason("the middlebox has a public address")),
        false => Decision::Drop(
            reason("the middlebox has no public address").code(ExplanationCode::IngressRtbNoPublicIp),
        ),
    }
}

fn private(address: Ipv4Addr, direction: Direction) -> Option<ExplanationCode> {
    use ExplanationCode as Code;
    let rfc1918 = RFC_1918.iter().any(|block| block.contains(&address));
    match (rfc1918, RFC_6598.contains(&address), direction) {
        (true, _, Direction::Egress) => Some(Code::IgwDestinationAddressNotInRfc1918Egress),
        (true, _, Direction::Ingress) => Some(Code::IgwSourceAddressNotInRfc1918Ingress),
        (_, true, Direction::Egress) => Some(Code::IgwDestinationAddressNotInRfc6598Egress),
        (_, true, Direction::Ingress) => Some(Code::IgwSourceAddressNotInRfc6598Ingress),
        _ => None,
    }
}
