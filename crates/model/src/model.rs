//! The whole cloud of one account in one region, as plain data.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::gateway::VpnGateway;
use crate::nat_gateway::NatGatewayState;
use crate::peering::PeeringStatus;
use crate::quota::Quotas;
use crate::route_table::{Associated, RouteState};
use crate::table::Table;
use crate::transit_gateway::GoneTransit;
use crate::*;

/// Everything that exists, by identifier. Change it through [`operation`] only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Account number, twelve digits.
    pub account_id: String,
    /// The region.
    pub region: Region,
    /// Clock and identifiers.
    pub context: Context,
    /// Raised by every operation that changed something.
    pub generation: u64,
    /// Limits in force.
    pub quotas: Quotas,
    /// VPCs.
    pub vpcs: Table<VpcId, Vpc>,
    /// Subnets.
    pub subnets: Table<SubnetId, Subnet>,
    /// Route tables.
    pub route_tables: Table<RouteTableId, RouteTable>,
    /// Internet gateways.
    pub internet_gateways: Table<InternetGatewayId, InternetGateway>,
    /// Egress-only internet gateways.
    pub egress_only_internet_gateways: Table<EgressOnlyInternetGatewayId, EgressOnlyInternetGateway>,
    /// Virtual private gateways.
    pub vpn_gateways: Table<VpnGatewayId, VpnGateway>,
    /// Transit gateways.
    #[serde(default)]
    pub transit_gateways: Table<TransitGatewayId, TransitGateway>,
    /// What is attached to transit gateways.
    #[serde(default)]
    pub transit_gateway_attachments: Table<TransitGatewayAttachmentId, TransitGatewayAttachment>,
    /// Route tables of transit gateways.
    #[serde(default)]
    pub transit_gateway_route_tables: Table<TransitGatewayRouteTableId, TransitGatewayRouteTable>,
    /// What was deleted of transit gateways within the last hour.
    #[serde(default)]
    pub gone_transit: GoneTransit,
    /// NAT gateways.
    pub nat_gateways: Table<NatGatewayId, NatGateway>,
    /// Elastic IP addresses.
    pub addresses: Table<AllocationId, Address>,
    /// Network interfaces.
    pub network_interfaces: Table<NetworkInterfaceId, NetworkInterface>,
    /// Security groups.
    pub security_groups: Table<SecurityGroupId, SecurityGroup>,
    /// Network ACLs.
    pub network_acls: Table<NetworkAclId, NetworkAcl>,
    /// Instances.
    pub instances: Table<InstanceId, Instance>,
    /// Key pairs by name.
    pub key_pairs: Table<String, KeyPair>,
    /// Peering connections.
    pub vpc_peering_connections: Table<VpcPeeringConnectionId, VpcPeeringConnection>,
    /// Endpoints.
    pub vpc_endpoints: Table<VpcEndpointId, VpcEndpoint>,
    /// Prefix lists.
    pub prefix_lists: Table<PrefixListId, PrefixList>,
    /// Flow logs.
    #[serde(default)]
    pub flow_logs: Table<FlowLogId, FlowLog>,
    /// DHCP option sets.
    pub dhcp_options: Table<DhcpOptionsId, DhcpOptions>,
    /// What runs inside instances; an instance without an entry runs nothing.
    pub guests: Table<InstanceId, Guest>,
    /// Named places on the internet.
    pub outside: Table<String, OutsideHost>,
    /// Containers of instances by name; an instance without an entry has none.
    #[serde(default)]
    pub containers: Table<InstanceId, BTreeMap<String, ContainerSpec>>,
    /// Volumes of containers.
    #[serde(default)]
    pub volumes: Table<String, Volume>,
    /// Images that containers call by a name of the lab's own.
    #[serde(default)]
    pub container_images: Table<String, ContainerImage>,
    /// Small networks beside the cloud, by name.
    #[serde(default)]
    pub lans: Table<String, Lan>,
    /// Volumes of EBS.
    #[serde(default)]
    pub ebs_volumes: Table<VolumeId, EbsVolume>,
    /// Snapshots of volumes.
    #[serde(default)]
    pub ebs_snapshots: Table<SnapshotId, EbsSnapshot>,
    /// Machine images of the account's own; those on offer are in [`image`].
    #[serde(default)]
    pub images: Table<ImageId, Image>,
    /// Launch templates.
    #[serde(default)]
    pub launch_templates: Table<LaunchTemplateId, LaunchTemplate>,
    /// Addresses of subnets that are kept back.
    #[serde(default)]
    pub subnet_cidr_reservations: Table<SubnetCidrReservationId, SubnetCidrReservation>,
    /// Requests for instances at the spot price.
    #[serde(default)]
    pub spot_instance_requests: Table<SpotInstanceRequestId, SpotInstanceRequest>,
}

