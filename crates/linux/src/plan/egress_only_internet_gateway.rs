//! An egress-only internet gateway: IPv6 flows that started inside, and nothing else (EIGW-1). Nothing is translated.
//!
//! Outside, a block is announced by the gateway that its subnet's route table names for who sends: that may be the internet
//! gateway for some and this one for others, so packets that come from outside get a mark by both addresses.

use std::net::Ipv6Addr;

use fabric::gateway::EgressOnlyInternetGateway;
use fabric::{Fabric, Family, NextHop, RouteTable, Stage};
use netlink::nft::build::{Load, ct_state_is, from_map, is_not};
use netlink::nft::{self, Chain, Element, Expr, Field, Hook, MetaKey, Set, Verdict, concat, ct_state, priority};

use super::internet::{OUTSIDE_MAC, TABLE};
use super::phrase::{FIRST, device_is, goto, restore_ttl, then};
use super::{LinkEnd, MAIN, MTU_INTERNET, MTU_VPC, Namespace, Options, Plan, ROUTER_MAC, RouteTo, Rule, Table, family, ipv6};
use crate::naming::{
    GATEWAY_IN, GATEWAY_OUT, INTERNET, ROUTER_TO_EGRESS_ONLY, egress_only_link, egress_only_namespace, number, router_namespace,
};

/// Hardware address of the gateway's end towards the router.
pub const INNER_MAC: [u8; 6] = [0x02, 0x76, 0x70, 0x63, 0, 6];
/// That of the other end.
const OUTER_MAC: [u8; 6] = [0x02, 0x76, 0x70, 0x63, 0, 7];
/// Seconds after which an idle flow is forgotten, as by a NAT gateway.
const IDLE: &str = "350";

/// Adds the gateway of a VPC that has IPv6.
pub fn plan(fabric: &Fabric, gateway: &EgressOnlyInternetGateway, options: Options, plan: &mut Plan) {
    if !ipv6::speaks(fabric, gateway.vpc) {
        return;
    }
    let vpc = &fabric.vpcs[gateway.vpc];
    let (key, router, link) = (egress_only_namespace(&gateway.id), router_namespace(&vpc.id), egress_only_link(&gateway.id));
    plan.link(
        LinkEnd::new(&router, ROUTER_TO_EGRESS_ONLY, ROUTER_MAC, MTU_VPC),
        LinkEnd::new(&key, GATEWAY_IN, INNER_MAC, MTU_VPC),
    );
    plan.link(LinkEnd::new(INTERNET, &link, OUTSIDE_MAC, MTU_INTERNET), LinkEnd::new(&key, GATEWAY_OUT, OUTER_MAC, MTU_INTERNET));
    let namespace = plan.namespace(&key);
    between(fabric, gateway.vpc, namespace);
    let conntrack = ["tcp_timeout_established", "udp_timeout", "udp_timeout_stream", "icmpv6_timeout", "generic_timeout"];
    for name in conntrack {
        namespace.sysctls.insert(format!("net/netfilter/nf_conntrack_{name}"), IDLE.to_owned());
    }
    // Half of a flow may go another way.
    namespace.sysctls.insert("net/netfilter/nf_conntrack_tcp_be_liberal".to_owned(), "1".to_owned());
    filter(options.invert == Some(Stage::EgressOnlyInternetGateway), namespace.table(nft::Family::Ip6, "eigw"));

    let namespace = plan.namespace(INTERNET);
    namespace.neighbour(&link, ipv6::NEIGHBOUR, OUTER_MAC);
    let mark = number(gateway.id.as_str());
    namespace.rules.insert(Rule { family: Family::V6, priority: 100, mark: Some(mark), table: mark });
    namespace.route(mark, ipv6::ANYWHERE, 0, RouteTo::via(&link, ipv6::NEIGHBOUR));
    announce(fabric, gateway, mark, namespace.table(nft::Family::Ip6, TABLE));
}

/// What the namespace of any gateway to the internet needs for IPv6: a way out, and ways to the VPC's blocks, whose routers say
/// that a packet is too big (L2-8).
pub fn between(fabric: &Fabric, vpc: fabric::VpcIndex, namespace: &mut Namespace) {
    ipv6::speak(namespace);
    ipv6::forward(namespace);
    for (device, mac) in [(GATEWAY_IN, ROUTER_MAC), (GATEWAY_OUT, OUTSIDE_MAC)] {
        namespace.neighbour(device, ipv6::NEIGHBOUR, mac);
    }
    namespace.route(MAIN, ipv6::ANYWHERE, 0, RouteTo::via(GATEWAY_OUT, ipv6::NEIGHBOUR));
    for block in &fabric.vpcs[vpc].ipv6_blocks {
        namespace.route(MAIN, *block, 0, RouteTo::via(GATEWAY_IN, ipv6::NEIGHBOUR));
    }
    for subnet in &fabric.vpcs[vpc].subnets {
        let subnet = &fabric.subnets[*subnet];
        for block in &subnet.ipv6_blocks {
            let Some(router) = subnet.router_of(block.addr().into()) else { continue };
            namespace.address("lo", super::host(router));
            let via = Some(ipv6::NEIGHBOUR.into());
            namespace.route(MAIN, *block, 0, RouteTo::Device { device: GATEWAY_IN.to_owned(), via, source: Some(router), mtu: None });
        }
    }
}

