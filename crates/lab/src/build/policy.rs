//! Security groups and network ACLs: rules as written.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use model::operation::*;
use model::{ApiError, ErrorCode, NetworkAclId, Peer, SecurityGroupId, TrafficMatch, VpcId};

use super::{Build, path, tags};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::file::{AclPhrase, RulePhrase, SecurityGroup};
use crate::names::DEFAULT;
use crate::sentence::RulePeer;
use crate::source::{Located, Span};

/// A group or list of the file with its VPC's name, when it stands below one.
type Below<'f, T> = (Option<&'f Located<String>>, &'f Located<String>, &'f T);

impl Build<'_, '_> {
    pub(super) fn security_groups(&mut self) {
        let file = &self.lab.file;
        let top = file.security_groups.iter().map(|(name, group)| (None, name, group));
        let below =
            file.vpcs.iter().flat_map(|(vpc, v)| v.security_groups.iter().map(move |(name, group)| (Some(vpc), name, group)));
        let groups: Vec<Below<'_, SecurityGroup>> = top.chain(below).collect();
        let mut made = Vec::new();
        for (vpc, name, group) in &groups {
            let Some(vpc) = self.vpc_of(vpc.or(group.vpc.as_ref()), name.span, "security group") else { continue };
            if self.gives_up() {
                return;
            }
            let path = self.names.below(&vpc, Some(&name.value));
            let known = path.as_ref().and_then(|path| self.names.security_groups.id(path)).cloned();
            let id = match known {
                Some(default) if name.value == DEFAULT => default,
                _ => {
                    let description = group.description.as_ref().map_or(&name.value, |d| &d.value).clone();
                    let request = CreateSecurityGroup {
                        group_name: name.value.clone(),
                        description,
                        vpc_id: Some(vpc.clone()),
                        tags: tags(&name.value, &group.tags),
                        origin: self.origin(name.span),
                    };
                    let result = create_security_group(self.model, request);
                    let Some(id) = self.op(name.span, result) else { continue };
                    self.names.security_groups.add(path, &id);
                    id
                }
            };
            made.push((id, vpc, *name, *group));
        }
        for (id, vpc, name, group) in made {
            let egress_written = group.rules.iter().any(|rule| rule.rule.egress);
            for direction in [Direction::Ingress, Direction::Egress] {
                let egress = direction == Direction::Egress;
                let mut wanted: Vec<(RuleSpecification, Span)> = Vec::new();
                for rule in group.rules.iter().filter(|rule| rule.rule.egress == egress) {
                    wanted.extend(self.specifications(rule, &vpc));
                }
                if egress && !egress_written && group.egress.as_ref().is_none_or(|open| open.value) {
                    // Without an `out` rule egress is open, as AWS makes a group (SG-4).
                    let ipv6 = self.has_ipv6(&vpc).then(|| Peer::Ipv6(Ipv6Net::default()));
                    let anywhere = std::iter::once(Peer::Ipv4(Ipv4Net::default())).chain(ipv6);
                    wanted.extend(anywhere.map(|peer| (RuleSpecification::new(TrafficMatch::All, peer), name.span)));
                }
                self.rules(&id, name, direction, wanted);
            }
        }
    }

