//! Security groups, network ACLs and prefix lists as sentences.

use std::collections::BTreeSet;

use ipnet::{Ipv4Net, Ipv6Net};
use model::network_acl::NetworkAclEntry;
use model::*;

use super::Writer;
use super::yaml::{key, quoted};

/// The group of interfaces that have none, which a lab file cannot say: nothing in, nothing out.
const NO_GROUP: &str = "group-none";

/// Rules of one direction with one comment, as one sentence.
struct Sentence {
    traffic: Vec<TrafficMatch>,
    peers: Vec<String>,
    description: String,
}

impl Writer<'_> {
    pub(super) fn prefix_lists(&mut self) {
        let model = self.model;
        let rules = model.security_groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress));
        let mut named: BTreeSet<&PrefixListId> = rules.filter_map(|rule| match &rule.peer {
            Peer::PrefixList(id) => Some(id),
            _ => None,
        }).collect();
        let routes = model.route_tables.values().flat_map(|table| &table.routes);
        named.extend(routes.filter_map(|route| match (&route.destination, &route.target) {
            (_, RouteTarget::VpcEndpoint(id)) if model.vpc_endpoints.contains_key(id) => None,
            (Destination::PrefixList(id), _) => Some(id),
            _ => None,
        }));
        // AWS's own lists come with endpoints; only one that a rule names must be written.
        let mut wanted: Vec<&PrefixList> = model.prefix_lists.values().filter(|l| !l.is_aws_managed || named.contains(&l.id)).collect();
        if wanted.is_empty() {
            return;
        }
        wanted.sort_by_key(|list| &self.called.prefix_lists[&list.id]);
        self.line(0, "prefix_lists:");
        for list in wanted {
            let name = key(&self.called.prefix_lists[&list.id]);
            let entries = list.entries.iter().map(|entry| quoted(&entry.cidr.to_string())).collect::<Vec<_>>().join(", ");
            let mut parts = vec![format!("entries: [{entries}]"), format!("max_entries: {}", list.max_entries.max(1))];
            parts.extend(self.tags(&list.tags));
            self.line(1, format!("{name}: {{ {} }}", parts.join(", ")));
        }
    }

    pub(super) fn security_groups(&mut self, vpc: &Vpc) {
        let model = self.model;
        let has_ipv6 = vpc.ipv6_blocks().next().is_some();
        let of_vpc = model.security_groups.values().filter(|g| g.vpc_id == vpc.id && !is_as_made(g, has_ipv6));
        let mut groups: Vec<&SecurityGroup> = of_vpc.collect();
        groups.sort_by_key(|group| &self.called.security_groups[&group.id]);
        let needs_none = self.without_groups.contains(&vpc.id);
        if groups.is_empty() && !needs_none {
            return;
        }
        self.line(2, "security_groups:");
        if needs_none {
            self.line(3, format!("{NO_GROUP}: {{ egress: false, rules: [] }}"));
        }
        for group in groups {
            let name = key(&self.called.security_groups[&group.id]);
            let mut sentences = self.sentences(group, &group.ingress, false);
            let egress_is_open = is_open(&group.egress, has_ipv6);
            if !egress_is_open {
                sentences.extend(self.sentences(group, &group.egress, true));
            }
            let is_closed = !egress_is_open && !sentences.iter().any(|line| line.starts_with("out "));
            let mut head = Vec::new();
            if !group.description.is_empty() && group.description != group.group_name && !group.is_default() {
                head.push(format!("description: {}", quoted(&group.description)));
            }
            head.extend(self.tags(&group.tags));
            if is_closed {
                head.push("egress: false".to_owned());
            }
            let indent = if head.is_empty() { 4 } else { 5 };
            match (head.is_empty(), sentences.is_empty()) {
                (true, true) => self.line(3, format!("{name}: []")),
                (true, false) => self.line(3, format!("{name}:")),
                (false, is_empty) => {
                    self.line(3, format!("{name}:"));
                    head.into_iter().for_each(|line| self.line(4, line));
                    self.line(4, if is_empty { "rules: []" } else { "rules:" });
                }
            }
            sentences.into_iter().for_each(|line| self.line(indent, format!("- {line}")));
        }
    }

    /// Rules as sentences: first one for each traffic with all of its peers, then ports with equal peers joined.
    fn sentences(&mut self, group: &SecurityGroup, rules: &[SecurityGroupRule], egress: bool) -> Vec<String> {
        let mut all: Vec<Sentence> = Vec::new();
        for rule in rules {
            if is_of_two_families(rule) {
                let (group, traffic) = (&group.id, rule.traffic);
                self.changed(format!("the rule {traffic} of {group} with {} is left out: no packet is both (SG-10)", rule.peer));
                continue;
            }
            let Some(peer) = self.peer(group, rule) else { continue };
            match all.iter_mut().find(|s| s.traffic == [rule.traffic] && s.description == rule.description) {
                Some(sentence) => sentence.peers.push(peer),
                None => all.push(Sentence { traffic: vec![rule.traffic], peers: vec![peer], description: rule.description.clone() }),
            }
        }
        for sentence in &mut all {
            let both = ["0.0.0.0/0", "::/0"];
            if both.iter().all(|block| sentence.peers.iter().any(|peer| peer == block)) {
                sentence.peers.retain(|peer| !both.contains(&peer.as_str()));
                sentence.peers.insert(0, "anywhere".to_owned());
            }
        }
        let mut joined: Vec<Sentence> = Vec::new();
        for sentence in all {
            let like = |s: &&mut Sentence| s.peers == sentence.peers && s.description == sentence.description && have_ports(&s.traffic, &sentence.traffic);
            match joined.iter_mut().find(like) {
                Some(known) => known.traffic.extend(sentence.traffic),
                None => joined.push(sentence),
            }
        }
        joined.into_iter().map(|sentence| sentence.line(egress)).collect()
    }

    fn peer(&mut self, group: &SecurityGroup, rule: &SecurityGroupRule) -> Option<String> {
        match &rule.peer {
            Peer::Ipv4(block) => Some(block.to_string()),
            Peer::Ipv6(block) => Some(block.to_string()),
            Peer::PrefixList(id) => match self.called.prefix_lists.get(id) {
                Some(name) => Some(format!("pl:{name}")),
                None => {
                    self.unsaid(format!("{}: {} with {id}, whose entries are not known", group.id, rule.traffic));
                    None
                }
            },
            Peer::SecurityGroup(id) => {
                let other = self.model.security_groups.get(id);
                // A rule about a group of a VPC that no active peering reaches is stale: it matches nobody (SG-14).
                let joined = |p: &VpcPeeringConnection| p.status == model::peering::PeeringStatus::Active && p.peer_of(&group.vpc_id) == other.map(|o| &o.vpc_id);
                let is_reached = other.is_some_and(|other| other.vpc_id == group.vpc_id) || self.model.vpc_peering_connections.values().any(joined);
                match other.filter(|_| is_reached).and_then(|other| self.called.group(other, &group.vpc_id)) {
                    Some(name) => Some(format!("sg:{name}")),
                    None => {
                        self.unsaid(format!("{}: {} with {id}, a group that no peering reaches", group.id, rule.traffic));
                        None
                    }
                }
            }
        }
    }

    /// The groups of an interface, as `sg:` names them; the default group needs no word.
    pub(super) fn groups(&mut self, interface: &NetworkInterface) -> Vec<String> {
        let names: Vec<String> = interface.groups.iter().filter_map(|id| self.called.security_groups.get(id)).map(|n| key(n)).collect();
        match names.as_slice() {
            [] => {
                self.unsaid(format!("{}: an interface that no security group guards: it is closed there", interface.id));
                vec![NO_GROUP.to_owned()]
            }
            [one] if one == crate::names::DEFAULT => Vec::new(),
            _ => names,
        }
    }

    pub(super) fn network_acls(&mut self, vpc: &Vpc) {
        let model = self.model;
        let mut acls: Vec<&NetworkAcl> = model.network_acls.values().filter(|acl| acl.vpc_id == vpc.id && !allows_all(acl, vpc)).collect();
        acls.sort_by_key(|acl| &self.called.network_acls[&acl.id]);
        if acls.is_empty() {
            return;
        }
        self.line(2, "acls:");
        for acl in acls {
            let name = key(&self.called.network_acls[&acl.id]);
            let tags = self.tags(&acl.tags).filter(|_| !acl.is_default);
            let mut lines = Vec::new();
            for (egress, entries) in [(false, &acl.ingress), (true, &acl.egress)] {
                lines.extend(entries.iter().filter_map(|entry| self.entry(acl, entry, egress)));
            }
            let indent = if tags.is_some() { 5 } else { 4 };
            let (head, rules) = if lines.is_empty() { (" []", "rules: []") } else { ("", "rules:") };
            match tags {
                None => self.line(3, format!("{name}:{head}")),
                Some(tags) => {
                    self.line(3, format!("{name}:"));
                    self.line(4, tags);
                    self.line(4, rules);
                }
            }
            lines.into_iter().for_each(|line| self.line(indent, format!("- {line}")));
        }
    }

    fn entry(&mut self, acl: &NetworkAcl, entry: &NetworkAclEntry, egress: bool) -> Option<String> {
        let block = entry.cidr_block;
        let is_icmp_of_the_other = match entry.traffic {
            TrafficMatch::Icmp(_) => block.addr().is_ipv6(),
            TrafficMatch::Icmpv6(_) => block.addr().is_ipv4(),
            _ => false,
        };
        if is_icmp_of_the_other {
            let number = entry.rule_number;
            self.changed(format!("entry {number} of {} is left out: no packet is {} of {block}", acl.id, entry.traffic));
            return None;
        }
        let action = if entry.allow { "allow" } else { "deny" };
        let (out, way) = if egress { ("out ", "to") } else { ("", "from") };
        Some(format!("{} {action} {out}{} {way} {block}", entry.rule_number, entry.traffic))
    }
}

