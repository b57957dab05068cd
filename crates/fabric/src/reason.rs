//! Why a stage let a packet pass or dropped it: stage, component, rule, direction, AWS explanation code, sentence.

use std::fmt;

use ipnet::IpNet;
use model::{NetworkAclId, Origin, RouteTableId, SecurityGroupId, SecurityGroupRuleId};
use serde::{Deserialize, Serialize};

use crate::fabric::Fabric;
use crate::index::*;

/// Seen from the interface or subnet that filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Towards the interface, into the subnet.
    Ingress,
    /// From the interface, out of the subnet.
    Egress,
}

impl Direction {
    /// The other one.
    pub fn opposite(self) -> Self {
        match self {
            Self::Ingress => Self::Egress,
            Self::Egress => Self::Ingress,
        }
    }
}

/// The stages of the pipeline (PIPE-2 … PIPE-11), one module of [`crate::stage`] each, and the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Traffic that no filter touches.
    Exempt,
    /// Source/dest check.
    SourceDestCheck,
    /// Security groups.
    SecurityGroup,
    /// Network ACL.
    NetworkAcl,
    /// Route table.
    RouteTable,
    /// Whether anyone holds the address.
    LocalDelivery,
    /// Internet gateway.
    InternetGateway,
    /// NAT gateway.
    NatGateway,
    /// VPC peering connection.
    Peering,
    /// VPC endpoint.
    VpcEndpoint,
    /// Egress-only internet gateway.
    EgressOnlyInternetGateway,
    /// Virtual private gateway.
    VpnGateway,
    /// Transit gateway.
    TransitGateway,
    /// Whether the interface's owner runs.
    InterfaceState,
    /// The instance's own system.
    Guest,
    /// Beyond the gateways.
    Internet,
}

impl Stage {
    /// All of them, in this order.
    pub const ALL: [Self; 16] = [
        Self::Exempt,
        Self::SourceDestCheck,
        Self::SecurityGroup,
        Self::NetworkAcl,
        Self::RouteTable,
        Self::LocalDelivery,
        Self::InternetGateway,
        Self::NatGateway,
        Self::Peering,
        Self::VpcEndpoint,
        Self::EgressOnlyInternetGateway,
        Self::VpnGateway,
        Self::TransitGateway,
        Self::InterfaceState,
        Self::Guest,
        Self::Internet,
    ];
}

/// Where something was decided. [`Component::label`] is the `at` of `conformance/scenarios.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// The security groups of an interface.
    SecurityGroups(InterfaceIndex, Direction),
    /// The network ACL of a subnet.
    NetworkAcl(SubnetIndex, Direction),
    /// A route table.
    RouteTable(RouteTableIndex),
    /// The source/dest check of an interface.
    SourceDestCheck(InterfaceIndex),
    /// The interface as such.
    Interface(InterfaceIndex),
    /// The system behind the interface: an instance, an endpoint's service.
    Guest(InterfaceIndex),
    /// An internet gateway.
    InternetGateway(InternetGatewayIndex),
    /// An egress-only internet gateway.
    EgressOnlyInternetGateway(EgressOnlyInternetGatewayIndex),
    /// A virtual private gateway.
    VpnGateway(VpnGatewayIndex),
    /// A transit gateway.
    TransitGateway(TransitGatewayIndex),
    /// A NAT gateway.
    NatGateway(NatGatewayIndex),
    /// A peering connection.
    Peering(PeeringIndex),
    /// An endpoint.
    VpcEndpoint(VpcEndpointIndex),
    /// The fabric itself: nobody has the address.
    Fabric,
    /// Beyond the gateways.
    Internet,
    /// A named place on the internet.
    Outside(OutsideIndex),
    /// The Amazon resolver of a VPC.
    Resolver(VpcIndex),
    /// Another service that the fabric provides to every instance (metadata, time, DHCP).
    Service(VpcIndex),
}

