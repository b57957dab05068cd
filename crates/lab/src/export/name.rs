//! Names that a lab file may have: letters, digits, `-`, `_` and `.`, at most 63 of them, each once in its place.

use std::collections::{BTreeMap, BTreeSet};

use model::endpoint::VpcEndpointState;
use model::selector::RESERVED_WORDS;
use model::*;

use crate::names::{DEFAULT, is_live, is_live_nat};

/// Longest name.
const MAX_NAME: usize = 63;

/// The name of everything, by id.
#[derive(Debug, Default)]
pub(super) struct Called {
    pub vpcs: BTreeMap<VpcId, String>,
    pub subnets: BTreeMap<SubnetId, String>,
    pub route_tables: BTreeMap<RouteTableId, String>,
    pub nat_gateways: BTreeMap<NatGatewayId, String>,
    pub security_groups: BTreeMap<SecurityGroupId, String>,
    pub network_acls: BTreeMap<NetworkAclId, String>,
    pub instances: BTreeMap<InstanceId, String>,
    pub peerings: BTreeMap<VpcPeeringConnectionId, String>,
    pub endpoints: BTreeMap<VpcEndpointId, String>,
    pub prefix_lists: BTreeMap<PrefixListId, String>,
    pub flow_logs: BTreeMap<FlowLogId, String>,
    pub transit_gateways: BTreeMap<TransitGatewayId, String>,
    pub transit_tables: BTreeMap<TransitGatewayRouteTableId, String>,
    /// Names of subnets that several VPCs have.
    pub ambiguous_subnets: BTreeSet<String>,
}

impl Called {
    pub fn of(model: &Model, changed: &mut BTreeSet<String>) -> Self {
        let mut called = Self::default();
        let mut taken = Taken::default();
        for vpc in model.vpcs.values() {
            called.vpcs.insert(vpc.id.clone(), taken.name("", tag::name(&vpc.tags), vpc.id.as_str(), changed));
        }
        let mut seen = BTreeSet::new();
        for subnet in model.subnets.values() {
            let name = taken.name(&format!("subnet {}", subnet.vpc_id), tag::name(&subnet.tags), subnet.id.as_str(), changed);
            if !seen.insert(name.clone()) {
                called.ambiguous_subnets.insert(name.clone());
            }
            called.subnets.insert(subnet.id.clone(), name);
        }
        for table in model.route_tables.values() {
            let name = taken.name(&format!("table {}", table.vpc_id), tag::name(&table.tags), table.id.as_str(), changed);
            called.route_tables.insert(table.id.clone(), name);
        }
        for gateway in model.nat_gateways.values().filter(|gateway| is_live_nat(gateway)) {
            let name = taken.name(&format!("nat {}", gateway.vpc_id), tag::name(&gateway.tags), gateway.id.as_str(), changed);
            called.nat_gateways.insert(gateway.id.clone(), name);
        }
        // The default group and list keep their name; whoever else has it gets another.
        for group in model.security_groups.values().filter(|group| group.is_default()) {
            taken.keep(&format!("sg {}", group.vpc_id), DEFAULT);
            called.security_groups.insert(group.id.clone(), DEFAULT.to_owned());
        }
        for group in model.security_groups.values().filter(|group| !group.is_default()) {
            // AWS takes a group's name that starts like an id for one, and refuses it.
            let wanted = group.group_name.strip_prefix("sg-").map_or(group.group_name.clone(), |rest| format!("group-{rest}"));
            let name = taken.name(&format!("sg {}", group.vpc_id), Some(&wanted), group.id.as_str(), changed);
            called.security_groups.insert(group.id.clone(), name);
        }
        for acl in model.network_acls.values() {
            let namespace = format!("acl {}", acl.vpc_id);
            taken.keep(&namespace, DEFAULT);
            let name = match acl.is_default {
                true => DEFAULT.to_owned(),
                false => taken.name(&namespace, tag::name(&acl.tags), acl.id.as_str(), changed),
            };
            called.network_acls.insert(acl.id.clone(), name);
        }
        // Instances, outside places and devices of lans share one namespace: all are ends of claims.
        model.outside.keys().for_each(|name| taken.keep("end", name));
        model.lans.values().flat_map(|lan| lan.devices.keys()).for_each(|name| taken.keep("end", name));
        for instance in model.instances.values().filter(|instance| is_live(instance)) {
            let name = taken.name("end", tag::name(&instance.tags), instance.id.as_str(), changed);
            called.instances.insert(instance.id.clone(), name);
        }
        for peering in model.vpc_peering_connections.values().filter(|peering| peering.status.is_open()) {
            called.peerings.insert(peering.id.clone(), taken.name("peering", tag::name(&peering.tags), peering.id.as_str(), changed));
        }
        let is_there = |e: &&VpcEndpoint| matches!(e.state, VpcEndpointState::Available | VpcEndpointState::Pending);
        for endpoint in model.vpc_endpoints.values().filter(is_there) {
            called.endpoints.insert(endpoint.id.clone(), taken.name("endpoint", tag::name(&endpoint.tags), endpoint.id.as_str(), changed));
        }
        for log in model.flow_logs.values() {
            called.flow_logs.insert(log.id.clone(), taken.name("flow log", tag::name(&log.tags), log.id.as_str(), changed));
        }
        for gateway in model.transit_gateways.values() {
            called.transit_gateways.insert(gateway.id.clone(), taken.name("tgw", tag::name(&gateway.tags), gateway.id.as_str(), changed));
        }
        let is_default = |table: &TransitGatewayRouteTable| {
            model.transit_gateways.get(&table.transit_gateway_id).is_some_and(|gateway| gateway.default_route_table.as_ref() == Some(&table.id))
        };
        for table in model.transit_gateway_route_tables.values() {
            let namespace = format!("tgw table {}", table.transit_gateway_id);
            taken.keep(&namespace, DEFAULT);
            let name = match is_default(table) {
                true => DEFAULT.to_owned(),
                false => taken.name(&namespace, tag::name(&table.tags), table.id.as_str(), changed),
            };
            called.transit_tables.insert(table.id.clone(), name);
        }
        for list in model.prefix_lists.values() {
            // Names that start like AWS's own lists are reserved.
            let wanted = list.name.strip_prefix("com.amazonaws.").map_or(list.name.clone(), |rest| format!("aws-{rest}"));
            called.prefix_lists.insert(list.id.clone(), taken.name("pl", Some(&wanted), list.id.as_str(), changed));
        }
        called
    }

