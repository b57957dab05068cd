//! The way of a packet through a transit gateway: out of one VPC, by the gateway's own tables, perhaps by another gateway,
//! into another VPC (TGW-1, TGW-2, ACL-14).

use super::transit::{Step, Transit};
use crate::gateway::TransitEnd;
use crate::index::{SubnetIndex, TransitGatewayIndex, VpcIndex};
use crate::packet::{Family, Packet};
use crate::reason::{Component, Direction, Reason, Stage};
use crate::stage::{exempt, network_acl, route_table, transit_gateway};

impl Transit<'_> {
    /// From a subnet, by the attachment of its VPC.
    pub(super) fn enter_transit_gateway(&mut self, gateway: TransitGatewayIndex, from: SubnetIndex, mut packet: Packet) -> Step {
        let (decision, entered) = transit_gateway::enter(self.fabric, gateway, from);
        let reason = decision.reason().clone();
        if let Some((_, subnet)) = entered {
            // ACL-14: in the sender's own subnet as in the attachment's, what goes to the gateway is asked by its source too.
            self.pass(network_acl::decide(self.fabric, subnet, &packet.header, Direction::Ingress))?;
        }
        self.pass(decision)?;
        let Some((mut came_by, _)) = entered else { return Err(Box::new(reason)) };
        // SG-12, SG-21.
        (self.straight, self.always_tracked, self.by_transit_gateway) = (false, true, true);
        let zone = self.fabric.subnets[from].availability_zone.clone();
        let mut gateway = gateway;
        loop {
            self.go_on()?;
            // Over IPv6 nothing is cut on the way (RFC 8200, 5).
            let may_be_cut = !packet.dont_fragment && packet.header.family() == Family::V4;
            if packet.length > transit_gateway::MTU && !may_be_cut {
                let text = format!("{} bytes are more than {}, and nobody is told", packet.length, transit_gateway::MTU);
                let at = Component::TransitGateway(gateway);
                return Err(Box::new(Reason::new(Stage::TransitGateway, at, text)));
            }
            packet.fragmented |= packet.length > transit_gateway::MTU;
            let (decision, next) = transit_gateway::route(self.fabric, gateway, came_by, packet.header.destination);
            let reason = decision.reason().clone();
            self.pass(decision)?;
            let attachments = &self.fabric.transit_gateways[gateway].attachments;
            match next.and_then(|next| attachments.get(next)).map(|attachment| &attachment.to) {
                Some(TransitEnd::Peering { gateway: other, attachment }) => (gateway, came_by) = (*other, *attachment),
                Some(TransitEnd::Vpc { vpc, subnets }) => {
                    let Some(subnet) = transit_gateway::leave(self.fabric, subnets, &zone) else { return Err(Box::new(reason)) };
                    return self.leave_transit_gateway(*vpc, subnet, packet);
                }
                None => return Err(Box::new(reason)),
            }
        }
    }

    /// Into a VPC by a subnet of its attachment, whose route table says where to.
    fn leave_transit_gateway(&mut self, vpc: VpcIndex, subnet: SubnetIndex, packet: Packet) -> Step {
        let destination = packet.header.destination;
        if exempt::is_reserved(self.fabric, vpc, destination) || self.fabric.subnets[subnet].contains(destination) {
            // ACL-14: what comes from the gateway to its own subnet is not checked.
            let receiver = self.local(vpc, destination)?;
            return self.enter_interface(receiver, Some(subnet), packet);
        }
        let table = self.fabric.subnets[subnet].route_table;
        let (routed, hop) = route_table::decide(self.fabric, table, destination);
        self.cross_and_follow(subnet, routed, hop, packet, None)
    }
}
