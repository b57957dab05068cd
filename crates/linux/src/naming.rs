//! Names and numbers of kernel objects, all made from resource identifiers: the same resource has the same name in
//! every plan, and a name or number seen in the kernel leads back to the resource.

use std::collections::{BTreeMap, BTreeSet};

use fabric::{
    EgressOnlyInternetGatewayIndex, Fabric, InterfaceIndex, InterfaceKind, InternetGatewayIndex, NatGatewayIndex, PeeringIndex, RouteTableIndex,
    SubnetIndex, TransitGatewayIndex, VpcEndpointIndex, VpcIndex,
};
use fabric::gateway::TransitEnd;
use model::lan::Device;
use model::{
    EgressOnlyInternetGatewayId, InstanceId, InternetGatewayId, NatGatewayId, NetworkInterfaceId, TransitGatewayId, VpcEndpointId, VpcId,
    VpcPeeringConnectionId,
};

/// The outside.
pub const INTERNET: &str = "internet";
/// In a router: the link to the internet gateway.
pub const ROUTER_TO_GATEWAY: &str = "igw";
/// In a router: the link to the egress-only internet gateway.
pub const ROUTER_TO_EGRESS_ONLY: &str = "eigw";
/// In an internet gateway: the link to the router.
pub const GATEWAY_IN: &str = "in";
/// In an internet gateway: the link to the internet.
pub const GATEWAY_OUT: &str = "out";
/// Where packets go that no route takes.
pub const SINK_NO_ROUTE: &str = "s_noroute";
/// Where packets go that a blackhole route takes (RT-9).
pub const SINK_BLACKHOLE: &str = "s_blackhole";
/// Where packets go whose address nobody has.
pub const SINK_NOBODY: &str = "s_nobody";
/// The fourth end of the two pairs that the sinks are.
pub const SINK_SPARE: &str = "s_spare";

/// Namespace of a VPC's router.
pub fn router_namespace(id: &VpcId) -> String {
    format!("vpc/{id}")
}

/// Namespace of an internet gateway.
pub fn internet_gateway_namespace(id: &InternetGatewayId) -> String {
    format!("igw/{id}")
}

/// Namespace of an egress-only internet gateway.
pub fn egress_only_namespace(id: &EgressOnlyInternetGatewayId) -> String {
    format!("eigw/{id}")
}

/// On the internet: the link to an egress-only internet gateway.
pub fn egress_only_link(id: &EgressOnlyInternetGatewayId) -> String {
    link('o', id.as_str())
}

/// Namespace of a NAT gateway.
pub fn nat_gateway_namespace(id: &NatGatewayId) -> String {
    format!("nat/{id}")
}

/// Namespace of an instance.
pub fn instance_namespace(id: &InstanceId) -> String {
    format!("instance/{id}")
}

/// Namespace of a device of a lan: `switch/sw-1`, `host/pc-1`.
pub fn device_namespace(name: &str, device: &Device) -> String {
    format!("{}/{name}", device.kind())
}

/// In a router: the link to a lan, by the lan's end of it.
pub fn tunnel_link(device: &str, interface: &str) -> String {
    format!("t{:08x}", number(&format!("{device} {interface}")))
}

/// Whether a namespace is that of a device of a lan.
pub fn is_device(key: &str) -> bool {
    let kind = key.split_once('/').map(|(kind, _)| kind);
    kind.is_some_and(|kind| ["hub", "repeater", "switch", "bridge", "router", "host", "balancer"].contains(&kind))
}

/// In a hub, repeater, switch or bridge: what joins its ports.
pub const BRIDGE: &str = "br0";

/// In a router: the link to an interface.
pub fn interface_link(id: &NetworkInterfaceId) -> String {
    link('e', id.as_str())
}

/// In a router: the far end of an interface at which nobody receives.
pub fn nobody_link(id: &NetworkInterfaceId) -> String {
    link('x', id.as_str())
}