    fn rules(
        &mut self,
        id: &SecurityGroupId,
        name: &Located<String>,
        direction: Direction,
        wanted: Vec<(RuleSpecification, Span)>,
    ) {
        let Some(group) = self.model.security_groups.get(id) else { return };
        let egress = direction == Direction::Egress;
        // What comes with a group (SG-4, SG-5) gives way to what is written.
        let given = if egress { &group.egress } else { &group.ingress };
        let given: Vec<_> = given.iter().map(|rule| (rule.traffic, rule.peer.clone())).collect();
        if !given.is_empty() {
            let request = RevokeSecurityGroup { group_id: id.clone(), rules: given, security_group_rule_ids: Vec::new() };
            let result = match egress {
                true => revoke_security_group_egress(self.model, request),
                false => revoke_security_group_ingress(self.model, request),
            };
            self.op(name.span, result);
        }
        let mut seen: BTreeSet<(TrafficMatch, Peer)> = BTreeSet::new();
        for (rule, span) in wanted {
            if self.gives_up() {
                return;
            }
            if !seen.insert((rule.traffic, rule.peer.clone())) {
                continue;
            }
            let peer = rule.peer.clone();
            let request = AuthorizeSecurityGroup { group_id: id.clone(), rules: vec![rule] };
            let result = match egress {
                true => authorize_security_group_egress(self.model, request),
                false => authorize_security_group_ingress(self.model, request),
            };
            match (result, peer) {
                (Err(error), Peer::SecurityGroup(far)) if error.code == ErrorCode::InvalidGroupNotFound => {
                    self.not_peered(id, &far, span, error);
                }
                (result, _) => drop(self.op(span, result)),
            }
        }
    }

    /// A rule of one VPC names a group of another that it is not peered with (SG-13). The cloud speaks of ids, which
    /// nobody has written.
    fn not_peered(&mut self, own: &SecurityGroupId, far: &SecurityGroupId, span: Span, error: ApiError) {
        let vpc_of = |id| self.model.security_groups.get(id).and_then(|group| self.names.vpcs.name(&group.vpc_id));
        let (Some(own), Some(far_vpc), Some(far)) = (vpc_of(own), vpc_of(far), self.names.security_groups.name(far)) else {
            self.op::<()>(span, Err(error));
            return;
        };
        let file = &self.lab.file;
        let joins = |vpcs: &[Located<String>]| [own, far_vpc].iter().all(|vpc| vpcs.iter().any(|of| of.value == *vpc));
        if !self.problems.is_empty() && file.peerings.iter().any(|(_, peering)| joins(&peering.vpcs)) {
            // A peering that could not be made has had its own error; this one only follows.
            return;
        }
        let message = format!("`sg:{far}` is in VPC `{far_vpc}`, this rule in VPC `{own}`, and no peering joins them (SG-13)");
        // The same for both directions: two VPCs have one peering (PCX-1).
        let (first, second) = (own.min(far_vpc), own.max(far_vpc));
        let line = format!("{first}-{second}: [{first}, {second}]");
        let hint = match file.peerings.0.is_empty() {
            true => format!("add `peerings: {{ {line} }}`, or name a block such as `vpc:{far_vpc}` instead of the group"),
            false => format!("add `{line}` below `peerings:`, or name a block such as `vpc:{far_vpc}` instead of the group"),
        };
        let mut problem = Diagnostic::new(Code::Refused, span, message).label("group of another VPC").hint(hint);
        problem.aws = Some(error.code);
        self.problem(problem);
    }

    /// One sentence can be several rules: each port part with each peer.
    fn specifications(&mut self, phrase: &RulePhrase, vpc: &VpcId) -> Vec<(RuleSpecification, Span)> {
        let origin = self.origin(phrase.span);
        let mut all = Vec::new();
        for peer in &phrase.peers {
            let resolved = self.peers(peer, vpc);
            for traffic in &phrase.rule.traffic.0 {
                if !resolved.is_empty() && !resolved.iter().any(|resolved| is_of_family(*traffic, resolved)) {
                    self.other_family(*traffic, peer);
                }
            }
            for resolved in resolved {
                for traffic in &phrase.rule.traffic.0 {
                    // ::/0 of `anywhere` means nothing to ICMP, and 0.0.0.0/0 nothing to ICMPv6 (SG-10).
                    if !is_of_family(*traffic, &resolved) {
                        continue;
                    }
                    let rule = RuleSpecification { origin: origin.clone(), ..RuleSpecification::new(*traffic, resolved.clone()) };
                    all.push((rule, peer.span));
                }
            }
        }
        all
    }