impl Sentence {
    fn line(self, egress: bool) -> String {
        let mut traffic = self.traffic.iter().map(TrafficMatch::to_string);
        let mut text = traffic.next().unwrap_or_default();
        for more in traffic {
            text.push(',');
            text.push_str(more.split_once('/').map_or("", |(_, ports)| ports));
        }
        let (out, way) = if egress { ("out ", "to") } else { ("", "from") };
        let words: Vec<&str> = self.description.split_whitespace().collect();
        let comment = if words.is_empty() { String::new() } else { format!("    # {}", printable(&words.join(" "))) };
        format!("{out}{text} {way} {}{comment}", self.peers.join(", "))
    }
}

/// YAML lets no control character stand in a comment.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{2028}' | '\u{2029}')).collect()
}

/// Whether two sentences differ in their ports only, and both have some.
fn have_ports(a: &[TrafficMatch], b: &[TrafficMatch]) -> bool {
    let ports = |t: &TrafficMatch| matches!(t, TrafficMatch::Tcp(p) | TrafficMatch::Udp(p) if *p != PortRange::ALL);
    let kind = |t: &TrafficMatch| t.protocol();
    a.iter().chain(b).all(ports) && a.first().and_then(kind) == b.first().and_then(kind)
}

/// All out, as AWS makes a group (SG-4): over IPv6, too, in a VPC that has it.
fn is_open(egress: &[SecurityGroupRule], has_ipv6: bool) -> bool {
    let is_all = |rule: &SecurityGroupRule, peer: Peer| rule.traffic == TrafficMatch::All && rule.peer == peer;
    let has = |peer: Peer| egress.iter().any(|rule| is_all(rule, peer.clone()));
    has(Peer::Ipv4(Ipv4Net::default())) && (!has_ipv6 || has(Peer::Ipv6(Ipv6Net::default()))) && egress.len() == 1 + usize::from(has_ipv6)
}