impl Model {
    /// An empty region: no default VPC, nothing but the default DHCP option set, made on first need.
    pub fn new(account_id: &str, region: Region, context: Context) -> Self {
        Self {
            account_id: account_id.to_owned(),
            region,
            context,
            generation: 0,
            quotas: Quotas::default(),
            vpcs: Table::new(),
            subnets: Table::new(),
            route_tables: Table::new(),
            internet_gateways: Table::new(),
            egress_only_internet_gateways: Table::new(),
            vpn_gateways: Table::new(),
            transit_gateways: Table::new(),
            transit_gateway_attachments: Table::new(),
            transit_gateway_route_tables: Table::new(),
            gone_transit: GoneTransit::default(),
            nat_gateways: Table::new(),
            addresses: Table::new(),
            network_interfaces: Table::new(),
            security_groups: Table::new(),
            network_acls: Table::new(),
            instances: Table::new(),
            key_pairs: Table::new(),
            vpc_peering_connections: Table::new(),
            vpc_endpoints: Table::new(),
            prefix_lists: Table::new(),
            flow_logs: Table::new(),
            dhcp_options: Table::new(),
            guests: Table::new(),
            outside: Table::new(),
            containers: Table::new(),
            volumes: Table::new(),
            container_images: Table::new(),
            lans: Table::new(),
            ebs_volumes: Table::new(),
            ebs_snapshots: Table::new(),
            images: Table::new(),
            launch_templates: Table::new(),
            subnet_cidr_reservations: Table::new(),
            spot_instance_requests: Table::new(),
        }
    }

    /// The route table that a subnet uses: its own, else the main one (SUB-9, RT-11).
    pub fn route_table_of(&self, subnet: &Subnet) -> Option<&RouteTable> {
        let wanted = Associated::Subnet(subnet.id.clone());
        let tables = || self.route_tables.values().filter(|t| t.vpc_id == subnet.vpc_id);
        tables().find(|t| t.associations.iter().any(|a| a.to == wanted)).or_else(|| tables().find(|t| t.is_main()))
    }

    /// The network ACL that a subnet uses (SUB-9).
    pub fn network_acl_of(&self, subnet: &SubnetId) -> Option<&NetworkAcl> {
        self.network_acls.values().find(|acl| acl.associations.iter().any(|a| a.subnet_id == *subnet))
    }