    /// A subnet by its name, with its VPC where that is needed.
    pub fn subnet(&self, subnet: &Subnet) -> String {
        let name = self.subnets.get(&subnet.id).map_or(subnet.id.as_str(), String::as_str);
        match self.ambiguous_subnets.contains(name) {
            true => format!("{}/{name}", self.vpcs.get(&subnet.vpc_id).map_or("", String::as_str)),
            false => super::yaml::key(name),
        }
    }

    /// A group as a rule of a group in `vpc` names it.
    pub fn group(&self, group: &SecurityGroup, vpc: &VpcId) -> Option<String> {
        let name = self.security_groups.get(&group.id)?;
        match group.vpc_id == *vpc {
            true => Some(name.clone()),
            false => Some(format!("{}/{name}", self.vpcs.get(&group.vpc_id)?)),
        }
    }
}

/// Names in use, by namespace.
#[derive(Default)]
struct Taken(BTreeMap<String, BTreeSet<String>>);

impl Taken {
    fn keep(&mut self, namespace: &str, name: &str) {
        self.0.entry(namespace.to_owned()).or_default().insert(name.to_owned());
    }

    /// The nearest name to the one wanted that nobody has; without a wish, the id.
    fn name(&mut self, namespace: &str, wanted: Option<&str>, id: &str, changed: &mut BTreeSet<String>) -> String {
        let taken = self.0.entry(namespace.to_owned()).or_default();
        let base = fitting(wanted.unwrap_or(id), id);
        let mut name = base.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            let end = format!("-{number}");
            name = format!("{}{end}", &base[..base.len().min(MAX_NAME - end.len())]);
            number += 1;
        }
        if let Some(wanted) = wanted.filter(|wanted| *wanted != name) {
            let shown: String = wanted.chars().take(80).collect();
            changed.insert(format!("the name `{shown}` of {id} becomes `{name}`"));
        }
        name
    }
}

/// A text as a name.
fn fitting(wanted: &str, id: &str) -> String {
    let fine = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let mut name: String = wanted.trim().chars().map(fine).take(MAX_NAME).collect();
    if !name.bytes().any(|b| b.is_ascii_alphanumeric()) {
        // A group's name that starts with `sg-` would be taken for an id.
        name = id.replacen("sg-", "group-", 1);
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || RESERVED_WORDS.contains(&name.as_str()) {
        let kind = id.split('-').next().unwrap_or("x").replace("sg", "group");
        name = format!("{kind}-{name}");
    }
    name.truncate(MAX_NAME);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_a_name() {
        for (wanted, name) in [
            ("web-1", "web-1"), ("web 1", "web-1"), ("1st", "i-1st"), ("internet", "i-internet"), ("서버", "i-0a"), ("", "i-0a"),
            (" a/b:c ", "a-b-c"), ("-x", "i--x"),
        ] {
            assert_eq!(fitting(wanted, "i-0a"), name, "{wanted}");
        }
        assert_eq!(fitting(&"x".repeat(300), "i-0a").len(), MAX_NAME);
    }

    #[test]
    fn the_second_of_a_name_is_told() {
        let (mut taken, mut changed) = (Taken::default(), BTreeSet::new());
        let names: Vec<_> = ["i-1", "i-2", "i-3"].map(|id| taken.name("end", Some("web"), id, &mut changed)).into();
        assert_eq!(names, ["web", "web-2", "web-3"]);
        assert_eq!(changed.len(), 2);
    }
}
