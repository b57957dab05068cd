//! What an interface may send over IPv6, and which routing table that asks: the counterpart of an interface's ingress chain of
//! IPv4, called by it.

use fabric::stage::route_table::UNROUTABLE_IPV6;
use fabric::{Fabric, Family, Interface, InterfaceKind, Stage, VpcIndex};
use ipnet::IpNet;
use model::traffic::protocol;
use netlink::nft::build::{Load, in_range, in_set, is, is_not, not_in_set, set_mark, set_meta};
use netlink::nft::{Chain, CompareOp, Element, Expr, MetaKey, Set, Verdict};

use super::super::phrase::{all, ethertype, goto, restore_ttl, then, within};
use super::super::ingress::DROPS;
use super::super::router::addresses;
use super::super::{Options, Table, family, transit_gateway};
use super::{LINK_LOCAL, MULTICAST, discovery};
use crate::naming::interface_link;

/// EtherType of IPv6.
const ETHERTYPE: u16 = 0x86dd;
/// Where in an interface's chain of IPv4 the call stands: before all that drops what it does not know.
pub const PLACE: usize = 0;
/// The chain by which packets go on to routing.
const PASS: &str = "pass_v6";

/// Adds what the interfaces of a VPC share.
pub fn plan(fabric: &Fabric, index: VpcIndex, table: &mut Table) {
    let pass = vec![restore_ttl(Family::V6, table), then(set_meta(MetaKey::PacketType, &[0]), Verdict::Accept)];
    table.chain(Chain::new(PASS), pass);
    discovery::plan(fabric, index, table);
}

/// What comes by a link to beyond the VPC goes on, and asks the routing table of a gateway, if that has one.
pub fn from_outside(mark: Option<u32>) -> Vec<Expr> {
    then(all([ethertype(CompareOp::Eq, ETHERTYPE), mark.map(set_mark).unwrap_or_default()]), goto(PASS))
}

/// What comes by such a link for this block goes on and asks no table.
pub fn from_outside_to(block: IpNet) -> Vec<Expr> {
    then(all([ethertype(CompareOp::Eq, ETHERTYPE), within(Load::DestinationV6, block)]), goto(PASS))
}

/// Adds an interface's chain; the rule that calls it.
pub fn interface(fabric: &Fabric, interface: &Interface, options: Options, table: &mut Table) -> Vec<Expr> {
    let link = interface_link(&interface.id);
    let name = format!("v6_{link}");
    let rules = rules(fabric, interface, &link, options, table);
    table.chain(Chain::new(name.clone()), rules);
    then(ethertype(CompareOp::Eq, ETHERTYPE), goto(name))
}

fn rules(fabric: &Fabric, interface: &Interface, link: &str, options: Options, table: &mut Table) -> Vec<Vec<Expr>> {
    let subnet = &fabric.subnets[interface.subnet];
    let [foreign, nobody, stopped] = DROPS.map(|prefix| table.drop_chain(prefix));
    let icmp = is(Load::Protocol, &[protocol::ICMPV6]);
    // Groups and neighbours are the link's own affair, and there is no link: what no rule answers ends without a word.
    let to_groups = then(all([icmp.clone(), within(Load::DestinationV6, MULTICAST)]), Verdict::Drop);
    let among_neighbours = all([icmp, in_range(Load::IcmpType, &[130], &[137]), within(Load::SourceV6, LINK_LOCAL)]);
    if !interface.status.is_running() && options.invert != Some(Stage::InterfaceState) {
        return vec![to_groups, vec![Expr::Verdict(goto(stopped))]];
    }
    let mut rules = vec![then(is_not(Load::SourceMac, &interface.mac.0), Verdict::Drop)];
    rules.extend(discovery::answers(fabric, interface.subnet, link));
    rules.extend([
        to_groups,
        then(among_neighbours, Verdict::Drop),
        then(within(Load::DestinationV6, MULTICAST), goto(nobody)),
    ]);
    let (is_own, is_foreign) = own(interface, link, table);
    let is_nat = matches!(interface.kind, InterfaceKind::NatGateway(_));
    if interface.source_dest_check && !is_nat {
        let wrong = if options.invert == Some(Stage::SourceDestCheck) { is_own } else { is_foreign };
        rules.push(then(wrong, goto(foreign)));
    } else {
        // Whoever may send as others may not ask the services as others (IMDS-1), nor as somebody on the link.
        rules.push(then(all([within(Load::DestinationV6, UNROUTABLE_IPV6), is_foreign]), goto(foreign.clone())));
        rules.push(then(within(Load::SourceV6, LINK_LOCAL), goto(foreign)));
    }
    rules.extend(subnet.ipv6_blocks.iter().map(|block| then(within(Load::DestinationV6, *block), goto(PASS))));
    rules.push(then(set_mark(transit_gateway::subnet_mark(fabric, interface.subnet)), goto(PASS)));
    rules
}

/// How an interface's own addresses are told from others: by comparison where there is one, else by a set.
fn own(interface: &Interface, link: &str, table: &mut Table) -> (Vec<Expr>, Vec<Expr>) {
    let load = family::source(Family::V6);
    let octets: Vec<Vec<u8>> = addresses(interface, Family::V6).map(family::octets).collect();
    match &octets[..] {
        [only] => (is(load, only), is_not(load, only)),
        many => {
            let name = format!("own6_{link}");
            table.set(Set::new(name.clone(), [load.length()]), many.iter().cloned().map(Element::new));
            (in_set(&[load], &name), not_in_set(&[load], &name))
        }
    }
}
