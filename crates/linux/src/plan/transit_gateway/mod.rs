//! Transit gateways: what a VPC's router has for them. A leg is a link by one subnet of an attachment, as AWS has an interface
//! there (TGW-1); `gateway` is the gateway itself, a router in a namespace of its own.
//!
//! Which leg a packet takes depends on its subnet's zone, and a routing table of the kernel knows no zones: so a route table that
//! leads to a transit gateway is there once for each zone of its subnets, and interfaces mark their packets with their own one.

mod gateway;

pub(super) use gateway::plan;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use fabric::gateway::TransitEnd;
use fabric::stage::transit_gateway;
use fabric::{Direction, Fabric, Family as Of, Interface, InterfaceKind, NextHop, RouteTable, SubnetIndex, TransitGatewayIndex, VpcIndex};
use ipnet::IpNet;
use netlink::nft::build::{Load, from_map, in_set, is, not_in_set, set_ct_mark_bits, set_mark};
use netlink::nft::{Base, Chain, Checksum, CompareOp, Element, Expr, Hook, Set, Verdict};

use super::phrase::{FIRST, all, device_key, ethertype, goto, jump, then, within};
use super::router::{group, mark};
use super::{RouteTo, Table, ipv6};
use crate::naming::{SINK_BLACKHOLE, interface_link, number, transit_link};

/// The other end of a leg, on either side.
pub(super) const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(169, 254, 9, 2);
/// Hardware address of a gateway's ends.
pub(super) const MAC: [u8; 6] = [0x02, 0x76, 0x70, 0x63, 0, 8];
/// The device groups of all legs of a router.
const LEGS: &str = "legs";
/// The bit of conntrack's mark that says that a flow came by a transit gateway (NAT-10).
const CAME_BY: u32 = 0x10;

/// A link between a router and a transit gateway.
pub(super) struct Leg {
    /// The subnet of the attachment.
    pub subnet: SubnetIndex,
    /// The device's name, on both sides.
    pub link: String,
}

/// All legs of a VPC.
pub(super) fn legs(fabric: &Fabric, vpc: VpcIndex) -> Vec<Leg> {
    let of_gateway = |own: &fabric::gateway::TransitGateway| {
        let of_attachment = |attachment: &fabric::gateway::TransitGatewayAttachment| match &attachment.to {
            TransitEnd::Vpc { vpc: to, subnets } if *to == vpc => {
                let leg = |subnet: &SubnetIndex| Leg { subnet: *subnet, link: link(fabric, attachment.id.as_str(), *subnet) };
                subnets.iter().map(leg).collect()
            }
            _ => Vec::new(),
        };
        own.attachments.iter().flat_map(of_attachment).collect::<Vec<_>>()
    };
    fabric.transit_gateways.values().flat_map(of_gateway).collect()
}

fn link(fabric: &Fabric, attachment: &str, subnet: SubnetIndex) -> String {
    transit_link(attachment, fabric.subnets[subnet].id.as_str())
}

/// The device group of the legs in a subnet: not the subnet's own, because what goes to the gateway from there crosses its border
/// (ACL-14).
pub(super) fn leg_group(fabric: &Fabric, subnet: SubnetIndex) -> u32 {
    number(&format!("transit {}", fabric.subnets[subnet].id))
}

fn leads_to_any(table: &RouteTable) -> bool {
    table.routes.iter().any(|route| matches!(route.next_hop, NextHop::TransitGateway(_)))
}

/// The mark of what a subnet's interfaces send, and the routing table that it asks.
pub(super) fn subnet_mark(fabric: &Fabric, subnet: SubnetIndex) -> u32 {
    let own = &fabric.subnets[subnet];
    let table = &fabric.route_tables[own.route_table];
    match leads_to_any(table) {
        true => zonal(table, &own.availability_zone),
        false => mark(table),
    }
}

fn zonal(table: &RouteTable, zone: &str) -> u32 {
    crate::naming::zonal_number(table.id.as_str(), zone)
}

