//! Traffic that no filter touches (PIPE-2, SG-24, ACL-9): the resolver, metadata, time, DHCP, the router itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::fabric::Fabric;
use crate::index::{InterfaceIndex, VpcIndex};
use crate::packet::{Header, Transport};
use crate::reason::{Component, Decision, Reason, Stage};

/// The metadata service (IMDS-1).
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// The resolver's other address (DNS-1).
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);
/// The time service.
pub const TIME: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 123);
/// Task metadata of containers.
pub const TASK_METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);
/// The resolver over IPv6 (DNS-1).
pub const RESOLVER_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253);
/// The metadata service over IPv6 (IMDS-1).
pub const METADATA_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
/// The time service over IPv6.
pub const TIME_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x123);

/// Whether an address is the Amazon resolver of a VPC (DNS-1, SUB-3).
pub fn is_resolver(fabric: &Fabric, vpc: VpcIndex, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address == RESOLVER || address == fabric.vpcs[vpc].resolver,
        IpAddr::V6(address) => address == RESOLVER_IPV6,
    }
}

/// Passes what an interface sends to, or gets from, a service of the fabric; drops, without a code, what is ordinary
/// traffic: it goes on to the filters.
pub fn decide(fabric: &Fabric, interface: InterfaceIndex, header: &Header) -> Decision {
    let vpc = fabric.interfaces[interface].vpc;
    let serves = |address: IpAddr| {
        is_resolver(fabric, vpc, address)
            || match address {
                IpAddr::V4(a) => matches!(a, METADATA | TIME | TASK_METADATA),
                IpAddr::V6(a) => matches!(a, METADATA_IPV6 | TIME_IPV6),
            }
            || is_router(fabric, vpc, address)
    };
    // Another host that offers leases is ordinary traffic, as another DNS server is.
    let to_server = matches!(header.destination, IpAddr::V4(a) if a.is_broadcast() || is_router(fabric, vpc, a.into()));
    let dhcp = to_server && matches!(header.transport, Transport::Udp { source_port: 68, destination_port: 67 });
    let reason = |text: &str| Reason::new(Stage::Exempt, Component::Service(vpc), text);
    match serves(header.destination) || serves(header.source) || dhcp {
        true => Decision::Pass(reason("traffic of the fabric's own services meets no filter")),
        false => Decision::Drop(reason("no service of the fabric has the address")),
    }
}

/// Whether a packet to a service goes to the port that it serves: DNS, metadata, time. The router serves none (SUB-3,
/// L2-6). Services know the addresses of their VPC alone: whom a middlebox brings from elsewhere they cannot answer.
pub fn is_served(fabric: &Fabric, vpc: VpcIndex, header: &Header) -> bool {
    if !fabric.vpcs[vpc].addresses.contains_key(&header.source) {
        return false;
    }
    let time = [IpAddr::V4(TIME), IpAddr::V6(TIME_IPV6)];
    let metadata = [IpAddr::V4(METADATA), IpAddr::V6(METADATA_IPV6)];
    // Task metadata is exempt, but nothing of ours answers there.
    match header.transport {
        Transport::Tcp { destination_port: 80, .. } => metadata.contains(&header.destination),
        Transport::Udp { destination_port: 123, .. } => time.contains(&header.destination),
        Transport::Tcp { destination_port: 53, .. } | Transport::Udp { destination_port: 53, .. } => {
            is_resolver(fabric, vpc, header.destination)
        }
        _ => false,
    }
}

/// Whether an address among a VPC's is the fabric's own: the resolver's (SUB-3) or a router's (SUB-2). What comes for it from beyond
/// the VPC is taken out before any list or route table is asked (PIPE-2), and nobody has it there: services are for the VPC's
/// interfaces.
pub fn is_reserved(fabric: &Fabric, vpc: VpcIndex, address: IpAddr) -> bool {
    address == IpAddr::V4(fabric.vpcs[vpc].resolver) || is_router(fabric, vpc, address)
}

/// Why a question to a resolver that is off is lost: it does not answer at any of its addresses (DNS-2). `None`: it is none.
pub fn silence(fabric: &Fabric, vpc: VpcIndex, header: &Header) -> Option<Reason> {
    let is_dns = matches!(header.transport, Transport::Tcp { destination_port: 53, .. } | Transport::Udp { destination_port: 53, .. });
    let own = &fabric.vpcs[vpc];
    let is_off = is_dns && !own.dns_support && own.addresses.contains_key(&header.source) && is_resolver(fabric, vpc, header.destination);
    is_off.then(|| Reason::new(Stage::Exempt, Component::Resolver(vpc), "DNS support is off in this VPC"))
}

/// Whether an address is the router's in one of a VPC's subnets (SUB-2), or in a block of IPv6.
pub fn is_router(fabric: &Fabric, vpc: VpcIndex, address: IpAddr) -> bool {
    fabric.vpcs[vpc].subnets.iter().any(|subnet| fabric.subnets[*subnet].router_of(address) == Some(address))
}
