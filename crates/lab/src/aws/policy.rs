//! Security groups with their rules, network ACLs, prefix lists.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use model::network_acl::{NetworkAclAssociation, NetworkAclEntry};
use model::prefix_list::PrefixListEntry;
use model::traffic::protocol;
use model::*;

use super::field::{Item, Reader};
use super::json::cut;
use super::note::NoteKind;
use super::{Dump, derived};
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// A rule by what it says: AWS has one of each (SG-7).
type RuleKey = (SecurityGroupId, bool, TrafficMatch, Peer);

impl Dump<'_, '_> {
    pub(super) fn security_groups(&mut self) {
        let mut described = self.described_rules();
        for mut item in self.calls.take("SecurityGroups") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<SecurityGroupId>(reader, "GroupId") else { continue };
            item.path = id.to_string();
            let Some(vpc_id) = item.required_id::<VpcId>(reader, "VpcId") else { continue };
            let mut sides = [Vec::new(), Vec::new()];
            // Rules already seen, looked up: asking the list itself takes hours for a group of a million.
            let mut seen: [BTreeSet<(TrafficMatch, Peer)>; 2] = Default::default();
            for (egress, key) in [(false, "IpPermissions"), (true, "IpPermissionsEgress")] {
                for part in item.list(&mut self.reader, key) {
                    let rules = permission(&part, &mut self.reader);
                    let weight = |rule: &SecurityGroupRule| match &rule.peer {
                        Peer::PrefixList(list) => self.model.prefix_lists.get(list).map_or(1, |list| list.entries.len().max(1)),
                        _ => 1,
                    };
                    let weight = rules.iter().map(weight).sum();
                    if !self.counts(weight, &item, key) {
                        return;
                    }
                    for rule in rules {
                        let known = described.remove(&(id.clone(), egress, rule.traffic, rule.peer.clone()));
                        let side = &mut sides[usize::from(egress)];
                        if !seen[usize::from(egress)].insert((rule.traffic, rule.peer.clone())) {
                            continue;
                        }
                        let text = format!("{id}{egress}{}{}", rule.traffic, rule.peer);
                        side.extend(known.or_else(|| Some(SecurityGroupRule { id: derived("sgr", &text)?, ..rule })));
                    }
                }
            }
            let [ingress, egress] = sides;
            let reader = &mut self.reader;
            let group = SecurityGroup {
                id: id.clone(),
                group_name: item.words(reader, "GroupName"),
                description: item.words(reader, "Description"),
                vpc_id,
                ingress,
                egress,
                tags: item.tags(reader),
                origin: item.origin(reader),
            };
            self.place(&id, &item);
            self.model.security_groups.insert(id, group);
        }
        for ((group, ..), rule) in &described {
            if !self.model.security_groups.contains_key(group) {
                self.reader.note(NoteKind::Missing, Default::default(), format!("{group} has rules and no description"));
            } else {
                let (place, own) = (self.place_of(&rule.id), self.place_of(group));
                let message = format!("{} is a rule of {group} that the group's own permissions lack", rule.id);
                self.reader.contradiction(place, message, Some((own, "the group")));
            }
        }
    }

    /// Rules as `describe-security-group-rules` tells them: with ids and tags.
    fn described_rules(&mut self) -> BTreeMap<RuleKey, SecurityGroupRule> {
        let mut all = BTreeMap::new();
        for mut item in self.calls.take("SecurityGroupRules") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<SecurityGroupRuleId>(reader, "SecurityGroupRuleId") else { continue };
            if all.len() >= super::MAX_RULES {
                self.counts(super::MAX_RULES + 1, &item, "SecurityGroupRules");
                break;
            }
            let reader = &mut self.reader;
            item.path = id.to_string();
            let Some(group) = item.required_id::<SecurityGroupId>(reader, "GroupId") else { continue };
            let egress = item.bool(reader, "IsEgress", false);
            let Some(traffic) = traffic(&item, reader) else { continue };
            let referenced = item.object(reader, "ReferencedGroupInfo");
            let peer = if item.has("CidrIpv4") {
                item.ipv4_block(reader, "CidrIpv4").map(Peer::Ipv4)
            } else if item.has("CidrIpv6") {
                item.ipv6_block(reader, "CidrIpv6").map(Peer::Ipv6)
            } else if item.has("PrefixListId") {
                item.id(reader, "PrefixListId").map(Peer::PrefixList)
            } else {
                referenced.and_then(|group| group.required_id(reader, "GroupId")).map(Peer::SecurityGroup)
            };
            let Some(peer) = peer else { continue };
            self.places.insert(id.to_string(), item.span());
            let reader = &mut self.reader;
            let rule = SecurityGroupRule {
                id,
                traffic,
                peer: peer.clone(),
                description: item.words(reader, "Description"),
                tags: item.tags(reader),
                origin: item.origin(reader),
            };
            all.insert((group, egress, traffic, peer), rule);
        }
        all
    }

    pub(super) fn network_acls(&mut self) {
        for mut item in self.calls.take("NetworkAcls") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<NetworkAclId>(reader, "NetworkAclId") else { continue };
            item.path = id.to_string();
            let Some(vpc_id) = item.required_id::<VpcId>(reader, "VpcId") else { continue };
            let mut sides: [Vec<(NetworkAclEntry, Item<'_>)>; 2] = [Vec::new(), Vec::new()];
            let entries = item.list(reader, "Entries");
            if !self.counts(entries.len(), &item, "Entries") {
                return;
            }
            let reader = &mut self.reader;
            for part in entries {
                let Some(entry) = acl_entry(&part, reader) else { continue };
                let egress = part.bool(reader, "Egress", false);
                sides[usize::from(egress)].push((entry, part));
            }
            for side in &mut sides {
                // First match decides, by number and not by place in the file (ACL-1).
                side.sort_by_key(|(entry, _)| entry.rule_number);
                for pair in side.windows(2).filter(|pair| pair[0].0.rule_number == pair[1].0.rule_number) {
                    let message = format!("{id} has two entries {} in one direction", pair[0].0.rule_number);
                    reader.contradiction(pair[1].1.span(), message, Some((pair[0].1.span(), "first")));
                }
            }
            let [ingress, egress] = sides.map(|side| side.into_iter().map(|(entry, _)| entry).collect());
            let mut associations = Vec::new();
            for part in item.list(reader, "Associations") {
                let Some(subnet_id) = part.required_id::<SubnetId>(reader, "SubnetId") else { continue };
                let known = part.id(reader, "NetworkAclAssociationId");
                let Some(id) = known.or_else(|| derived("aclassoc", &format!("{id}{subnet_id}"))) else { continue };
                associations.push(NetworkAclAssociation { id, subnet_id });
            }
            let acl = NetworkAcl {
                id: id.clone(),
                vpc_id,
                is_default: item.bool(reader, "IsDefault", false),
                ingress,
                egress,
                associations,
                tags: item.tags(reader),
                origin: item.origin(reader),
            };
            self.place(&id, &item);
            self.model.network_acls.insert(id, acl);
        }
    }

    /// `describe-managed-prefix-lists`, `describe-prefix-lists` and `get-managed-prefix-list-entries`.
    pub(super) fn prefix_lists(&mut self) {
        let mut entries: BTreeMap<PrefixListId, Vec<PrefixListEntry>> = BTreeMap::new();
        for root in self.calls.take("Entries") {
            let id = match root.has("PrefixListId") {
                true => root.id::<PrefixListId>(&mut self.reader, "PrefixListId"),
                false => id_in(&root.path),
            };
            let Some(id) = id else {
                let text = "entries of a prefix list that neither the file nor its name tells: call it pl-….json";
                self.reader.note(NoteKind::Missing, root.span(), text);
                continue;
            };
            let all = prefix_entries(&root, &mut self.reader);
            entries.entry(id).or_default().extend(all);
        }
        let mut families: BTreeMap<PrefixListId, bool> = BTreeMap::new();
        for mut item in self.calls.take("PrefixLists") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<PrefixListId>(reader, "PrefixListId") else { continue };
            item.path = id.to_string();
            let all = entries.entry(id.clone()).or_default();
            all.extend(prefix_entries(&item, reader));
            for cidr in item.all::<IpNet>(reader, "Cidrs", "a block of addresses") {
                all.push(PrefixListEntry { cidr: cidr.trunc(), description: String::new() });
            }
            if let Some(family) = item.text(reader, "AddressFamily") {
                families.insert(id.clone(), family.eq_ignore_ascii_case("IPv6"));
            }
            let max_entries = item.number(reader, "MaxEntries", 0, i64::from(u32::MAX)).unwrap_or(0);
            let version = item.number(reader, "Version", 0, i64::MAX).unwrap_or(1);
            let list = PrefixList {
                id: id.clone(),
                name: item.words(reader, "PrefixListName"),
                is_ipv6: false,
                max_entries: u32::try_from(max_entries).unwrap_or(u32::MAX),
                version: u64::try_from(version).unwrap_or(1).max(1),
                is_modified: item.text(reader, "State").is_some_and(|state| state.starts_with("modify")),
                entries: Vec::new(),
                is_aws_managed: item.text(reader, "OwnerId").is_some_and(|owner| owner == "AWS") || item.has("Cidrs"),
                tags: item.tags(reader),
                origin: item.origin(reader),
            };
            self.place(&id, &item);
            // Both calls may describe it; the managed one says more.
            match self.model.prefix_lists.get(&id) {
                Some(known) if known.max_entries >= list.max_entries => {}
                _ => drop(self.model.prefix_lists.insert(id, list)),
            }
        }
        for (id, list) in &mut self.model.prefix_lists {
            let mut all = entries.remove(id).unwrap_or_default();
            all.sort();
            all.dedup_by(|a, b| a.cidr == b.cidr);
            list.is_ipv6 = families.get(id).copied().unwrap_or_else(|| all.first().is_some_and(|entry| matches!(entry.cidr, IpNet::V6(_))));
            if all.is_empty() {
                let place = self.places.get(id.as_str()).copied().unwrap_or_default();
                let text = format!("the entries of {id} (get-managed-prefix-list-entries): it matches nothing here");
                self.reader.note(NoteKind::Missing, place, text);
            }
            list.max_entries = list.max_entries.max(u32::try_from(all.len()).unwrap_or(u32::MAX)).max(1);
            list.entries = all;
        }
        for id in entries.keys() {
            self.reader.note(NoteKind::Missing, Default::default(), format!("{id} has entries and no description"));
        }
    }
}

