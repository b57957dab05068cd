//! Security groups and network ACLs in words: what `view` compares of them.

use model::{Peer, SecurityGroupRule, VpcId, network_acl};

use super::view::{Kind, Reader, Thing, View};

impl Reader<'_> {
    pub(super) fn policy(&self, view: &mut View) {
        for (name, id) in self.names.security_groups.iter() {
            let Some(group) = self.model.security_groups.get(id) else { continue };
            let rules = |rules: &[SecurityGroupRule], out: &str, word: &str| -> Vec<String> {
                rules.iter().map(|r| format!("{out}{} {word} {}", r.traffic, self.peer(&r.peer, &group.vpc_id))).collect()
            };
            let mut thing = Thing::default().lives_in(Kind::Vpc, self.vpc(&group.vpc_id));
            if !group.is_default() {
                thing = thing.fixed("description", &group.description);
            }
            let thing = thing.listed(rules(&group.ingress, "", "from")).listed(rules(&group.egress, "out ", "to"));
            view.add(Kind::SecurityGroup, name, thing.tags(&group.tags).at(&group.origin));
        }
        for (name, id) in self.names.network_acls.iter() {
            let Some(acl) = self.model.network_acls.get(id) else { continue };
            let entry = |thing: Thing, entry: &network_acl::NetworkAclEntry, out: &str, word: &str| {
                let verb = if entry.allow { "allow" } else { "deny" };
                thing.open(format!("{out}{}", entry.rule_number), format!("{verb} {} {word} {}", entry.traffic, entry.cidr_block))
            };
            let thing = Thing::default().lives_in(Kind::Vpc, self.vpc(&acl.vpc_id));
            let thing = acl.ingress.iter().fold(thing, |thing, e| entry(thing, e, "", "from"));
            let thing = acl.egress.iter().fold(thing, |thing, e| entry(thing, e, "out ", "to"));
            view.add(Kind::NetworkAcl, name, thing.tags(&acl.tags).at(&acl.origin));
        }
    }

    /// A peer as people write it in this VPC.
    fn peer(&self, peer: &Peer, vpc: &VpcId) -> String {
        match peer {
            Peer::SecurityGroup(id) => match self.model.security_groups.get(id) {
                Some(group) if group.vpc_id == *vpc => format!("sg:{}", group.group_name),
                Some(_) => format!("sg:{}", self.names.security_groups.name(id).unwrap_or(id.as_str())),
                None => format!("sg:{id}"),
            },
            Peer::PrefixList(id) => format!("pl:{}", self.names.prefix_lists.name(id).unwrap_or(id.as_str())),
            other => other.to_string(),
        }
    }
}
