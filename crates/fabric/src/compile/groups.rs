//! Security groups with resolved peers, and the distinct sets of groups that interfaces carry.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use model::peering::PeeringStatus;
use model::{Peer, TrafficMatch};

use super::{Places, blocks_of};
use crate::by_port::ByPort;
use crate::fabric::Interface;
use crate::group::{GroupRule, GroupSet, OpenPorts, RuleIndex, RulePeer, SecurityGroup};
use crate::index::*;
use crate::packet::Family;
use crate::reason::Direction;

type Sets = BTreeMap<Vec<GroupIndex>, GroupSetIndex>;

/// Groups, sets of groups, and which set a list of groups became.
pub(super) fn compile(
    places: &Places<'_>,
    interfaces: &[Interface],
) -> (Table<GroupIndex, SecurityGroup>, Table<GroupSetIndex, GroupSet>, Sets) {
    let mut members: BTreeMap<GroupIndex, Vec<InterfaceIndex>> = BTreeMap::new();
    for (row, interface) in interfaces.iter().enumerate() {
        for group in &interface.groups {
            members.entry(*group).or_default().push(InterfaceIndex::from_usize(row));
        }
    }
    let row = |(index, group): (usize, &model::SecurityGroup)| {
        let members = members.remove(&GroupIndex::from_usize(index)).unwrap_or_default();
        let mut addresses: Vec<IpAddr> =
            members.iter().flat_map(|m| interfaces[m.as_usize()].all_addresses()).collect();
        addresses.sort();
        let find = |id: &model::SecurityGroupId| places.groups.get(id);
        let rules = |rules: &[model::SecurityGroupRule]| {
            rules.iter().map(|rule| resolve(places.model, group, rule, find)).collect()
        };
        SecurityGroup {
            id: group.id.clone(),
            name: group.group_name.clone(),
            vpc: places.vpcs.get(&group.vpc_id).unwrap_or(VpcIndex(0)),
            ingress: rules(&group.ingress),
            egress: rules(&group.egress),
            members,
            member_addresses: addresses,
            origin: group.origin.clone(),
        }
    };
    let groups: Table<GroupIndex, SecurityGroup> =
        places.model.security_groups.values().enumerate().map(row).collect();

    let mut sets: Sets = BTreeMap::new();
    let mut rows = Table::default();
    // In the order of their groups, not of the interfaces that carry them: adding an interface moves no set.
    let distinct: std::collections::BTreeSet<&Vec<GroupIndex>> =
        interfaces.iter().map(|i| &i.groups).filter(|g| !g.is_empty()).collect();
    for list in distinct {
        let index = rows.push(merge(&groups, list));
        sets.insert(list.clone(), index);
    }
    (groups, rows, sets)
}

/// The rules of some groups as one filter.
pub(super) fn merge(groups: &Table<GroupIndex, SecurityGroup>, list: &[GroupIndex]) -> GroupSet {
    let merged = |direction: Direction| -> Vec<RuleIndex> {
        let of = |group: &GroupIndex| {
            let count = groups[*group].rules(direction).len() as u32;
            let group = *group;
            (0..count).map(move |rule| RuleIndex { group, rule })
        };
        list.iter().flat_map(of).collect()
    };
    let (ingress, egress) = (merged(Direction::Ingress), merged(Direction::Egress));
    let open = |rules: &[RuleIndex], direction: Direction| {
        open_ports(rules.iter().map(|r| &groups[r.group].rules(direction)[r.rule as usize]))
    };
    let by_port = |rules: &[RuleIndex], direction: Direction| {
        ByPort::of(rules.iter().map(|r| groups[r.group].rules(direction)[r.rule as usize].traffic))
    };
    GroupSet {
        groups: list.to_vec(),
        ingress_by_port: by_port(&ingress, Direction::Ingress),
        egress_by_port: by_port(&egress, Direction::Egress),
        ingress_open: open(&ingress, Direction::Ingress),
        egress_open: open(&egress, Direction::Egress),
        ingress,
        egress,
    }
}

pub(super) fn resolve(
    model: &model::Model,
    group: &model::SecurityGroup,
    rule: &model::SecurityGroupRule,
    find: impl Fn(&model::SecurityGroupId) -> Option<GroupIndex>,
) -> GroupRule {
    let peer = match &rule.peer {
        Peer::Ipv4(net) => RulePeer::Block(IpNet::V4(*net)),
        Peer::Ipv6(net) => RulePeer::Block(IpNet::V6(*net)),
        Peer::PrefixList(id) => RulePeer::PrefixList { id: id.clone(), blocks: blocks_of(model, id) },
        Peer::SecurityGroup(id) => {
            let usable = model.security_groups.get(id).is_some_and(|other| {
                other.vpc_id == group.vpc_id || peered(model, &other.vpc_id, &group.vpc_id)
            });
            RulePeer::Group { id: id.clone(), group: find(id).filter(|_| usable) }
        }
    };
    let anywhere = match &peer {
        RulePeer::Block(block) if block.prefix_len() == 0 => Some(Family::of(block.addr())),
        _ => None,
    };
    GroupRule {
        id: rule.id.clone(),
        traffic: rule.traffic,
        peer,
        anywhere,
        description: rule.description.clone(),
        origin: rule.origin.clone(),
    }
}

/// SG-13: an active peering joins the two VPCs.
fn peered(model: &model::Model, a: &model::VpcId, b: &model::VpcId) -> bool {
    let joins = |p: &model::VpcPeeringConnection| p.status == PeeringStatus::Active && p.peer_of(a) == Some(b);
    model.vpc_peering_connections.values().any(joins)
}

/// SG-17: a rule for every port whose address part is the whole family.
fn open_ports<'r>(rules: impl Iterator<Item = &'r GroupRule>) -> OpenPorts {
    let mut open = OpenPorts::default();
    for rule in rules {
        let Some(family) = rule.anywhere else { continue };
        let tcp = matches!(rule.traffic, TrafficMatch::All | TrafficMatch::Tcp(model::PortRange::ALL));
        let udp = matches!(rule.traffic, TrafficMatch::All | TrafficMatch::Udp(model::PortRange::ALL));
        match family {
            Family::V4 => {
                open.tcp_v4 |= tcp;
                open.udp_v4 |= udp;
            }
            Family::V6 => {
                open.tcp_v6 |= tcp;
                open.udp_v6 |= udp;
            }
        }
    }
    open
}
