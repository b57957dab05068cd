//! Whether a model that came from a file is whole: what operations and importers keep true, and engines rely on.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;

use ipnet::Ipv4Net;
use model::nat_gateway::NatGatewayState;
use model::route_table::Associated;
use model::{Model, SubnetId, Table, TrafficMatch, VpcId};

/// The narrowest block that has room for a router's address and a resolver's.
const NARROWEST: u8 = 30;

/// The first thing that is not as it must be, as a clause.
pub(super) fn check(model: &Model) -> Result<(), String> {
    let others = || {
        let first = keys(model).and_then(|()| networks(model)).and_then(|()| owners(model));
        (first, ports(model).and_then(|()| containers(model)).and_then(|()| lans(model)))
    };
    let (interfaces, (first, ports)) = super::both(|| interfaces(model), others);
    first.and(interfaces).and(ports)
}

fn lacks(who: impl Display, what: impl Display) -> String {
    format!("{who} refers to {what}, which is not in it")
}

/// Each thing stands at its own id.
fn keys(model: &Model) -> Result<(), String> {
    macro_rules! keys {
        ($($table:ident),* $(,)?) => {
            $(same(&model.$table, |row| &row.id)?;)*
        };
    }
    keys!(
        vpcs,
        subnets,
        route_tables,
        internet_gateways,
        egress_only_internet_gateways,
        vpn_gateways,
        transit_gateways,
        transit_gateway_attachments,
        transit_gateway_route_tables,
        nat_gateways,
        network_acls,
        vpc_peering_connections,
        vpc_endpoints,
        prefix_lists,
        dhcp_options,
        flow_logs,
    );
    same(&model.addresses, |address| &address.allocation_id)
}

fn same<Id: Ord + Display, Row>(table: &Table<Id, Row>, id: impl Fn(&Row) -> &Id) -> Result<(), String> {
    match table.iter().find(|(key, row)| *key != id(row)) {
        Some((key, row)) => Err(format!("{} stands at {key}", id(row))),
        None => Ok(()),
    }
}

fn networks(model: &Model) -> Result<(), String> {
    let narrow = |block: &Ipv4Net| block.prefix_len() > NARROWEST;
    for vpc in model.vpcs.values() {
        match vpc.cidr_blocks.first() {
            None => return Err(format!("{} has no block", vpc.id)),
            Some(first) if narrow(&first.block) => return Err(format!("{} has the block {}", vpc.id, first.block)),
            Some(_) => {}
        }
    }
    // One walk over tables and lists, not one for each subnet.
    let mut with_table = BTreeSet::new();
    let mut with_main: BTreeSet<&VpcId> = BTreeSet::new();
    for table in model.route_tables.values() {
        for association in &table.associations {
            match &association.to {
                Associated::Subnet(subnet) => drop(with_table.insert(subnet)),
                Associated::Main => drop(with_main.insert(&table.vpc_id)),
                _ => {}
            }
        }
    }
    let lists = model.network_acls.values().flat_map(|acl| &acl.associations);
    let with_list: BTreeSet<_> = lists.map(|association| &association.subnet_id).collect();
    for subnet in model.subnets.values() {
        if narrow(&subnet.cidr_block) {
            return Err(format!("{} has the block {}", subnet.id, subnet.cidr_block));
        }
        if !with_table.contains(&subnet.id) && !with_main.contains(&subnet.vpc_id) {
            return Err(format!("{} has no route table", subnet.id));
        }
        if !with_list.contains(&subnet.id) {
            return Err(format!("{} has no network ACL", subnet.id));
        }
    }
    Ok(())
}

/// What is in a VPC or subnet finds it.
fn owners(model: &Model) -> Result<(), String> {
    let vpc = |who: &dyn Display, id: &VpcId| match model.vpcs.contains_key(id) {
        true => Ok(()),
        false => Err(lacks(who, id)),
    };
    model.subnets.values().try_for_each(|own| vpc(&own.id, &own.vpc_id))?;
    model.route_tables.values().try_for_each(|own| vpc(&own.id, &own.vpc_id))?;
    model.network_acls.values().try_for_each(|own| vpc(&own.id, &own.vpc_id))?;
    model.security_groups.values().try_for_each(|own| vpc(&own.id, &own.vpc_id))?;
    model.egress_only_internet_gateways.values().try_for_each(|own| vpc(&own.id, &own.vpc_id))?;
    // What is gone may be in what is gone.
    let endpoints = model.vpc_endpoints.values().filter(|own| own.state.holds_the_vpc());
    endpoints.into_iter().try_for_each(|own| vpc(&own.id, &own.vpc_id))?;
    for gateway in model.nat_gateways.values() {
        let is_live = matches!(gateway.state, NatGatewayState::Available | NatGatewayState::Pending);
        if is_live && model.subnets.get(&gateway.subnet_id).is_none_or(|subnet| subnet.vpc_id != gateway.vpc_id) {
            return Err(lacks(&gateway.id, &gateway.subnet_id));
        }
    }
    Ok(())
}

fn interfaces(model: &Model) -> Result<(), String> {
    // Asked for each interface.
    let vpc_of: HashMap<&SubnetId, &VpcId> = model.subnets.iter().map(|(id, subnet)| (id, &subnet.vpc_id)).collect();
    for interface in model.network_interfaces.values() {
        if vpc_of.get(&interface.subnet_id) != Some(&&interface.vpc_id) {
            return Err(lacks(&interface.id, &interface.subnet_id));
        }
        if interface.private_ip_addresses.is_empty() {
            return Err(format!("{} has no address", interface.id));
        }
    }
    Ok(())
}

/// Ranges of ports go upwards.
fn ports(model: &Model) -> Result<(), String> {
    let fits = |traffic: &TrafficMatch| match traffic {
        TrafficMatch::Tcp(range) | TrafficMatch::Udp(range) => range.from <= range.to,
        _ => true,
    };
    for group in model.security_groups.values() {
        if let Some(rule) = group.ingress.iter().chain(&group.egress).find(|rule| !fits(&rule.traffic)) {
            return Err(format!("{} of {} has ports that go downwards", rule.id, group.id));
        }
    }
    for acl in model.network_acls.values() {
        if let Some(entry) = acl.ingress.iter().chain(&acl.egress).find(|entry| !fits(&entry.traffic)) {
            return Err(format!("entry {} of {} has ports that go downwards", entry.rule_number, acl.id));
        }
    }
    Ok(())
}

/// What a snapshot says of containers is what an operation would have let in.
fn containers(model: &Model) -> Result<(), String> {
    for (instance, containers) in &model.containers {
        if !model.instances.contains_key(instance) {
            return Err(lacks("a container", instance));
        }
        model::operation::check_containers(model, instance, containers).map_err(|error| error.message)?;
    }
    Ok(())
}

/// And what it says of lans.
fn lans(model: &Model) -> Result<(), String> {
    model::operation::check_lans(model, &model.lans).map_err(|error| error.message)
}
