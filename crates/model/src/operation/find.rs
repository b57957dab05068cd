//! Looking resources up by id, with AWS's error for the id that nobody has.

use crate::*;

macro_rules! finders {
    ($($name:ident $name_mut:ident: $map:ident[$id:ident] -> $resource:ident, $code:ident, $text:literal;)*) => {
        $(impl $id {
            #[doc = concat!("AWS's error for such an id that nobody has: [`ErrorCode::", stringify!($code), "`].")]
            pub fn not_found(id: &str) -> ApiError {
                ApiError::new(ErrorCode::$code, format!($text, id))
            }
        })*

        impl Model {$(
            #[doc = concat!("The resource of this id. Errors: [`ErrorCode::", stringify!($code), "`].")]
            pub fn $name(&self, id: &$id) -> Result<&$resource, ApiError> {
                self.$map.get(id).ok_or_else(|| $id::not_found(id.as_str()))
            }

            /// The same, to change it.
            #[allow(dead_code, reason = "the families are generated alike")]
            pub(crate) fn $name_mut(&mut self, id: &$id) -> Result<&mut $resource, ApiError> {
                self.$map.get_mut(id).ok_or_else(|| $id::not_found(id.as_str()))
            }
        )*}
    };
}

use crate::gateway::VpnGateway;

finders! {
    vpc vpc_mut: vpcs[VpcId] -> Vpc, InvalidVpcIdNotFound, "The vpc ID '{}' does not exist";
    subnet subnet_mut: subnets[SubnetId] -> Subnet, InvalidSubnetIdNotFound, "The subnet ID '{}' does not exist";
    route_table route_table_mut: route_tables[RouteTableId] -> RouteTable,
        InvalidRouteTableIdNotFound, "The routeTable ID '{}' does not exist";
    internet_gateway internet_gateway_mut: internet_gateways[InternetGatewayId] -> InternetGateway,
        InvalidInternetGatewayIdNotFound, "The internetGateway ID '{}' does not exist";
    egress_only_internet_gateway egress_only_internet_gateway_mut:
        egress_only_internet_gateways[EgressOnlyInternetGatewayId] -> EgressOnlyInternetGateway,
        InvalidEgressOnlyInternetGatewayIdNotFound, "The egressOnlyInternetGateway ID '{}' does not exist";
    vpn_gateway vpn_gateway_mut: vpn_gateways[VpnGatewayId] -> VpnGateway,
        InvalidVpnGatewayIdNotFound, "The vpnGateway ID '{}' does not exist";
    transit_gateway transit_gateway_mut: transit_gateways[TransitGatewayId] -> TransitGateway,
        InvalidTransitGatewayIdNotFound, "Transit Gateway {} was deleted or does not exist.";
    transit_gateway_attachment transit_gateway_attachment_mut:
        transit_gateway_attachments[TransitGatewayAttachmentId] -> TransitGatewayAttachment,
        InvalidTransitGatewayAttachmentIdNotFound, "Transit Gateway Attachment {} was deleted or does not exist.";
    transit_gateway_route_table transit_gateway_route_table_mut:
        transit_gateway_route_tables[TransitGatewayRouteTableId] -> TransitGatewayRouteTable,
        InvalidRouteTableIdNotFound, "Transit Gateway Route Table {} was deleted or does not exist.";
    nat_gateway nat_gateway_mut: nat_gateways[NatGatewayId] -> NatGateway,
        NatGatewayNotFound, "NatGateway {} was not found";
    address address_mut: addresses[AllocationId] -> Address,
        InvalidAllocationIdNotFound, "The allocation ID '{}' does not exist";
    network_interface network_interface_mut: network_interfaces[NetworkInterfaceId] -> NetworkInterface,
        InvalidNetworkInterfaceIdNotFound, "The networkInterface ID '{}' does not exist";
    security_group security_group_mut: security_groups[SecurityGroupId] -> SecurityGroup,
        InvalidGroupNotFound, "The security group '{}' does not exist";
    network_acl network_acl_mut: network_acls[NetworkAclId] -> NetworkAcl,
        InvalidNetworkAclIdNotFound, "The networkAcl ID '{}' does not exist";
    instance instance_mut: instances[InstanceId] -> Instance,
        InvalidInstanceIdNotFound, "The instance ID '{}' does not exist";
    vpc_peering_connection vpc_peering_connection_mut:
        vpc_peering_connections[VpcPeeringConnectionId] -> VpcPeeringConnection,
        InvalidVpcPeeringConnectionIdNotFound, "The vpcPeeringConnection ID '{}' does not exist";
    vpc_endpoint vpc_endpoint_mut: vpc_endpoints[VpcEndpointId] -> VpcEndpoint,
        InvalidVpcEndpointIdNotFound, "The Vpc Endpoint Id '{}' does not exist";
    prefix_list prefix_list_mut: prefix_lists[PrefixListId] -> PrefixList,
        InvalidPrefixListIdNotFound, "The prefix list ID '{}' does not exist";
    ebs_volume ebs_volume_mut: ebs_volumes[VolumeId] -> EbsVolume,
        InvalidVolumeNotFound, "The volume '{}' does not exist.";
    ebs_snapshot ebs_snapshot_mut: ebs_snapshots[SnapshotId] -> EbsSnapshot,
        InvalidSnapshotNotFound, "The snapshot '{}' does not exist.";
    own_image own_image_mut: images[ImageId] -> Image, InvalidAmiIdNotFound, "The image id '[{}]' does not exist";
    launch_template launch_template_mut: launch_templates[LaunchTemplateId] -> LaunchTemplate,
        InvalidLaunchTemplateIdNotFound, "The specified launch template, with template ID {}, does not exist.";
    subnet_cidr_reservation subnet_cidr_reservation_mut: subnet_cidr_reservations[SubnetCidrReservationId] -> SubnetCidrReservation,
        InvalidSubnetCidrReservationIdNotFound, "The subnet CIDR reservation ID '{}' does not exist";
    spot_instance_request spot_instance_request_mut: spot_instance_requests[SpotInstanceRequestId] -> SpotInstanceRequest,
        InvalidSpotInstanceRequestIdNotFound, "The spot instance request ID '{}' does not exist";
    dhcp_options_set dhcp_options_set_mut: dhcp_options[DhcpOptionsId] -> DhcpOptions,
        InvalidDhcpOptionIdNotFound, "The dhcpOption ID '{}' does not exist";
    flow_log flow_log_mut: flow_logs[FlowLogId] -> FlowLog,
        InvalidFlowLogIdNotFound, "These flow log ids in the input list are not found: [TotalCount: 1] {}";
}

/// `DependencyViolation` in AWS's words; `kind` as AWS writes it, such as `routeTable`.
pub(crate) fn has_dependencies(kind: &str, id: impl std::fmt::Display) -> ApiError {
    let message = format!("The {kind} '{id}' has dependencies and cannot be deleted.");
    ApiError::new(ErrorCode::DependencyViolation, message)
}

/// `InvalidParameterValue` in AWS's words.
pub(crate) fn invalid_value(
    value: impl std::fmt::Display,
    parameter: &str,
    why: impl std::fmt::Display,
) -> ApiError {
    let message = format!("Value ({value}) for parameter {parameter} is invalid. {why}");
    ApiError::new(ErrorCode::InvalidParameterValue, message)
}
