//! Default quotas (QUO-1) as data, so that a lab may raise them.

use serde::{Deserialize, Serialize};

/// How many of each thing may exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quotas {
    /// VPCs per region.
    pub vpcs_per_region: usize,
    /// Subnets per VPC.
    pub subnets_per_vpc: usize,
    /// IPv4 blocks per VPC.
    pub ipv4_blocks_per_vpc: usize,
    /// IPv6 blocks per VPC.
    pub ipv6_blocks_per_vpc: usize,
    /// Elastic IP addresses per region.
    pub addresses_per_region: usize,
    /// Internet gateways per region.
    pub internet_gateways_per_region: usize,
    /// Egress-only internet gateways per region.
    pub egress_only_internet_gateways_per_region: usize,
    /// NAT gateways per zone; pending, available and deleting ones count.
    pub nat_gateways_per_zone: usize,
    /// Route tables per VPC, the main one included.
    pub route_tables_per_vpc: usize,
    /// Routes per route table and address family (RT-17).
    pub routes_per_table: usize,
    /// Network ACLs per VPC.
    pub network_acls_per_vpc: usize,
    /// Entries per network ACL and direction (ACL-13).
    pub entries_per_network_acl: usize,
    /// Security groups per region.
    pub security_groups_per_region: usize,
    /// Rules per security group, direction and address family (SG-28).
    pub rules_per_security_group: usize,
    /// Security groups per interface (SG-28).
    pub security_groups_per_interface: usize,
    /// Interfaces per region.
    pub interfaces_per_region: usize,
    /// Active peering connections per VPC.
    pub active_peerings_per_vpc: usize,
    /// Peering requests that wait for an answer.
    pub outstanding_peerings: usize,
    /// Gateway endpoints per region.
    pub gateway_endpoints_per_region: usize,
    /// Prefix lists per region.
    pub prefix_lists_per_region: usize,
    /// Entries per prefix list.
    pub entries_per_prefix_list: u32,
    /// Flow logs per VPC, subnet or interface.
    pub flow_logs_per_resource: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            vpcs_per_region: 5,
            subnets_per_vpc: 200,
            ipv4_blocks_per_vpc: 5,
            ipv6_blocks_per_vpc: 5,
            addresses_per_region: 5,
            internet_gateways_per_region: 5,
            egress_only_internet_gateways_per_region: 5,
            nat_gateways_per_zone: 5,
            route_tables_per_vpc: 200,
            routes_per_table: 500,
            network_acls_per_vpc: 200,
            entries_per_network_acl: 20,
            security_groups_per_region: 2_500,
            rules_per_security_group: 60,
            security_groups_per_interface: 5,
            interfaces_per_region: 5_000,
            active_peerings_per_vpc: 50,
            outstanding_peerings: 25,
            gateway_endpoints_per_region: 20,
            prefix_lists_per_region: 100,
            entries_per_prefix_list: 1_000,
            flow_logs_per_resource: 2,
        }
    }
}