/// Namespace of the service behind an interface endpoint.
pub fn endpoint_namespace(id: &VpcEndpointId) -> String {
    format!("endpoint/{id}")
}

/// In a router: the link to the router of a peered VPC.
pub fn peering_link(id: &VpcPeeringConnectionId) -> String {
    link('p', id.as_str())
}

/// Namespace of a transit gateway.
pub fn transit_gateway_namespace(id: &TransitGatewayId) -> String {
    format!("tgw/{id}")
}

/// In a router and a transit gateway: the link by a subnet of an attachment; between two gateways: that of a peering for a zone.
pub fn transit_link(attachment: &str, place: &str) -> String {
    format!("l{:08x}", number(&format!("{attachment} {place}")))
}

/// The mark and routing table of a route table for packets from a zone.
pub fn zonal_number(table: &str, zone: &str) -> u32 {
    number(&format!("{table} {zone}"))
}

/// In a router and on the internet: the link of a gateway endpoint.
pub fn endpoint_link(id: &VpcEndpointId) -> String {
    link('v', id.as_str())
}

/// On the internet: the link to an internet gateway.
pub fn outside_link(id: &InternetGatewayId) -> String {
    link('g', id.as_str())
}

/// A letter and the first 14 characters behind the id's dash: 15 bytes, the most that Linux allows. Identifiers have
/// 17 random digits; two that share 14 do not happen.
fn link(letter: char, id: &str) -> String {
    let digits = id.rsplit('-').next().unwrap_or(id);
    format!("{letter}{}", &digits[..digits.len().min(14)])
}

/// FNV-1a of a text in 30 bits, from 2^29 on: a number for devices, groups, marks and routing tables that collides with
/// none of the kernel's own small ones.
pub fn number(text: &str) -> u32 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    0x2000_0000 | ((hash ^ (hash >> 32)) as u32 & 0x1fff_ffff)
}

/// A number below `count` for each id: by hash, the next free one on collision. The others keep theirs when one comes or
/// goes, unless they collide.
pub fn slots<'a>(ids: impl IntoIterator<Item = &'a str>, count: u32) -> BTreeMap<String, u32> {
    let ids: BTreeSet<&str> = ids.into_iter().collect();
    let (mut taken, mut slots) = (BTreeSet::new(), BTreeMap::new());
    for id in ids.into_iter().take(count as usize) {
        let mut slot = number(id) % count;
        while !taken.insert(slot) {
            slot = (slot + 1) % count;
        }
        slots.insert(id.to_owned(), slot);
    }
    slots
}

/// From names and numbers seen in the kernel back to the fabric.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    interfaces: BTreeMap<(String, String), InterfaceIndex>,
    peerings: BTreeMap<(String, String), PeeringIndex>,
    endpoints: BTreeMap<(String, String), VpcEndpointIndex>,
    route_tables: BTreeMap<(String, u32), RouteTableIndex>,
    internet_gateways: BTreeMap<String, InternetGatewayIndex>,
    egress_only_gateways: BTreeMap<String, EgressOnlyInternetGatewayIndex>,
    nat_gateways: BTreeMap<String, NatGatewayIndex>,
    transit_gateways: BTreeMap<String, TransitGatewayIndex>,
    legs: BTreeMap<(String, String), (TransitGatewayIndex, SubnetIndex)>,
    vpcs: BTreeMap<String, VpcIndex>,
}

