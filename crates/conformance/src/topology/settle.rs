//! What a delta starts is finished at once, and no quota stands in its way; what a call started goes its own way.

pub use model::settle::finish_what_began;
use model::quota::Quotas;

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
        flow_logs_per_resource: MANY,
    }
}