    /// ICMP of one family, and a peer that has addresses of the other alone: such a rule would match nothing.
    fn other_family(&mut self, traffic: TrafficMatch, peer: &Located<RulePeer>) {
        let (own, other, word) = match traffic {
            TrafficMatch::Icmp(_) => ("IPv4", "IPv6", "icmpv6"),
            _ => ("IPv6", "IPv4", "icmp"),
        };
        let message = format!("`{traffic}` is a message of {own}, and `{}` is {other}: nothing would match (SG-10)", peer.value);
        self.problem(Diagnostic::new(Code::MixedFamilies, peer.span, message).label(other).hint(format!("write `{word}`, or name a peer of {own}")));
    }

    fn peers(&mut self, peer: &Located<RulePeer>, vpc: &VpcId) -> Vec<Peer> {
        match &peer.value {
            RulePeer::SecurityGroup(name) => {
                let written = Located::new(name.clone(), peer.span);
                self.group(&written, vpc).map(Peer::SecurityGroup).into_iter().collect()
            }
            RulePeer::PrefixList(name) => match self.names.prefix_lists.id(name) {
                Some(list) => vec![Peer::PrefixList(list.clone())],
                None => {
                    let known = self.lab.file.prefix_lists.names().map(str::to_owned).collect();
                    let _: Option<()> =
                        self.unknown(Code::UnknownPrefixList, "prefix list", &Located::new(name.clone(), peer.span), known);
                    Vec::new()
                }
            },
            _ => self
                .blocks(peer)
                .into_iter()
                .map(of_block)
                .collect(),
        }
    }

