//! A transit gateway: a router of its own tables (TGW-2), each once for every zone, because a packet keeps the zone that it came
//! from until it enters a VPC. A peering has a link for each zone.

use std::collections::{BTreeMap, BTreeSet};

use fabric::gateway::{TransitEnd, TransitGateway, TransitGatewayTable};
use fabric::stage::transit_gateway;
use fabric::{Fabric, Family as Of, Stage, TransitGatewayIndex};
use ipnet::IpNet;
use model::traffic::protocol;
use netlink::nft::build::{Load, clamp_mss_to_route, from_map, has_any, in_set, is, is_not, masked_is};
use netlink::nft::{self, Base, Chain, CompareOp, Element, Expr, Hook, MetaKey, Set, priority};

use super::super::phrase::{FIRST, all, by_device, device_key, goto, jump, restore_ttl, then};
use super::super::{ANYWHERE, LinkEnd, MTU_VPC, Namespace, Options, Plan, ROUTER_MAC, RouteTo, Rule, Table, family, ipv6};
use super::{MAC, NEIGHBOUR, leg_group, link};
use crate::naming::{SINK_BLACKHOLE, SINK_NO_ROUTE, router_namespace, transit_gateway_namespace, transit_link, zonal_number};

/// The name of its tables.
const TABLE: &str = "tgw";
/// Devices of legs that lead to other gateways.
const PEERS: &str = "peers";
/// From the device that a packet came by to the table that it asks.
const TABLES: &str = "tables";

/// A link of the gateway.
struct Leg {
    link: String,
    /// Position of the attachment.
    attachment: usize,
    /// The zone that packets come from by it.
    zone: String,
    is_peer: bool,
    /// Hardware address of the other end.
    neighbour: [u8; 6],
}

/// Adds a gateway that something is attached to.
pub fn plan(fabric: &Fabric, index: TransitGatewayIndex, options: Options, plan: &mut Plan) {
    let gateway = &fabric.transit_gateways[index];
    if gateway.attachments.is_empty() {
        return;
    }
    let key = transit_gateway_namespace(&gateway.id);
    let end = |name: &str, last: u8| LinkEnd::new(&key, name, [0x02, 0x76, 0x70, 0x63, 3, last], MTU_VPC);
    plan.link(end(SINK_NO_ROUTE, 0), end(SINK_BLACKHOLE, 1));
    let legs = legs(fabric, gateway);
    links(fabric, index, &legs, &key, plan);
    let speaks_ipv6 = ipv6::is_spoken(fabric);
    let namespace = plan.namespace(&key);
    namespace.forward();
    // With routing rules present the kernel would look up the way back of every packet to find out whether it is one of ours.
    namespace.sysctls.insert("net/ipv4/conf/all/accept_local".to_owned(), "1".to_owned());
    legs.iter().for_each(|leg| namespace.neighbour(&leg.link, NEIGHBOUR, leg.neighbour));
    carry(fabric, gateway, &legs, Of::V4, options, namespace);
    filter(gateway, &legs, Of::V4, namespace.table(nft::Family::Ip, TABLE));
    if speaks_ipv6 {
        ipv6::speak(namespace);
        ipv6::forward(namespace);
        legs.iter().for_each(|leg| namespace.neighbour(&leg.link, ipv6::NEIGHBOUR, leg.neighbour));
        carry(fabric, gateway, &legs, Of::V6, options, namespace);
        filter(gateway, &legs, Of::V6, namespace.table(nft::Family::Ip6, TABLE));
    }
}

/// Zones that packets may come from: those of all attachments.
fn zones(fabric: &Fabric) -> BTreeSet<&str> {
    let ends = fabric.transit_gateways.values().flat_map(|gateway| &gateway.attachments).map(|attachment| &attachment.to);
    let subnets = ends.flat_map(|end| match end {
        TransitEnd::Vpc { subnets, .. } => subnets.as_slice(),
        TransitEnd::Peering { .. } => &[],
    });
    subnets.map(|subnet| fabric.subnets[*subnet].availability_zone.as_str()).collect()
}

