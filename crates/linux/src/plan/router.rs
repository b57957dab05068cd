//! The router of a VPC: links, routing by mark, and the chains that a packet meets in order (PIPE-3, PIPE-5).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use fabric::gateway::VpcEndpoint;
use fabric::{Direction, Fabric, Family as Of, Interface, InterfaceIndex, InterfaceKind, NextHop, RouteTable, Stage, SubnetIndex, VpcIndex};
use ipnet::{IpNet, Ipv4Net};
use netlink::nft::build::{Load, in_set, is, is_not};
use netlink::nft::{Base, Chain, Checksum, CtKey, Element, Expr, Family, Field, Hook, MetaKey, Set, Verdict, concat, priority};

use super::phrase::{all, by_device, device_is, device_key, goto, jump, then};
use super::security_group::{self, CHECKED, Keeper, NAT, OWN, PASSES_ON, TRACKS, UNCHECKED_LIMIT};
use super::{
    ANYWHERE, Before, LinkEnd, MTU_VPC, Namespace, Options, Plan, PlanError, ROUTER_MAC, RouteTo, Rule, Table, family, host, ingress, ipv6, transit_gateway,
};
use crate::naming::{
    ROUTER_TO_EGRESS_ONLY, ROUTER_TO_GATEWAY, SINK_BLACKHOLE, SINK_NO_ROUTE, SINK_NOBODY, SINK_SPARE, endpoint_link, interface_link, nobody_link, number, peering_link,
    router_namespace, slots,
};

/// The name of a router's tables.
pub(super) const TABLE: &str = "vpc";
/// The routing table with one entry for each private address, asked when a packet's own table throws it on.
pub(super) const SHARED: u32 = 1;
/// The router's neighbour on the link to the internet gateway.
pub const GATEWAY_NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(169, 254, 9, 254);
/// The neighbour's hardware address.
pub const GATEWAY_MAC: [u8; 6] = [0x02, 0x76, 0x70, 0x63, 0, 2];
/// Services of every VPC: time, DNS, metadata (PIPE-2).
pub const TIME: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 123);
/// The resolver's second address (DNS-1).
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);
/// The metadata service (IMDS-1).
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Never forwarded, however wide the route that covers it (RT-8).
const UNROUTABLE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 168, 0), 22);

/// Adds the router of a VPC.
pub(super) fn plan(
    fabric: &Fabric,
    index: VpcIndex,
    options: Options,
    before: Option<Before<'_>>,
    plan: &mut Plan,
) -> Result<(), PlanError> {
    let vpc = &fabric.vpcs[index];
    let key = router_namespace(&vpc.id);
    let namespace = plan.namespace(&key);
    namespace.forward();
    for (name, value) in [
        // "Fragmentation needed" from the internet gateway has a router's address as source; and with routing rules
        // present the kernel would look up the way back of every packet to find out whether it is one of ours.
        ("ipv4/conf/all/accept_local", "1"),
        ("netfilter/nf_conntrack_tcp_be_liberal", "1"),
        ("netfilter/nf_conntrack_tcp_ignore_invalid_rst", "1"),
        // SG-16: other protocols by addresses and number, 600 s.
        ("netfilter/nf_conntrack_generic_timeout", "600"),
        ("netfilter/nf_conntrack_gre_timeout", "600"),
        ("netfilter/nf_conntrack_gre_timeout_stream", "600"),
        ("netfilter/nf_conntrack_udp_timeout", "30"),
        ("netfilter/nf_conntrack_udp_timeout_stream", "180"),
        ("netfilter/nf_conntrack_tcp_timeout_established", "432000"),
    ] {
        namespace.sysctls.insert(format!("net/{name}"), value.to_owned());
    }
    for address in [TIME, RESOLVER, METADATA, vpc.resolver] {
        namespace.address("lo", host(address));
    }
    for subnet in &vpc.subnets {
        namespace.address("lo", host(fabric.subnets[*subnet].router));
    }
    namespace.rules.insert(Rule { family: Of::V4, priority: 20_000, mark: None, table: SHARED });
    namespace.route(SHARED, ANYWHERE, 0, RouteTo::device(SINK_NOBODY));
    tables(fabric, index, options, before, namespace)?;
    for table in fabric.route_tables.values().filter(|table| table.vpc == index) {
        route_table(fabric, table, options, namespace);
    }
    for (_, interface) in interfaces(fabric, index) {
        for own in &interface.addresses {
            let to = match options.invert == Some(Stage::LocalDelivery) {
                false => RouteTo::Device {
                    device: interface_link(&interface.id),
                    via: None,
                    source: Some(fabric.subnets[interface.subnet].router.into()),
                    mtu: None,
                },
                true => RouteTo::device(SINK_NOBODY),
            };
            namespace.route(SHARED, host(own.private), 0, to);
            namespace.neighbour(&interface_link(&interface.id), own.private, interface.mac.0);
        }
    }
    if vpc.internet_gateway.is_some() {
        namespace.neighbour(ROUTER_TO_GATEWAY, GATEWAY_NEIGHBOUR, GATEWAY_MAC);
    }
    ipv6::router::plan(fabric, index, options, namespace)?;
    links(fabric, index, &key, plan);
    Ok(())
}

