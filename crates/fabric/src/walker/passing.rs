//! What becomes of a decision: on to the next stage, the end of the way, or, when all blockers are wanted, on as if
//! nothing blocked.

use std::net::IpAddr;

use model::nat_gateway::NatGatewayState;
use serde::Serialize;

use super::transit::Transit;
use crate::gateway::NatGateway;
use crate::index::{InterfaceIndex, VpcIndex};
use crate::packet::Header;
use crate::reason::{Decision, ExplanationCode, Reason, Stage};
use crate::route::NextHop;

/// A stage on a packet's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// What it decided, and why.
    pub reason: Reason,
    /// Whether it drops the packet.
    pub blocks: bool,
    /// The header as this stage saw it.
    pub header: Header,
}

/// Where a packet goes on for which there is no route.
pub(super) enum Assumed {
    /// Straight to an interface of a peer.
    Receiver(InterfaceIndex),
    /// By a gateway.
    Hop(NextHop),
}

impl Transit<'_> {
    pub(super) fn turned(&self, decision: Decision) -> Decision {
        match decision {
            Decision::Pass(reason) if self.inverted == Some(reason.stage) => Decision::Drop(reason),
            Decision::Drop(reason) if self.inverted == Some(reason.stage) => Decision::Pass(reason),
            decision => decision,
        }
    }

    pub(super) fn record(&mut self, reason: Reason, blocks: bool) {
        self.path.push(Hop { reason, blocks, header: self.header.clone() });
    }

    pub(super) fn pass(&mut self, decision: Decision) -> Result<(), Box<Reason>> {
        match self.turned(decision) {
            Decision::Pass(reason) => self.record(reason, false),
            Decision::Drop(reason) if self.as_if && is_passable(&reason) => {
                // Without its public address the packet is not what the host outside would answer.
                self.is_moot |= reason.code == Some(ExplanationCode::IgwPublicIpAssociationForEgress);
                self.blockers.push(reason.clone());
                self.record(reason, true);
            }
            Decision::Drop(reason) => {
                self.record(reason.clone(), true);
                return Err(Box::new(reason));
            }
        }
        Ok(())
    }

    /// Where the route that is missing would most likely lead: over a peering connection to who holds the address, else
    /// to the internet by whichever gateway can carry this source.
    pub(super) fn assumed(&self, vpc: VpcIndex, header: &Header) -> Option<Assumed> {
        let fabric = self.fabric;
        // A connection that ended is still shown for a while; nothing would lead over it.
        let open = fabric.peerings.values().filter(|peering| peering.status.is_open());
        let peers = open.filter_map(|peering| peering.peer_of(vpc));
        let mut holders = peers.filter_map(|peer| fabric.vpcs[peer].addresses.get(&header.destination));
        if let Some(receiver) = holders.next() {
            return Some(Assumed::Receiver(*receiver));
        }
        let holds = |other: VpcIndex| fabric.vpcs[other].addresses.contains_key(&header.destination);
        let beyond = fabric.vpcs.indices().find(|other| *other != vpc && holds(*other) && fabric.are_joined(vpc, *other));
        if beyond.is_some() {
            let attached = fabric.transit_gateways.indices().find(|gateway| fabric.is_attached(*gateway, vpc));
            return attached.map(|gateway| Assumed::Hop(NextHop::TransitGateway(gateway)));
        }
        let own = &fabric.vpcs[vpc];
        if let Some(gateway) = own.vpn_gateway.filter(|gateway| fabric.is_in_lan(&fabric.vpn_gateways[*gateway], header.destination)) {
            return Some(Assumed::Hop(NextHop::VpnGateway(gateway)));
        }
        if !fabric.is_outside_host(header.destination) {
            return None;
        }
        let hop = match header.source {
            IpAddr::V6(_) => {
                let egress_only = own.egress_only_internet_gateway.map(NextHop::EgressOnlyInternetGateway);
                own.internet_gateway.map(NextHop::InternetGateway).or(egress_only)
            }
            IpAddr::V4(source) => {
                let igw = own.internet_gateway?;
                let usable = |nat: &NatGateway| {
                    nat.vpc == vpc && nat.state == NatGatewayState::Available && nat.public_address.is_some()
                };
                match fabric.internet_gateways[igw].by_private.contains_key(&source) {
                    true => Some(NextHop::InternetGateway(igw)),
                    false => fabric.nat_gateways.iter().find(|(_, nat)| usable(nat)).map(|(nat, _)| NextHop::NatGateway(nat)),
                }
            }
        };
        hop.map(Assumed::Hop)
    }
}

/// Whether a packet that is dropped here would meet the same stages after it if it were not: what filters, as against
/// what leads.
fn is_passable(reason: &Reason) -> bool {
    use Stage::{InterfaceState, NetworkAcl, SecurityGroup, SourceDestCheck, VpcEndpoint, VpnGateway};
    use ExplanationCode::{IgwPublicIpAssociationForEgress, IngressRtbNoPublicIp};
    matches!(reason.stage, InterfaceState | NetworkAcl | SecurityGroup | SourceDestCheck | VpcEndpoint | VpnGateway)
        || matches!(reason.code, Some(IgwPublicIpAssociationForEgress | IngressRtbNoPublicIp))
}
