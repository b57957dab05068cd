//! The outside: named hosts, the public DNS, and ways to every public address that is in use.

use std::net::{IpAddr, Ipv4Addr};

pub use fabric::stage::internet::{AWS_API, PUBLIC_DNS};
use fabric::{Fabric, Stage};
use ipnet::Ipv4Net;
use netlink::nft::build::is_not;
use netlink::nft::build::Load;
use netlink::nft::{Chain, Expr, Family, Hook, priority};

use super::internet_gateway::OUTER_MAC;
use super::phrase::{goto, restore_ttl, then, within};
use super::{ANYWHERE, LinkEnd, MAIN, MTU_INTERNET, Options, Plan, RouteTo, host};
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
const SINK: &str = "s_internet";
const SINK_SPARE: &str = "s_spare";
/// Multicast, and what is beyond it (RFC 1112, RFC 919).
const NOT_UNICAST: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3);
/// Adds the outside.
pub fn plan(fabric: &Fabric, options: Options, plan: &mut Plan) {
    let end = |name: &str, last: u8| LinkEnd::new(INTERNET, name, [0x02, 0x76, 0x70, 0x63, 6, last], MTU_INTERNET);
    plan.link(end(SINK, 0), end(SINK_SPARE, 1));
    let namespace = plan.namespace(INTERNET);
    namespace.forward();
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
        namespace.neighbours.insert((link.clone(), GATEWAY_NEIGHBOUR), OUTER_MAC);
        for public in gateway.by_public.keys() {
            namespace.route(MAIN, host(*public), 0, RouteTo::via(&link, GATEWAY_NEIGHBOUR));
        }
    }
    let table = namespace.table(Family::Ip, TABLE);
    let mut ttl = restore_ttl(table);
    ttl.splice(0..0, is_not(Load::Iif, &1u32.to_ne_bytes()));
    table.chain(Chain::base("prerouting", Hook::Prerouting, priority::RAW), vec![ttl]);
    let drop = table.drop_chain("internet");
    let nobody = match options.invert == Some(Stage::Internet) {
        false => then(super::phrase::device_is(netlink::nft::MetaKey::Oif, SINK), goto(drop)),
        true => vec![Expr::Verdict(goto(drop))],
    };
    table.chain(Chain::base("forward", Hook::Forward, priority::FILTER), vec![nobody.clone()]);
    // Hosts here send to a group by the device that has their own address, which is the loopback; no route is asked (L2-4).
    let groups = then(within(Load::DestinationV4, NOT_UNICAST), goto(table.drop_chain("internet")));
    // What answers by a gateway endpoint has a mark, and is routed by it; this chain still sees where it would have gone.
    let by_endpoint = then(is_not(Load::Mark, &0u32.to_ne_bytes()), netlink::nft::Verdict::Accept);
    table.chain(Chain::base("output", Hook::Output, priority::FILTER), vec![groups, by_endpoint, nobody]);
}
