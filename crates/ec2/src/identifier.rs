//! Which error code a malformed identifier of each kind gets. Kinds for which AWS documents no `.Malformed`
//! code answer as for an identifier that nobody has.

use std::str::FromStr;

use model::{ApiError, ErrorCode, MalformedId};

/// An identifier that can stand in a parameter.
pub trait Identifier: FromStr<Err = MalformedId> {
    /// Code for a text that is no identifier of this kind.
    const MALFORMED: ErrorCode;

    /// Reads the identifier. Errors: [`Self::MALFORMED`].
    fn parse(text: &str) -> Result<Self, ApiError> {
        text.trim().parse().map_err(|malformed: MalformedId| {
            let MalformedId { text, prefix } = malformed;
            ApiError::new(Self::MALFORMED, format!("Invalid id: \"{text}\" (expecting \"{prefix}-...\")"))
        })
    }
}

macro_rules! identifiers {
    ($($kind:ident => $code:ident),* $(,)?) => {
        $(impl Identifier for model::$kind { const MALFORMED: ErrorCode = ErrorCode::$code; })*
    };
}

identifiers! {
    VpcId => InvalidVpcIdNotFound,
    VpcCidrAssociationId => InvalidVpcCidrBlockAssociationIdNotFound,
    SubnetCidrAssociationId => InvalidSubnetCidrBlockAssociationIdNotFound,
    SubnetId => InvalidSubnetIdNotFound,
    RouteTableId => InvalidRouteTableIdMalformed,
    RouteTableAssociationId => InvalidAssociationIdNotFound,
    InternetGatewayId => InvalidInternetGatewayIdNotFound,
    EgressOnlyInternetGatewayId => InvalidEgressOnlyInternetGatewayIdNotFound,
    VpnGatewayId => InvalidVpnGatewayIdNotFound,
    TransitGatewayId => InvalidTransitGatewayIdNotFound,
    NatGatewayId => NatGatewayMalformed,
    AllocationId => InvalidAllocationIdNotFound,
    AddressAssociationId => InvalidAssociationIdNotFound,
    NetworkInterfaceId => InvalidNetworkInterfaceIdMalformed,
    AttachmentId => InvalidAttachmentIdNotFound,
    SecurityGroupId => InvalidGroupIdMalformed,
    SecurityGroupRuleId => InvalidSecurityGroupRuleIdNotFound,
    NetworkAclId => InvalidNetworkAclIdNotFound,
    NetworkAclAssociationId => InvalidAssociationIdNotFound,
    InstanceId => InvalidInstanceIdMalformed,
    InstanceProfileAssociationId => InvalidAssociationIdNotFound,
    ImageId => InvalidAmiIdMalformed,
    KeyPairId => InvalidKeyPairNotFound,
    VolumeId => InvalidVolumeIdMalformed,
    SnapshotId => InvalidSnapshotIdMalformed,
    LaunchTemplateId => InvalidLaunchTemplateIdMalformed,
    SubnetCidrReservationId => InvalidSubnetCidrReservationIdNotFound,
    SpotInstanceRequestId => InvalidSpotInstanceRequestIdMalformed,
    TransitGatewayAttachmentId => InvalidTransitGatewayAttachmentIdMalformed,
    TransitGatewayRouteTableId => InvalidRouteTableIdMalformed,
    VpcPeeringConnectionId => InvalidVpcPeeringConnectionIdMalformed,
    VpcEndpointId => InvalidVpcEndpointIdMalformed,
    PrefixListId => InvalidPrefixListIdMalformed,
    DhcpOptionsId => InvalidDhcpOptionsIdMalformed,
    FlowLogId => InvalidFlowLogIdNotFound,
}
