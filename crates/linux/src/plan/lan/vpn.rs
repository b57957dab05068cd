//! A link between a lan and a VPC: a pair between the lan's router and the VPC's, behind the virtual private gateway (VPN-1).
//! Both ends ask nobody for addresses, as in a tunnel there is nobody else. The VPC's router looks at what comes and goes there
//! as at what is beyond a peering; which destinations lead there, its route tables say. What is longer than a tunnel takes is cut
//! or dropped there, and nobody is told (L2-8, L2-10).

use fabric::packet::icmp;
use fabric::stage::vpn_gateway::MTU;
use fabric::{Fabric, NextHop, VpcIndex};
use ipnet::{IpNet, Ipv4Net};
use model::traffic::protocol;
use netlink::nft::build::{Load, has_any, is, is_not};
use netlink::nft::{Base, Chain, CompareOp, Element, Expr, Family, Hook, MetaKey, Verdict, priority};

use super::super::ingress::from_outside;
use super::super::phrase::{FIRST, all, device_is, device_key, goto, jump, then, within};
use super::super::router::{self, mark};
use super::super::{LinkEnd, MTU_VPC, Namespace, Plan, RouteTo, transit_gateway};
use super::link::{given, qdisc};
use super::wiring::{Tunnel, Wiring};
use super::Shaping;
use crate::naming::{SINK_BLACKHOLE, device_namespace, router_namespace, tunnel_link};

/// The VPC that a name means, if a virtual private gateway is attached to it.
pub(super) fn vpc(fabric: &Fabric, name: &str) -> Option<VpcIndex> {
    let (index, vpc) = fabric.vpcs.iter().find(|(_, vpc)| vpc.name == name)?;
    vpc.vpn_gateway.is_some().then_some(index)
}

/// Adds all of a lan.
pub(super) fn plan(wiring: &Wiring, fabric: &Fabric, shaping: Shaping, plan: &mut Plan) {
    for tunnel in wiring.tunnels() {
        let (Some(device), Some(link)) = (wiring.lan.devices.get(&tunnel.device), wiring.lan.links.get(tunnel.link)) else { continue };
        let (own, router) = (device_namespace(&tunnel.device, device), router_namespace(&fabric.vpcs[tunnel.vpc].id));
        let name = tunnel_link(&tunnel.device, &tunnel.interface);
        let mac = given(device, &tunnel.device, &tunnel.interface);
        let ends = [LinkEnd::new(&router, &name, mac, MTU_VPC), LinkEnd::new(own, &tunnel.interface, mac, link.mtu_bytes)];
        let [near, far] = ends.map(|end| LinkEnd { asks: false, is_up: link.up, qdisc: qdisc(link, shaping), ..end });
        plan.link(near, far);
        let announced = wiring.lan.announced(tunnel.link);
        let namespace = plan.namespace(&router);
        rules(fabric, tunnel, &name, namespace);
        if link.up {
            let to = RouteTo::Device { device: name.clone(), via: None, source: None, mtu: Some(MTU.min(link.mtu_bytes)) };
            routes(fabric, tunnel, &to, &announced, namespace);
        }
    }
}

/// Who may use it, as at a peering; a gateway's route table decides what comes (RT-18).
fn rules(fabric: &Fabric, tunnel: &Tunnel, name: &str, namespace: &mut Namespace) {
    let vpc = &fabric.vpcs[tunnel.vpc];
    let edge = vpc.vpn_gateway.and_then(|gateway| fabric.vpn_gateways[gateway].edge_route_table);
    let edge = edge.map(|table| mark(&fabric.route_tables[table]));
    let ingress = Chain::base(name, Hook::Ingress, 0).policy_drop().devices([name]);
    let mut comes = from_outside(edge, false);
    comes.insert(1, then(too_long(), Verdict::Drop));
    namespace.table(Family::Netdev, router::TABLE).chain(ingress, comes);
    let table = namespace.table(Family::Ip, router::TABLE);
    let segments = Chain::base(format!("mss_{name}"), Hook::Forward, priority::FILTER - 1);
    let ways = [device_is(MetaKey::Iif, name), device_is(MetaKey::Oif, name)];
    table.chain(segments, ways.map(|way| all([way, clamped()])).to_vec());
    let says = all([is(Load::Protocol, &[protocol::ICMP]), is(Load::IcmpType, &[icmp::UNREACHABLE]), is(Load::IcmpCode, &[icmp::FRAGMENTATION_NEEDED])]);
    table.chain(Chain::base("untold", Hook::Output, priority::FILTER), vec![then(says, Verdict::Drop)]);
    let towards = format!("to_{name}");
    let mut sources: Vec<_> = vpc.blocks.iter().map(|block| then(within(Load::SourceV4, *block), Verdict::Return)).collect();
    sources.push(vec![Expr::Verdict(Verdict::Drop)]);
    table.chain(Chain::new(towards.clone()), sources);
    table.element("outcome", Element::new(device_key(name)).verdict(jump(towards)));
    for (map, chain) in [("sg_out", "outside_out"), ("sg_in", "outside_in")] {
        table.element(map, Element::new(device_key(name)).verdict(goto(chain)));
    }
    table.element(super::super::security_group::OUTSIDE, Element::new(device_key(name)));
}

/// What is longer than a tunnel takes and must not be cut is dropped on the way (L2-10). Of TCP the kernel may show many segments as
/// one here, and they fit anyway.
fn too_long() -> Vec<Expr> {
    let length = Expr::Payload { base: Base::Network, offset: 2, length: 2, register: FIRST };
    let longer = Expr::Compare { register: FIRST, op: CompareOp::Gt, value: (MTU as u16).to_be_bytes().to_vec() };
    all([is_not(Load::ProtocolV4, &[protocol::TCP]), has_any(Load::FragmentV4, &[0x40, 0]), vec![length, longer]])
}

/// Lowers the segment size that the first segments of a TCP connection name to what a tunnel takes (L2-10).
fn clamped() -> Vec<Expr> {
    let size = Expr::Immediate { register: FIRST, value: (MTU as u16 - 40).to_be_bytes().to_vec() };
    let store = Expr::ExthdrStore { kind: 2, offset: 2, length: 2, register: FIRST };
    all([is(Load::Protocol, &[protocol::TCP]), has_any(Load::TcpFlags, &[0x02]), vec![size, store]])
}

/// Routes to the gateway lead to the lan that announced what they speak of; others stay holes.
fn routes(fabric: &Fabric, tunnel: &Tunnel, to: &RouteTo, announced: &[Ipv4Net], namespace: &mut Namespace) {
    for table in fabric.route_tables.values().filter(|table| table.vpc == tunnel.vpc) {
        let numbers = transit_gateway::tables_of(fabric, table).into_iter().map(|(number, _)| number);
        for (number, route) in numbers.flat_map(|number| table.routes.iter().map(move |route| (number, route))) {
            let (IpNet::V4(destination), NextHop::VpnGateway(_)) = (route.destination, route.next_hop) else { continue };
            let is_told = announced.iter().any(|network| network.contains(&destination) || destination.contains(network));
            let hole = super::super::Route { table: number, destination: route.destination, metric: 0, to: RouteTo::device(SINK_BLACKHOLE) };
            if is_told && namespace.routes.remove(&hole) {
                namespace.route(number, destination, 0, to.clone());
            }
        }
    }
}
