//! Chains of network ACLs: stateless, in order, only where a packet crosses its subnet's border (ACL-1, ACL-3).

use fabric::{Acl, Direction, Fabric, SubnetIndex};
use ipnet::IpNet;
use model::TrafficMatch;
use model::network_acl::NetworkAclEntry;
use model::traffic::protocol::{ICMP, TCP, UDP};
use netlink::nft::build::{Load, in_range, is};
use netlink::nft::{Chain, Element, Expr, Verdict};

use super::Table;
use super::phrase::{all, goto, jump, then, within};

/// Adds what a subnet's ACL does in one direction; `group` is the subnet's device group. A list that lets everything
/// through needs nothing.
pub fn plan(fabric: &Fabric, subnet: SubnetIndex, direction: Direction, group: u32, invert: bool, table: &mut Table) {
    let acl = &fabric.acls[fabric.subnets[subnet].acl];
    if lets_everything_through(acl, direction) && !invert {
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
            .filter_map(|entry| rule(entry, direction, if entry.allow { &allow } else { &deny }))
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
    rules.push(vec![Expr::Verdict(goto(list))]);
    table.chain(Chain::new(border.clone()), rules);
    table.element(&format!("acl_{word}"), Element::new(group.to_ne_bytes()).verdict(jump(border)));
}

fn lets_everything_through(acl: &Acl, direction: Direction) -> bool {
    let first = acl.entries(direction).iter().find(|entry| matches!(entry.cidr_block, IpNet::V4(_)));
    first.is_some_and(|entry| {
        entry.allow && entry.traffic == TrafficMatch::All && entry.cidr_block.prefix_len() == 0
    })
}

/// One entry; `None` for what no IPv4 packet can match.
fn rule(entry: &NetworkAclEntry, direction: Direction, verdict: &Verdict) -> Option<Vec<Expr>> {
    let IpNet::V4(block) = entry.cidr_block else { return None };
    let address = match direction {
        Direction::Ingress => Load::SourceV4,
        Direction::Egress => Load::DestinationV4,
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
        TrafficMatch::Icmp(wanted) => all([
            is(Load::Protocol, &[ICMP]),
            wanted.icmp_type.map(|t| is(Load::IcmpType, &[t])).unwrap_or_default(),
            wanted.code.map(|c| is(Load::IcmpCode, &[c])).unwrap_or_default(),
        ]),
        TrafficMatch::Icmpv6(_) => return None,
        TrafficMatch::Other(number) => is(Load::Protocol, &[number]),
    };
    Some(then(all([within(address, block), traffic]), verdict.clone()))
}