    /// The interfaces of an instance by device index.
    pub fn interfaces_of<'m>(&'m self, instance: &InstanceId) -> Vec<&'m NetworkInterface> {
        let mut interfaces: Vec<_> =
            self.network_interfaces.values().filter(|eni| eni.instance_id() == Some(instance)).collect();
        interfaces.sort_by_key(|eni| eni.attachment.as_ref().map(|a| a.device_index));
        interfaces
    }

    /// The Elastic IP address of one private address of an interface (EIP-2).
    pub fn elastic_ip_of(&self, interface: &NetworkInterfaceId, private: Ipv4Addr) -> Option<&Address> {
        self.addresses.values().find(|address| {
            address
                .association
                .as_ref()
                .is_some_and(|a| a.network_interface_id == *interface && a.private_ip_address == private)
        })
    }

    /// The public address that the internet gateway knows for a private one: Elastic IP, else auto-assigned (EIP-6).
    pub fn public_ip_of(&self, interface: &NetworkInterface, private: Ipv4Addr) -> Option<Ipv4Addr> {
        match self.elastic_ip_of(&interface.id, private) {
            Some(address) => Some(address.public_ip),
            None if private == interface.primary_address() => interface.auto_public_ip,
            None => None,
        }
    }

    /// The gateway attached to a VPC (IGW-1).
    pub fn internet_gateway_of(&self, vpc: &VpcId) -> Option<&InternetGateway> {
        self.internet_gateways.values().find(|igw| igw.vpc_id.as_ref() == Some(vpc))
    }

    /// The egress-only internet gateway of a VPC (EIGW-1).
    pub fn egress_only_internet_gateway_of(&self, vpc: &VpcId) -> Option<&EgressOnlyInternetGateway> {
        self.egress_only_internet_gateways.values().find(|gateway| gateway.vpc_id == *vpc)
    }

    /// The virtual private gateway attached to a VPC (VPN-1).
    pub fn vpn_gateway_of(&self, vpc: &VpcId) -> Option<&VpnGateway> {
        self.vpn_gateways.values().find(|gateway| gateway.vpc_id.as_ref() == Some(vpc))
    }

    /// By what a VPC is attached to a transit gateway (TGW-3).
    pub fn transit_gateway_attachment_of(&self, gateway: &TransitGatewayId, vpc: &VpcId) -> Option<&TransitGatewayAttachment> {
        let mut attachments = self.transit_gateway_attachments.values();
        attachments.find(|attachment| attachment.transit_gateway_id == *gateway && attachment.vpc_id() == Some(vpc))
    }

    /// Whether a route of this table leads anywhere (RT-9).
    pub fn route_state(&self, table: &RouteTable, route: &Route) -> RouteState {
        let usable = match &route.target {
            RouteTarget::Local => true,
            RouteTarget::InternetGateway(id) => {
                self.internet_gateways.get(id).is_some_and(|igw| igw.vpc_id.as_ref() == Some(&table.vpc_id))
            }
            RouteTarget::NatGateway(id) => {
                self.nat_gateways.get(id).is_some_and(|nat| nat.state == NatGatewayState::Available)
            }
            RouteTarget::NetworkInterface(id) => self.network_interfaces.get(id).is_some_and(|eni| {
                // Ordinary interfaces need a running instance (RT-9); requester-managed ones have none.
                match eni.instance_id() {
                    None => eni.interface_type != network_interface::InterfaceType::Interface,
                    Some(instance) => self.instances.get(instance).is_some_and(|i| i.state == InstanceState::Running),
                }
            }),
            RouteTarget::VpcPeeringConnection(id) => {
                self.vpc_peering_connections.get(id).is_some_and(|pcx| pcx.status == PeeringStatus::Active)
            }
            RouteTarget::EgressOnlyInternetGateway(id) => self.egress_only_internet_gateways.contains_key(id),
            RouteTarget::VpcEndpoint(id) => {
                self.vpc_endpoints.get(id).is_some_and(|e| e.state == endpoint::VpcEndpointState::Available)
            }
            RouteTarget::VpnGateway(id) => {
                self.vpn_gateways.get(id).is_some_and(|vgw| vgw.vpc_id.as_ref() == Some(&table.vpc_id))
            }
            RouteTarget::TransitGateway(id) => {
                self.transit_gateway_attachment_of(id, &table.vpc_id).is_some_and(|attachment| attachment.state.is_available())
            }
        };
        if usable { RouteState::Active } else { RouteState::Blackhole }
    }
}
