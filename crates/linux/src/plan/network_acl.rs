//! Chains of network ACLs: stateless, in order, only where a packet crosses its subnet's border (ACL-1, ACL-3).

use fabric::{Acl, Direction, Fabric, Family, SubnetIndex};
use model::TrafficMatch;
use model::network_acl::NetworkAclEntry;
use model::traffic::protocol::{TCP, UDP};
use netlink::nft::build::{Load, in_range, is};
use netlink::nft::{Chain, Element, Expr, Verdict};

use super::phrase::{all, goto, jump, then, within};
use super::{Table, family};

/// The device groups of a subnet: of its interfaces, and of the legs of transit gateways there.
#[derive(Clone, Copy)]
pub struct Borders {
    /// Of its interfaces.
    pub own: u32,
    /// Of legs, if it has some.
    pub legs: Option<u32>,
}

/// Adds what a subnet's ACL does in one direction to the table of a family. A list that lets everything through needs nothing.
pub fn plan(fabric: &Fabric, subnet: SubnetIndex, direction: Direction, of: Family, borders: Borders, invert: bool, table: &mut Table) {
    let group = borders.own;
    let acl = &fabric.acls[fabric.subnets[subnet].acl];
    if lets_everything_through(acl, direction, of) && !invert {
        return;
    }
    let (word, other_group) = match direction {
        Direction::Ingress => ("in", Load::IifGroup),
        Direction::Egress => ("out", Load::OifGroup),
    };
    let list = format!("acl_{word}_{:08x}", crate::naming::number(acl.id.as_str()));
    if !table.chains.contains_key(&list) {
        let drop = table.drop_chain(&format!("acl-{word}"));
        let (allow, deny) = match invert {
            false => (Verdict::Return, goto(drop)),
            true => (goto(drop), Verdict::Return),
        };
        let mut rules: Vec<_> = acl
            .entries(direction)
            .iter()
            .filter_map(|entry| rule(entry, direction, of, if entry.allow { &allow } else { &deny }))
            .collect();
        rules.push(vec![Expr::Verdict(deny)]);
        table.chain(Chain::new(list.clone()), rules);
    }
    let border = format!("border_{word}_{group:08x}");
    let mut rules = vec![then(is(other_group, &group.to_ne_bytes()), Verdict::Return)];
    if direction == Direction::Egress {
        // Without a mark the destination is in the sender's own subnet: a packet to an address there that nobody has meets
        // no list either (PIPE-6).
        rules.push(then(is(Load::Mark, &[0; 4]), Verdict::Return));
    }
    if let Some(legs) = borders.legs {
        if direction == Direction::Ingress {
            rules.push(then(is(other_group, &legs.to_ne_bytes()), Verdict::Return));
        }
        super::transit_gateway::border(direction, legs, &border, &list, table);
    }
    rules.push(vec![Expr::Verdict(goto(list))]);
    table.chain(Chain::new(border.clone()), rules);
    table.element(&format!("acl_{word}"), Element::new(group.to_ne_bytes()).verdict(jump(border)));
}

fn lets_everything_through(acl: &Acl, direction: Direction, of: Family) -> bool {
    let first = acl.entries(direction).iter().find(|entry| family::of_block(&entry.cidr_block) == of);
    first.is_some_and(|entry| {
        entry.allow && entry.traffic == TrafficMatch::All && entry.cidr_block.prefix_len() == 0
    })
}

/// One entry; `None` for what no packet of the family can match.
fn rule(entry: &NetworkAclEntry, direction: Direction, of: Family, verdict: &Verdict) -> Option<Vec<Expr>> {
    if family::of_block(&entry.cidr_block) != of {
        return None;
    }
    let address = match direction {
        Direction::Ingress => family::source(of),
        Direction::Egress => family::destination(of),
    };
    let ports = |number: u8, range: model::PortRange| {
        let ports = match range {
            model::PortRange::ALL => Vec::new(),
            range => in_range(Load::DestinationPort, &range.from.to_be_bytes(), &range.to.to_be_bytes()),
        };
        all([is(Load::Protocol, &[number]), ports])
    };
    let traffic = match entry.traffic {
        TrafficMatch::All => Vec::new(),
        TrafficMatch::Tcp(range) => ports(TCP, range),
        TrafficMatch::Udp(range) => ports(UDP, range),
        // SG-10 holds here too: ICMP is no IPv6 traffic, nor ICMPv6 IPv4's.
        TrafficMatch::Icmp(_) if of == Family::V6 => return None,
        TrafficMatch::Icmpv6(_) if of == Family::V4 => return None,
        TrafficMatch::Icmp(wanted) | TrafficMatch::Icmpv6(wanted) => all([
            is(Load::Protocol, &[family::icmp(of)]),
            wanted.icmp_type.map(|t| is(Load::IcmpType, &[t])).unwrap_or_default(),
            wanted.code.map(|c| is(Load::IcmpCode, &[c])).unwrap_or_default(),
        ]),
        TrafficMatch::Other(number) => is(Load::Protocol, &[number]),
    };
    Some(then(all([within(address, entry.cidr_block), traffic]), verdict.clone()))
}