fn legs(fabric: &Fabric, gateway: &TransitGateway) -> Vec<Leg> {
    let of_attachment = |(attachment, own): (usize, &fabric::gateway::TransitGatewayAttachment)| match &own.to {
        TransitEnd::Vpc { subnets, .. } => subnets
            .iter()
            .map(|subnet| Leg {
                link: link(fabric, own.id.as_str(), *subnet),
                attachment,
                zone: fabric.subnets[*subnet].availability_zone.clone(),
                is_peer: false,
                neighbour: ROUTER_MAC,
            })
            .collect::<Vec<_>>(),
        TransitEnd::Peering { .. } => {
            let by_zone = |zone: &str| {
                let link = transit_link(own.id.as_str(), zone);
                Leg { link, attachment, zone: zone.to_owned(), is_peer: true, neighbour: MAC }
            };
            zones(fabric).into_iter().map(by_zone).collect()
        }
    };
    gateway.attachments.iter().enumerate().flat_map(of_attachment).collect()
}

/// A pair for each leg; of a peering the gateway that comes first makes it.
fn links(fabric: &Fabric, index: TransitGatewayIndex, legs: &[Leg], key: &str, plan: &mut Plan) {
    for leg in legs {
        let own = LinkEnd::new(key, &leg.link, MAC, MTU_VPC);
        match &fabric.transit_gateways[index].attachments[leg.attachment].to {
            TransitEnd::Vpc { vpc, subnets } => {
                let of_zone = subnets.iter().find(|subnet| fabric.subnets[**subnet].availability_zone == leg.zone);
                let Some(subnet) = of_zone else { continue };
                let router = router_namespace(&fabric.vpcs[*vpc].id);
                let group = leg_group(fabric, *subnet);
                plan.link(LinkEnd { group, ..LinkEnd::new(&router, &leg.link, ROUTER_MAC, MTU_VPC) }, own);
                let namespace = plan.namespace(&router);
                namespace.neighbour(&leg.link, NEIGHBOUR, MAC);
                if ipv6::speaks(fabric, *vpc) {
                    namespace.neighbour(&leg.link, ipv6::NEIGHBOUR, MAC);
                }
            }
            TransitEnd::Peering { gateway: other, .. } if index < *other => {
                let far = transit_gateway_namespace(&fabric.transit_gateways[*other].id);
                plan.link(own, LinkEnd::new(far, &leg.link, MAC, MTU_VPC));
            }
            TransitEnd::Peering { .. } => {}
        }
    }
}

/// The routing table of a gateway's table for packets from a zone.
fn number(table: &TransitGatewayTable, zone: &str) -> u32 {
    zonal_number(table.id.as_str(), zone)
}

fn table_of<'g>(gateway: &'g TransitGateway, leg: &Leg) -> Option<&'g TransitGatewayTable> {
    gateway.tables.get(gateway.attachments.get(leg.attachment)?.table?)
}

fn carry(fabric: &Fabric, gateway: &TransitGateway, legs: &[Leg], of: Of, options: Options, namespace: &mut Namespace) {
    let anywhere = if of == Of::V4 { IpNet::V4(ANYWHERE) } else { IpNet::V6(ipv6::ANYWHERE) };
    let via = if of == Of::V4 { NEIGHBOUR.into() } else { ipv6::NEIGHBOUR.into() };
    let asked: BTreeMap<u32, (&TransitGatewayTable, &str)> = legs
        .iter()
        .filter_map(|leg| table_of(gateway, leg).map(|table| (number(table, &leg.zone), (table, leg.zone.as_str()))))
        .collect();
    for (number, (table, zone)) in asked {
        namespace.rules.insert(Rule { family: of, priority: 100, mark: Some(number), table: number });
        namespace.route(number, anywhere, 9_999, RouteTo::device(SINK_NO_ROUTE));
        for route in table.routes.iter().filter(|route| family::of_block(&route.destination) == of) {
            let out = route.attachment.and_then(|position| gateway.attachments.get(position)).and_then(|to| match &to.to {
                TransitEnd::Vpc { subnets, .. } => {
                    Some(link(fabric, to.id.as_str(), transit_gateway::leave(fabric, subnets, zone)?))
                }
                TransitEnd::Peering { .. } => Some(transit_link(to.id.as_str(), zone)),
            });
            // For tests: what has a route goes nowhere.
            let to = match out.filter(|_| options.invert != Some(Stage::TransitGateway)) {
                Some(device) => RouteTo::Device { device, via: Some(via), source: None, mtu: Some(transit_gateway::MTU) },
                None => RouteTo::device(SINK_BLACKHOLE),
            };
            namespace.route(number, route.destination, 0, to);
        }
    }
}

