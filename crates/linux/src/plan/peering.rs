//! A peering connection: a link between two routers, and the check that only the two VPCs use it (PCX-4).

use std::net::Ipv4Addr;

use fabric::gateway::Peering;
use fabric::{Fabric, Family, VpcIndex};
use netlink::nft::{Chain, Element, Expr, Verdict};

use super::phrase::{device_key, goto, jump, then, within};
use super::{LinkEnd, MTU_VPC, Plan, ROUTER_MAC, Table, family, ipv6};
use crate::naming::{peering_link, router_namespace};

/// The other router, on either side.
pub const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(169, 254, 9, 2);

/// Adds the link of an active connection.
pub fn plan(fabric: &Fabric, peering: &Peering, plan: &mut Plan) {
    let (Some(requester), Some(accepter), true) = (peering.requester, peering.accepter, peering.is_active()) else { return };
    let link = peering_link(&peering.id);
    let [near, far] = [requester, accepter].map(|vpc| router_namespace(&fabric.vpcs[vpc].id));
    for (key, vpc) in [(&near, requester), (&far, accepter)] {
        let namespace = plan.namespace(key);
        namespace.neighbour(&link, NEIGHBOUR, ROUTER_MAC);
        if ipv6::speaks(fabric, vpc) {
            namespace.neighbour(&link, ipv6::NEIGHBOUR, ROUTER_MAC);
        }
    }
    plan.link(LinkEnd::new(near, &link, ROUTER_MAC, MTU_VPC), LinkEnd::new(far, &link, ROUTER_MAC, MTU_VPC));
}

/// Adds the check on the way out of `vpc`: the destination is the peer's, the source our own.
pub fn check(fabric: &Fabric, vpc: VpcIndex, peering: &Peering, of: Family, invert: bool, table: &mut Table) {
    let Some(peer) = peering.peer_of(vpc).filter(|_| peering.is_active()) else { return };
    let link = peering_link(&peering.id);
    let drop = table.drop_chain("pcx");
    let (towards, from) = (format!("to_{link}"), format!("from_{link}"));
    let (good, bad) = if invert { (goto(drop), Verdict::Return) } else { (Verdict::Return, goto(drop)) };
    let theirs = super::blocks(fabric, peer, of);
    let mut rules: Vec<_> = theirs.map(|block| then(within(family::destination(of), block), goto(from.clone()))).collect();
    rules.push(vec![Expr::Verdict(bad.clone())]);
    let ours = super::blocks(fabric, vpc, of);
    let mut sources: Vec<_> = ours.map(|block| then(within(family::source(of), block), good.clone())).collect();
    sources.push(vec![Expr::Verdict(bad)]);
    table.chain(Chain::new(from), sources);
    table.chain(Chain::new(towards.clone()), rules);
    table.element("outcome", Element::new(device_key(&link)).verdict(jump(towards)));
}