/// The interfaces of a VPC, also those at which nobody receives: they hold their addresses.
pub fn interfaces(fabric: &Fabric, vpc: VpcIndex) -> impl Iterator<Item = (InterfaceIndex, &Interface)> {
    fabric.interfaces.iter().filter(move |(_, interface)| interface.vpc == vpc)
}

/// The device group of a subnet.
pub(super) fn group(fabric: &Fabric, subnet: SubnetIndex) -> u32 {
    number(fabric.subnets[subnet].id.as_str())
}

/// The mark and routing table of a route table that leads to no transit gateway; see `transit_gateway::subnet_mark`.
pub fn mark(table: &RouteTable) -> u32 {
    number(table.id.as_str())
}

fn links(fabric: &Fabric, index: VpcIndex, key: &str, plan: &mut Plan) {
    for (pair, names) in [(3, [SINK_NO_ROUTE, SINK_BLACKHOLE]), (4, [SINK_NOBODY, SINK_SPARE])] {
        let end = |name: &str, last: u8| LinkEnd::new(key, name, [0x02, 0x76, 0x70, 0x63, pair, last], MTU_VPC);
        plan.link(end(names[0], 0), end(names[1], 1));
    }
    for (number, interface) in interfaces(fabric, index) {
        let (far, device) = match interface.kind {
            InterfaceKind::Instance { instance, device_index } => {
                let key = crate::naming::instance_namespace(&fabric.instances[instance].id);
                (key, format!("eth{device_index}"))
            }
            InterfaceKind::NatGateway(nat) if interface.status.is_running() => {
                (crate::naming::nat_gateway_namespace(&fabric.nat_gateways[nat].id), "eth0".to_owned())
            }
            InterfaceKind::VpcEndpoint(endpoint) if interface.status.is_running() => {
                super::guest::endpoint_end(fabric, endpoint, number)
            }
            // Nobody receives here: both ends stay with the router, whose chains drop what comes.
            _ => (key.to_owned(), nobody_link(&interface.id)),
        };
        let near = LinkEnd {
            group: group(fabric, interface.subnet),
            proxy_arp: true,
            ..LinkEnd::new(key, interface_link(&interface.id), ROUTER_MAC, MTU_VPC)
        };
        plan.link(near, LinkEnd::new(far, device, interface.mac.0, MTU_VPC));
    }
}

fn route_table(fabric: &Fabric, table: &RouteTable, options: Options, namespace: &mut Namespace) {
    for (number, from) in transit_gateway::tables_of(fabric, table) {
        routing_table(fabric, table, number, from, options, namespace);
    }
}

