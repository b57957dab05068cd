//! The whole cloud of one account in one region, as plain data.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::gateway::VpnGateway;
use crate::nat_gateway::NatGatewayState;
use crate::peering::PeeringStatus;
use crate::quota::Quotas;
use crate::route_table::{Associated, RouteState};
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
    pub vpcs: BTreeMap<VpcId, Vpc>,
    /// Subnets.
    pub subnets: BTreeMap<SubnetId, Subnet>,
    /// Route tables.
    pub route_tables: BTreeMap<RouteTableId, RouteTable>,
    /// Internet gateways.
    pub internet_gateways: BTreeMap<InternetGatewayId, InternetGateway>,
    /// Egress-only internet gateways.
    pub egress_only_internet_gateways: BTreeMap<EgressOnlyInternetGatewayId, EgressOnlyInternetGateway>,
    /// Virtual private gateways.
    pub vpn_gateways: BTreeMap<VpnGatewayId, VpnGateway>,
    /// Transit gateways.
    #[serde(default)]
    pub transit_gateways: BTreeMap<TransitGatewayId, TransitGateway>,
    /// What is attached to transit gateways.
    #[serde(default)]
    pub transit_gateway_attachments: BTreeMap<TransitGatewayAttachmentId, TransitGatewayAttachment>,
    /// Route tables of transit gateways.
    #[serde(default)]
    pub transit_gateway_route_tables: BTreeMap<TransitGatewayRouteTableId, TransitGatewayRouteTable>,
    /// NAT gateways.
    pub nat_gateways: BTreeMap<NatGatewayId, NatGateway>,
    /// Elastic IP addresses.
    pub addresses: BTreeMap<AllocationId, Address>,
    /// Network interfaces.
    pub network_interfaces: BTreeMap<NetworkInterfaceId, NetworkInterface>,
    /// Security groups.
    pub security_groups: BTreeMap<SecurityGroupId, SecurityGroup>,
    /// Network ACLs.
    pub network_acls: BTreeMap<NetworkAclId, NetworkAcl>,
    /// Instances.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// Key pairs by name.
    pub key_pairs: BTreeMap<String, KeyPair>,
    /// Peering connections.
    pub vpc_peering_connections: BTreeMap<VpcPeeringConnectionId, VpcPeeringConnection>,
    /// Endpoints.
    pub vpc_endpoints: BTreeMap<VpcEndpointId, VpcEndpoint>,
    /// Prefix lists.
    pub prefix_lists: BTreeMap<PrefixListId, PrefixList>,
    /// Flow logs.
    #[serde(default)]
    pub flow_logs: BTreeMap<FlowLogId, FlowLog>,
    /// DHCP option sets.
    pub dhcp_options: BTreeMap<DhcpOptionsId, DhcpOptions>,
    /// What runs inside instances; an instance without an entry runs nothing.
    pub guests: BTreeMap<InstanceId, Guest>,
    /// Named places on the internet.
    pub outside: BTreeMap<String, OutsideHost>,
    /// Containers of instances by name; an instance without an entry has none.
    #[serde(default)]
    pub containers: BTreeMap<InstanceId, BTreeMap<String, ContainerSpec>>,
    /// Volumes of containers.
    #[serde(default)]
    pub volumes: BTreeMap<String, Volume>,
    /// Images that containers call by a name of the lab's own.
    #[serde(default)]
    pub container_images: BTreeMap<String, ContainerImage>,
    /// Small networks beside the cloud, by name.
    #[serde(default)]
    pub lans: BTreeMap<String, Lan>,
    /// Volumes of EBS.
    #[serde(default)]
    pub ebs_volumes: BTreeMap<VolumeId, EbsVolume>,
    /// Snapshots of volumes.
    #[serde(default)]
    pub ebs_snapshots: BTreeMap<SnapshotId, EbsSnapshot>,
    /// Machine images of the account's own; those on offer are in [`image`].
    #[serde(default)]
    pub images: BTreeMap<ImageId, Image>,
    /// Launch templates.
    #[serde(default)]
    pub launch_templates: BTreeMap<LaunchTemplateId, LaunchTemplate>,
    /// Addresses of subnets that are kept back.
    #[serde(default)]
    pub subnet_cidr_reservations: BTreeMap<SubnetCidrReservationId, SubnetCidrReservation>,
    /// Requests for instances at the spot price.
    #[serde(default)]
    pub spot_instance_requests: BTreeMap<SpotInstanceRequestId, SpotInstanceRequest>,
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
            vpcs: BTreeMap::new(),
            subnets: BTreeMap::new(),
            route_tables: BTreeMap::new(),
            internet_gateways: BTreeMap::new(),
            egress_only_internet_gateways: BTreeMap::new(),
            vpn_gateways: BTreeMap::new(),
            transit_gateways: BTreeMap::new(),
            transit_gateway_attachments: BTreeMap::new(),
            transit_gateway_route_tables: BTreeMap::new(),
            nat_gateways: BTreeMap::new(),
            addresses: BTreeMap::new(),
            network_interfaces: BTreeMap::new(),
            security_groups: BTreeMap::new(),
            network_acls: BTreeMap::new(),
            instances: BTreeMap::new(),
            key_pairs: BTreeMap::new(),
            vpc_peering_connections: BTreeMap::new(),
            vpc_endpoints: BTreeMap::new(),
            prefix_lists: BTreeMap::new(),
            flow_logs: BTreeMap::new(),
            dhcp_options: BTreeMap::new(),
            guests: BTreeMap::new(),
            outside: BTreeMap::new(),
            containers: BTreeMap::new(),
            volumes: BTreeMap::new(),
            container_images: BTreeMap::new(),
            lans: BTreeMap::new(),
            ebs_volumes: BTreeMap::new(),
            ebs_snapshots: BTreeMap::new(),
            images: BTreeMap::new(),
            launch_templates: BTreeMap::new(),
            subnet_cidr_reservations: BTreeMap::new(),
            spot_instance_requests: BTreeMap::new(),
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
            RouteTarget::TransitGateway(id) => self.transit_gateway_attachment_of(id, &table.vpc_id).is_some(),
        };
        if usable { RouteState::Active } else { RouteState::Blackhole }
    }
}
