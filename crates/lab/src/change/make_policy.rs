//! Security groups and network ACLs as the target has them.

use std::collections::{BTreeMap, BTreeSet};

use model::operation::*;
use model::*;

use super::transition::{Step, Transition};

impl Transition<'_> {
    pub(super) fn make_policy(&mut self) -> Step {
        let target = self.target;
        // All groups before any rule: rules name groups.
        for (name, id) in target.names.security_groups.iter() {
            let Some(wanted) = target.model.security_groups.get(id) else { continue };
            let known = self.names.security_groups.id(name).and_then(|id| self.model.security_groups.get(id));
            if let Some((id, tags)) = known.map(|group| (group.id.to_string(), group.tags.clone())) {
                self.set_tags(id, &tags, &wanted.tags)?;
                continue;
            }
            let request = CreateSecurityGroup {
                group_name: wanted.group_name.clone(),
                description: wanted.description.clone(),
                vpc_id: Some(self.own_vpc(&wanted.vpc_id)?),
                tags: wanted.tags.clone(),
                origin: wanted.origin.clone(),
            };
            let result = create_security_group(self.model, request);
            let id = self.op(name, result)?;
            self.names.security_groups.add(Some(name.to_owned()), &id);
        }
        for (name, id) in target.names.security_groups.iter() {
            if let Some(wanted) = target.model.security_groups.get(id) {
                self.rules(name, wanted, Direction::Ingress)?;
                self.rules(name, wanted, Direction::Egress)?;
            }
        }
        for (name, id) in target.names.network_acls.iter() {
            if let Some(wanted) = target.model.network_acls.get(id) {
                self.network_acl(name, wanted)?;
            }
        }
        self.acl_associations()
    }

    /// A peer here for a peer there.
    pub(super) fn own_peer(&self, peer: &Peer) -> Step<Peer> {
        Ok(match peer {
            Peer::SecurityGroup(id) => Peer::SecurityGroup(self.own(|names| &names.security_groups, id)?),
            Peer::PrefixList(id) => Peer::PrefixList(self.own(|names| &names.prefix_lists, id)?),
            other => other.clone(),
        })
    }

    fn rules(&mut self, name: &str, wanted: &SecurityGroup, direction: Direction) -> Step {
        let Some(id) = self.names.security_groups.id(name).cloned() else { return Ok(()) };
        let Some(known) = self.model.security_groups.get(&id) else { return Ok(()) };
        let (known, wanted) = match direction {
            Direction::Ingress => (&known.ingress, &wanted.ingress),
            Direction::Egress => (&known.egress, &wanted.egress),
        };
        let is: BTreeSet<_> = known.iter().map(|rule| (rule.traffic, rule.peer.clone())).collect();
        let mut rules = Vec::new();
        let mut stays = BTreeSet::new();
        for rule in wanted {
            let peer = self.own_peer(&rule.peer)?;
            if !is.contains(&(rule.traffic, peer.clone())) {
                let (description, tags) = (rule.description.clone(), rule.tags.clone());
                rules.push(RuleSpecification {
                    traffic: rule.traffic,
                    peer: peer.clone(),
                    description,
                    tags,
                    origin: rule.origin.clone(),
                });
            }
            stays.insert((rule.traffic, peer));
        }
        // A group that was made just now is open outwards (SG-4).
        let gone: Vec<_> = is.into_iter().filter(|rule| !stays.contains(rule)).collect();
        if !gone.is_empty() {
            let request = RevokeSecurityGroup { group_id: id.clone(), rules: gone, security_group_rule_ids: Vec::new() };
            let result = match direction {
                Direction::Ingress => revoke_security_group_ingress(self.model, request),
                Direction::Egress => revoke_security_group_egress(self.model, request),
            };
            self.op(name, result)?;
        }
        if !rules.is_empty() {
            let request = AuthorizeSecurityGroup { group_id: id, rules };
            let result = match direction {
                Direction::Ingress => authorize_security_group_ingress(self.model, request),
                Direction::Egress => authorize_security_group_egress(self.model, request),
            };
            self.op(name, result)?;
        }
        Ok(())
    }

    fn network_acl(&mut self, name: &str, wanted: &NetworkAcl) -> Step {
        let id = match self.names.network_acls.id(name).cloned() {
            Some(id) => id,
            None => {
                let vpc_id = self.own_vpc(&wanted.vpc_id)?;
                let request = CreateNetworkAcl { vpc_id, tags: wanted.tags.clone(), origin: wanted.origin.clone() };
                let result = create_network_acl(self.model, request);
                let id = self.op(name, result)?;
                self.names.network_acls.add(Some(name.to_owned()), &id);
                id
            }
        };
        let Some(known) = self.model.network_acls.get(&id).cloned() else { return Ok(()) };
        for (direction, is, wanted) in
            [(Direction::Ingress, &known.ingress, &wanted.ingress), (Direction::Egress, &known.egress, &wanted.egress)]
        {
            for entry in is.iter().filter(|is| !wanted.iter().any(|w| w.rule_number == is.rule_number)) {
                let result = delete_network_acl_entry(self.model, &id, direction, entry.rule_number);
                self.op(name, result)?;
            }
            for entry in wanted {
                let request = PutNetworkAclEntry {
                    network_acl_id: id.clone(),
                    direction,
                    rule_number: entry.rule_number,
                    traffic: entry.traffic,
                    cidr_block: entry.cidr_block,
                    allow: entry.allow,
                    origin: entry.origin.clone(),
                };
                let says = |e: &network_acl::NetworkAclEntry| (e.traffic, e.cidr_block, e.allow);
                let result = match is.iter().find(|is| is.rule_number == entry.rule_number) {
                    Some(is) if says(is) == says(entry) => continue,
                    Some(_) => replace_network_acl_entry(self.model, request),
                    None => create_network_acl_entry(self.model, request),
                };
                self.op(name, result)?;
            }
        }
        self.set_tags(id.to_string(), &known.tags, &wanted.tags)
    }

    fn acl_associations(&mut self) -> Step {
        let all = self.model.network_acls.values().flat_map(|acl| acl.associations.iter().map(move |a| (acl.id.clone(), a)));
        let known: BTreeMap<SubnetId, (NetworkAclId, NetworkAclAssociationId)> =
            all.map(|(acl, a)| (a.subnet_id.clone(), (acl, a.id.clone()))).collect();
        for acl in self.target.model.network_acls.values() {
            for association in &acl.associations {
                let subnet = self.own_subnet(&association.subnet_id)?;
                let wanted = self.own(|names| &names.network_acls, &acl.id)?;
                let Some((_, known)) = known.get(&subnet).filter(|(known, _)| *known != wanted) else { continue };
                let result = replace_network_acl_association(self.model, known, &wanted);
                self.op("network ACL", result)?;
            }
        }
        Ok(())
    }
}