fn routing_table(fabric: &Fabric, table: &RouteTable, number: u32, from: Option<SubnetIndex>, options: Options, namespace: &mut Namespace) {
    namespace.rules.insert(Rule { family: Of::V4, priority: 100, mark: Some(number), table: number });
    namespace.route(number, ANYWHERE, 9_999, RouteTo::device(SINK_NO_ROUTE));
    namespace.route(number, UNROUTABLE, 0, RouteTo::device(SINK_NO_ROUTE));
    // For tests: what has a route goes nowhere.
    let inverted = options.invert == Some(Stage::RouteTable);
    for route in &table.routes {
        let IpNet::V4(destination) = route.destination else { continue };
        let to = match route.next_hop {
            _ if inverted => RouteTo::device(SINK_NO_ROUTE),
            NextHop::Local => RouteTo::Throw,
            NextHop::InternetGateway(_) => RouteTo::via(ROUTER_TO_GATEWAY, GATEWAY_NEIGHBOUR),
            NextHop::NatGateway(nat) => match fabric.nat_gateways[nat].interface {
                Some(interface) => to_interface(fabric, interface),
                None => RouteTo::device(SINK_BLACKHOLE),
            },
            NextHop::Interface(interface) => to_interface(fabric, interface),
            NextHop::Peering { peering, .. } => {
                RouteTo::via(&peering_link(&fabric.peerings[peering].id), super::peering::NEIGHBOUR)
            }
            NextHop::VpcEndpoint(endpoint) if super::gateway_endpoint::is_linked(&fabric.vpc_endpoints[endpoint]) => {
                RouteTo::via(&endpoint_link(&fabric.vpc_endpoints[endpoint].id), super::internet::OUTSIDE_NEIGHBOUR)
            }
            NextHop::TransitGateway(gateway) => transit_gateway::way(fabric, gateway, from, transit_gateway::NEIGHBOUR),
            NextHop::EgressOnlyInternetGateway(_)
            | NextHop::VpcEndpoint(_)
            | NextHop::VpnGateway(_)
            | NextHop::Blackhole(_) => RouteTo::device(SINK_BLACKHOLE),
        };
        namespace.route(number, destination, 0, to);
    }
}

fn to_interface(fabric: &Fabric, index: InterfaceIndex) -> RouteTo {
    let interface = &fabric.interfaces[index];
    RouteTo::via(&interface_link(&interface.id), interface.primary_address())
}

fn tables(
    fabric: &Fabric,
    index: VpcIndex,
    options: Options,
    before: Option<Before<'_>>,
    namespace: &mut Namespace,
) -> Result<(), PlanError> {
    let filter = namespace.table(Family::Ip, TABLE);
    forward(fabric, index, Of::V4, options, filter)?;
    services(fabric, index, options, filter);
    super::flow_log::plan(fabric, index, Of::V4, filter);
    ingress::plan(fabric, index, options, before, namespace.table(Family::Netdev, TABLE));
    arp(fabric, index, namespace.table(Family::Arp, TABLE));
    Ok(())
}

