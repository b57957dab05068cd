//! Near misses: rules that admit a packet but for one field. And what a deciding entry of a network ACL keeps from
//! deciding.

use std::net::IpAddr;

use fabric::group::RulePeer;
use fabric::stage::security_group;
use fabric::{Direction, Header, InterfaceIndex, SubnetIndex};
use model::network_acl::NetworkAclEntry;
use model::{PortRange, TrafficMatch};

use super::view;
use super::words::Cloud;

/// Near misses that are shown.
const SHOWN: usize = 5;

/// Rules of an interface's groups that miss a packet by one field: by the peer first, then by protocol or port.
pub(super) fn of_groups(
    cloud: &Cloud<'_>,
    interface: InterfaceIndex,
    direction: Direction,
    header: &Header,
) -> Vec<view::Near> {
    let Some(set) = cloud.fabric.interfaces[interface].group_set else {
        return Vec::new();
    };
    let address = peer_address(header, direction);
    let mut near = Vec::new();
    for (index, rule) in cloud.fabric.rules_of(set, direction) {
        let peer = security_group::peer_matches(cloud.fabric, &rule.peer, address, true);
        let (missed, text) = match (missed_traffic(header, rule.traffic), peer) {
            (Missed::Nothing, false) => ("peer", not_peer(cloud, &rule.peer, address)),
            (Missed::Nothing, true) => (
                "peer",
                "the packet was passed on before, so a group's members are not known (SG-12)"
                    .to_owned(),
            ),
            (Missed::One(field), true) => (field, field.to_owned()),
            _ => continue,
        };
        let view = cloud.group_rule_view(index.group, index.rule as usize, direction);
        near.extend(view.map(|rule| view::Near { rule, missed, text }));
    }
    near.sort_by_key(|near| near.missed != "peer");
    near.truncate(SHOWN);
    near
}

/// Allowing entries of a subnet's list that miss a packet by one field.
pub(super) fn of_list(
    cloud: &Cloud<'_>,
    subnet: SubnetIndex,
    direction: Direction,
    header: &Header,
) -> Vec<view::Near> {
    let address = peer_address(header, direction);
    let acl = &cloud.fabric.acls[cloud.fabric.subnets[subnet].acl];
    let mut near = Vec::new();
    for entry in acl.entries(direction).iter().filter(|entry| entry.allow) {
        let peer = entry.cidr_block.contains(&address);
        let (missed, text) = match (missed_traffic(header, entry.traffic), peer) {
            (Missed::Nothing, false) => {
                ("peer", format!("{address} is not in {}", entry.cidr_block))
            }
            (Missed::One(field), true) => (field, field.to_owned()),
            _ => continue,
        };
        let rule = cloud.entry_view(subnet, Some(entry), direction);
        near.push(view::Near { rule, missed, text });
    }
    near.truncate(SHOWN);
    near
}

/// Entries after the deciding one that match too and would decide otherwise.
pub(super) fn shadowed(
    cloud: &Cloud<'_>,
    subnet: SubnetIndex,
    direction: Direction,
    header: &Header,
) -> Vec<view::Rule> {
    let address = peer_address(header, direction);
    let acl = &cloud.fabric.acls[cloud.fabric.subnets[subnet].acl];
    let matches = |entry: &&NetworkAclEntry| {
        entry.cidr_block.contains(&address) && header.fits(entry.traffic)
    };
    let mut matching = acl.entries(direction).iter().filter(matches);
    let Some(deciding) = matching.next() else {
        return Vec::new();
    };
    let others = matching.filter(|entry| entry.allow != deciding.allow);
    others
        .map(|entry| cloud.entry_view(subnet, Some(entry), direction))
        .collect()
}

/// The address that a filter compares: the source of what comes in, the destination of what goes out.
pub(super) fn peer_address(header: &Header, direction: Direction) -> IpAddr {
    match direction {
        Direction::Ingress => header.source,
        Direction::Egress => header.destination,
    }
}

enum Missed {
    Nothing,
    One(&'static str),
    More,
}

fn missed_traffic(header: &Header, traffic: TrafficMatch) -> Missed {
    if header.fits(traffic) {
        return Missed::Nothing;
    }
    let wanted = |ports: PortRange| header.destination_port().is_some_and(|p| ports.contains(p));
    match traffic {
        _ if traffic.protocol() == Some(header.protocol()) => match header.icmp() {
            Some(_) => Missed::One("type"),
            None => Missed::One("port"),
        },
        TrafficMatch::Tcp(ports) | TrafficMatch::Udp(ports) if wanted(ports) => {
            Missed::One("protocol")
        }
        _ => Missed::More,
    }
}

fn not_peer(cloud: &Cloud<'_>, peer: &RulePeer, address: IpAddr) -> String {
    match peer {
        RulePeer::Block(block) => format!("{address} is not in {block}"),
        RulePeer::PrefixList { .. } => format!("{address} is not in {}", cloud.peer(peer)),
        RulePeer::Group { id, group } => match group {
            None => "the group is gone, or its VPC is not peered (SG-14)".to_owned(),
            Some(_) => match cloud.fabric.find_address(address) {
                Some(fabric::Entity::Interface(index))
                    if cloud.fabric.interfaces[index].holds(address) =>
                {
                    format!("{} is not in {}", cloud.holder(address), cloud.group(id))
                }
                _ => format!(
                    "{address} is no private address of a member of {}",
                    cloud.group(id)
                ),
            },
        },
    }
}
