//! The outside: named hosts, the public DNS, and ways to every public address that is in use.

use std::net::{IpAddr, Ipv4Addr};

pub use fabric::stage::internet::{AWS_API, PUBLIC_DNS};
use fabric::{Fabric, Family as Of, Stage};
use ipnet::{IpNet, Ipv4Net};
use model::traffic::protocol;
use netlink::nft::build::{Load, fib_type_is, in_range, is, is_not};
use netlink::nft::{Chain, Expr, Family, Hook, Verdict, fib_flags, priority};

use super::internet_gateway::OUTER_MAC;
use super::phrase::{all, goto, restore_ttl, then, within};
use super::{ANYWHERE, LinkEnd, MAIN, MTU_INTERNET, Namespace, Options, Plan, RouteTo, Table, family, host, ipv6};
use crate::naming::{INTERNET, outside_link};

/// The internet as a neighbour of gateways.
pub const OUTSIDE_NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(169, 254, 9, 253);
/// Its hardware address on every link.
pub const OUTSIDE_MAC: [u8; 6] = [0x02, 0x76, 0x70, 0x63, 0, 4];
/// A gateway as a neighbour of the internet.
const GATEWAY_NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(169, 254, 9, 252);
/// The name of its tables.
pub(super) const TABLE: &str = "internet";
/// Where packets go that nobody outside receives.
pub const SINK: &str = "s_internet";
const SINK_SPARE: &str = "s_spare";
/// Multicast, and what is beyond it (RFC 1112, RFC 919).
const NOT_UNICAST: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3);
/// `RTN_LOCAL`: an address of one's own.
const LOCAL: u32 = 2;

/// Adds the outside.
pub fn plan(fabric: &Fabric, options: Options, plan: &mut Plan) {
    let end = |name: &str, last: u8| LinkEnd::new(INTERNET, name, [0x02, 0x76, 0x70, 0x63, 6, last], MTU_INTERNET);
    plan.link(end(SINK, 0), end(SINK_SPARE, 1));
    let namespace = plan.namespace(INTERNET);
    namespace.forward();
    // Resets and unreachables go where what they answer came from, if that was an endpoint's link.
    namespace.sysctls.insert("net/ipv4/fwmark_reflect".to_owned(), "1".to_owned());
    namespace.route(MAIN, ANYWHERE, 0, RouteTo::device(SINK));
    for address in fabric.outside.values().flat_map(|host| &host.addresses) {
        if let IpAddr::V4(address) = address {
            namespace.address("lo", host(*address));
        }
    }
    for address in fabric.unnamed_hosts() {
        namespace.address("lo", host(address));
    }
    for gateway in fabric.internet_gateways.values().filter(|gateway| gateway.vpc.is_some()) {
        let link = outside_link(&gateway.id);
        namespace.neighbour(&link, GATEWAY_NEIGHBOUR, OUTER_MAC);
        for public in gateway.by_public.keys() {
            namespace.route(MAIN, host(*public), 0, RouteTo::via(&link, GATEWAY_NEIGHBOUR));
        }
    }
    filter(Of::V4, options, namespace.table(Family::Ip, TABLE));
    if ipv6::is_spoken(fabric) {
        over_ipv6(fabric, options, namespace);
    }
}

/// The same hosts over IPv6, and the ways to VPCs' blocks: by their internet gateways, unless an egress-only one announces them.
fn over_ipv6(fabric: &Fabric, options: Options, namespace: &mut Namespace) {
    ipv6::speak(namespace);
    ipv6::forward(namespace);
    namespace.route(MAIN, ipv6::ANYWHERE, 0, RouteTo::device(SINK));
    let named = fabric.outside.values().flat_map(|host| &host.addresses).copied();
    let unnamed = fabric.ipv6_representatives().iter().copied().map(IpAddr::V6);
    for address in named.chain(unnamed).filter(IpAddr::is_ipv6) {
        namespace.address("lo", host(address));
    }
    for gateway in fabric.internet_gateways.values() {
        let Some(vpc) = gateway.vpc.filter(|vpc| ipv6::speaks(fabric, *vpc)) else { continue };
        let link = outside_link(&gateway.id);
        namespace.neighbour(&link, ipv6::NEIGHBOUR, OUTER_MAC);
        for block in &fabric.vpcs[vpc].ipv6_blocks {
            namespace.route(MAIN, *block, 0, RouteTo::via(&link, ipv6::NEIGHBOUR));
        }
    }
    filter(Of::V6, options, namespace.table(Family::Ip6, TABLE));
}

/// What nobody receives is dropped, and nothing here counts as a hop: what goes on gets back what that takes off, and what a host
/// here receives has lost nothing.
fn filter(of: Of, options: Options, table: &mut Table) {
    let arrived = then(fib_type_is(fib_flags::DADDR, LOCAL), Verdict::Accept);
    let mut ttl = restore_ttl(of, table);
    ttl.splice(0..0, is_not(Load::Iif, &1u32.to_ne_bytes()));
    table.chain(Chain::base("prerouting", Hook::Prerouting, priority::RAW), vec![arrived, ttl]);
    let drop = table.drop_chain("internet");
    let nobody = match options.invert == Some(Stage::Internet) {
        false => then(super::phrase::device_is(netlink::nft::MetaKey::Oif, SINK), goto(drop)),
        true => vec![Expr::Verdict(goto(drop))],
    };
    table.chain(Chain::base("forward", Hook::Forward, priority::FILTER), vec![nobody.clone()]);
    // Hosts here send to a group by the device that has their own address, which is the loopback; no route is asked (L2-4).
    let not_unicast = match of {
        Of::V4 => IpNet::V4(NOT_UNICAST),
        Of::V6 => IpNet::V6(ipv6::MULTICAST),
    };
    let groups = within(family::destination(of), not_unicast);
    // What the kernel says of groups by itself is no packet of anybody's (RFC 4861, RFC 3810).
    let by_itself = all([is(Load::Protocol, &[protocol::ICMPV6]), in_range(Load::IcmpType, &[130], &[143])]);
    let talk = then(all([by_itself, groups.clone()]), Verdict::Drop);
    let groups = then(groups, goto(table.drop_chain("internet")));
    // What leaves by a gateway of its own (an endpoint, an egress-only gateway) has a mark, and is routed by it; this chain still sees
    // where it would have gone.
    let by_endpoint = then(is_not(Load::Mark, &0u32.to_ne_bytes()), Verdict::Accept);
    let rules = if of == Of::V6 { vec![talk, groups, by_endpoint, nobody] } else { vec![groups, by_endpoint, nobody] };
    table.chain(Chain::base("output", Hook::Output, priority::FILTER), rules);
}