/// The routing tables that a route table is: one, or one for each zone of its subnets with a subnet there. An internet gateway's
/// has no zone.
pub(super) fn tables_of(fabric: &Fabric, table: &RouteTable) -> Vec<(u32, Option<SubnetIndex>)> {
    if !leads_to_any(table) {
        return vec![(mark(table), None)];
    }
    let is_it = |index| fabric.route_tables[index].id == table.id;
    let mut zones: BTreeMap<&str, SubnetIndex> = BTreeMap::new();
    for subnet in fabric.vpcs[table.vpc].subnets.iter().filter(|subnet| is_it(fabric.subnets[**subnet].route_table)) {
        zones.entry(&fabric.subnets[*subnet].availability_zone).or_insert(*subnet);
    }
    let by_zone = zones.into_iter().map(|(zone, subnet)| (zonal(table, zone), Some(subnet)));
    let vpc = &fabric.vpcs[table.vpc];
    let edges = [
        vpc.internet_gateway.and_then(|gateway| fabric.internet_gateways[gateway].edge_route_table),
        vpc.vpn_gateway.and_then(|gateway| fabric.vpn_gateways[gateway].edge_route_table),
    ];
    let of_gateway = edges.into_iter().flatten().any(is_it).then(|| (mark(table), None));
    by_zone.chain(of_gateway).collect()
}

/// Where a route to a gateway leads from a subnet: to the leg of its zone. Where there is none, to any: its chain says so.
pub(super) fn way(fabric: &Fabric, gateway: TransitGatewayIndex, from: Option<SubnetIndex>, via: impl Into<std::net::IpAddr>) -> RouteTo {
    let nowhere = RouteTo::device(SINK_BLACKHOLE);
    let Some(from) = from else { return nowhere };
    let entered = transit_gateway::enter(fabric, gateway, from).1;
    let attachments = &fabric.transit_gateways[gateway].attachments;
    let by = entered.and_then(|(position, subnet)| Some((attachments.get(position)?, subnet)));
    let any = || {
        attachments.iter().find_map(|attachment| match &attachment.to {
            TransitEnd::Vpc { vpc, subnets } if *vpc == fabric.subnets[from].vpc => Some((attachment, *subnets.first()?)),
            _ => None,
        })
    };
    match by.or_else(any) {
        Some((attachment, subnet)) => RouteTo::via(&link(fabric, attachment.id.as_str(), subnet), via),
        None => nowhere,
    }
}

/// Adds to a router's filter table what becomes of packets from and to its legs.
pub(super) fn filter(fabric: &Fabric, vpc: VpcIndex, of: Of, legs: &[Leg], table: &mut Table) {
    if legs.is_empty() {
        return;
    }
    table.set(Set::new(LEGS, [4]), legs.iter().map(|leg| Element::new(leg_group(fabric, leg.subnet).to_ne_bytes())));
    let again = pass_again(of, table);
    let from = if has_nat_gateway(fabric, vpc) && of == Of::V4 { note_came_by(table) } else { "outside_out".to_owned() };
    let attached: BTreeSet<SubnetIndex> = legs.iter().map(|leg| leg.subnet).collect();
    for leg in legs {
        let drop = table.drop_chain("tgw-zone");
        let zone = &fabric.subnets[leg.subnet].availability_zone;
        let near = fabric.vpcs[vpc].subnets.iter().filter(|subnet| fabric.subnets[**subnet].availability_zone == *zone);
        let near = near.flat_map(|subnet| {
            [Some(group(fabric, *subnet)), attached.contains(subnet).then(|| leg_group(fabric, *subnet))].into_iter().flatten()
        });
        let (towards, near_set) = (format!("to_{}", leg.link), format!("near_{}", leg.link));
        table.set(Set::new(near_set.clone(), [4]), near.map(|group| Element::new(group.to_ne_bytes())));
        let rules = vec![
            then(not_in_set(&[Load::IifGroup], &near_set), goto(drop)),
            then(in_set(&[Load::IifGroup], LEGS), jump(again.clone())),
        ];
        table.chain(Chain::new(towards.clone()), rules);
        let device = || Element::new(device_key(&leg.link));
        table.element("outcome", device().verdict(jump(towards)));
        table.element("sg_out", device().verdict(goto(from.clone())));
        table.element("sg_in", device().verdict(goto("outside_in")));
        table.element(super::security_group::OUTSIDE, device());
    }
}

/// What comes by a leg for the router itself is for nobody: its services are for the VPC's interfaces (PIPE-2). A rule, if there are
/// legs.
pub(super) fn unserved(chain: &str, table: &Table) -> Option<Vec<Expr>> {
    table.sets.contains_key(LEGS).then(|| then(in_set(&[Load::IifGroup], LEGS), goto(chain)))
}

