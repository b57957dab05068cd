//! Security groups with their rules, network ACLs, prefix lists.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::World;
use super::answer::Object;
use super::node::{Got, Node};
use super::reference::default_acl;
use crate::aws::NoteKind;
use crate::source::Span;

/// A network ACL while its parts are found.
struct Acl {
    vpc: String,
    is_default: bool,
    /// By direction (ingress, egress) and number: whether it allows, and what.
    entries: [BTreeMap<i64, (bool, Object)>; 2],
    /// From this number on nothing is known to be allowed.
    closed_from: [i64; 2],
    subnets: Vec<String>,
    tags: BTreeMap<String, String>,
    span: Span,
}

/// A number above that of every entry.
const OPEN: i64 = 1 << 20;

impl<'j> World<'_, 'j> {
    pub(super) fn prefix_lists(&mut self) {
        let mut entries: BTreeMap<String, Vec<Object>> = BTreeMap::new();
        for node in self.nodes("aws_ec2_managed_prefix_list_entry") {
            match (self.id(&node, "prefix_list_id", "pl"), self.block(&node, "cidr")) {
                (Got::Is(list), Got::Is(block)) => entries.entry(list).or_default().push(Object::at(node.span).text("Cidr", block.to_string())),
                (Got::Is(_), _) => self.gap(&node, "cidr", "left out"),
                _ => self.gap(&node, "prefix_list_id", "left out"),
            }
        }
        for node in self.nodes("aws_ec2_managed_prefix_list") {
            let Some(id) = self.document.id_of(node.resource) else { continue };
            let mut all = entries.remove(&id).unwrap_or_default();
            for entry in self.blocks(&node, "entry", "it matches nothing").all {
                match self.block(&entry, "cidr") {
                    Got::Is(block) => all.push(Object::at(entry.span).text("Cidr", block.to_string())),
                    _ => self.gap(&entry, "cidr", "left out"),
                }
            }
            let object = Object::at(node.span)
                .text("PrefixListId", id)
                .maybe("PrefixListName", self.text(&node, "name").known())
                .maybe("AddressFamily", self.text(&node, "address_family").known())
                .number("MaxEntries", self.number(&node, "max_entries", 0, 1 << 20).known().unwrap_or(0))
                .list("Entries", all)
                .tags(&self.tags(&node, false));
            self.answers.push("PrefixLists", object);
        }
    }

    pub(super) fn security_groups(&mut self) {
        // Groups with their permissions, ingress and egress.
        let mut groups: BTreeMap<String, (Object, [Vec<Object>; 2])> = BTreeMap::new();
        let mut adopted: BTreeSet<String> = BTreeSet::new();
        let mut nodes = self.nodes("aws_default_security_group");
        let defaults = nodes.len();
        nodes.extend(self.nodes("aws_security_group"));
        for (index, node) in nodes.into_iter().enumerate() {
            let Got::Is(vpc) = self.id(&node, "vpc_id", "vpc") else {
                self.gap(&node, "vpc_id", "left out");
                continue;
            };
            let is_default = index < defaults;
            let own = match self.vpcs.get(&vpc) {
                Some(cloud) if is_default => Some(cloud.default_group.clone()),
                _ => self.document.id_of(node.resource),
            };
            let Some(id) = own else { continue };
            let resource = &self.document.resources[node.resource];
            let (name, key) = (resource.name, resource.key.clone().map(|key| format!("-{key}")).unwrap_or_default());
            let name = match self.text(&node, "name") {
                _ if is_default => "default".to_owned(),
                Got::Is(name) => name.to_owned(),
                // A prefix of a name, or none: AWS's name for it is not known.
                _ => format!("{name}{key}"),
            };
            let mut sides = [Vec::new(), Vec::new()];
            for (side, key) in ["ingress", "egress"].into_iter().enumerate() {
                for rule in self.blocks(&node, key, "nobody is let through by these rules").all {
                    sides[side].extend(self.permission(&rule, &INLINE, Some(&id)));
                }
            }
            let object = Object::at(node.span)
                .text("GroupId", &id)
                .text("GroupName", name)
                .text("VpcId", vpc)
                .maybe("Description", self.text(&node, "description").known())
                .tags(&self.tags(&node, false));
            adopted.insert(id.clone());
            groups.insert(id, (object, sides));
        }
        let mut assumed = Vec::new();
        for (vpc, cloud) in self.vpcs.iter().filter(|(_, cloud)| !adopted.contains(&cloud.default_group)) {
            // What the first group of a VPC says (SG-23).
            let all = Object::at(cloud.span).text("IpProtocol", "-1");
            let own = Object::at(cloud.span).text("GroupId", &cloud.default_group);
            let everywhere = Object::at(cloud.span).text("CidrIp", "0.0.0.0/0");
            let object = Object::at(cloud.span).text("GroupId", &cloud.default_group).text("GroupName", "default").text("VpcId", vpc);
            let sides = [vec![all.clone().list("UserIdGroupPairs", [own])], vec![all.list("IpRanges", [everywhere])]];
            groups.insert(cloud.default_group.clone(), (object, sides));
            if self.document.is_state {
                assumed.push((cloud.span, format!("the default security group and network ACL of {} are as AWS makes them, where Terraform does not manage them", cloud.address)));
            }
        }
        for (span, text) in assumed {
            self.note(NoteKind::Assumed, span, text);
        }
        self.single_rules(&mut groups);
        for (object, [ingress, egress]) in groups.into_values() {
            self.answers.push("SecurityGroups", object.list("IpPermissions", ingress).list("IpPermissionsEgress", egress));
        }
    }

    fn single_rules(&mut self, groups: &mut BTreeMap<String, (Object, [Vec<Object>; 2])>) {
        for (kind, fields) in [
            ("aws_security_group_rule", &RULE),
            ("aws_vpc_security_group_ingress_rule", &SINGLE),
            ("aws_vpc_security_group_egress_rule", &SINGLE),
        ] {
            for node in self.nodes(kind) {
                let side = match kind {
                    "aws_vpc_security_group_ingress_rule" => 0,
                    "aws_vpc_security_group_egress_rule" => 1,
                    _ => match self.text(&node, "type") {
                        Got::Is("ingress") => 0,
                        Got::Is("egress") => 1,
                        _ => {
                            self.gap(&node, "type", "the rule is left out");
                            continue;
                        }
                    },
                };
                let Got::Is(group) = self.id(&node, "security_group_id", "sg") else {
                    self.gap(&node, "security_group_id", "the rule is left out");
                    continue;
                };
                let permission = self.permission(&node, fields, Some(&group));
                match groups.get_mut(&group) {
                    Some((_, sides)) => sides[side].extend(permission),
                    None => self.note(NoteKind::Missing, node.span, format!("{group}, which {} belongs to", node.address)),
                }
            }
        }
    }

    /// A rule; what of it is not known lets nobody through.
    fn permission(&mut self, node: &Node<'j>, fields: &Fields, own: Option<&str>) -> Option<Object> {
        let protocol = match self.text(node, fields.protocol) {
            Got::Is(word) => word.to_ascii_lowercase(),
            _ => {
                self.gap(node, fields.protocol, "the rule is left out");
                return None;
            }
        };
        let mut object = Object::at(node.span).text("IpProtocol", &protocol);
        if !matches!(protocol.as_str(), "-1" | "all") {
            for (key, answer) in [("from_port", "FromPort"), ("to_port", "ToPort")] {
                match self.number(node, key, -1, 65_535) {
                    Got::Is(number) => object = object.number(answer, number),
                    // Without ports all are meant, which only `-1` may say for protocols that have them.
                    Got::Unset if !matches!(protocol.as_str(), "tcp" | "udp" | "6" | "17") => {}
                    _ => {
                        self.gap(node, key, "the rule is left out");
                        return None;
                    }
                }
            }
        }
        let description = self.text(node, "description").known();
        let part = |key: &str, value: &str| Object::at(node.span).text(key, value).maybe("Description", description);
        let (mut four, mut six, mut lists, mut groups) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for key in fields.blocks {
            let blocks = match fields.is_single {
                true => match self.block(node, key) {
                    Got::Unset => continue,
                    got => super::node::Several { is_complete: !got.is_unknown(), all: got.known().into_iter().collect() },
                },
                false => self.several::<IpNet>(node, key, "a block of addresses"),
            };
            if !blocks.is_complete {
                self.gap(node, key, "nobody is let through because of it");
            }
            for block in blocks.all {
                match block.trunc() {
                    IpNet::V4(block) => four.push(part("CidrIp", &block.to_string())),
                    IpNet::V6(block) => six.push(part("CidrIpv6", &block.to_string())),
                }
            }
        }
        for (key, prefix, is_list) in fields.references {
            let ids = match is_list {
                true => self.ids(node, key, prefix),
                false => match self.id(node, key, prefix) {
                    Got::Unset => continue,
                    got => super::node::Several { is_complete: !got.is_unknown(), all: got.known().into_iter().collect() },
                },
            };
            if !ids.is_complete {
                self.gap(node, key, "nobody is let through because of it");
            }
            let to = if *prefix == "pl" { &mut lists } else { &mut groups };
            let answer = if *prefix == "pl" { "PrefixListId" } else { "GroupId" };
            to.extend(ids.all.iter().map(|id| part(answer, id)));
        }
        if let (Got::Is(true), Some(own)) = (self.bool(node, "self"), own) {
            groups.push(part("GroupId", own));
        }
        if four.is_empty() && six.is_empty() && lists.is_empty() && groups.is_empty() {
            return None;
        }
        Some(object.list("IpRanges", four).list("Ipv6Ranges", six).list("PrefixListIds", lists).list("UserIdGroupPairs", groups))
    }

    pub(super) fn network_acls(&mut self) {
        let mut acls: BTreeMap<String, Acl> = BTreeMap::new();
        let mut doubtful: BTreeSet<String> = BTreeSet::new();
        let mut nodes = self.nodes("aws_default_network_acl");
        let defaults = nodes.len();
        nodes.extend(self.nodes("aws_network_acl"));
        for (index, node) in nodes.into_iter().enumerate() {
            let Some(id) = self.document.id_of(node.resource) else {
                self.gap(&node, "default_network_acl_id", "nothing passes where it may be in force");
                doubtful.extend(self.vpcs.keys().cloned());
                continue;
            };
            let of_default = self.vpcs.iter().find(|(_, cloud)| cloud.default_acl == id).map(|(vpc, _)| vpc.clone());
            let vpc = match of_default {
                Some(vpc) => vpc,
                None => match self.id(&node, "vpc_id", "vpc") {
                    Got::Is(vpc) => vpc,
                    _ => {
                        self.gap(&node, "vpc_id", "nothing passes where it may be in force");
                        doubtful.extend(self.vpcs.keys().cloned());
                        continue;
                    }
                },
            };
            let is_default = index < defaults;
            let subnets = self.ids(&node, "subnet_ids", "subnet");
            if !subnets.is_complete && !is_default {
                self.gap(&node, "subnet_ids", "nothing passes into or out of subnets without a list of their own");
                doubtful.insert(vpc.clone());
            }
            let mut acl = Acl { vpc, is_default, entries: Default::default(), closed_from: [OPEN; 2], subnets: subnets.all, tags: self.tags(&node, false), span: node.span };
            for (side, key) in ["ingress", "egress"].into_iter().enumerate() {
                let entries = self.blocks(&node, key, "nothing passes");
                if !entries.is_complete {
                    acl.closed_from[side] = 0;
                }
                for entry in entries.all {
                    self.entry(&entry, side, &mut acl, &["rule_no", "action"]);
                }
            }
            acls.insert(id, acl);
        }
        self.acl_parts(&mut acls, &mut doubtful);
        self.subnets_without_acl(&mut acls, &doubtful);
        for (id, acl) in acls {
            let mut entries = Vec::new();
            for (side, all) in acl.entries.into_iter().enumerate() {
                let closed_from = acl.closed_from[side];
                entries.extend(all.into_iter().filter(|(number, (allows, _))| !allows || *number < closed_from).map(|(_, (_, entry))| entry.bool("Egress", side == 1)));
            }
            let associations = acl.subnets.iter().map(|subnet| Object::at(acl.span).text("SubnetId", subnet)).collect::<Vec<_>>();
            let object = Object::at(acl.span).text("NetworkAclId", id).text("VpcId", acl.vpc).bool("IsDefault", acl.is_default);
            self.answers.push("NetworkAcls", object.list("Entries", entries).list("Associations", associations).tags(&acl.tags));
        }
    }

    /// Entries and associations that stand alone.
    fn acl_parts(&mut self, acls: &mut BTreeMap<String, Acl>, doubtful: &mut BTreeSet<String>) {
        for node in self.nodes("aws_network_acl_rule") {
            let side = match self.bool(&node, "egress") {
                Got::Is(true) => 1,
                Got::Unknown => {
                    self.gap(&node, "egress", "nothing passes where it may be in force");
                    acls.values_mut().for_each(|acl| acl.closed_from = [0; 2]);
                    continue;
                }
                _ => 0,
            };
            match self.id(&node, "network_acl_id", "acl") {
                Got::Is(id) => match acls.get_mut(&id) {
                    Some(acl) => self.entry(&node, side, acl, &["rule_number", "rule_action"]),
                    None => self.acl_of_vpc(&node, &id, side, acls),
                },
                _ => {
                    self.gap(&node, "network_acl_id", "what it may deny passes nowhere");
                    if self.text(&node, "rule_action") != Got::Is("allow") {
                        acls.values_mut().for_each(|acl| acl.closed_from[side] = 0);
                        doubtful.extend(self.vpcs.keys().cloned());
                    }
                }
            }
        }
        for node in self.nodes("aws_network_acl_association") {
            match (self.id(&node, "network_acl_id", "acl"), self.id(&node, "subnet_id", "subnet")) {
                (Got::Is(id), Got::Is(subnet)) if acls.contains_key(&id) => {
                    acls.values_mut().for_each(|acl| acl.subnets.retain(|known| *known != subnet));
                    acls.entry(id).and_modify(|acl| acl.subnets.push(subnet));
                }
                (_, subnet) => {
                    let key = if subnet.known().is_some() { "network_acl_id" } else { "subnet_id" };
                    self.gap(&node, key, "nothing passes into or out of subnets without a list of their own");
                    doubtful.extend(self.vpcs.keys().cloned());
                }
            }
        }
    }

    /// An entry of a list that a VPC comes with and that is not written out.
    fn acl_of_vpc(&mut self, node: &Node<'j>, id: &str, side: usize, acls: &mut BTreeMap<String, Acl>) {
        let of = self.vpcs.iter().find(|(_, cloud)| cloud.default_acl == id).map(|(vpc, cloud)| (vpc.clone(), cloud.span));
        match of {
            Some((vpc, span)) => {
                let mut acl = first_acl(&vpc, span);
                self.entry(node, side, &mut acl, &["rule_number", "rule_action"]);
                acls.insert(id.to_owned(), acl);
            }
            None => self.note(NoteKind::Missing, node.span, format!("{id}, which {} belongs to", node.address)),
        }
    }

    /// An entry. One that denies and is not known denies all from its number on.
    fn entry(&mut self, node: &Node<'j>, side: usize, acl: &mut Acl, [number, action]: &[&str; 2]) {
        let rule = match self.number(node, number, 1, 32_766) {
            Got::Is(rule) => Some(rule),
            _ => {
                self.gap(node, number, "what it may deny does not pass");
                None
            }
        };
        let allows = match self.text(node, action) {
            Got::Is(word) => word.eq_ignore_ascii_case("allow"),
            _ => {
                self.gap(node, action, "what it may deny does not pass");
                false
            }
        };
        let described = rule.and_then(|rule| Some((rule, self.entry_object(node, rule, allows)?)));
        match described {
            Some((rule, entry)) => drop(acl.entries[side].entry(rule).or_insert((allows, entry))),
            None if allows => {}
            None => acl.closed_from[side] = acl.closed_from[side].min(rule.unwrap_or(0)),
        }
    }

    fn entry_object(&mut self, node: &Node<'j>, rule: i64, allows: bool) -> Option<Object> {
        let so = if allows { "the entry is left out" } else { "what it may deny does not pass" };
        let mut block = None;
        for key in ["cidr_block", "ipv6_cidr_block"] {
            match self.block(node, key) {
                Got::Is(known) => block = Some(known),
                Got::Unset => {}
                Got::Unknown => {
                    self.gap(node, key, so);
                    return None;
                }
            }
        }
        let Got::Is(protocol) = self.text(node, "protocol") else {
            self.gap(node, "protocol", so);
            return None;
        };
        let protocol = protocol.to_ascii_lowercase();
        let (key, first, second) = match protocol.as_str() {
            "icmp" | "1" | "icmpv6" | "58" => ("IcmpTypeCode", ("icmp_type", "Type"), ("icmp_code", "Code")),
            _ => ("PortRange", ("from_port", "From"), ("to_port", "To")),
        };
        let mut range = Object::at(node.span);
        let mut is_ranged = !matches!(protocol.as_str(), "-1" | "all");
        if is_ranged {
            for (from, to) in [first, second] {
                match self.number(node, from, -1, 65_535) {
                    Got::Is(number) => range = range.number(to, number),
                    Got::Unset => is_ranged = false,
                    Got::Unknown => {
                        self.gap(node, from, so);
                        return None;
                    }
                }
            }
            // Without ports an entry would be about all of them, which allows more than is said.
            if !is_ranged && matches!(protocol.as_str(), "tcp" | "udp" | "6" | "17") {
                self.gap(node, "from_port", so);
                return None;
            }
        }
        let Some(block) = block else {
            self.gap(node, "cidr_block", so);
            return None;
        };
        let address = if matches!(block, IpNet::V4(_)) { "CidrBlock" } else { "Ipv6CidrBlock" };
        let object = Object::at(node.span).number("RuleNumber", rule).text("RuleAction", if allows { "allow" } else { "deny" });
        let object = object.text(address, block.to_string()).text("Protocol", &protocol);
        Some(if is_ranged { object.object(key, range) } else { object })
    }

    /// Subnets that no list names use the one that the VPC comes with (SUB-9); none at all where that is not sure.
    fn subnets_without_acl(&mut self, acls: &mut BTreeMap<String, Acl>, doubtful: &BTreeSet<String>) {
        let mut named: BTreeSet<String> = BTreeSet::new();
        for acl in acls.values_mut().filter(|acl| !acl.is_default) {
            acl.subnets.retain(|subnet| named.insert(subnet.clone()));
        }
        for acl in acls.values_mut().filter(|acl| acl.is_default) {
            acl.subnets.clear();
        }
        for (id, subnet) in &self.subnets {
            let Some(cloud) = self.vpcs.get(&subnet.vpc) else { continue };
            if named.contains(id) {
                continue;
            }
            let acl = match doubtful.contains(&subnet.vpc) {
                true => acls.entry(default_acl(&format!("{}/unknown", subnet.vpc))).or_insert_with(|| Acl {
                    is_default: false,
                    entries: Default::default(),
                    tags: BTreeMap::from([("Name".to_owned(), "unknown".to_owned())]),
                    ..first_acl(&subnet.vpc, subnet.span)
                }),
                false => acls.entry(cloud.default_acl.clone()).or_insert_with(|| first_acl(&subnet.vpc, cloud.span)),
            };
            acl.subnets.push(id.clone());
        }
    }
}

