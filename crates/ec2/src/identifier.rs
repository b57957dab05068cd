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
            match Self::MALFORMED {
                ErrorCode::InvalidParameterValue => no_volume(&text, "volumeId"),
                code => ApiError::new(code, format!("Invalid id: \"{text}\" (expecting \"{prefix}-...\")")),
            }
        })
    }
}

/// Whether a text is an identifier of this kind. Errors: [`Identifier::MALFORMED`].
pub fn form<Id: Identifier>(text: &str) -> Result<(), ApiError> {
    Id::parse(text).map(|_| ())
}

/// What AWS says of a text that is no volume's identifier; programs look for these words.
pub fn no_volume(text: &str, parameter: &str) -> ApiError {
    let message = format!("Value ({text}) for parameter {parameter} is invalid. Expected: 'vol-...'.");
    ApiError::new(ErrorCode::InvalidParameterValue, message)
}

macro_rules! identifiers {
    ($($kind:ident => $code:ident),* $(,)?) => {
        $(impl Identifier for model::$kind { const MALFORMED: ErrorCode = ErrorCode::$code; })*
    };
}

identifiers! {
    VpcId => InvalidVpcIdMalformed,
    VpcCidrAssociationId => InvalidVpcCidrBlockAssociationIdNotFound,
    SubnetCidrAssociationId => InvalidSubnetCidrBlockAssociationIdNotFound,
    SubnetId => InvalidSubnetIdMalformed,
    RouteTableId => InvalidRouteTableIdMalformed,
    RouteTableAssociationId => InvalidAssociationIdNotFound,
    InternetGatewayId => InvalidInternetGatewayIdMalformed,
    EgressOnlyInternetGatewayId => InvalidEgressOnlyInternetGatewayIdNotFound,
    VpnGatewayId => InvalidVpnGatewayIdNotFound,
    TransitGatewayId => InvalidTransitGatewayIdMalformed,
    NatGatewayId => NatGatewayMalformed,
    AllocationId => InvalidAllocationIdNotFound,
    AddressAssociationId => InvalidAssociationIdNotFound,
    NetworkInterfaceId => InvalidNetworkInterfaceIdMalformed,
    AttachmentId => InvalidNetworkInterfaceAttachmentIdMalformed,
    SecurityGroupId => InvalidGroupIdMalformed,
    SecurityGroupRuleId => InvalidSecurityGroupRuleIdNotFound,
    NetworkAclId => InvalidNetworkAclIdMalformed,
    NetworkAclAssociationId => InvalidAssociationIdNotFound,
    InstanceId => InvalidInstanceIdMalformed,
    InstanceProfileAssociationId => InvalidAssociationIdNotFound,
    ImageId => InvalidAmiIdMalformed,
    KeyPairId => InvalidKeyPairNotFound,
    VolumeId => InvalidParameterValue,
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