impl Component {
    /// Its name as scenarios and people write it: `sg-in:web1`, `acl-out:app-a`, `rtb:rt-db`, `nat-a`, `fabric`.
    pub fn label(self, fabric: &Fabric) -> String {
        let interface = |index: InterfaceIndex| fabric.interfaces[index].name.as_str();
        match self {
            Self::SecurityGroups(i, Direction::Ingress) => format!("sg-in:{}", interface(i)),
            Self::SecurityGroups(i, Direction::Egress) => format!("sg-out:{}", interface(i)),
            Self::NetworkAcl(s, Direction::Ingress) => format!("acl-in:{}", fabric.subnets[s].name),
            Self::NetworkAcl(s, Direction::Egress) => format!("acl-out:{}", fabric.subnets[s].name),
            Self::RouteTable(r) => format!("rtb:{}", fabric.route_tables[r].name),
            Self::SourceDestCheck(i) => format!("check:{}", interface(i)),
            Self::Interface(i) => format!("eni:{}", interface(i)),
            Self::Guest(i) => interface(i).to_owned(),
            Self::InternetGateway(i) => fabric.internet_gateways[i].name.clone(),
            Self::EgressOnlyInternetGateway(i) => fabric.egress_only_internet_gateways[i].name.clone(),
            Self::VpnGateway(i) => fabric.vpn_gateways[i].name.clone(),
            Self::TransitGateway(i) => fabric.transit_gateways[i].name.clone(),
            Self::NatGateway(i) => fabric.nat_gateways[i].name.clone(),
            Self::Peering(i) => fabric.peerings[i].name.clone(),
            Self::VpcEndpoint(i) => fabric.vpc_endpoints[i].name.clone(),
            Self::Fabric => "fabric".to_owned(),
            Self::Internet => "internet".to_owned(),
            Self::Outside(i) => fabric.outside[i].name.clone(),
            Self::Resolver(_) => "resolver".to_owned(),
            Self::Service(_) => "service".to_owned(),
        }
    }
}

/// The rule that decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A rule of a security group.
    SecurityGroup {
        /// The group.
        group: SecurityGroupId,
        /// The rule.
        rule: SecurityGroupRuleId,
        /// Where it was written.
        origin: Origin,
    },
    /// Kept state: the packet belongs to a flow that was accepted before (SG-16).
    State {
        /// Whether it goes against the flow's first packet.
        reply: bool,
    },
    /// An entry of a network ACL; no number = the implied `*`.
    NetworkAclEntry {
        /// The list.
        acl: NetworkAclId,
        /// Its number.
        rule_number: Option<u16>,
        /// Where it was written.
        origin: Origin,
    },
    /// A route.
    Route {
        /// The table.
        route_table: RouteTableId,
        /// Its destination.
        destination: IpNet,
        /// Where it was written.
        origin: Origin,
    },
}

/// What a stage found, for a packet that passes as for one that does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The stage.
    pub stage: Stage,
    /// Where.
    pub at: Component,
    /// Seen from there.
    pub direction: Option<Direction>,
    /// The rule that decided, if one did.
    pub rule: Option<Rule>,
    /// AWS's code for the drop (RA-9); `None` for a pass and where RA-8 has no fitting code.
    pub code: Option<ExplanationCode>,
    /// A sentence without names of places: the component carries those.
    pub text: String,
}

impl Reason {
    /// A reason without rule, direction and code.
    pub fn new(stage: Stage, at: Component, text: impl Into<String>) -> Self {
        Self { stage, at, direction: None, rule: None, code: None, text: text.into() }
    }

    /// With the direction.
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = Some(direction);
        self
    }

    /// With the rule that decided.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rule = Some(rule);
        self
    }

    /// With AWS's code.
    pub fn code(mut self, code: ExplanationCode) -> Self {
        self.code = Some(code);
        self
    }
}

/// What a stage decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// On to the next stage.
    Pass(Reason),
    /// The packet vanishes: no reset, no ICMP (PIPE-10).
    Drop(Reason),
}