/// The list that a VPC comes with: it allows all (ACL-2).
fn first_acl(vpc: &str, span: Span) -> Acl {
    let entry = |number, key, block| {
        let object = Object::at(span).number("RuleNumber", number).text("RuleAction", "allow").text(key, block);
        (number, (true, object.text("Protocol", "-1")))
    };
    let entries = || BTreeMap::from([entry(100, "CidrBlock", "0.0.0.0/0"), entry(101, "Ipv6CidrBlock", "::/0")]);
    Acl { vpc: vpc.to_owned(), is_default: true, entries: [entries(), entries()], closed_from: [OPEN; 2], subnets: Vec::new(), tags: BTreeMap::new(), span }
}

/// How a kind of rule names its fields.
struct Fields {
    protocol: &'static str,
    blocks: &'static [&'static str],
    /// Fields of ids, their prefix, and whether there may be several.
    references: &'static [(&'static str, &'static str, bool)],
    is_single: bool,
}

const INLINE: Fields = Fields {
    protocol: "protocol",
    blocks: &["cidr_blocks", "ipv6_cidr_blocks"],
    references: &[("prefix_list_ids", "pl", true), ("security_groups", "sg", true)],
    is_single: false,
};

const RULE: Fields = Fields {
    protocol: "protocol",
    blocks: &["cidr_blocks", "ipv6_cidr_blocks"],
    references: &[("prefix_list_ids", "pl", true), ("source_security_group_id", "sg", false)],
    is_single: false,
};

const SINGLE: Fields = Fields {
    protocol: "ip_protocol",
    blocks: &["cidr_ipv4", "cidr_ipv6"],
    references: &[("prefix_list_id", "pl", false), ("referenced_security_group_id", "sg", false)],
    is_single: true,
};
