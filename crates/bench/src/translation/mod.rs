//! One account in the words of other analyzers.
//!
//! Start at [`Common`]: an account cut down to what all of them can express. [`describe`] writes it as the AWS command line
//! would, [`kubernetes`] as pods and network policies.

pub mod describe;
pub mod kubernetes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use model::network_acl::NetworkAclAssociation;
use model::{Model, Peer, SecurityGroupRule, TrafficMatch};

use crate::account::Account;

/// An account in one VPC, and what was taken out of it because some analyzer has no words for it.
pub struct Common {
    /// What is left: the same for all.
    pub model: Model,
    /// How many of what were taken out.
    pub left_out: BTreeMap<&'static str, usize>,
}

impl Common {
    /// Network policies know neither network ACLs nor ICMP, and nothing of several networks.
    pub fn of(interfaces: usize, references: bool) -> Self {
        let groups = (interfaces / 5).clamp(4, 60);
        let account = Account { interfaces, vpcs: 1, groups, rules: groups * 6, own_sets: false };
        let mut common = Self { model: account.world().model, left_out: BTreeMap::new() };
        common.without_lists();
        common.without_rules("rules for ICMP", |rule| matches!(rule.traffic, TrafficMatch::Icmp(_)));
        if !references {
            common.without_rules("rules that name groups", |rule| matches!(rule.peer, Peer::SecurityGroup(_)));
        }
        common
    }

    /// Rules of all groups, both ways.
    pub fn rules(&self) -> usize {
        self.model.security_groups.values().map(|group| group.ingress.len() + group.egress.len()).sum()
    }

    /// Every subnet goes back to the list that comes with the VPC.
    fn without_lists(&mut self) {
        let acls = &mut self.model.network_acls;
        let before = acls.len();
        acls.retain(|_, acl| acl.is_default);
        self.left_out.insert("network ACLs", before - acls.len());
        for acl in acls.values_mut() {
            let association = |(number, id): (usize, &model::SubnetId)| {
                let id = id.clone();
                Some(NetworkAclAssociation { id: format!("aclassoc-{number}").parse().ok()?, subnet_id: id })
            };
            acl.associations = self.model.subnets.keys().enumerate().filter_map(association).collect();
        }
    }

    fn without_rules(&mut self, name: &'static str, gone: impl Fn(&SecurityGroupRule) -> bool) {
        let before = self.rules();
        for group in self.model.security_groups.values_mut() {
            group.ingress.retain(|rule| !gone(rule));
            group.egress.retain(|rule| !gone(rule));
        }
        self.left_out.insert(name, before - self.rules());
    }
}