impl Directory {
    /// The directory of a fabric.
    pub fn new(fabric: &Fabric) -> Directory {
        let router = |vpc: VpcIndex| router_namespace(&fabric.vpcs[vpc].id);
        let mut directory = Directory::default();
        for (index, vpc) in fabric.vpcs.iter() {
            directory.vpcs.insert(router_namespace(&vpc.id), index);
        }
        for (index, interface) in fabric.interfaces.iter() {
            let link = interface_link(&interface.id);
            directory.interfaces.insert((router(interface.vpc), link), index);
            if let InterfaceKind::NatGateway(nat) = interface.kind {
                directory.nat_gateways.insert(nat_gateway_namespace(&fabric.nat_gateways[nat].id), nat);
            }
        }
        for (index, table) in fabric.route_tables.iter() {
            directory.route_tables.insert((router(table.vpc), number(table.id.as_str())), index);
            for subnet in &fabric.vpcs[table.vpc].subnets {
                let zone = &fabric.subnets[*subnet].availability_zone;
                directory.route_tables.insert((router(table.vpc), zonal_number(table.id.as_str(), zone)), index);
            }
        }
        for (index, gateway) in fabric.internet_gateways.iter() {
            directory.internet_gateways.insert(internet_gateway_namespace(&gateway.id), index);
        }
        for (index, gateway) in fabric.egress_only_internet_gateways.iter() {
            directory.egress_only_gateways.insert(egress_only_namespace(&gateway.id), index);
        }
        for (index, gateway) in fabric.transit_gateways.iter() {
            directory.transit_gateways.insert(transit_gateway_namespace(&gateway.id), index);
            for attachment in &gateway.attachments {
                let TransitEnd::Vpc { vpc, subnets } = &attachment.to else { continue };
                for subnet in subnets {
                    let link = transit_link(attachment.id.as_str(), fabric.subnets[*subnet].id.as_str());
                    directory.legs.insert((router(*vpc), link), (index, *subnet));
                }
            }
        }
        for (index, endpoint) in fabric.vpc_endpoints.iter() {
            directory.endpoints.insert((router(endpoint.vpc), endpoint_link(&endpoint.id)), index);
        }
        for (index, peering) in fabric.peerings.iter() {
            for vpc in [peering.requester, peering.accepter].into_iter().flatten() {
                directory.peerings.insert((router(vpc), peering_link(&peering.id)), index);
            }
        }
        directory
    }

    /// The interface behind a router's link.
    pub fn interface(&self, namespace: &str, link: &str) -> Option<InterfaceIndex> {
        self.interfaces.get(&(namespace.to_owned(), link.to_owned())).copied()
    }

    /// The gateway endpoint behind a router's link.
    pub fn endpoint(&self, namespace: &str, link: &str) -> Option<VpcEndpointIndex> {
        self.endpoints.get(&(namespace.to_owned(), link.to_owned())).copied()
    }

    /// The peering connection behind a router's link.
    pub fn peering(&self, namespace: &str, link: &str) -> Option<PeeringIndex> {
        self.peerings.get(&(namespace.to_owned(), link.to_owned())).copied()
    }

    /// The route table that a packet's mark stands for.
    pub fn route_table(&self, namespace: &str, mark: u32) -> Option<RouteTableIndex> {
        self.route_tables.get(&(namespace.to_owned(), mark)).copied()
    }

    /// The internet gateway of a namespace.
    pub fn internet_gateway(&self, namespace: &str) -> Option<InternetGatewayIndex> {
        self.internet_gateways.get(namespace).copied()
    }

    /// The egress-only internet gateway of a namespace.
    pub fn egress_only_gateway(&self, namespace: &str) -> Option<EgressOnlyInternetGatewayIndex> {
        self.egress_only_gateways.get(namespace).copied()
    }

    /// The NAT gateway of a namespace.
    pub fn nat_gateway(&self, namespace: &str) -> Option<NatGatewayIndex> {
        self.nat_gateways.get(namespace).copied()
    }

    /// The transit gateway of a namespace.
    pub fn transit_gateway(&self, namespace: &str) -> Option<TransitGatewayIndex> {
        self.transit_gateways.get(namespace).copied()
    }

    /// The transit gateway behind a router's link, and the subnet by which that leads there.
    pub fn leg(&self, namespace: &str, link: &str) -> Option<(TransitGatewayIndex, SubnetIndex)> {
        self.legs.get(&(namespace.to_owned(), link.to_owned())).copied()
    }

    /// The VPC of a router's namespace.
    pub fn vpc(&self, namespace: &str) -> Option<VpcIndex> {
        self.vpcs.get(namespace).copied()
    }
}