/// What comes by a leg and leaves by one takes one off the TTL after all: routes may lead in a circle that has nobody else on it,
/// and a packet must not be in there for ever. Returns the chain.
pub(super) fn pass_again(of: Of, table: &mut Table) -> String {
    const NAME: &str = "again";
    let steps = (2u8..=255).map(|ttl| Element::new([ttl]).value([ttl - 1]));
    table.set(Set::map("ttl_less", [1], 1), steps);
    let (load, offset, checksum) = match of {
        Of::V4 => (Load::Ttl, 8, Checksum::IPV4_HEADER),
        Of::V6 => (Load::HopLimit, 7, Checksum::None),
    };
    let mut less = from_map(&[load], "ttl_less");
    less.push(Expr::PayloadStore { base: Base::Network, offset, length: 1, register: FIRST, checksum });
    let over = then(is(load, &[1]), goto(table.drop_chain("circle")));
    table.chain(Chain::new(NAME), vec![over, less]);
    NAME.to_owned()
}

fn has_nat_gateway(fabric: &Fabric, vpc: VpcIndex) -> bool {
    fabric.nat_gateways.values().any(|gateway| gateway.vpc == vpc)
}

/// A NAT gateway serves who comes by a transit gateway, also behind a middlebox (NAT-10): so the flow remembers it.
fn note_came_by(table: &mut Table) -> String {
    const NAME: &str = "transit_out";
    let note = all([set_ct_mark_bits(CAME_BY, CAME_BY), vec![Expr::Verdict(goto("outside_out"))]]);
    // A reset that ended its flow on an earlier pass has none to note it at.
    table.chain(Chain::new(NAME), vec![note, vec![Expr::Verdict(goto("outside_out"))]]);
    NAME.to_owned()
}

/// Adds what a NAT gateway asks of sources where some may come by a transit gateway (NAT-10). Returns the chain.
pub(super) fn serve(fabric: &Fabric, interface: &Interface, table: &mut Table) -> Option<String> {
    let is_nat = matches!(interface.kind, InterfaceKind::NatGateway(_));
    if !is_nat || legs(fabric, interface.vpc).is_empty() {
        return None;
    }
    let drop = table.drop_chain("nat-source");
    let own = interface.addresses.iter().map(|own| then(is(Load::DestinationV4, &own.private.octets()), Verdict::Return));
    let inside = fabric.vpcs[interface.vpc].blocks.iter().map(|block| then(within(Load::SourceV4, *block), Verdict::Return));
    let came = then(netlink::nft::build::has_any(Load::CtMark, &CAME_BY.to_ne_bytes()), Verdict::Return);
    let rules = own.chain(inside).chain([came, vec![Expr::Verdict(goto(drop))]]).collect();
    let name = format!("serve_{}", interface_link(&interface.id));
    table.chain(Chain::new(name.clone()), rules);
    Some(name)
}

/// Adds the ingress chains of a router's legs: the table of the attachment's subnet says where to (TGW-2), but not within that
/// subnet.
pub(super) fn ingress(fabric: &Fabric, legs: &[Leg], speaks_ipv6: bool, table: &mut Table) {
    for leg in legs {
        let subnet = &fabric.subnets[leg.subnet];
        let mark = subnet_mark(fabric, leg.subnet);
        let mut rules = Vec::new();
        if speaks_ipv6 {
            rules.extend(subnet.ipv6_blocks.iter().map(|block| ipv6::ingress::from_outside_to(IpNet::V6(*block))));
            rules.push(ipv6::ingress::from_outside(Some(mark)));
        }
        rules.push(then(ethertype(CompareOp::Neq, 0x0800), Verdict::Drop));
        rules.push(then(within(Load::DestinationV4, subnet.cidr), goto("pass")));
        rules.push(then(set_mark(mark), goto("pass")));
        table.chain(Chain::base(leg.link.clone(), Hook::Ingress, 0).policy_drop().devices([leg.link.clone()]), rules);
    }
}

/// The group of the legs in a subnet, if there are any.
pub(super) fn group_in(fabric: &Fabric, legs: &[Leg], subnet: SubnetIndex) -> Option<u32> {
    legs.iter().any(|leg| leg.subnet == subnet).then(|| leg_group(fabric, subnet))
}

/// Adds to a subnet's list what legs in that subnet are to it (ACL-14): what comes by them is asked where it leaves the subnet,
/// what goes to them is asked by its source, and what they bring for the subnet itself is not asked.
pub(super) fn border(direction: Direction, leg: u32, border: &str, list: &str, table: &mut Table) {
    let (map, chain) = match direction {
        Direction::Egress => ("acl_out", border),
        Direction::Ingress => ("acl_in", list),
    };
    table.element(map, Element::new(leg.to_ne_bytes()).verdict(jump(chain.to_owned())));
}