/// The forward chain: exempt, sender's groups, subnet's way out, route, subnet's way in, receiver's groups, receiver.
///
/// Stages go on by `goto`: a device that a map does not know ends at the policy, which is to drop. So nothing slips through
/// while an interface comes or goes.
pub(super) fn forward(fabric: &Fabric, index: VpcIndex, of: Of, options: Options, table: &mut Table) -> Result<(), PlanError> {
    let vpc = &fabric.vpcs[index];
    let routers = vpc.subnets.iter().flat_map(|s| fabric.subnets[*s].routers()).filter(|router| Of::of(*router) == of);
    table.set(Set::new("routers", [family::length(of)]), routers.map(|router| Element::new(family::octets(router))));
    for map in ["sg_out", "sg_in", "keep_out", "keep_in", "outcome", "acl_out", "acl_in", "tail"] {
        table.set(Set::verdict_map(map, [4]), []);
    }
    let legs = transit_gateway::legs(fabric, index);
    let labels = passing_on(fabric, index, of, &legs, table)?;
    let checked = checked(fabric, index, of, table);
    if !labels.is_empty() {
        super::reset::relay(of, table);
    }
    let internet_gateway = vpc.internet_gateway.map(|_| ROUTER_TO_GATEWAY);
    let egress_only = vpc.egress_only_internet_gateway.filter(|_| of == Of::V6).map(|_| ROUTER_TO_EGRESS_ONLY);
    let mut forward = Vec::new();
    for gateway in internet_gateway.iter().chain(&egress_only) {
        let exempt = all([device_is(MetaKey::Iif, gateway), in_set(&[family::source(of)], "routers")]);
        forward.push(then(exempt, Verdict::Accept));
    }
    forward.push(then(security_group::known_to_both(), goto("known")));
    forward.push(by_device(MetaKey::Iif, "sg_out"));
    table.chain(Chain::base("forward", Hook::Forward, priority::FILTER).policy_drop(), forward);

    let by_group = |load: Load, map: &str| netlink::nft::build::by_verdict_map(&[load], map);
    let between = || {
        [by_group(Load::IifGroup, "acl_out"), by_device(MetaKey::Oif, "outcome"), by_group(Load::OifGroup, "acl_in")]
    };
    let mut network = between().to_vec();
    network.extend([by_device(MetaKey::Oif, "sg_in"), vec![Expr::Verdict(Verdict::Drop)]]);
    table.chain(Chain::new("network"), network);
    // Both ends know and track the flow: only interfaces in between, if there can be any, are still asked.
    let asks = |key: MetaKey, map: &str, if_any: bool| if_any.then(|| by_device(key, map));
    let mut known: Vec<_> = asks(MetaKey::Iif, "keep_out", !labels.is_empty()).into_iter().collect();
    known.extend(between());
    known.extend(asks(MetaKey::Oif, "keep_in", !labels.is_empty() || !checked.is_empty()));
    known.push(vec![Expr::Verdict(goto("deliver"))]);
    table.chain(Chain::new("known"), known);
    table.chain(Chain::new("deliver"), vec![by_device(MetaKey::Oif, "tail"), vec![Expr::Verdict(Verdict::Accept)]]);
    // Never called: while some rule sets labels, every new connection has room for them, also one that is older than the
    // first interface that needs them.
    table.chain(Chain::new("labels"), vec![netlink::nft::build::set_ct(CtKey::Labels, &[0; 16])]);

    for (sink, prefix) in [(SINK_NO_ROUTE, "no-route"), (SINK_BLACKHOLE, "blackhole"), (SINK_NOBODY, "fabric")] {
        let chain = table.drop_chain(prefix);
        table.element("outcome", Element::new(device_key(sink)).verdict(goto(chain)));
    }
    if !legs.is_empty() {
        table.set(Set::new(security_group::OUTSIDE, [4]), []);
    }
    security_group::open_ends(if of == Of::V4 { &vpc.blocks } else { &[] }, table);
    let mut outside: Vec<String> = internet_gateway.into_iter().chain(egress_only).map(str::to_owned).collect();
    for (_, peering) in fabric.peerings.iter() {
        super::peering::check(fabric, index, peering, of, options.invert == Some(Stage::Peering), table);
        if peering.is_active() && peering.peer_of(index).is_some() {
            outside.push(peering_link(&peering.id));
        }
    }
    for endpoint in endpoints(fabric, index).filter(|_| of == Of::V4) {
        super::gateway_endpoint::check(fabric, endpoint, options.invert == Some(Stage::VpcEndpoint), table);
        outside.push(endpoint_link(&endpoint.id));
    }
    transit_gateway::filter(fabric, index, of, &legs, table);
    for device in outside {
        table.element("sg_out", Element::new(device_key(&device)).verdict(goto("outside_out")));
        table.element("sg_in", Element::new(device_key(&device)).verdict(goto("outside_in")));
        table.element(security_group::OUTSIDE, Element::new(device_key(&device)));
    }
    filters(fabric, index, of, options, &labels, &checked, &legs, table);
    Ok(())
}

/// An interface's own addresses of a family.
pub(super) fn addresses(interface: &Interface, of: Of) -> impl Iterator<Item = IpAddr> {
    interface.all_addresses().filter(move |address| Of::of(*address) == of)
}

/// The gateway endpoints of a VPC that carry packets.
pub(super) fn endpoints(fabric: &Fabric, vpc: VpcIndex) -> impl Iterator<Item = &VpcEndpoint> {
    fabric.vpc_endpoints.values().filter(move |endpoint| endpoint.vpc == vpc && super::gateway_endpoint::is_linked(endpoint))
}

