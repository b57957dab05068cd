//! A gateway endpoint: a link from the router to the hosts outside that are the service, past the internet gateway, and the
//! check that only the VPC's own TCP and echo requests use it (VPCE-1, VPCE-3, VPCE-4).
//!
//! Nothing is translated: the service sees private addresses. Two VPCs may have the same, so outside the flow remembers by
//! which link it came, and its answers go back there.

use std::net::Ipv4Addr;

use fabric::gateway::{VpcEndpoint, VpcEndpointKind};
use fabric::{Fabric, Family as Of, packet::icmp};
use model::endpoint::VpcEndpointState;
use model::traffic::protocol;
use netlink::nft::build::{Load, is, set_ct_mark_bits, set_mark};
use netlink::nft::{Chain, Element, Expr, Family, Hook, MetaKey, Verdict, priority};

use super::internet::{OUTSIDE_MAC, OUTSIDE_NEIGHBOUR, TABLE};
use super::phrase::{all, device_is, device_key, goto, jump, then, within};
use super::{ANYWHERE, LinkEnd, MTU_VPC, Plan, ROUTER_MAC, RouteTo, Rule, Table};
use crate::naming::{INTERNET, endpoint_link, number, router_namespace};

/// The router as a neighbour of the service.
const ROUTER_NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(169, 254, 9, 1);

/// Whether an endpoint carries packets by a link of its own.
pub fn is_linked(endpoint: &VpcEndpoint) -> bool {
    matches!(endpoint.kind, VpcEndpointKind::Gateway { .. }) && endpoint.state == VpcEndpointState::Available
}

/// Adds the link, and the way back of what came by it.
pub fn plan(fabric: &Fabric, endpoint: &VpcEndpoint, plan: &mut Plan) {
    if !is_linked(endpoint) {
        return;
    }
    let (link, router) = (endpoint_link(&endpoint.id), router_namespace(&fabric.vpcs[endpoint.vpc].id));
    plan.link(LinkEnd::new(&router, &link, ROUTER_MAC, MTU_VPC), LinkEnd::new(INTERNET, &link, OUTSIDE_MAC, MTU_VPC));
    plan.namespace(&router).neighbour(&link, OUTSIDE_NEIGHBOUR, OUTSIDE_MAC);
    let namespace = plan.namespace(INTERNET);
    namespace.neighbour(&link, ROUTER_NEIGHBOUR, ROUTER_MAC);
    let mark = number(endpoint.id.as_str());
    namespace.rules.insert(Rule { family: Of::V4, priority: 100, mark: Some(mark), table: mark });
    namespace.route(mark, ANYWHERE, 0, RouteTo::via(&link, ROUTER_NEIGHBOUR));
    let table = namespace.table(Family::Ip, TABLE);
    let came = all([device_is(MetaKey::Iif, &link), set_ct_mark_bits(mark, u32::MAX)]);
    rule(table, Chain::base("endpoints_in", Hook::Prerouting, priority::MANGLE), came);
    // What belongs to no flow is refused by the same link: the kernel's own answers take the mark of what they answer.
    let refused = all([device_is(MetaKey::Iif, &link), set_mark(mark)]);
    rule(table, Chain::base("endpoints_here", Hook::Input, priority::MANGLE), refused);
    let answers = all([is(Load::CtMark, &mark.to_ne_bytes()), set_mark(mark)]);
    rule(table, Chain::base("endpoints_out", Hook::Output, priority::MANGLE).route(), answers);
}

/// Adds a rule to a chain that several endpoints share.
fn rule(table: &mut Table, chain: Chain, rule: Vec<Expr>) {
    let mut rules = table.chains.get(&chain.name).map(|(_, rules)| rules.to_vec()).unwrap_or_default();
    rules.push(rule);
    table.chain(chain, rules);
}

/// Adds the check on the way out of the router.
pub fn check(fabric: &Fabric, endpoint: &VpcEndpoint, invert: bool, table: &mut Table) {
    let link = endpoint_link(&endpoint.id);
    let (source, traffic) = (table.drop_chain("vpce-source"), table.drop_chain("vpce-protocol"));
    let (towards, own) = (format!("to_{link}"), format!("from_{link}"));
    let (good, bad) = if invert { (goto(traffic.clone()), Verdict::Return) } else { (Verdict::Return, goto(traffic)) };
    let blocks = fabric.vpcs[endpoint.vpc].blocks.iter();
    let mut rules: Vec<_> = blocks.map(|block| then(within(Load::SourceV4, *block), goto(own.clone()))).collect();
    rules.push(vec![Expr::Verdict(if invert { Verdict::Return } else { goto(source) })]);
    let echo = all([is(Load::Protocol, &[protocol::ICMP]), is(Load::IcmpType, &[icmp::ECHO_REQUEST])]);
    let passes = vec![
        then(is(Load::Protocol, &[protocol::TCP]), good.clone()),
        then(echo, good),
        vec![Expr::Verdict(bad)],
    ];
    table.chain(Chain::new(own), passes);
    table.chain(Chain::new(towards.clone()), rules);
    table.element("outcome", Element::new(device_key(&link)).verdict(jump(towards)));
}
