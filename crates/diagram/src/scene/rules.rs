//! Rules as people read them: those with the same words but one are one line.

use std::collections::BTreeMap;

use ipnet::IpNet;
use model::network_acl::{NetworkAcl, NetworkAclEntry};
use model::{Model, Peer, SecurityGroup, SecurityGroupRule, TrafficMatch, VpcId, tag};

/// Lines of a security group. "All to everybody", as every group begins (SG-4), is not worth one.
pub(super) fn of_group(model: &Model, group: &SecurityGroup) -> Vec<String> {
    let mut lines = directed(model, &group.vpc_id, &group.ingress, "", "from");
    let everywhere = |rule: &SecurityGroupRule| {
        rule.traffic == TrafficMatch::All && matches!(rule.peer.to_string().as_str(), "0.0.0.0/0" | "::/0")
    };
    match group.egress.iter().any(everywhere) {
        true => {}
        false if group.egress.is_empty() => lines.push("out nothing".to_owned()),
        false => lines.extend(directed(model, &group.vpc_id, &group.egress, "out ", "to")),
    }
    if lines.is_empty() {
        lines.push("nothing in".to_owned());
    }
    lines
}

fn directed(model: &Model, vpc: &VpcId, rules: &[SecurityGroupRule], start: &str, word: &str) -> Vec<String> {
    let mut by_peer: BTreeMap<&Peer, Vec<TrafficMatch>> = BTreeMap::new();
    for rule in rules {
        by_peer.entry(&rule.peer).or_default().push(rule.traffic);
    }
    let mut by_traffic: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (peer, mut traffic) in by_peer {
        traffic.sort();
        traffic.dedup();
        by_traffic.entry(joined(&traffic)).or_default().push(self::peer(model, vpc, peer));
    }
    by_traffic
        .into_iter()
        .map(|(traffic, mut peers)| {
            peers.sort();
            peers.dedup();
            // What the lab file calls `anywhere` is a rule of each family.
            if peers.iter().filter(|peer| matches!(peer.as_str(), "0.0.0.0/0" | "::/0")).count() == 2 {
                peers.retain(|peer| !matches!(peer.as_str(), "0.0.0.0/0" | "::/0"));
                peers.insert(0, "anywhere".to_owned());
            }
            format!("{start}{traffic} {word} {}", peers.join(", "))
        })
        .collect()
}

/// `tcp/80,443 udp/53`.
fn joined(traffic: &[TrafficMatch]) -> String {
    let mut words: Vec<String> = Vec::new();
    for one in traffic {
        let text = one.to_string();
        let last = words.last_mut().zip(text.split_once('/'));
        match last {
            Some((last, (protocol, ports))) if !protocol.starts_with("icmp") && last.starts_with(&format!("{protocol}/")) => {
                last.push(',');
                last.push_str(ports);
            }
            _ => words.push(text),
        }
    }
    words.join(" ")
}

fn peer(model: &Model, vpc: &VpcId, peer: &Peer) -> String {
    match peer {
        Peer::Ipv4(net) => block(model, vpc, IpNet::from(*net)),
        Peer::Ipv6(net) => block(model, vpc, IpNet::from(*net)),
        Peer::PrefixList(id) => model.prefix_lists.get(id).map_or(id.to_string(), |list| list.name.clone()),
        Peer::SecurityGroup(id) => match model.security_groups.get(id) {
            Some(group) => format!("sg:{}", tag::name(&group.tags).unwrap_or(&group.group_name)),
            None => format!("{id} (gone)"),
        },
    }
}

/// A block by the name of the subnet or VPC that has exactly it, as seen from a VPC; an address by its place outside.
fn block(model: &Model, vpc: &VpcId, block: IpNet) -> String {
    if block.prefix_len() == block.max_prefix_len() {
        return place(model, block.addr());
    }
    let subnet = model.subnets.values().find(|subnet| subnet.vpc_id == *vpc && IpNet::from(subnet.cidr_block) == block);
    if let Some(name) = subnet.and_then(|subnet| tag::name(&subnet.tags)) {
        return format!("subnet:{name}");
    }
    // Blocks of VPCs may overlap, so that the own one comes first.
    let has = |vpc: &&model::Vpc| vpc.ipv4_blocks().any(|own| IpNet::from(own) == block);
    let found = model.vpcs.get(vpc).filter(has).or_else(|| model.vpcs.values().find(has));
    found.and_then(|vpc| tag::name(&vpc.tags)).map_or_else(|| block.to_string(), |name| format!("vpc:{name}"))
}

/// The name of a place outside, else the address.
fn place(model: &Model, address: std::net::IpAddr) -> String {
    let found = model.outside.iter().find(|(_, host)| host.addresses.contains(&address));
    found.map_or(address.to_string(), |(name, _)| name.clone())
}

/// Lines of a network ACL, in the order in which they are tried.
pub(super) fn of_acl(model: &Model, acl: &NetworkAcl) -> Vec<String> {
    let line = |direction: &str, word: &str, entry: &NetworkAclEntry| {
        let action = if entry.allow { "allow" } else { "deny" };
        format!("{direction} {} {action} {} {word} {}", entry.rule_number, entry.traffic, block(model, &acl.vpc_id, entry.cidr_block))
    };
    let ingress = acl.ingress.iter().map(|entry| line("in", "from", entry));
    ingress.chain(acl.egress.iter().map(|entry| line("out", "to", entry))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::PortRange;

    #[test]
    fn ports_of_one_protocol_share_a_word() {
        let tcp = |port| TrafficMatch::Tcp(PortRange::one(port));
        assert_eq!(joined(&[tcp(80), tcp(443), TrafficMatch::Udp(PortRange::one(53))]), "tcp/80,443 udp/53");
        assert_eq!(joined(&[TrafficMatch::All]), "all");
        assert_eq!(joined(&[TrafficMatch::Tcp(PortRange::ALL), tcp(80)]), "tcp tcp/80");
    }
}