fn prefix_entries(item: &Item<'_>, reader: &mut Reader<'_>) -> Vec<PrefixListEntry> {
    let mut all = Vec::new();
    for part in item.list(reader, "Entries") {
        let Some(cidr) = part.block(reader, "Cidr") else { continue };
        all.push(PrefixListEntry { cidr, description: part.words(reader, "Description") });
    }
    all
}

/// `pl-0123abcd` somewhere in a path.
fn id_in(path: &str) -> Option<PrefixListId> {
    let start = path.rfind("pl-")?;
    let rest = &path[start + 3..];
    let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    format!("pl-{}", &rest[..end]).parse().ok()
}

/// One permission is a rule for each of its peers (SG-7).
fn permission(item: &Item<'_>, reader: &mut Reader<'_>) -> Vec<SecurityGroupRule> {
    let Some(traffic) = traffic(item, reader) else { return Vec::new() };
    let mut peers: Vec<(Option<Peer>, Item<'_>)> = Vec::new();
    for part in item.list(reader, "IpRanges") {
        peers.push((part.ipv4_block(reader, "CidrIp").map(Peer::Ipv4), part));
    }
    for part in item.list(reader, "Ipv6Ranges") {
        peers.push((part.ipv6_block(reader, "CidrIpv6").map(Peer::Ipv6), part));
    }
    for part in item.list(reader, "PrefixListIds") {
        peers.push((part.required_id(reader, "PrefixListId").map(Peer::PrefixList), part));
    }
    for part in item.list(reader, "UserIdGroupPairs") {
        peers.push((part.required_id(reader, "GroupId").map(Peer::SecurityGroup), part));
    }
    let rule = |(peer, part): (Option<Peer>, Item<'_>)| {
        Some(SecurityGroupRule {
            // Replaced by what the rule is known as.
            id: derived("sgr", &part.path)?,
            traffic,
            peer: peer?,
            description: part.words(reader, "Description"),
            tags: Tags::new(),
            origin: part.origin(reader),
        })
    };
    peers.into_iter().filter_map(rule).collect()
}

/// `IpProtocol`, `FromPort`, `ToPort` (SG-8, SG-9).
fn traffic(item: &Item<'_>, reader: &mut Reader<'_>) -> Option<TrafficMatch> {
    let number = protocol_of(item, reader, "IpProtocol")?;
    let from = item.number(reader, "FromPort", -1, 65_535);
    let to = item.number(reader, "ToPort", -1, 65_535);
    matched(item, reader, number, from.zip(to))
}

/// A protocol with its ports, or its ICMP type and code.
fn matched(item: &Item<'_>, reader: &mut Reader<'_>, number: Option<u8>, range: Option<(i64, i64)>) -> Option<TrafficMatch> {
    let ports = |reader: &mut Reader<'_>| match range {
        None | Some((-1, _)) => Some(PortRange::ALL),
        Some((from, to)) if from <= to => Some(PortRange { from: u16::try_from(from).ok()?, to: u16::try_from(to).ok()? }),
        Some((from, to)) => {
            let message = format!("{} goes from port {from} down to {to}", item.path);
            reader.problem(Diagnostic::new(Code::DumpField, item.span(), message).label("no such range"));
            None
        }
    };
    let icmp = IcmpMatch {
        icmp_type: range.and_then(|(kind, _)| u8::try_from(kind).ok()),
        code: range.filter(|(kind, _)| *kind >= 0).and_then(|(_, code)| u8::try_from(code).ok()),
    };
    Some(match number {
        None => TrafficMatch::All,
        Some(protocol::TCP) => TrafficMatch::Tcp(ports(reader)?),
        Some(protocol::UDP) => TrafficMatch::Udp(ports(reader)?),
        Some(protocol::ICMP) => TrafficMatch::Icmp(icmp),
        Some(protocol::ICMPV6) => TrafficMatch::Icmpv6(icmp),
        Some(other) => TrafficMatch::Other(other),
    })
}

