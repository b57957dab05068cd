//! Why an operation was refused, in AWS's words (semantics §19) with a sentence and a hint for people.

use serde::{Deserialize, Serialize};

/// Declares the error codes of an API: each with its text on the wire and the HTTP status that goes with it.
#[macro_export]
macro_rules! error_codes {
    ($(#[$meta:meta])* $codes:ident: $($name:ident = $code:literal, $status:literal;)*) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $codes {$(
            #[doc = concat!("`", $code, "`")]
            #[serde(rename = $code)]
            $name,
        )*}

        impl $codes {
            /// The code as the API writes it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that goes with it.
            pub fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }

        impl ::std::fmt::Display for $codes {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

error_codes! {
    /// An error code of the EC2 API.
    ErrorCode:
    ActiveVpcPeeringConnectionPerVpcLimitExceeded = "ActiveVpcPeeringConnectionPerVpcLimitExceeded", 400;
    AddressLimitExceeded = "AddressLimitExceeded", 400;
    AttachmentLimitExceeded = "AttachmentLimitExceeded", 400;
    AuthFailure = "AuthFailure", 401;
    CannotDelete = "CannotDelete", 400;
    CidrLimitExceeded = "CidrLimitExceeded", 400;
    DefaultSubnetAlreadyExistsInAvailabilityZone = "DefaultSubnetAlreadyExistsInAvailabilityZone", 400;
    DefaultVpcAlreadyExists = "DefaultVpcAlreadyExists", 400;
    DefaultVpcDoesNotExist = "DefaultVpcDoesNotExist", 400;
    DependencyViolation = "DependencyViolation", 400;
    DryRunOperation = "DryRunOperation", 412;
    DuplicateSubnetsInSameZone = "DuplicateSubnetsInSameZone", 400;
    DuplicateTransitGatewayAttachment = "DuplicateTransitGatewayAttachment", 400;
    EgressOnlyInternetGatewayLimitExceeded = "EgressOnlyInternetGatewayLimitExceeded", 400;
    FlowLogAlreadyExists = "FlowLogAlreadyExists", 400;
    FlowLogsLimitExceeded = "FlowLogsLimitExceeded", 400;
    FilterLimitExceeded = "FilterLimitExceeded", 400;
    GatewayNotAttached = "Gateway.NotAttached", 400;
    IncorrectInstanceState = "IncorrectInstanceState", 400;
    IncorrectModificationState = "IncorrectModificationState", 400;
    IncorrectState = "IncorrectState", 400;
    InsufficientFreeAddressesInSubnet = "InsufficientFreeAddressesInSubnet", 400;
    InternalError = "InternalError", 500;
    InternetGatewayLimitExceeded = "InternetGatewayLimitExceeded", 400;
    InvalidAction = "InvalidAction", 400;
    InvalidAddressNotFound = "InvalidAddress.NotFound", 400;
    InvalidAllocationIdNotFound = "InvalidAllocationID.NotFound", 400;
    InvalidAmiAttributeItemValue = "InvalidAMIAttributeItemValue", 400;
    InvalidAmiIdMalformed = "InvalidAMIID.Malformed", 400;
    InvalidAmiIdNotFound = "InvalidAMIID.NotFound", 400;
    InvalidAmiIdUnavailable = "InvalidAMIID.Unavailable", 400;
    InvalidAmiNameDuplicate = "InvalidAMIName.Duplicate", 400;
    InvalidAmiNameMalformed = "InvalidAMIName.Malformed", 400;
    InvalidAssociationNotFound = "InvalidAssociation.NotFound", 400;
    InvalidAssociationIdNotFound = "InvalidAssociationID.NotFound", 400;
    InvalidAttachmentIdNotFound = "InvalidAttachmentID.NotFound", 400;
    InvalidAttachmentNotFound = "InvalidAttachment.NotFound", 400;
    InvalidBlockDeviceMapping = "InvalidBlockDeviceMapping", 400;
    InvalidDhcpOptionIdNotFound = "InvalidDhcpOptionID.NotFound", 400;
    InvalidDhcpOptionsIdMalformed = "InvalidDhcpOptionsId.Malformed", 400;
    InvalidEgressOnlyInternetGatewayIdNotFound = "InvalidEgressOnlyInternetGatewayId.NotFound", 400;
    InvalidFlowLogIdNotFound = "InvalidFlowLogId.NotFound", 400;
    InvalidGatewayIdNotFound = "InvalidGatewayID.NotFound", 400;
    InvalidGroupDuplicate = "InvalidGroup.Duplicate", 400;
    InvalidGroupIdMalformed = "InvalidGroupId.Malformed", 400;
    InvalidGroupInUse = "InvalidGroup.InUse", 400;
    InvalidGroupNotFound = "InvalidGroup.NotFound", 400;
    InvalidGroupReserved = "InvalidGroup.Reserved", 400;
    InvalidIdNotFound = "InvalidID", 400;
    InvalidInstanceAttributeValue = "InvalidInstanceAttributeValue", 400;
    InvalidInstanceId = "InvalidInstanceID", 400;
    InvalidInstanceIdMalformed = "InvalidInstanceID.Malformed", 400;
    InvalidInstanceIdNotFound = "InvalidInstanceID.NotFound", 400;
    InvalidInstanceType = "InvalidInstanceType", 400;
    InvalidInternetGatewayIdMalformed = "InvalidInternetGatewayId.Malformed", 400;
    InvalidInternetGatewayIdNotFound = "InvalidInternetGatewayID.NotFound", 400;
    InvalidIpAddressInUse = "InvalidIPAddress.InUse", 400;
    InvalidIpamPoolIdNotFound = "InvalidIpamPoolId.NotFound", 400;
    InvalidKeyFormat = "InvalidKey.Format", 400;
    InvalidKeyPairDuplicate = "InvalidKeyPair.Duplicate", 400;
    InvalidKeyPairNotFound = "InvalidKeyPair.NotFound", 400;
    InvalidLaunchTemplateIdMalformed = "InvalidLaunchTemplateId.Malformed", 400;
    InvalidLaunchTemplateIdNotFound = "InvalidLaunchTemplateId.NotFound", 400;
    InvalidLaunchTemplateIdVersionNotFound = "InvalidLaunchTemplateId.VersionNotFound", 400;
    InvalidLaunchTemplateNameAlreadyExists = "InvalidLaunchTemplateName.AlreadyExistsException", 400;
    InvalidLaunchTemplateNameMalformed = "InvalidLaunchTemplateName.MalformedException", 400;
    InvalidLaunchTemplateNameNotFound = "InvalidLaunchTemplateName.NotFoundException", 400;
    InvalidNetworkAclEntryNotFound = "InvalidNetworkAclEntry.NotFound", 400;
    InvalidNetworkAclIdMalformed = "InvalidNetworkAclId.Malformed", 400;
    InvalidNetworkAclIdNotFound = "InvalidNetworkAclID.NotFound", 400;
    InvalidNetworkInterfaceAttachmentIdMalformed = "InvalidNetworkInterfaceAttachmentId.Malformed", 400;
    InvalidNetworkInterfaceIdMalformed = "InvalidNetworkInterfaceId.Malformed", 400;
    InvalidNetworkInterfaceIdNotFound = "InvalidNetworkInterfaceID.NotFound", 400;
    InvalidNetworkInterfaceInUse = "InvalidNetworkInterface.InUse", 400;
    InvalidParameter = "InvalidParameter", 400;
    InvalidParameterCombination = "InvalidParameterCombination", 400;
    InvalidParameterDependency = "InvalidParameterDependency", 400;
    InvalidParameterValue = "InvalidParameterValue", 400;
    InvalidPermissionDuplicate = "InvalidPermission.Duplicate", 400;
    InvalidPermissionMalformed = "InvalidPermission.Malformed", 400;
    InvalidPermissionNotFound = "InvalidPermission.NotFound", 400;
    InvalidPlacementGroupUnknown = "InvalidPlacementGroup.Unknown", 400;
    InvalidPrefixListIdMalformed = "InvalidPrefixListId.Malformed", 400;
    InvalidPrefixListIdNotFound = "InvalidPrefixListID.NotFound", 400;
    InvalidRouteNotFound = "InvalidRoute.NotFound", 400;
    InvalidRouteTableIdMalformed = "InvalidRouteTableId.Malformed", 400;
    InvalidRouteTableIdNotFound = "InvalidRouteTableID.NotFound", 400;
    InvalidSecurityGroupIdNotFound = "InvalidSecurityGroupID.NotFound", 400;
    InvalidSecurityGroupRuleIdNotFound = "InvalidSecurityGroupRuleId.NotFound", 400;
    InvalidServiceName = "InvalidServiceName", 400;
    InvalidSnapshotIdMalformed = "InvalidSnapshotID.Malformed", 400;
    InvalidSnapshotInUse = "InvalidSnapshot.InUse", 400;
    InvalidSnapshotNotFound = "InvalidSnapshot.NotFound", 400;
    InvalidSpotInstanceRequestIdMalformed = "InvalidSpotInstanceRequestID.Malformed", 400;
    InvalidSpotInstanceRequestIdNotFound = "InvalidSpotInstanceRequestID.NotFound", 400;
    InvalidStateTransition = "InvalidStateTransition", 400;
    InvalidSubnetCidrBlockAssociationIdNotFound = "InvalidSubnetCidrBlockAssociationID.NotFound", 400;
    InvalidSubnetCidrReservationIdNotFound = "InvalidSubnetCidrReservationID.NotFound", 400;
    InvalidSubnetConflict = "InvalidSubnet.Conflict", 400;
    InvalidSubnetIdMalformed = "InvalidSubnetID.Malformed", 400;
    InvalidSubnetIdNotFound = "InvalidSubnetID.NotFound", 400;
    InvalidUserDataMalformed = "InvalidUserData.Malformed", 400;
    InvalidSubnetRange = "InvalidSubnet.Range", 400;
    InvalidTransitGatewayAttachmentIdMalformed = "InvalidTransitGatewayAttachmentID.Malformed", 400;
    InvalidTransitGatewayAttachmentIdNotFound = "InvalidTransitGatewayAttachmentID.NotFound", 400;
    InvalidTransitGatewayIdMalformed = "InvalidTransitGatewayID.Malformed", 400;
    InvalidTransitGatewayIdNotFound = "InvalidTransitGatewayID.NotFound", 400;
    InvalidVolumeModificationNotFound = "InvalidVolumeModification.NotFound", 400;
    InvalidVolumeNotFound = "InvalidVolume.NotFound", 400;
    InvalidVolumeZoneMismatch = "InvalidVolume.ZoneMismatch", 400;
    InvalidVpcCidrBlockAssociationIdNotFound = "InvalidVpcCidrBlockAssociationID.NotFound", 400;
    InvalidVpcEndpointIdMalformed = "InvalidVpcEndpointId.Malformed", 400;
    InvalidVpcEndpointIdNotFound = "InvalidVpcEndpointId.NotFound", 400;
    InvalidVpcEndpointServiceIdNotFound = "InvalidVpcEndpointServiceId.NotFound", 400;
    InvalidVpcIdMalformed = "InvalidVpcID.Malformed", 400;
    InvalidVpcIdNotFound = "InvalidVpcID.NotFound", 400;
    InvalidVpcPeeringConnectionIdMalformed = "InvalidVpcPeeringConnectionId.Malformed", 400;
    InvalidVpcPeeringConnectionIdNotFound = "InvalidVpcPeeringConnectionID.NotFound", 400;
    InvalidVpcRange = "InvalidVpc.Range", 400;
    InvalidVpcState = "InvalidVpcState", 400;
    InvalidVpnGatewayIdNotFound = "InvalidVpnGatewayID.NotFound", 400;
    InvalidZoneNotFound = "InvalidZone.NotFound", 400;
    MissingInput = "MissingInput", 400;
    MissingParameter = "MissingParameter", 400;
    NatGatewayLimitExceeded = "NatGatewayLimitExceeded", 400;
    NatGatewayMalformed = "NatGatewayMalformed", 400;
    NatGatewayNotFound = "NatGatewayNotFound", 400;
    NetworkAclEntryAlreadyExists = "NetworkAclEntryAlreadyExists", 400;
    NetworkAclEntryLimitExceeded = "NetworkAclEntryLimitExceeded", 400;
    NetworkAclLimitExceeded = "NetworkAclLimitExceeded", 400;
    NetworkInterfaceLimitExceeded = "NetworkInterfaceLimitExceeded", 400;
    OperationNotPermitted = "OperationNotPermitted", 400;
    OutstandingVpcPeeringConnectionLimitExceeded = "OutstandingVpcPeeringConnectionLimitExceeded", 400;
    PrefixListLimitExceeded = "PrefixListLimitExceeded", 400;
    PrefixListMaxEntriesExceeded = "PrefixListMaxEntriesExceeded", 400;
    PrefixListVersionMismatch = "PrefixListVersionMismatch", 400;
    PrivateIpAddressLimitExceeded = "PrivateIpAddressLimitExceeded", 400;
    ReservedPrefixListName = "ReservedPrefixListName", 400;
    ResourceAlreadyAssociated = "Resource.AlreadyAssociated", 400;
    RouteAlreadyExists = "RouteAlreadyExists", 400;
    RouteLimitExceeded = "RouteLimitExceeded", 400;
    RouteTableLimitExceeded = "RouteTableLimitExceeded", 400;
    RulesPerSecurityGroupLimitExceeded = "RulesPerSecurityGroupLimitExceeded", 400;
    SecurityGroupLimitExceeded = "SecurityGroupLimitExceeded", 400;
    SecurityGroupsPerInterfaceLimitExceeded = "SecurityGroupsPerInterfaceLimitExceeded", 400;
    SubnetLimitExceeded = "SubnetLimitExceeded", 400;
    TagLimitExceeded = "TagLimitExceeded", 400;
    UnauthorizedOperation = "UnauthorizedOperation", 403;
    UnknownParameter = "UnknownParameter", 400;
    UnknownVolumeType = "UnknownVolumeType", 400;
    UnsupportedOperation = "UnsupportedOperation", 400;
    TransitGatewayAttachmentLimitExceeded = "TransitGatewayAttachmentLimitExceeded", 400;
    TransitGatewayRouteTablePropagationDuplicate = "TransitGatewayRouteTablePropagation.Duplicate", 400;
    TransitGatewayLimitExceeded = "TransitGatewayLimitExceeded", 400;
    VersionLimitExceeded = "VersionLimitExceeded", 400;
    VolumeInUse = "VolumeInUse", 400;
    VpcEndpointLimitExceeded = "VpcEndpointLimitExceeded", 400;
    VpcIdNotSpecified = "VPCIdNotSpecified", 400;
    VpcLimitExceeded = "VpcLimitExceeded", 400;
    VpcPeeringConnectionAlreadyExists = "VpcPeeringConnectionAlreadyExists", 400;
    VpnGatewayAttachmentNotFound = "InvalidVpnGatewayAttachment.NotFound", 400;
    VpnGatewayLimitExceeded = "VpnGatewayLimitExceeded", 400;
}

/// An operation that was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} [{code}]")]
pub struct ApiError {
    /// AWS's code.
    pub code: ErrorCode,
    /// One sentence: what was refused and why.
    pub message: String,
    /// What to do about it, if we know.
    pub hint: Option<String>,
}

impl ApiError {
    /// An error with a sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// The same with a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
