//! Limits that the cloud has had raised: what it has more of than AWS allows at first.

use std::collections::BTreeMap;

use model::network_interface::InterfaceType;
use model::*;

use super::Writer;
use crate::names::is_live_nat;

impl Writer<'_> {
    pub(super) fn quotas(&mut self) {
        let needed = needed(self.model, &self.interfaces);
        let (Ok(default), Ok(set)) = (serde_json::to_value(model::quota::Quotas::default()), serde_json::to_value(&self.model.quotas)) else { return };
        let mut lines = Vec::new();
        let Some(limits) = default.as_object() else { return };
        for (name, limit) in limits {
            let limit = limit.as_u64().unwrap_or(0);
            let set = set.get(name).and_then(serde_json::Value::as_u64).unwrap_or(limit);
            let wanted = needed.get(name.as_str()).copied().unwrap_or(0).max(if set == limit { 0 } else { set });
            if wanted > limit || set < limit {
                let most = limit.saturating_mul(100);
                if wanted > most {
                    self.unsaid(format!("{name}: {wanted} are more than a lab can have"));
                }
                lines.push(format!("{name}: {}", wanted.max(set.min(limit)).min(most)));
            }
        }
        if !lines.is_empty() {
            self.line(0, "quotas:");
            lines.into_iter().for_each(|line| self.line(1, line));
        }
    }
}

/// How many of each thing there are, as quotas count them (QUO-1).
fn needed(model: &Model, interfaces: &BTreeMap<&InstanceId, Vec<&NetworkInterface>>) -> BTreeMap<&'static str, u64> {
    let mut all: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut at_least = |name: &'static str, count: usize| {
        let known = all.entry(name).or_default();
        *known = (*known).max(count as u64);
    };
    at_least("vpcs_per_region", model.vpcs.len());
    let shares = |eni: &NetworkInterface| eni.instance_id().and_then(|id| interfaces.get(id)).is_some_and(|own| own.len() > 1);
    // An auto-assigned address beside other interfaces becomes an elastic one; a NAT gateway needs one, described or not.
    let shared = model.network_interfaces.values().filter(|eni| eni.auto_public_ip.is_some() && shares(eni)).count();
    let elastic = model.addresses.values().filter(|address| address.association.is_some()).count();
    let gateways = model.nat_gateways.values().filter(|gateway| is_live_nat(gateway)).count();
    at_least("addresses_per_region", elastic.max(gateways) + shared);
    at_least("internet_gateways_per_region", model.internet_gateways.len());
    at_least("network_acls_per_vpc", most(model.network_acls.values().map(|a| &a.vpc_id)) + 1);
    at_least("route_tables_per_vpc", most(model.route_tables.values().map(|t| &t.vpc_id)) + 1);
    at_least("subnets_per_vpc", most(model.subnets.values().map(|s| &s.vpc_id)));
    at_least("ipv4_blocks_per_vpc", model.vpcs.values().map(|v| v.ipv4_blocks().count()).max().unwrap_or(0));
    let zones = model.nat_gateways.values().filter(|g| is_live_nat(g)).filter_map(|g| model.subnets.get(&g.subnet_id));
    // Zones of several regions become zones of one.
    at_least("nat_gateways_per_zone", most(zones.map(|s| s.availability_zone.chars().last())));
    at_least("security_groups_per_region", model.security_groups.len() + model.vpcs.len());
    at_least("interfaces_per_region", model.network_interfaces.len() + model.vpcs.len());
    at_least("gateway_endpoints_per_region", model.vpc_endpoints.len());
    at_least("prefix_lists_per_region", model.prefix_lists.len());
    at_least("active_peerings_per_vpc", model.vpc_peering_connections.len());
    for table in model.route_tables.values() {
        let counts = |route: &Route| match &route.destination {
            Destination::PrefixList(id) => model.prefix_lists.get(id).map_or(1, |list| list.max_entries as usize),
            _ => 1,
        };
        at_least("routes_per_table", table.routes.iter().map(counts).sum());
    }
    for acl in model.network_acls.values() {
        at_least("entries_per_network_acl", acl.ingress.len().max(acl.egress.len()));
    }
    for group in model.security_groups.values() {
        let counts = |rule: &SecurityGroupRule| match &rule.peer {
            Peer::PrefixList(id) => model.prefix_lists.get(id).map_or(1, |list| list.max_entries as usize),
            _ => 1,
        };
        for rules in [&group.ingress, &group.egress] {
            at_least("rules_per_security_group", rules.iter().map(counts).sum());
        }
    }
    for interface in model.network_interfaces.values().filter(|eni| eni.interface_type == InterfaceType::Interface) {
        at_least("security_groups_per_interface", interface.groups.len());
    }
    at_least("flow_logs_per_resource", most(model.flow_logs.values().map(|log| &log.resource)));
    for list in model.prefix_lists.values() {
        at_least("entries_per_prefix_list", list.max_entries as usize);
    }
    all
}

/// How often the most frequent one comes.
fn most<T: Ord>(all: impl Iterator<Item = T>) -> usize {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    all.for_each(|one| *counts.entry(one).or_default() += 1);
    counts.into_values().max().unwrap_or(0)
}
