//! A VPC's router over IPv6: addresses, routing by mark, and the services. The chains that a packet meets are those of IPv4
//! (`super::super::router`), in a table of their own.

use fabric::stage::exempt::{METADATA_IPV6, RESOLVER_IPV6, TIME_IPV6};
use fabric::stage::route_table::UNROUTABLE_IPV6;
use fabric::{Fabric, Family, Interface, NextHop, RouteTable, Stage, SubnetIndex, VpcIndex};
use ipnet::IpNet;
use netlink::nft::build::{Load, in_range, is, is_not};
use netlink::nft::{self, Chain, Expr, Hook, Verdict, priority};

use super::super::phrase::{all, goto, then};
use super::super::router::{GATEWAY_MAC, SHARED, TABLE, addresses, forward, interfaces};
use super::super::{Namespace, Options, PlanError, RouteTo, Rule, Table, host};
use super::{ANYWHERE, NEIGHBOUR, link_local, speak, speaks};
use crate::naming::{ROUTER_TO_EGRESS_ONLY, ROUTER_TO_GATEWAY, SINK_BLACKHOLE, SINK_NO_ROUTE, SINK_NOBODY, interface_link, peering_link};
use crate::plan::{egress_only_internet_gateway, flow_log, transit_gateway};

/// Adds what the router of a VPC needs for IPv6, if that has any.
pub fn plan(fabric: &Fabric, index: VpcIndex, options: Options, namespace: &mut Namespace) -> Result<(), PlanError> {
    if !speaks(fabric, index) {
        return Ok(());
    }
    let vpc = &fabric.vpcs[index];
    speak(namespace);
    super::forward(namespace);
    for address in [TIME_IPV6, RESOLVER_IPV6, METADATA_IPV6] {
        namespace.address("lo", host(address));
    }
    for router in vpc.subnets.iter().flat_map(|subnet| fabric.subnets[*subnet].routers()).filter(|router| router.is_ipv6()) {
        namespace.address("lo", host(router));
    }
    namespace.rules.insert(Rule { family: Family::V6, priority: 20_000, mark: None, table: SHARED });
    namespace.route(SHARED, ANYWHERE, 0, RouteTo::device(SINK_NOBODY));
    for table in fabric.route_tables.values().filter(|table| table.vpc == index) {
        route_table(fabric, table, options, namespace);
    }
    let is_local = options.invert != Some(Stage::LocalDelivery);
    for (_, interface) in interfaces(fabric, index) {
        let link = interface_link(&interface.id);
        // By which routes send others' packets there.
        namespace.neighbour(&link, link_local(interface.mac.0), interface.mac.0);
        for own in addresses(interface, Family::V6) {
            let source = fabric.subnets[interface.subnet].router_of(own);
            let to = match is_local {
                true => RouteTo::Device { device: link.clone(), via: None, source, mtu: None },
                false => RouteTo::device(SINK_NOBODY),
            };
            namespace.route(SHARED, host(own), 0, to);
            namespace.neighbour(&link, own, interface.mac.0);
        }
    }
    if vpc.internet_gateway.is_some() {
        namespace.neighbour(ROUTER_TO_GATEWAY, NEIGHBOUR, GATEWAY_MAC);
    }
    if vpc.egress_only_internet_gateway.is_some() {
        namespace.neighbour(ROUTER_TO_EGRESS_ONLY, NEIGHBOUR, egress_only_internet_gateway::INNER_MAC);
    }
    let table = namespace.table(nft::Family::Ip6, TABLE);
    forward(fabric, index, Family::V6, options, table)?;
    services(fabric, index, options, table);
    flow_log::plan(fabric, index, Family::V6, table);
    silence(table);
    Ok(())
}

fn route_table(fabric: &Fabric, table: &RouteTable, options: Options, namespace: &mut Namespace) {
    for (number, from) in transit_gateway::tables_of(fabric, table) {
        routing_table(fabric, table, number, from, options, namespace);
    }
}

fn routing_table(fabric: &Fabric, table: &RouteTable, number: u32, from: Option<SubnetIndex>, options: Options, namespace: &mut Namespace) {
    namespace.rules.insert(Rule { family: Family::V6, priority: 100, mark: Some(number), table: number });
    namespace.route(number, ANYWHERE, 9_999, RouteTo::device(SINK_NO_ROUTE));
    namespace.route(number, UNROUTABLE_IPV6, 0, RouteTo::device(SINK_NO_ROUTE));
    let to_interface = |interface: &Interface| RouteTo::via(&interface_link(&interface.id), link_local(interface.mac.0));
    for route in &table.routes {
        let IpNet::V6(destination) = route.destination else { continue };
        let to = match route.next_hop {
            _ if options.invert == Some(Stage::RouteTable) => RouteTo::device(SINK_NO_ROUTE),
            NextHop::Local => RouteTo::Throw,
            NextHop::InternetGateway(_) => RouteTo::via(ROUTER_TO_GATEWAY, NEIGHBOUR),
            NextHop::EgressOnlyInternetGateway(_) => RouteTo::via(ROUTER_TO_EGRESS_ONLY, NEIGHBOUR),
            NextHop::Interface(interface) => to_interface(&fabric.interfaces[interface]),
            NextHop::Peering { peering, .. } => RouteTo::via(&peering_link(&fabric.peerings[peering].id), NEIGHBOUR),
            NextHop::TransitGateway(gateway) => transit_gateway::way(fabric, gateway, from, NEIGHBOUR),
            NextHop::NatGateway(_)
            | NextHop::VpcEndpoint(_)
            | NextHop::VpnGateway(_)
            | NextHop::Blackhole(_) => RouteTo::device(SINK_BLACKHOLE),
        };
        namespace.route(number, destination, 0, to);
    }
}

/// What the router itself answers over IPv6 (PIPE-2, DNS-1, IMDS-1).
fn services(fabric: &Fabric, index: VpcIndex, options: Options, table: &mut Table) {
    let (silent, unanswered) = (table.drop_chain("resolver"), table.drop_chain("router"));
    let answers = fabric.vpcs[index].dns_support != (options.invert == Some(Stage::Exempt));
    let from_interfaces = is_not(Load::IifGroup, &0u32.to_ne_bytes());
    let service = |address: std::net::Ipv6Addr, number: u8, port: u16, verdict: Verdict| {
        let at = all([is(Load::DestinationV6, &address.octets()), is(Load::Protocol, &[number]), is(Load::DestinationPort, &port.to_be_bytes())]);
        then(all([from_interfaces.clone(), at]), verdict)
    };
    let dns = |number: u8| service(RESOLVER_IPV6, number, 53, if answers { Verdict::Accept } else { goto(silent.clone()) });
    let mut rules: Vec<_> = transit_gateway::unserved(&unanswered, table).into_iter().collect();
    rules.extend([
        dns(17),
        dns(6),
        service(METADATA_IPV6, 6, 80, Verdict::Accept),
        service(TIME_IPV6, 17, 123, Verdict::Accept),
        vec![Expr::Verdict(goto(unanswered))],
    ]);
    table.chain(Chain::base("input", Hook::Input, priority::FILTER).policy_drop(), rules);
}

/// The kernel says nothing of its own about neighbours and groups (130 to 143: RFC 4861, RFC 3810): the fabric is no link, and what
/// guests ask is answered at their interfaces.
pub fn silence(table: &mut Table) {
    let talk = all([is(Load::Protocol, &[58]), in_range(Load::IcmpType, &[130], &[143])]);
    table.chain(Chain::base("output", Hook::Output, priority::FILTER), vec![then(talk, Verdict::Drop)]);
}
