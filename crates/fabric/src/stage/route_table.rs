//! Route table: the longest prefix decides, and a blackhole swallows (PIPE-4, RT-2, RT-9).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use crate::fabric::Fabric;
use crate::index::RouteTableIndex;
use crate::reason::{Component, Decision, ExplanationCode, Reason, Rule, Stage};
use crate::route::NextHop;

/// Never forwarded, however wide the route that covers it (RT-8).
pub const UNROUTABLE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 168, 0), 22);
/// The same for IPv6 (RT-8).
pub const UNROUTABLE_IPV6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32);

/// Looks a destination up. The next hop is `None` when no route matches; a blackhole is a next hop that drops.
pub fn decide(fabric: &Fabric, table: RouteTableIndex, destination: IpAddr) -> (Decision, Option<NextHop>) {
    let at = Component::RouteTable(table);
    let table = &fabric.route_tables[table];
    let unroutable = match destination {
        IpAddr::V4(destination) => UNROUTABLE.contains(&destination),
        IpAddr::V6(destination) => UNROUTABLE_IPV6.contains(&destination),
    };
    let Some(route) = table.lookup(destination).filter(|_| !unroutable) else {
        let reason = Reason::new(Stage::RouteTable, at, format!("no route to {destination}"));
        return (Decision::Drop(reason.code(ExplanationCode::NoRouteToDestination)), None);
    };
    let rule = Rule::Route {
        route_table: table.id.clone(),
        destination: route.destination,
        origin: route.origin.clone(),
    };
    let reason = |text: String| Reason::new(Stage::RouteTable, at, text).rule(rule);
    let (destination, target) = (route.destination, &route.target);
    match route.next_hop {
        NextHop::Blackhole(why) => {
            let text = format!("the route for {destination} is a blackhole: {target} {}", why.text());
            (Decision::Drop(reason(text).code(ExplanationCode::BadStateRoute)), Some(route.next_hop))
        }
        hop => (Decision::Pass(reason(format!("{destination} leads to {target}"))), Some(hop)),
    }
}