/// Whether it is the default group of a VPC, as it came (SG-5).
fn is_as_made(group: &SecurityGroup, has_ipv6: bool) -> bool {
    let itself = Peer::SecurityGroup(group.id.clone());
    group.is_default()
        && is_open(&group.egress, has_ipv6)
        && matches!(group.ingress.as_slice(), [rule] if rule.traffic == TrafficMatch::All && rule.peer == itself)
}

/// ICMP of one family with addresses of the other: what the API takes and nothing matches.
fn is_of_two_families(rule: &SecurityGroupRule) -> bool {
    match rule.traffic {
        TrafficMatch::Icmp(_) => matches!(rule.peer, Peer::Ipv6(_)),
        TrafficMatch::Icmpv6(_) => matches!(rule.peer, Peer::Ipv4(_)),
        _ => false,
    }
}

/// Whether it is the default list of a VPC, as it came (ACL-2).
fn allows_all(acl: &NetworkAcl, vpc: &Vpc) -> bool {
    let says = |entries: &[NetworkAclEntry]| -> Vec<_> { entries.iter().map(|e| (e.rule_number, e.traffic, e.cidr_block, e.allow)).collect() };
    let as_made = says(&NetworkAcl::default_entries(vpc.ipv6_blocks().next().is_some(), &Origin::default()));
    acl.is_default && says(&acl.ingress) == as_made && says(&acl.egress) == as_made
}