impl Decision {
    /// Whether the packet goes on.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Pass(_))
    }

    /// Why.
    pub fn reason(&self) -> &Reason {
        match self {
            Self::Pass(reason) | Self::Drop(reason) => reason,
        }
    }
}

macro_rules! explanation_codes {
    ($($name:ident = $code:literal),* $(,)?) => {
        /// An explanation code of AWS's Reachability Analyzer (RA-8): those that a drop here can have (RA-9).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ExplanationCode {$(
            #[doc = concat!("`", $code, "`")]
            #[serde(rename = $code)]
            $name,
        )*}

        impl ExplanationCode {
            /// The code as AWS writes it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

explanation_codes! {
    BadState = "BAD_STATE",
    BadStateRoute = "BAD_STATE_ROUTE",
    DisconnectedVpcs = "DISCONNECTED_VPCS",
    EniSgRulesMismatch = "ENI_SG_RULES_MISMATCH",
    EniSourceDestCheckRestriction = "ENI_SOURCE_DEST_CHECK_RESTRICTION",
    GatewayRejectsSpoofedTraffic = "GATEWAY_REJECTS_SPOOFED_TRAFFIC",
    HigherPriorityRoute = "HIGHER_PRIORITY_ROUTE",
    IgwDestinationAddressNotInRfc1918Egress = "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS",
    IgwDestinationAddressNotInRfc6598Egress = "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS",
    IgwPrivateIpAssociationForIngress = "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS",
    IgwPublicIpAssociationForEgress = "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS",
    IgwSourceAddressNotInRfc1918Ingress = "IGW_SOURCE_ADDRESS_NOT_IN_RFC1918_INGRESS",
    IgwSourceAddressNotInRfc6598Ingress = "IGW_SOURCE_ADDRESS_NOT_IN_RFC6598_INGRESS",
    IngressRtbNoPublicIp = "INGRESS_RTB_NO_PUBLIC_IP",
    IngressRtbTrafficRedirection = "INGRESS_RTB_TRAFFIC_REDIRECTION",
    MoreSpecificRoute = "MORE_SPECIFIC_ROUTE",
    NgwRequiresSourceInVpc = "NGW_REQUIRES_SOURCE_IN_VPC",
    NoPossibleDestination = "NO_POSSIBLE_DESTINATION",
    NoRouteToDestination = "NO_ROUTE_TO_DESTINATION",
    PcxRequiresAddressInVpcCidr = "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR",
    ProtocolRestriction = "PROTOCOL_RESTRICTION",
    SgHasNoRules = "SG_HAS_NO_RULES",
    SgReferencesNotPreserved = "SG_REFERENCES_NOT_PRESERVED",
    SubnetAclRestriction = "SUBNET_ACL_RESTRICTION",
    TgwAttachMissingTgwRtbAssociation = "TGW_ATTACH_MISSING_TGW_RTB_ASSOCIATION",
    TgwRouteAzRestriction = "TGW_ROUTE_AZ_RESTRICTION",
    TgwRtbBadStateRoute = "TGW_RTB_BAD_STATE_ROUTE",
    TgwRtbNoRouteToTgwAttachment = "TGW_RTB_NO_ROUTE_TO_TGW_ATTACHMENT",
    VgwPrivateIpAssociationForEgress = "VGW_PRIVATE_IP_ASSOCIATION_FOR_EGRESS",
    VgwPrivateIpAssociationForIngress = "VGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS",
    VpceGatewayEgressSourceAddressRestriction = "VPCE_GATEWAY_EGRESS_SOURCE_ADDRESS_RESTRICTION",
    VpceGatewayProtocolRestriction = "VPCE_GATEWAY_PROTOCOL_RESTRICTION",
}

impl fmt::Display for ExplanationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_stages_are_all_of_them() {
        // Numbers go up by one, so whoever is left out shows.
        assert!(Stage::ALL.iter().enumerate().all(|(number, stage)| *stage as usize == number));
        assert_eq!(Stage::ALL.last(), Some(&Stage::Internet));
    }
}
