//! An internet gateway: stateless 1:1 translation by header rewriting (IGW-2 … IGW-8).

use std::net::Ipv4Addr;

use fabric::gateway::InternetGateway;
use fabric::{Fabric, Family as Of, InterfaceIndex, NextHop, Stage};
use netlink::nft::build::{Load, in_set, is_not, not_in_set};
use netlink::nft::{Chain, Element, Expr, Family, Hook, MetaKey, Set, Verdict, priority};

use super::internet::{OUTSIDE_MAC, OUTSIDE_NEIGHBOUR};
use super::phrase::{FIRST, ICMP_ERRORS, PRIVATE, all, device_is, goto, restore_ttl, store_address, then, translate_quoted, within};
use super::router::GATEWAY_MAC;
use super::{ANYWHERE, LinkEnd, MAIN, MTU_INTERNET, MTU_VPC, Options, Plan, ROUTER_MAC, RouteTo, Table, host, ipv6};
use crate::naming::{
    GATEWAY_IN, GATEWAY_OUT, INTERNET, ROUTER_TO_GATEWAY, internet_gateway_namespace, outside_link, router_namespace,
};

/// The gateway's neighbour on the link to the router.
const ROUTER_NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(169, 254, 9, 1);
/// Hardware address of the gateway's outer end.
pub const OUTER_MAC: [u8; 6] = [0x02, 0x76, 0x70, 0x63, 0, 5];

/// Adds an attached gateway.
pub fn plan(fabric: &Fabric, gateway: &InternetGateway, options: Options, plan: &mut Plan) {
    let Some(index) = gateway.vpc else { return };
    let vpc = &fabric.vpcs[index];
    let key = internet_gateway_namespace(&gateway.id);
    let router = router_namespace(&vpc.id);
    plan.link(
        LinkEnd::new(&router, ROUTER_TO_GATEWAY, ROUTER_MAC, MTU_VPC),
        LinkEnd::new(&key, GATEWAY_IN, GATEWAY_MAC, MTU_VPC),
    );
    plan.link(
        LinkEnd::new(INTERNET, outside_link(&gateway.id), OUTSIDE_MAC, MTU_INTERNET),
        LinkEnd::new(&key, GATEWAY_OUT, OUTER_MAC, MTU_INTERNET),
    );
    let namespace = plan.namespace(&key);
    namespace.forward();
    namespace.neighbour(GATEWAY_IN, ROUTER_NEIGHBOUR, ROUTER_MAC);
    namespace.neighbour(GATEWAY_OUT, OUTSIDE_NEIGHBOUR, OUTSIDE_MAC);
    namespace.route(MAIN, ANYWHERE, 0, RouteTo::via(GATEWAY_OUT, OUTSIDE_NEIGHBOUR));
    for block in &vpc.blocks {
        namespace.route(MAIN, *block, 0, RouteTo::via(GATEWAY_IN, ROUTER_NEIGHBOUR));
    }
    for subnet in &vpc.subnets {
        let subnet = &fabric.subnets[*subnet];
        // "Fragmentation needed" comes from the subnet's router (L2-8).
        namespace.address("lo", host(subnet.router));
        let to = RouteTo::Device {
            device: GATEWAY_IN.to_owned(),
            via: Some(ROUTER_NEIGHBOUR.into()),
            source: Some(subnet.router.into()),
            mtu: None,
        };
        namespace.route(MAIN, subnet.cidr, 0, to);
    }
    let invert = options.invert == Some(Stage::InternetGateway);
    translate(fabric, gateway, invert, namespace.table(Family::Ip, "igw"));
    if ipv6::speaks(fabric, index) {
        super::egress_only_internet_gateway::between(fabric, index, namespace);
        pass_ipv6(fabric, gateway, invert, namespace.table(Family::Ip6, "igw"));
    }
}

/// IPv6 passes as it is, but from outside nobody may claim to be inside (IGW-6), or be sent to a middlebox that is not public (RT-19).
fn pass_ipv6(fabric: &Fabric, gateway: &InternetGateway, invert: bool, table: &mut Table) {
    let ttl = restore_ttl(Of::V6, table);
    let (spoof, edge) = (table.drop_chain("igw-spoof"), table.drop_chain("igw-edge"));
    let from = |link: &str, verdict: Verdict| then(device_is(MetaKey::Iif, link), verdict);
    let blocks = gateway.vpc.into_iter().flat_map(|vpc| fabric.vpcs[vpc].ipv6_blocks.iter());
    let (outward, mut inward) = match invert {
        false => (Verdict::Accept, blocks.map(|block| then(within(Load::SourceV6, *block), goto(spoof.clone()))).collect()),
        true => (goto(spoof.clone()), vec![vec![Expr::Verdict(goto(spoof))]]),
    };
    if let Some(table_of_gateway) = gateway.edge_route_table.map(|table| &fabric.route_tables[table]) {
        let is_refused = |hop| matches!(hop, NextHop::Interface(middlebox) if is_private(fabric, middlebox));
        let ranges = super::egress_only_internet_gateway::ranges(table_of_gateway, is_refused);
        if !ranges.is_empty() {
            let elements = ranges.into_iter().map(|(first, last)| Element::range(first.octets(), last.octets()));
            table.set(Set::new("unredirected", [16]).interval(), elements);
            inward.push(then(in_set(&[Load::DestinationV6], "unredirected"), goto(edge)));
        }
    }
    inward.push(vec![Expr::Verdict(Verdict::Accept)]);
    table.chain(Chain::new("inward"), inward);
    let rules = vec![ttl, from(GATEWAY_IN, outward), from(GATEWAY_OUT, goto("inward"))];
    table.chain(Chain::base("prerouting", Hook::Prerouting, priority::RAW), rules);
    let from_links = is_not(Load::Iif, &1u32.to_ne_bytes());
    table.chain(Chain::base("input", Hook::Input, priority::FILTER), vec![then(from_links, Verdict::Drop)]);
    ipv6::router::silence(table);
}

