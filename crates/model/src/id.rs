//! Typed resource identifiers in AWS's shape (`vpc-0123456789abcdef0`), never reused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form {prefix}-…")]
pub struct MalformedId {
    /// The text as it was given.
    pub text: String,
    /// The prefix that the kind of id starts with.
    pub prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// What every id of this kind starts with, without the dash.
            pub const PREFIX: &'static str = $prefix;

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<RawId> for $name {
            fn from(raw: RawId) -> Self {
                Self(format!("{}-{:017x}", Self::PREFIX, raw.0 & 0xf_ffff_ffff_ffff_ffff).into())
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;
            fn from_str(text: &str) -> Result<Self, MalformedId> {
                match text.strip_prefix(concat!($prefix, "-")) {
                    Some(rest) if !rest.is_empty() => Ok(Self(text.into())),
                    _ => Err(MalformedId { text: text.to_owned(), prefix: $prefix }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

/// Random bits that become an id of some kind; made by [`crate::Context::next_id`] only.
#[derive(Debug, Clone, Copy)]
pub struct RawId(pub(crate) u128);

ids! {
    /// A VPC.
    VpcId = "vpc",
    /// An association of a CIDR block with a VPC.
    VpcCidrAssociationId = "vpc-cidr-assoc",
    /// An association of an IPv6 block with a subnet.
    SubnetCidrAssociationId = "subnet-cidr-assoc",
    /// A subnet.
    SubnetId = "subnet",
    /// A route table.
    RouteTableId = "rtb",
    /// An association of a route table with a subnet, a gateway or (main) the VPC.
    RouteTableAssociationId = "rtbassoc",
    /// An internet gateway.
    InternetGatewayId = "igw",
    /// An egress-only internet gateway.
    EgressOnlyInternetGatewayId = "eigw",
    /// A virtual private gateway.
    VpnGatewayId = "vgw",
    /// A transit gateway.
    TransitGatewayId = "tgw",
    /// The attachment of a VPC, or of another one, to a transit gateway.
    TransitGatewayAttachmentId = "tgw-attach",
    /// A route table of a transit gateway.
    TransitGatewayRouteTableId = "tgw-rtb",
    /// A NAT gateway.
    NatGatewayId = "nat",
    /// An allocated Elastic IP address.
    AllocationId = "eipalloc",
    /// The association of an Elastic IP address with a private address.
    AddressAssociationId = "eipassoc",
    /// A network interface.
    NetworkInterfaceId = "eni",
    /// The attachment of a network interface to an instance.
    AttachmentId = "eni-attach",
    /// A security group.
    SecurityGroupId = "sg",
    /// One rule of a security group.
    SecurityGroupRuleId = "sgr",
    /// A network ACL.
    NetworkAclId = "acl",
    /// The association of a network ACL with a subnet.
    NetworkAclAssociationId = "aclassoc",
    /// An instance.
    InstanceId = "i",
    /// The association of an instance profile with an instance.
    InstanceProfileAssociationId = "iip-assoc",
    /// A launch of one or more instances by one call.
    ReservationId = "r",
    /// A machine image.
    ImageId = "ami",
    /// A key pair.
    KeyPairId = "key",
    /// A volume of EBS.
    VolumeId = "vol",
    /// A snapshot of a volume.
    SnapshotId = "snap",
    /// A launch template.
    LaunchTemplateId = "lt",
    /// Addresses of a subnet that are kept back.
    SubnetCidrReservationId = "scr",
    /// A request for instances at the spot price.
    SpotInstanceRequestId = "sir",
    /// A VPC peering connection.
    VpcPeeringConnectionId = "pcx",
    /// A VPC endpoint.
    VpcEndpointId = "vpce",
    /// A managed prefix list.
    PrefixListId = "pl",
    /// A DHCP option set.
    DhcpOptionsId = "dopt",
    /// A flow log.
    FlowLogId = "fl",
}
