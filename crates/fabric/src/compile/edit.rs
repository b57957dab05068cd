//! One group's rules, one list's entries or one table's routes changed: a fabric that was compiled becomes the one that
//! compiling the changed model would make, without looking at the rest of it.

use std::collections::BTreeSet;

use ipnet::{IpNet, Ipv4Net};
use model::{Model, NetworkAclId, RouteTableId, SecurityGroupId, SubnetId};

use super::{groups, routes, witness};
use crate::fabric::Fabric;
use crate::group::{GroupRule, RulePeer, SecurityGroup};
use crate::index::{AclIndex, GroupIndex, RouteTableIndex, SubnetIndex};
use crate::route::RouteTable;

/// What a change came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed<Index> {
    /// What was changed.
    pub index: Index,
    /// Whether other hosts stand for `internet` now ([`Fabric::representatives`]).
    pub are_hosts_others: bool,
}

impl Fabric {
    /// Takes over the rules of a group from a model that differs in nothing else from the one compiled. `None`, and
    /// nothing is changed, if there is no such group.
    pub fn take_rules(&mut self, model: &Model, id: &SecurityGroupId) -> Option<Changed<GroupIndex>> {
        let group = model.security_groups.get(id)?;
        let index = self.groups.find(id, |group| &group.id)?;
        let find = |id: &SecurityGroupId| self.groups.find(id, |group| &group.id);
        let rules = |rules: &[model::SecurityGroupRule]| -> Vec<GroupRule> {
            rules.iter().map(|rule| groups::resolve(model, group, rule, find)).collect()
        };
        let (ingress, egress) = (rules(&group.ingress), rules(&group.egress));
        let row = self.groups.get_mut(index)?;
        let before = blocks(row);
        (row.ingress, row.egress) = (ingress, egress);
        let after = blocks(row);
        for set in self.group_sets.values_mut().filter(|set| set.groups.contains(&index)) {
            *set = groups::merge(&self.groups, &set.groups);
        }
        Some(Changed { index, are_hosts_others: self.follow(model, &before, &after) })
    }

    /// Takes over the entries of a network ACL likewise.
    pub fn take_entries(&mut self, model: &Model, id: &NetworkAclId) -> Option<Changed<AclIndex>> {
        let list = model.network_acls.get(id)?;
        let index = self.acls.find(id, |acl| &acl.id)?;
        let row = self.acls.get_mut(index)?;
        let blocks = |acl: &crate::acl::Acl| -> BTreeSet<Ipv4Net> {
            acl.ingress.iter().chain(&acl.egress).filter_map(|entry| witness::public(&entry.cidr_block)).collect()
        };
        let before = blocks(row);
        (row.ingress, row.egress) = (list.ingress.clone(), list.egress.clone());
        let after = blocks(row);
        Some(Changed { index, are_hosts_others: self.follow(model, &before, &after) })
    }

    /// Takes over the routes of a table likewise; nothing that they lead to is another.
    pub fn take_routes(&mut self, model: &Model, id: &RouteTableId) -> Option<Changed<RouteTableIndex>> {
        let table = model.route_tables.get(id)?;
        let index = self.route_tables.find(id, |table| &table.id)?;
        let compiled = routes::row(model, self, table);
        let blocks = |table: &RouteTable| -> BTreeSet<Ipv4Net> {
            table.routes.iter().filter_map(|route| witness::public(&route.destination)).collect()
        };
        let row = self.route_tables.get_mut(index)?;
        let (before, after) = (blocks(row), blocks(&compiled));
        *row = compiled;
        Some(Changed { index, are_hosts_others: self.follow(model, &before, &after) })
    }

    /// Takes over which table a subnet uses likewise (RT-11).
    pub fn take_association(&mut self, model: &Model, id: &SubnetId) -> Option<Changed<SubnetIndex>> {
        let table = model.route_table_of(model.subnets.get(id)?)?;
        let table = self.route_tables.find(&table.id, |table| &table.id)?;
        let index = self.subnets.find(id, |subnet| &subnet.id)?;
        self.subnets.get_mut(index)?.route_table = table;
        self.generation = model.generation;
        Some(Changed { index, are_hosts_others: false })
    }

    /// What depends on the whole: the generation, and who stands for `internet` if other blocks are named.
    fn follow(&mut self, model: &Model, before: &BTreeSet<Ipv4Net>, after: &BTreeSet<Ipv4Net>) -> bool {
        self.generation = model.generation;
        if before == after {
            return false;
        }
        let (witnesses, witness) = witness::choose(self);
        let are_others = witnesses != self.witnesses || witness != self.witness;
        (self.witnesses, self.witness) = (witnesses, witness);
        are_others
    }
}

/// The public blocks that a group's rules name.
fn blocks(group: &SecurityGroup) -> BTreeSet<Ipv4Net> {
    let of = |rule: &GroupRule| -> Vec<IpNet> {
        match &rule.peer {
            RulePeer::Block(block) => vec![*block],
            RulePeer::PrefixList { blocks, .. } => blocks.clone(),
            RulePeer::Group { .. } => Vec::new(),
        }
    };
    group.ingress.iter().chain(&group.egress).flat_map(of).filter_map(|block| witness::public(&block)).collect()
}