fn translate(fabric: &Fabric, gateway: &InternetGateway, invert: bool, table: &mut Table) {
    let pairs: Vec<(Ipv4Addr, Ipv4Addr)> =
        if invert { Vec::new() } else { gateway.by_private.iter().map(|(private, public)| (*private, *public)).collect() };
    let to_public = pairs.iter().map(|(private, public)| Element::new(private.octets()).value(public.octets()));
    let to_private = pairs.iter().map(|(private, public)| Element::new(public.octets()).value(private.octets()));
    table.set(Set::map("to_public", [4], 4), to_public);
    table.set(Set::map("to_private", [4], 4), to_private);
    table.set(Set::new("mapped", [4]), pairs.iter().map(|(private, _)| Element::new(private.octets())));

    let ttl = restore_ttl(Of::V4, table);
    let no_public = table.drop_chain("igw-no-public");
    let unmapped = table.drop_chain("igw-unmapped");
    let spoof = table.drop_chain("igw-spoof");
    let blocks = gateway.vpc.map(|vpc| fabric.vpcs[vpc].blocks.clone()).unwrap_or_default();
    let mut outward = Vec::new();
    // IGW-6 before IGW-5, as `fabric` asks: what claims to be inside the VPC is spoofed, private or not.
    let mut inward: Vec<_> =
        blocks.into_iter().map(|block| then(within(Load::SourceV4, block), goto(spoof.clone()))).collect();
    for (block, name) in PRIVATE {
        let drop = table.drop_chain(&format!("igw-dst-{name}"));
        outward.push(then(within(Load::DestinationV4, block), goto(drop)));
        let drop = table.drop_chain(&format!("igw-src-{name}"));
        inward.push(then(within(Load::SourceV4, block), goto(drop)));
    }
    // The source is translated behind routing, so that "fragmentation needed" still finds its way in.
    outward.push(then(not_in_set(&[Load::SourceV4], "mapped"), goto(no_public)));
    outward.push(vec![Expr::Verdict(Verdict::Accept)]);

    let unredirected = unredirected(fabric, gateway);
    if !unredirected.is_empty() {
        table.set(Set::new("unredirected", [4]), unredirected.into_iter().map(|public| Element::new(public.octets())));
        let drop = table.drop_chain("igw-edge");
        inward.push(then(in_set(&[Load::DestinationV4], "unredirected"), goto(drop)));
    }
    inward.extend(ICMP_ERRORS.map(|icmp_type| translate_quoted(icmp_type, true, "to_private")));
    inward.push(rewrite(Load::DestinationV4, "to_private", false));
    inward.push(vec![Expr::Verdict(goto(unmapped))]);

    table.chain(Chain::new("outward"), outward);
    table.chain(Chain::new("inward"), inward);
    let from = |link: &str, chain: &str| then(device_is(MetaKey::Iif, link), goto(chain));
    let rules = vec![ttl, from(GATEWAY_IN, "outward"), from(GATEWAY_OUT, "inward")];
    table.chain(Chain::base("prerouting", Hook::Prerouting, priority::RAW), rules);

    let leaving = device_is(MetaKey::Oif, GATEWAY_OUT);
    let mut rules: Vec<_> = ICMP_ERRORS
        .into_iter()
        .map(|icmp_type| all([leaving.clone(), translate_quoted(icmp_type, false, "to_public")]))
        .collect();
    rules.push(all([leaving, rewrite(Load::SourceV4, "to_public", true)]));
    table.chain(Chain::base("postrouting", Hook::Postrouting, priority::SRCNAT), rules);

    // The gateway answers nobody itself (IGW-11).
    let from_links = is_not(Load::Iif, &1u32.to_ne_bytes());
    table.chain(Chain::base("input", Hook::Input, priority::FILTER), vec![then(from_links, Verdict::Drop)]);
}

/// Public addresses whose packets the gateway's own route table would send to an instance without one (RT-19).
fn unredirected(fabric: &Fabric, gateway: &InternetGateway) -> Vec<Ipv4Addr> {
    let Some(table) = gateway.edge_route_table.map(|table| &fabric.route_tables[table]) else { return Vec::new() };
    let is_refused = |private: Ipv4Addr| match table.lookup(private.into()).map(|route| route.next_hop) {
        Some(NextHop::Interface(middlebox)) => is_private(fabric, middlebox),
        _ => false,
    };
    gateway.by_public.iter().filter(|(_, mapping)| is_refused(mapping.private)).map(|(public, _)| *public).collect()
}

/// Whether none of its addresses is public.
fn is_private(fabric: &Fabric, interface: InterfaceIndex) -> bool {
    fabric.interfaces[interface].addresses.iter().all(|address| address.public.is_none())
}

fn rewrite(load: Load, map: &str, source: bool) -> Vec<Expr> {
    vec![
        load.into_register(FIRST),
        Expr::LookupMap { set: map.to_owned(), key: FIRST, data: FIRST },
        store_address(source),
        Expr::Verdict(Verdict::Accept),
    ]
}