fn filter(invert: bool, table: &mut Table) {
    let ttl = restore_ttl(Family::V6, table);
    table.chain(Chain::base("prerouting", Hook::Prerouting, priority::RAW), vec![ttl]);
    let inbound = table.drop_chain("eigw-inbound");
    let outward = if invert { goto(inbound.clone()) } else { Verdict::Accept };
    let inward = if invert { Verdict::Accept } else { goto(inbound) };
    let rules = vec![
        then(device_is(MetaKey::Iif, GATEWAY_IN), outward),
        then(ct_state_is(ct_state::ESTABLISHED | ct_state::RELATED), Verdict::Accept),
        vec![Expr::Verdict(inward)],
    ];
    table.chain(Chain::base("forward", Hook::Forward, priority::FILTER).policy_drop(), rules);
    let from_links = is_not(Load::Iif, &1u32.to_ne_bytes());
    table.chain(Chain::base("input", Hook::Input, priority::FILTER), vec![then(from_links, Verdict::Drop)]);
    ipv6::router::silence(table);
}

/// Adds to the outside which packets come in by this gateway: those to subnets whose tables lead to it for who sends.
fn announce(fabric: &Fabric, gateway: &EgressOnlyInternetGateway, mark: u32, table: &mut Table) {
    const MAP: &str = "announced";
    let subnets = fabric.vpcs[gateway.vpc].subnets.iter().map(|subnet| &fabric.subnets[*subnet]);
    let is_ours = |hop: NextHop| {
        matches!(hop, NextHop::EgressOnlyInternetGateway(index) if fabric.egress_only_internet_gateways[index].id == gateway.id)
    };
    let elements = subnets.flat_map(|subnet| {
        let senders = ranges(&fabric.route_tables[subnet.route_table], is_ours);
        subnet.ipv6_blocks.iter().flat_map(move |block| {
            let (first, last) = (block.network(), block.broadcast());
            let key = |a: Ipv6Addr, b: Ipv6Addr| concat(&[Field::from(a), Field::from(b)]);
            let element = move |(from, to): &(Ipv6Addr, Ipv6Addr)| Element::range(key(first, *from), key(last, *to)).value(mark.to_ne_bytes());
            senders.iter().map(element).collect::<Vec<_>>()
        })
    });
    table.set(Set::map(MAP, [16, 16], 4).interval(), elements.collect::<Vec<_>>());
    let mut rule = from_map(&[family::destination(Family::V6), family::source(Family::V6)], MAP);
    rule.push(Expr::MetaStore { key: MetaKey::Mark, register: FIRST });
    table.chain(Chain::base("announced_in", Hook::Prerouting, priority::MANGLE), vec![rule.clone()]);
    table.chain(Chain::base("announced_out", Hook::Output, priority::MANGLE).route(), vec![rule]);
}

/// The IPv6 addresses that a table leads to such a next hop, as ranges.
pub fn ranges(table: &RouteTable, wanted: impl Fn(NextHop) -> bool) -> Vec<(Ipv6Addr, Ipv6Addr)> {
    let blocks = table.routes.iter().filter(|route| family::of_block(&route.destination) == Family::V6);
    let ends = blocks.map(|route| super::address_space::range(route.destination));
    // Between two cuts all addresses have the same routes.
    let mut cuts: Vec<u128> = ends.flat_map(|(first, last)| [Some(first), last.checked_add(1)]).flatten().collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut found: Vec<(u128, u128)> = Vec::new();
    for (number, first) in cuts.iter().enumerate() {
        let last = cuts.get(number + 1).map_or(u128::MAX, |next| next - 1);
        let hop = table.lookup(Ipv6Addr::from(*first).into()).map(|route| route.next_hop);
        if hop.is_some_and(&wanted) {
            found.push((*first, last));
        }
    }
    let joined = super::address_space::union(found);
    joined.into_iter().map(|(first, last)| (Ipv6Addr::from(first), Ipv6Addr::from(last))).collect()
}