    /// The blocks that a peer means.
    fn blocks(&mut self, peer: &Located<RulePeer>) -> Vec<IpNet> {
        match &peer.value {
            RulePeer::Anywhere => {
                let v4 = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));
                let v6 = IpNet::V6(Ipv6Net::new_assert(std::net::Ipv6Addr::UNSPECIFIED, 0));
                vec![v4, v6]
            }
            RulePeer::Block(block) => vec![*block],
            RulePeer::Subnet(name) => {
                let id = self.subnet(&Located::new(name.clone(), peer.span));
                let subnet = id.and_then(|id| self.model.subnets.get(&id));
                let blocks = |s: &model::Subnet| std::iter::once(IpNet::V4(s.cidr_block)).chain(s.ipv6_block().map(IpNet::V6)).collect();
                subnet.map(blocks).unwrap_or_default()
            }
            RulePeer::Vpc(name) => match self.vpc_called(name) {
                Some(id) => {
                    let vpc = &self.model.vpcs[&id];
                    vpc.ipv4_blocks().map(IpNet::V4).chain(vpc.ipv6_blocks().map(IpNet::V6)).collect()
                }
                None => {
                    let known = self.lab.file.vpcs.names().map(str::to_owned).collect();
                    let _: Option<()> = self.unknown(Code::UnknownVpc, "VPC", &Located::new(name.clone(), peer.span), known);
                    Vec::new()
                }
            },
            RulePeer::Outside(name) => match self.lab.file.outside.get(name) {
                Some(addresses) => addresses.0.iter().map(|a| host(a.value)).collect(),
                None => {
                    let file = &self.lab.file;
                    let mut groups =
                        file.security_groups.names().chain(file.vpcs.iter().flat_map(|(_, v)| v.security_groups.names()));
                    if groups.any(|group| group == name) {
                        let problem =
                            Diagnostic::new(Code::UnknownOutside, peer.span, format!("no outside place is called `{name}`"));
                        self.problem(problem.label("not found").hint(format!("for the security group write `sg:{name}`")));
                        return Vec::new();
                    }
                    let known = file.outside.names().map(str::to_owned).collect();
                    let _: Option<()> =
                        self.unknown(Code::UnknownOutside, "outside place", &Located::new(name.clone(), peer.span), known);
                    Vec::new()
                }
            },
            // Only network ACLs come here with these. A rule left out in silence would open or close what nobody sees.
            RulePeer::SecurityGroup(_) | RulePeer::PrefixList(_) => {
                let message = format!("a network ACL cannot name `{}`: it knows blocks only (ACL-5)", peer.value);
                let hint = "`subnet:NAME`, `vpc:NAME`, an outside place, an address, a block, or `anywhere`";
                self.problem(Diagnostic::new(Code::AclPeer, peer.span, message).label("not a block").hint(hint));
                Vec::new()
            }
        }
    }

    /// A group by `name` (of this VPC, else of any) or `vpc/name`.
    pub(super) fn group(&mut self, written: &Located<String>, vpc: &VpcId) -> Option<SecurityGroupId> {
        let (named_vpc, name) = path(&written.value);
        let in_vpc = |vpc: &str| self.names.security_groups.id(&format!("{vpc}/{name}")).cloned();
        let found = match named_vpc {
            Some(named) => in_vpc(named),
            None => self.names.vpcs.name(vpc).and_then(in_vpc).or_else(|| {
                let mut others = self.names.vpcs.iter().filter(|_| name != DEFAULT).filter_map(|(vpc, _)| in_vpc(vpc));
                match (others.next(), others.next()) {
                    (Some(only), None) => Some(only),
                    _ => None,
                }
            }),
        };
        match found {
            Some(id) => Some(id),
            None => {
                let file = &self.lab.file;
                let top = file.security_groups.names().map(str::to_owned);
                let below = file.vpcs.iter().flat_map(|(_, v)| v.security_groups.names().map(str::to_owned));
                let known: Vec<String> = top.chain(below).collect();
                let hint = crate::diagnostic::known_names(name, "security group", known.iter().map(String::as_str));
                let message = format!("`sg:{}` is not a security group", written.value);
                self.problem(Diagnostic::new(Code::UnknownSecurityGroup, written.span, message).label("not found").hint(hint));
                None
            }
        }
    }

    pub(super) fn acls(&mut self) {
        let file = &self.lab.file;
        let top = file.acls.iter().map(|(name, acl)| (None, name, acl));
        let below = file.vpcs.iter().flat_map(|(vpc, v)| v.acls.iter().map(move |(name, acl)| (Some(vpc), name, acl)));
        for (vpc, name, acl) in top.chain(below) {
            let Some(vpc) = self.vpc_of(vpc.or(acl.vpc.as_ref()), name.span, "network ACL") else { continue };
            if self.gives_up() {
                return;
            }
            let path = self.names.below(&vpc, Some(&name.value));
            let known = path.as_ref().and_then(|path| self.names.network_acls.id(path)).cloned();
            let id = match known {
                // `default` speaks of the list that came with the VPC.
                Some(default) if name.value == DEFAULT => default,
                _ => {
                    let request =
                        CreateNetworkAcl { vpc_id: vpc, tags: tags(&name.value, &acl.tags), origin: self.origin(name.span) };
                    let result = create_network_acl(self.model, request);
                    let Some(id) = self.op(name.span, result) else { continue };
                    self.names.network_acls.add(path, &id);
                    id
                }
            };
            self.entries(&id, name, &acl.rules);
        }
        self.acl_associations();
    }

    fn entries(&mut self, id: &NetworkAclId, name: &Located<String>, phrases: &[AclPhrase]) {
        let Some(acl) = self.model.network_acls.get(id) else { return };
        let vpc_has_v6 = self.has_ipv6(&acl.vpc_id);
        // What the default list allows gives way to what is written.
        let given: Vec<_> = acl.ingress.iter().map(|e| (Direction::Ingress, e.rule_number)).collect();
        let given: Vec<_> = given.into_iter().chain(acl.egress.iter().map(|e| (Direction::Egress, e.rule_number))).collect();
        for (direction, number) in given {
            let result = delete_network_acl_entry(self.model, id, direction, number);
            self.op(name.span, result);
        }
        let mut seen: BTreeMap<(bool, u16), Span> = BTreeMap::new();
        for phrase in phrases {
            let direction = if phrase.entry.rule.egress { Direction::Egress } else { Direction::Ingress };
            let mut number = phrase.entry.number;
            for peer in &phrase.peers {
                let blocks = self.blocks(peer);
                let one_sided = phrase.entry.rule.traffic.0.iter().find(|t| !blocks.is_empty() && !blocks.iter().any(|b| is_of_family(**t, &of_block(*b))));
                if let Some(traffic) = one_sided {
                    self.other_family(*traffic, peer);
                }
                for block in blocks {
                    // IPv6 entries only where the VPC has IPv6: `anywhere` must not use up numbers for nothing.
                    if matches!(block, IpNet::V6(_)) && matches!(peer.value, RulePeer::Anywhere) && !vpc_has_v6 {
                        continue;
                    }
                    for traffic in &phrase.entry.rule.traffic.0 {
                        if self.gives_up() {
                            return;
                        }
                        if !is_of_family(*traffic, &of_block(block)) {
                            continue;
                        }
                        let entry = PutNetworkAclEntry {
                            network_acl_id: id.clone(),
                            direction,
                            rule_number: number,
                            traffic: *traffic,
                            cidr_block: block,
                            allow: phrase.entry.allow,
                            origin: self.origin(phrase.span),
                        };
                        if let Some(first) = seen.insert((phrase.entry.rule.egress, number), phrase.span) {
                            let message = format!("entry {number} stands twice in network ACL `{}`", name.value);
                            let problem =
                                Diagnostic::new(Code::AclNumber, phrase.span, message).label("again").other(first, "first");
                            self.problem(problem);
                        } else {
                            let result = create_network_acl_entry(self.model, entry);
                            self.op(phrase.span, result);
                        }
                        number = number.saturating_add(1);
                    }
                }
            }
        }
    }

    /// Every subnet uses the list that it names, else the VPC's default one.
    fn acl_associations(&mut self) {
        let subnets: Vec<_> =
            self.lab.file.vpcs.iter().flat_map(|(vpc, v)| v.subnets.iter().map(move |(n, s)| (vpc, n, s))).collect();
        for (vpc, name, subnet) in subnets {
            let Some(vpc_id) = self.vpc_called(&vpc.value) else { continue };
            let Some(subnet_id) = self.subnet_in(&vpc_id, &name.value) else { continue };
            let Some(written) = subnet.acl.as_ref().filter(|acl| acl.value != DEFAULT) else { continue };
            let wanted = match self.names.network_acls.id(&format!("{}/{}", vpc.value, written.value)).cloned() {
                Some(id) => Some(id),
                None => {
                    let file = &self.lab.file;
                    let known =
                        file.acls.names().chain(file.vpcs.iter().flat_map(|(_, v)| v.acls.names())).map(str::to_owned).collect();
                    self.unknown(Code::UnknownAcl, "network ACL", written, known)
                }
            };
            let (Some(wanted), Some(known)) = (wanted, self.model.network_acl_of(&subnet_id)) else { continue };
            let Some(association) = known.associations.iter().find(|a| a.subnet_id == subnet_id).map(|a| a.id.clone()) else {
                continue;
            };
            let result = replace_network_acl_association(self.model, &association, &wanted);
            self.op(name.span, result);
        }
    }
}

fn of_block(block: IpNet) -> Peer {
    match block {
        IpNet::V4(block) => Peer::Ipv4(block),
        IpNet::V6(block) => Peer::Ipv6(block),
    }
}

/// Whether packets of a peer's family can be what is named: ICMP is IPv4's, ICMPv6 is IPv6's (SG-10).
fn is_of_family(traffic: TrafficMatch, peer: &Peer) -> bool {
    match traffic {
        TrafficMatch::Icmp(_) => !matches!(peer, Peer::Ipv6(_)),
        TrafficMatch::Icmpv6(_) => !matches!(peer, Peer::Ipv4(_)),
        _ => true,
    }
}

fn host(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(address) => IpNet::V4(Ipv4Net::new_assert(address, 32)),
        IpAddr::V6(address) => IpNet::V6(Ipv6Net::new_assert(address, 128)),
    }
}