/// Interfaces that pass on what is not their own, and which addresses are their own; legs of transit gateways have none (SG-12).
/// Returns the first label of those that have groups.
fn passing_on(
    fabric: &Fabric,
    index: VpcIndex,
    of: Of,
    legs: &[transit_gateway::Leg],
    table: &mut Table,
) -> Result<BTreeMap<InterfaceIndex, u8>, PlanError> {
    // A NAT gateway carries no IPv6.
    let is_nat = |i: &Interface| of == Of::V4 && matches!(i.kind, InterfaceKind::NatGateway(_));
    let free: Vec<(InterfaceIndex, &Interface)> =
        interfaces(fabric, index).filter(|(_, i)| is_nat(i) || (!i.source_dest_check && i.group_set.is_some())).collect();
    let link = |interface: &Interface| device_key(&interface_link(&interface.id));
    let by_leg = || legs.iter().map(|leg| Element::new(device_key(&leg.link)));
    if !free.is_empty() || !legs.is_empty() {
        table.set(Set::new(PASSES_ON, [4]), free.iter().map(|(_, i)| Element::new(link(i))).chain(by_leg()));
        let own = free.iter().flat_map(|(_, i)| {
            addresses(i, of).map(|a| Element::new(concat(&[Field(link(i)), Field(family::octets(a))])))
        });
        table.set(Set::new(OWN, [4, family::length(of)]), own);
    }
    let nat = free.iter().filter(|(_, i)| is_nat(i)).map(|(_, i)| Element::new(link(i)));
    if nat.clone().next().is_some() {
        table.set(Set::new(TRACKS, [4]), nat.clone());
        table.set(Set::new(NAT, [4]), nat);
    }
    if of == Of::V6 && fabric.vpcs[index].egress_only_internet_gateway.is_some() {
        table.set(Set::new(TRACKS, [4]), [Element::new(device_key(ROUTER_TO_EGRESS_ONLY))]);
    }
    if !legs.is_empty() {
        table.set(Set::new(TRACKS, [4]), by_leg());
    }
    let unchecked: Vec<_> = free.into_iter().filter(|(_, i)| !matches!(i.kind, InterfaceKind::NatGateway(_))).collect();
    if unchecked.len() > UNCHECKED_LIMIT {
        let vpc = fabric.vpcs[index].name.clone();
        return Err(PlanError::TooManyUnchecked { vpc, count: unchecked.len(), limit: UNCHECKED_LIMIT });
    }
    // By hash, so that one that comes or goes leaves the others their labels: flows carry them.
    let slots = slots(unchecked.iter().map(|(_, i)| i.id.as_str()), UNCHECKED_LIMIT as u32);
    Ok(unchecked.iter().map(|(index, i)| (*index, slots.get(i.id.as_str()).copied().unwrap_or(0) as u8 * 4)).collect())
}

/// Interfaces with source/dest check that some route sends others' packets to: only there can a foreign destination arrive,
/// to be dropped (ENI-5). Their own addresses become a set.
fn checked(fabric: &Fabric, index: VpcIndex, of: Of, table: &mut Table) -> BTreeSet<InterfaceIndex> {
    let hops = fabric.route_tables.values().flat_map(|table| &table.routes).filter_map(|route| match route.next_hop {
        NextHop::Interface(interface) => Some(interface),
        _ => None,
    });
    let is_checked = |i: &InterfaceIndex| fabric.interfaces[*i].vpc == index && fabric.interfaces[*i].source_dest_check;
    let checked: BTreeSet<InterfaceIndex> = hops.filter(is_checked).collect();
    if !checked.is_empty() {
        let own = checked.iter().map(|i| &fabric.interfaces[*i]).flat_map(|i| {
            let link = device_key(&interface_link(&i.id));
            addresses(i, of).map(move |a| Element::new(concat(&[Field(link.clone()), Field(family::octets(a))])))
        });
        table.set(Set::new(CHECKED, [4, family::length(of)]), own);
    }
    checked
}

fn filters(
    fabric: &Fabric,
    index: VpcIndex,
    of: Of,
    options: Options,
    labels: &BTreeMap<InterfaceIndex, u8>,
    checked: &BTreeSet<InterfaceIndex>,
    legs: &[transit_gateway::Leg],
    table: &mut Table,
) {
    let invert = |stage| options.invert == Some(stage);
    for (number, interface) in interfaces(fabric, index) {
        let link = device_key(&interface_link(&interface.id));
        for (direction, map, keep) in [(Direction::Egress, "sg_out", "keep_out"), (Direction::Ingress, "sg_in", "keep_in")] {
            let chain = match (interface.group_set, labels.get(&number)) {
                (Some(set), Some(label)) => {
                    let chain = security_group::passing_on(fabric, set, direction, of, *label, options, table);
                    table.element(keep, Element::new(link.clone()).verdict(goto(chain.clone())));
                    chain
                }
                (Some(set), None) if direction == Direction::Ingress && checked.contains(&number) => {
                    let chain = security_group::checked(fabric, set, of, options, table);
                    table.element(keep, Element::new(link.clone()).verdict(goto(chain.clone())));
                    chain
                }
                (Some(set), None) => security_group::chain(fabric, set, direction, of, Keeper::Mark, options, table),
                // A NAT gateway has no groups (NAT-13), nor has what it leaves behind.
                (None, _) => {
                    let is_nat = of == Of::V4 && matches!(interface.kind, InterfaceKind::NatGateway(_));
                    let kind = if is_nat { "nat" } else { "outside" };
                    format!("{kind}_{}", if direction == Direction::Egress { "out" } else { "in" })
                }
            };
            table.element(map, Element::new(link.clone()).verdict(goto(chain)));
        }
        if interface.status.is_running() == invert(Stage::InterfaceState) {
            let chain = table.drop_chain("eni");
            table.element("tail", Element::new(link).verdict(goto(chain)));
        } else if checked.contains(&number) {
            let chain = check(interface, of, invert(Stage::SourceDestCheck), table);
            table.element("tail", Element::new(link).verdict(jump(chain)));
        } else if of == Of::V4
            && let Some(chain) = transit_gateway::serve(fabric, interface, table)
        {
            table.element("tail", Element::new(link).verdict(jump(chain)));
        }
    }
    for subnet in &fabric.vpcs[index].subnets {
        for direction in [Direction::Ingress, Direction::Egress] {
            let borders = super::network_acl::Borders {
                own: group(fabric, *subnet),
                legs: transit_gateway::group_in(fabric, legs, *subnet),
            };
            super::network_acl::plan(fabric, *subnet, direction, of, borders, invert(Stage::NetworkAcl), table);
        }
    }
}

