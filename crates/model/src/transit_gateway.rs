//! Transit gateways (TGW-1 … TGW-3): a router between VPCs, with attachments and route tables of its own.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Origin, SubnetId, Table, Tags, Timestamp, TransitGatewayAttachmentId, TransitGatewayId, TransitGatewayRouteTableId, VpcId};

/// A transit gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitGateway {
    /// Identifier.
    pub id: TransitGatewayId,
    /// The table that new attachments are associated with and announced in; `None`: they are not.
    pub default_route_table: Option<TransitGatewayRouteTableId>,
    /// SG-13: whether rules may name groups of other VPCs; the attachments must allow it too.
    pub security_group_referencing: bool,
    /// What is shown of it and changes no packet.
    #[serde(default)]
    pub settings: TransitGatewaySettings,
    /// State, and when a passing one ends.
    #[serde(default)]
    pub state: TransitGatewayState,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// What is shown of a transit gateway and changes no packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitGatewaySettings {
    /// Free text.
    pub description: String,
    /// Its number in BGP.
    pub amazon_side_asn: u64,
    /// Whether attachments of other accounts need nobody's consent.
    pub auto_accepts: bool,
    /// Whether names of one VPC's public addresses are answered with private ones in others.
    pub dns_support: bool,
    /// Whether equal ways over VPNs share traffic.
    pub vpn_ecmp_support: bool,
    /// When it was made.
    pub create_time: Timestamp,
}

impl Default for TransitGatewaySettings {
    /// AWS's defaults.
    fn default() -> Self {
        Self {
            description: String::new(),
            amazon_side_asn: 64_512,
            auto_accepts: false,
            dns_support: true,
            vpn_ecmp_support: true,
            create_time: Timestamp(0),
        }
    }
}

/// State of a transit gateway, of what is attached to one, or of one's route table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransitGatewayState {
    /// Being made; carries nothing yet.
    Pending(Timestamp),
    /// There.
    #[default]
    Available,
    /// Carries nothing any more, and is `deleted` from this moment on.
    Gone(Timestamp),
}

impl TransitGatewayState {
    /// Whether it carries packets and may be changed.
    pub fn is_available(self) -> bool {
        self == Self::Available
    }

    /// AWS's word for it at a moment.
    pub fn as_str(self, now: Timestamp) -> &'static str {
        match self {
            Self::Pending(_) => "pending",
            Self::Available => "available",
            Self::Gone(deleted_at) if now < deleted_at => "deleting",
            Self::Gone(_) => "deleted",
        }
    }

    /// When a passing state ends.
    pub fn ends_at(&mut self) -> Option<&mut Timestamp> {
        match self {
            Self::Pending(at) | Self::Gone(at) => Some(at),
            Self::Available => None,
        }
    }
}

/// Transit gateways, attachments and tables that were deleted: shown for an hour, and nothing else comes of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoneTransit {
    /// Gateways.
    pub gateways: Table<TransitGatewayId, TransitGateway>,
    /// What was attached to them.
    pub attachments: Table<TransitGatewayAttachmentId, TransitGatewayAttachment>,
    /// Their route tables.
    pub route_tables: Table<TransitGatewayRouteTableId, TransitGatewayRouteTable>,
}

/// What is attached to a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitGatewayAttachment {
    /// Identifier.
    pub id: TransitGatewayAttachmentId,
    /// The gateway; of a peering the one that asked for it.
    pub transit_gateway_id: TransitGatewayId,
    /// What is attached.
    pub to: AttachedTo,
    /// When it was made.
    #[serde(default)]
    pub create_time: Timestamp,
    /// State, and when a passing one ends.
    #[serde(default)]
    pub state: TransitGatewayState,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// What an attachment connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachedTo {
    /// A VPC, by one subnet in each zone that may use it (TGW-1).
    Vpc {
        /// The VPC.
        vpc_id: VpcId,
        /// Subnets, each of another zone.
        subnet_ids: Vec<SubnetId>,
        /// What it lets through.
        #[serde(default)]
        options: VpcAttachmentOptions,
    },
    /// Another transit gateway (TGW-3).
    Peering {
        /// The one that accepted.
        accepter: TransitGatewayId,
    },
}

/// What the attachment of a VPC lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcAttachmentOptions {
    /// SG-13, at the attachment.
    pub security_group_referencing: bool,
    /// Whether IPv6 passes; where it does not, the VPC's IPv6 blocks are announced nowhere and no route leads IPv6 to it.
    pub ipv6_support: bool,
}

impl Default for VpcAttachmentOptions {
    /// AWS's defaults.
    fn default() -> Self {
        Self { security_group_referencing: true, ipv6_support: false }
    }
}

impl TransitGatewayAttachment {
    /// The VPC that is attached, if one is.
    pub fn vpc_id(&self) -> Option<&VpcId> {
        match &self.to {
            AttachedTo::Vpc { vpc_id, .. } => Some(vpc_id),
            AttachedTo::Peering { .. } => None,
        }
    }

    /// Whether IPv6 passes it.
    pub fn carries_ipv6(&self) -> bool {
        !matches!(&self.to, AttachedTo::Vpc { options: VpcAttachmentOptions { ipv6_support: false, .. }, .. })
    }

    /// Whether it is an attachment of this gateway; a peering is one of both.
    pub fn is_of(&self, gateway: &TransitGatewayId) -> bool {
        self.transit_gateway_id == *gateway || matches!(&self.to, AttachedTo::Peering { accepter } if accepter == gateway)
    }
}

/// A route table of a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitGatewayRouteTable {
    /// Identifier.
    pub id: TransitGatewayRouteTableId,
    /// The gateway.
    pub transit_gateway_id: TransitGatewayId,
    /// Attachments whose packets are routed by it (TGW-2); each attachment has one table at most.
    pub associations: BTreeSet<TransitGatewayAttachmentId>,
    /// Attachments of VPCs whose blocks it knows.
    pub propagations: BTreeSet<TransitGatewayAttachmentId>,
    /// Static routes: where to, `None` = blackhole.
    pub routes: BTreeMap<IpNet, Option<TransitGatewayAttachmentId>>,
    /// State, and when a passing one ends.
    #[serde(default)]
    pub state: TransitGatewayState,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}
