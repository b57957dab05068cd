//! Route tables: prefix lists expanded, one winner for each prefix, next hops resolved (RT-2, RT-5 … RT-7).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use ipnet::IpNet;
use model::route_table::{RouteOrigin, RouteState};
use model::{Destination, Model, PrefixListId, RouteTarget};

use super::blocks_of;
use crate::fabric::{Fabric, InterfaceStatus};
use crate::index::*;
use crate::route::{BeatenRoute, BlackholeReason, NextHop, Route, RouteTable};

/// All tables, for a fabric that has everything that routes lead to.
pub(super) fn compile(model: &Model, fabric: &Fabric) -> Table<RouteTableIndex, RouteTable> {
    model.route_tables.values().map(|table| row(model, fabric, table)).collect()
}

/// One table.
pub(super) fn row(model: &Model, fabric: &Fabric, table: &model::RouteTable) -> RouteTable {
    let expanded = table.routes.iter().flat_map(|route| expand(model, fabric, table, route));
    let (routes, beaten) = decide(expanded.collect());
    RouteTable {
        id: table.id.clone(),
        name: match (model::tag::name(&table.tags), model.vpcs.get(&table.vpc_id)) {
            // A VPC's main table comes without a name.
            (None, Some(vpc)) if table.is_main() => format!("main of {}", super::name(&vpc.tags, vpc.id.as_str())),
            _ => super::name(&table.tags, table.id.as_str()),
        },
        vpc: fabric.vpcs.find(&table.vpc_id, |vpc| &vpc.id).unwrap_or(VpcIndex(0)),
        is_main: table.is_main(),
        routes,
        beaten,
        origin: table.origin.clone(),
    }
}

fn expand(model: &Model, fabric: &Fabric, table: &model::RouteTable, route: &model::Route) -> Vec<Route> {
    let next_hop = next_hop(model, fabric, table, route);
    let only_ipv4 = match &route.target {
        RouteTarget::TransitGateway(id) => {
            model.transit_gateway_attachment_of(id, &table.vpc_id).is_some_and(|attachment| !attachment.carries_ipv6())
        }
        _ => false,
    };
    let one = |destination: IpNet, prefix_list: Option<PrefixListId>| Route {
        destination,
        prefix_list,
        target: route.target.clone(),
        next_hop: match next_hop {
            NextHop::TransitGateway(_) if only_ipv4 && destination.addr().is_ipv6() => NextHop::Blackhole(BlackholeReason::NoIpv6),
            hop => hop,
        },
        created_by: route.created_by,
        origin: route.origin.clone(),
    };
    match &route.destination {
        Destination::Ipv4(net) => vec![one(IpNet::V4(*net), None)],
        Destination::Ipv6(net) => vec![one(IpNet::V6(*net), None)],
        Destination::PrefixList(id) => {
            blocks_of(model, id).into_iter().map(|block| one(block, Some(id.clone()))).collect()
        }
    }
}

fn next_hop(model: &Model, fabric: &Fabric, table: &model::RouteTable, route: &model::Route) -> NextHop {
    use BlackholeReason as Why;
    let usable = model.route_state(table, route) == RouteState::Active;
    let or = |hop: Option<NextHop>, why: Why| match hop {
        None => NextHop::Blackhole(Why::TargetGone),
        Some(_) if !usable => NextHop::Blackhole(why),
        Some(hop) => hop,
    };
    match &route.target {
        RouteTarget::Local => NextHop::Local,
        RouteTarget::InternetGateway(id) => {
            or(fabric.internet_gateways.find(id, |igw| &igw.id).map(NextHop::InternetGateway), Why::NotAttached)
        }
        RouteTarget::NatGateway(id) => {
            or(fabric.nat_gateways.find(id, |nat| &nat.id).map(NextHop::NatGateway), Why::NotAvailable)
        }
        RouteTarget::NetworkInterface(id) => {
            let index = fabric.interface_by_id(id);
            let runs = index.is_some_and(|index| fabric.interfaces[index].status == InterfaceStatus::Running);
            match index {
                Some(_) if !runs => NextHop::Blackhole(Why::NotRunning),
                index => or(index.map(NextHop::Interface), Why::NotRunning),
            }
        }
        RouteTarget::VpcPeeringConnection(id) => {
            let other = model.vpc_peering_connections.get(id).and_then(|p| p.peer_of(&table.vpc_id));
            let other = other.and_then(|other| fabric.vpcs.find(other, |vpc| &vpc.id));
            let hop = fabric.peerings.find(id, |peering| &peering.id).zip(other);
            or(hop.map(|(peering, vpc)| NextHop::Peering { peering, vpc }), Why::NotAvailable)
        }
        RouteTarget::EgressOnlyInternetGateway(id) => {
            let index = fabric.egress_only_internet_gateways.find(id, |gateway| &gateway.id);
            or(index.map(NextHop::EgressOnlyInternetGateway), Why::NotAttached)
        }
        RouteTarget::VpcEndpoint(id) => {
            or(fabric.vpc_endpoints.find(id, |endpoint| &endpoint.id).map(NextHop::VpcEndpoint), Why::NotAvailable)
        }
        RouteTarget::VpnGateway(id) => {
            or(fabric.vpn_gateways.find(id, |gateway| &gateway.id).map(NextHop::VpnGateway), Why::NotAttached)
        }
        RouteTarget::TransitGateway(id) => {
            or(fabric.transit_gateways.find(id, |gateway| &gateway.id).map(NextHop::TransitGateway), Why::NotAttached)
        }
    }
}

/// RT-5 on equal prefixes, RT-6 between propagated routes and local ones, RT-7 between prefix lists.
fn decide(routes: Vec<Route>) -> (Vec<Route>, Vec<BeatenRoute>) {
    let local: Vec<IpNet> =
        routes.iter().filter(|r| r.created_by == RouteOrigin::CreateRouteTable).map(|r| r.destination).collect();
    let mut by_prefix: BTreeMap<(Reverse<u8>, IpNet), Vec<Route>> = BTreeMap::new();
    let mut beaten = Vec::new();
    for route in routes {
        let inside = local.iter().find(|block| block.contains(&route.destination));
        match inside {
            Some(block) if route.created_by == RouteOrigin::EnableVgwRoutePropagation => {
                beaten.push(BeatenRoute { beaten_by: *block, route, rule: "RT-6" });
            }
            _ => by_prefix.entry((Reverse(route.destination.prefix_len()), route.destination)).or_default().push(route),
        }
    }
    let rank = |route: &Route| {
        let kind = match (route.created_by, &route.prefix_list) {
            (RouteOrigin::EnableVgwRoutePropagation, _) => 2,
            (_, Some(_)) => 1,
            (_, None) => 0,
        };
        (kind, route.prefix_list.clone())
    };
    let mut winners = Vec::new();
    for ((_, destination), mut candidates) in by_prefix {
        candidates.sort_by_key(rank);
        let mut candidates = candidates.into_iter();
        let Some(winner) = candidates.next() else { continue };
        let (kind, _) = rank(&winner);
        winners.push(winner);
        beaten.extend(candidates.map(|route| {
            let same_kind = rank(&route).0 == kind;
            BeatenRoute { route, beaten_by: destination, rule: if same_kind { "RT-7" } else { "RT-5" } }
        }));
    }
    (winners, beaten)
}
