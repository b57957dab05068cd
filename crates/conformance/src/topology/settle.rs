//! What a delta starts is finished at once; what a call started goes its own way.

use model::instance::InstanceState;
use model::nat_gateway::NatGatewayState;
use model::quota::Quotas;
use model::{Model, Timestamp};

/// Quotas that stand in no topology's way.
pub fn unlimited() -> Quotas {
    const MANY: usize = 1_000_000;
    Quotas {
        vpcs_per_region: MANY,
        subnets_per_vpc: MANY,
        ipv4_blocks_per_vpc: MANY,
        ipv6_blocks_per_vpc: MANY,
        addresses_per_region: MANY,
        internet_gateways_per_region: MANY,
        egress_only_internet_gateways_per_region: MANY,
        nat_gateways_per_zone: MANY,
        route_tables_per_vpc: MANY,
        routes_per_table: MANY,
        network_acls_per_vpc: MANY,
        entries_per_network_acl: MANY,
        security_groups_per_region: MANY,
        rules_per_security_group: MANY,
        security_groups_per_interface: MANY,
        interfaces_per_region: MANY,
        active_peerings_per_vpc: MANY,
        outstanding_peerings: MANY,
        gateway_endpoints_per_region: MANY,
        prefix_lists_per_region: MANY,
        entries_per_prefix_list: 1_000_000,
    }
}

/// Ends every transition that is under way now and was not in `before`.
pub fn finish_what_began(model: &mut Model, before: &Model) {
    let now = model.context.now;
    for (id, instance) in &mut model.instances {
        let passing = |state| !matches!(state, InstanceState::Running | InstanceState::Stopped | InstanceState::Terminated);
        if passing(instance.state) && before.instances.get(id).is_none_or(|old| old.state != instance.state) {
            instance.settles_at = now;
        }
    }
    for (id, gateway) in &mut model.nat_gateways {
        let passing = matches!(gateway.state, NatGatewayState::Pending | NatGatewayState::Deleting);
        if passing && before.nat_gateways.get(id).is_none_or(|old| old.state != gateway.state) {
            gateway.settles_at = now;
        }
    }
    for (id, connection) in &mut model.vpc_peering_connections {
        let old = before.vpc_peering_connections.get(id);
        if let Some((_, at)) = connection.settles.as_mut()
            && old.is_none_or(|old| old.status != connection.status)
        {
            *at = now;
        }
    }
    for (id, endpoint) in &mut model.vpc_endpoints {
        if before.vpc_endpoints.get(id).is_none_or(|old| old.state != endpoint.state) {
            endpoint.settles_at = now;
        }
    }
    for (id, interface) in &mut model.network_interfaces {
        let old = before.network_interfaces.get(id);
        if old.is_none_or(|old| old.auto_public_ip_due != interface.auto_public_ip_due) {
            interface.auto_public_ip_due = interface.auto_public_ip_due.map(|due| due.min(now));
        }
    }
    for (id, vpc) in &mut model.vpcs {
        let old = before.vpcs.get(id);
        if old.is_none() {
            vpc.available_at = vpc.available_at.min(now);
        }
        let known = |association: &str| {
            old.is_some_and(|old| {
                old.cidr_blocks.iter().any(|b| b.association_id.as_str() == association)
                    || old.ipv6_cidr_blocks.iter().any(|b| b.association_id.as_str() == association)
            })
        };
        let ipv4 = vpc.cidr_blocks.iter_mut().map(|b| (&b.association_id, &mut b.settles_at));
        let ipv6 = vpc.ipv6_cidr_blocks.iter_mut().map(|b| (&b.association_id, &mut b.settles_at));
        for (_, at) in ipv4.chain(ipv6).filter(|(id, _)| !known(id.as_str())) {
            settle(at, now);
        }
    }
    for (id, subnet) in &mut model.subnets {
        let old = before.subnets.get(id);
        if old.is_none() {
            subnet.available_at = subnet.available_at.min(now);
        }
        for block in &mut subnet.ipv6_cidr_blocks {
            let known = old.is_some_and(|o| o.ipv6_cidr_blocks.iter().any(|b| b.association_id == block.association_id));
            if !known {
                settle(&mut block.settles_at, now);
            }
        }
    }
    model.advance_to(now);
}

fn settle(at: &mut Timestamp, now: Timestamp) {
    *at = (*at).min(now);
}