/// `Some(None)`: all protocols.
fn protocol_of(item: &Item<'_>, reader: &mut Reader<'_>, key: &str) -> Option<Option<u8>> {
    let word = item.word(reader, key)?;
    let number = match word {
        "-1" | "all" => return Some(None),
        "tcp" => protocol::TCP,
        "udp" => protocol::UDP,
        "icmp" => protocol::ICMP,
        "icmpv6" => protocol::ICMPV6,
        other => match other.parse::<u8>() {
            Ok(number) => number,
            Err(_) => {
                let message = format!("{}.{key} is no protocol: `{}`", item.path, cut(word));
                let place = item.json.get(key).map_or(item.span(), |json| json.span);
                reader.problem(Diagnostic::new(Code::DumpField, place, message).label("-1, tcp, udp, icmp, or a number to 255"));
                return None;
            }
        },
    };
    Some(Some(number))
}

/// An entry; `None` for the final `*`, which every list has (ACL-1).
fn acl_entry(item: &Item<'_>, reader: &mut Reader<'_>) -> Option<NetworkAclEntry> {
    if !item.has("RuleNumber") {
        item.missing(reader, "RuleNumber");
    }
    let number = item.number(reader, "RuleNumber", 1, 32_768)?;
    let allow = match item.word(reader, "RuleAction")? {
        "allow" => true,
        "deny" => false,
        other => {
            let message = format!("{}.RuleAction is `{}`", item.path, cut(other));
            reader.problem(Diagnostic::new(Code::DumpField, item.span(), message).label("allow or deny"));
            return None;
        }
    };
    // 32767 is `*` for IPv4, 32768 the one for IPv6.
    let rule_number = u16::try_from(number).ok().filter(|number| *number < 32_767)?;
    let cidr_block = if item.has("CidrBlock") {
        IpNet::V4(item.ipv4_block(reader, "CidrBlock")?)
    } else if item.has("Ipv6CidrBlock") {
        IpNet::V6(item.ipv6_block(reader, "Ipv6CidrBlock")?)
    } else {
        item.missing(reader, "CidrBlock");
        return None;
    };
    let protocol = protocol_of(item, reader, "Protocol")?;
    let (object, keys, least) = match protocol {
        Some(protocol::ICMP | protocol::ICMPV6) => ("IcmpTypeCode", ["Type", "Code"], -1),
        _ => ("PortRange", ["From", "To"], 0),
    };
    let range = item.object(reader, object).and_then(|part| {
        let [from, to] = keys.map(|key| part.number(reader, key, least, 65_535));
        from.zip(to)
    });
    let traffic = matched(item, reader, protocol, range)?;
    Some(NetworkAclEntry { rule_number, traffic, cidr_block, allow, origin: item.origin(reader) })
}
