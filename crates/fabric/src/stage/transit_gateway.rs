//! Transit gateway: who may send to it, and where its own tables lead (TGW-1, TGW-2).

use std::net::IpAddr;

use crate::fabric::Fabric;
use crate::gateway::{TransitEnd, TransitGatewayAttachment};
use crate::index::{SubnetIndex, TransitGatewayIndex};
use crate::reason::{Component, Decision, Direction, ExplanationCode, Reason, Stage};

/// Longest packet, bytes (TGW-3): what is longer is dropped, and nobody is told (L2-8).
pub const MTU: u32 = 8_500;

/// Into the gateway from a subnet: its zone must be one that the VPC's attachment has a subnet in (TGW-1). Answers the
/// attachment's position and the subnet by which the packet leaves the VPC.
pub fn enter(fabric: &Fabric, gateway: TransitGatewayIndex, from: SubnetIndex) -> (Decision, Option<(usize, SubnetIndex)>) {
    let reason = |text: String| {
        Reason::new(Stage::TransitGateway, Component::TransitGateway(gateway), text).direction(Direction::Ingress)
    };
    let sender = &fabric.subnets[from];
    let attachments = &fabric.transit_gateways[gateway].attachments;
    let own = attachments.iter().enumerate().find_map(|(position, attachment)| match &attachment.to {
        TransitEnd::Vpc { vpc, subnets } if *vpc == sender.vpc => Some((position, subnets)),
        _ => None,
    });
    let Some((position, subnets)) = own else {
        return (Decision::Drop(reason(format!("{} is not attached to it", fabric.vpcs[sender.vpc].name))), None);
    };
    let zone = &sender.availability_zone;
    match subnets.iter().find(|subnet| fabric.subnets[**subnet].availability_zone == *zone) {
        Some(by) => {
            let text = format!("zone {zone} is attached by {}", fabric.subnets[*by].name);
            (Decision::Pass(reason(text)), Some((position, *by)))
        }
        None => {
            let text = format!("the attachment has no subnet in zone {zone}");
            (Decision::Drop(reason(text).code(ExplanationCode::TgwRouteAzRestriction)), None)
        }
    }
}

/// Where the table of the attachment that a packet came by leads (TGW-2): an attachment's position.
pub fn route(fabric: &Fabric, gateway: TransitGatewayIndex, came_by: usize, destination: IpAddr) -> (Decision, Option<usize>) {
    use ExplanationCode as Code;
    let own = &fabric.transit_gateways[gateway];
    let reason = |text: String| Reason::new(Stage::TransitGateway, Component::TransitGateway(gateway), text);
    let Some(table) = own.attachments.get(came_by).and_then(|attachment| own.tables.get(attachment.table?)) else {
        let text = "the attachment is associated with no route table of the gateway".to_owned();
        return (Decision::Drop(reason(text).code(Code::TgwAttachMissingTgwRtbAssociation)), None);
    };
    let Some(route) = table.routes.iter().find(|route| route.destination.contains(&destination)) else {
        let text = format!("its route table {} has no route to {destination}", table.name);
        return (Decision::Drop(reason(text).code(Code::TgwRtbNoRouteToTgwAttachment)), None);
    };
    match route.attachment.and_then(|position| Some((position, own.attachments.get(position)?))) {
        Some((position, attachment)) => {
            let text = format!("{}: {} leads to {}", table.name, route.destination, name(fabric, attachment));
            (Decision::Pass(reason(text)), Some(position))
        }
        None => {
            let text = format!("{}: the route for {} is a blackhole", table.name, route.destination);
            (Decision::Drop(reason(text).code(Code::TgwRtbBadStateRoute)), None)
        }
    }
}

/// The subnet by which a packet enters a VPC: of the zone that it comes from where the attachment has one there, else the
/// first by zone.
pub fn leave(fabric: &Fabric, subnets: &[SubnetIndex], zone: &str) -> Option<SubnetIndex> {
    let same = subnets.iter().find(|subnet| fabric.subnets[**subnet].availability_zone == zone);
    same.or(subnets.first()).copied()
}

fn name<'f>(fabric: &'f Fabric, attachment: &'f TransitGatewayAttachment) -> &'f str {
    match &attachment.to {
        TransitEnd::Vpc { vpc, .. } => &fabric.vpcs[*vpc].name,
        TransitEnd::Peering { gateway, .. } => &fabric.transit_gateways[*gateway].name,
    }
}