/// ENI-5, inbound.
fn check(interface: &Interface, of: Of, invert: bool, table: &mut Table) -> String {
    let drop = table.drop_chain("check-in");
    let name = format!("check_{}", interface_link(&interface.id));
    let (own, foreign) = if invert { (goto(drop), Verdict::Return) } else { (Verdict::Return, goto(drop)) };
    let to = |address| is(family::destination(of), &family::octets(address));
    let mut rules: Vec<_> = addresses(interface, of).map(|address| then(to(address), own.clone())).collect();
    rules.push(vec![Expr::Verdict(foreign)]);
    table.chain(Chain::new(name.clone()), rules);
    name
}

/// What the router itself answers: the services of the VPC, to its interfaces only (PIPE-2). Its own addresses do not
/// answer ping (L2-6).
fn services(fabric: &Fabric, index: VpcIndex, options: Options, table: &mut Table) {
    let vpc = &fabric.vpcs[index];
    let resolver = [RESOLVER, vpc.resolver].map(|address| Element::new(address.octets()));
    table.set(Set::new("resolver", [4]), resolver);
    let silent = table.drop_chain("resolver");
    let answers = vpc.dns_support != (options.invert == Some(Stage::Exempt));
    let from_interfaces = is_not(Load::IifGroup, &0u32.to_ne_bytes());
    let port = |number: u8, port: u16| all([is(Load::Protocol, &[number]), is(Load::DestinationPort, &port.to_be_bytes())]);
    let dns = |number: u8| {
        let verdict = if answers { Verdict::Accept } else { goto(silent.clone()) };
        then(all([from_interfaces.clone(), in_set(&[Load::DestinationV4], "resolver"), port(number, 53)]), verdict)
    };
    let service = |address: Ipv4Addr, number: u8, at: u16| {
        let wanted = all([from_interfaces.clone(), is(Load::DestinationV4, &address.octets()), port(number, at)]);
        then(wanted, Verdict::Accept)
    };
    // DHCP-4: whoever has an address asks for more time by unicast.
    let leases = then(all([from_interfaces.clone(), in_set(&[Load::DestinationV4], "routers"), port(17, 67)]), Verdict::Accept);
    let unanswered = table.drop_chain("router");
    let mut rules: Vec<_> = transit_gateway::unserved(&unanswered, table).into_iter().collect();
    rules.extend([
        dns(17),
        dns(6),
        service(METADATA, 6, 80),
        service(TIME, 17, 123),
        leases,
        vec![Expr::Verdict(goto(unanswered))],
    ]);
    table.chain(Chain::base("input", Hook::Input, priority::FILTER).policy_drop(), rules);
}

/// ARP replies name the interface that was asked for, as if it had answered (L2-1).
fn arp(fabric: &Fabric, index: VpcIndex, table: &mut Table) {
    let macs = interfaces(fabric, index)
        .flat_map(|(_, i)| i.addresses.iter().map(|a| Element::new(a.private.octets()).value(i.mac.0)));
    table.set(Set::map("mac", [4], 6), macs);
    let mut rule = is(Load::ArpOperation, &[0, 2]);
    rule.extend(netlink::nft::build::from_map(&[Load::ArpSenderV4], "mac"));
    rule.push(Expr::PayloadStore {
        base: Base::Network,
        offset: 8,
        length: 6,
        register: super::phrase::FIRST,
        checksum: Checksum::None,
    });
    table.chain(Chain::base("output", Hook::Output, priority::FILTER), vec![rule]);
}