/// It is no hop, says nothing of its own, and lowers the segment size of TCP (L2-8, L2-9).
fn filter(gateway: &TransitGateway, legs: &[Leg], of: Of, table: &mut Table) {
    let ttl = restore_ttl(of, table);
    let [long, unassociated] = ["tgw-mtu", "tgw-no-table"].map(|prefix| table.drop_chain(prefix));
    let asked = legs.iter().filter_map(|leg| Some((leg, number(table_of(gateway, leg)?, &leg.zone))));
    let marks = asked.map(|(leg, number)| Element::new(device_key(&leg.link)).value(number.to_ne_bytes()));
    table.set(Set::map(TABLES, [4], 4), marks);
    let mut mark = from_map(&[Load::Iif], TABLES);
    mark.push(Expr::MetaStore { key: MetaKey::Mark, register: FIRST });
    let rules = vec![
        ttl,
        then(too_long(of), goto(long)),
        mark,
        then(is(Load::Mark, &[0; 4]), goto(unassociated)),
    ];
    table.chain(Chain::base("prerouting", Hook::Prerouting, priority::RAW), rules);

    let peers = legs.iter().filter(|leg| leg.is_peer).map(|leg| Element::new(device_key(&leg.link)));
    let mut forward = Vec::new();
    if peers.clone().next().is_some() {
        table.set(Set::new(PEERS, [4]), peers);
        let again = super::pass_again(of, table);
        forward.push(then(all([in_set(&[Load::Iif], PEERS), in_set(&[Load::Oif], PEERS)]), jump(again)));
    }
    table.set(Set::verdict_map("outcome", [4]), []);
    for (sink, prefix) in [(SINK_NO_ROUTE, "tgw-no-route"), (SINK_BLACKHOLE, "tgw-blackhole")] {
        let chain = table.drop_chain(prefix);
        table.element("outcome", Element::new(device_key(sink)).verdict(goto(chain)));
    }
    forward.push(by_device(MetaKey::Oif, "outcome"));
    let opens = all([is(Load::Protocol, &[protocol::TCP]), masked_is(Load::TcpFlags, &[0x06], &[0x02])]);
    forward.push(all([opens, clamp_mss_to_route()]));
    table.chain(Chain::base("forward", Hook::Forward, priority::FILTER), forward);
    for (name, hook) in [("input", Hook::Input), ("output", Hook::Output)] {
        table.chain(Chain::base(name, hook, priority::FILTER).policy_drop(), Vec::new());
    }
}

/// What is longer than the gateway takes and must not be cut (TGW-3); over IPv6 nothing is cut on the way (RFC 8200, 5). Of TCP the
/// kernel may show many segments as one here, and they fit anyway.
fn too_long(of: Of) -> Vec<Expr> {
    let (offset, most, may_not_be_cut) = match of {
        Of::V4 => (2, transit_gateway::MTU as u16, has_any(Load::FragmentV4, &[0x40, 0])),
        Of::V6 => (4, transit_gateway::MTU as u16 - 40, Vec::new()),
    };
    let length = Expr::Payload { base: Base::Network, offset, length: 2, register: FIRST };
    let longer = Expr::Compare { register: FIRST, op: CompareOp::Gt, value: most.to_be_bytes().to_vec() };
    all([is_not(Load::Protocol, &[protocol::TCP]), may_not_be_cut, vec![length, longer]])
}
