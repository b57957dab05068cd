//! A transit gateway: the router between VPCs that are attached to it, by its own tables (TGW-1, TGW-2). A port for each
//! subnet of an attachment; for a peering one for each zone, because a packet keeps the zone that it came from.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric::gateway::{TransitEnd, TransitGatewayAttachment};
use fabric::stage::transit_gateway;
use fabric::{Component, Reason as StageReason, Stage};
use model::{SubnetId, TransitGatewayAttachmentId, TransitGatewayId};

use super::bytes;
use super::judge::{Judge, Travel};
use crate::fragment;
use crate::frame::FrameId;
use crate::node::{Context, Node};
use crate::table::Table;
use crate::time::Time;
use crate::trace::{Reason, Verb};

/// What a port of a transit gateway leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attached {
    /// A VPC, by a subnet of the attachment: of one that came back, too.
    Vpc(SubnetId),
    /// Another transit gateway, for packets from this zone.
    Peering(TransitGatewayAttachmentId, String),
}

impl Attached {
    /// The place of the attachment that it is a part of.
    fn position(&self, fabric: &fabric::Fabric, attachments: &[TransitGatewayAttachment]) -> Option<usize> {
        attachments.iter().position(|attachment| match (self, &attachment.to) {
            (Self::Vpc(id), TransitEnd::Vpc { subnets, .. }) => subnets.iter().any(|subnet| fabric.subnets[*subnet].id == *id),
            (Self::Peering(id, _), TransitEnd::Peering { .. }) => attachment.id == *id,
            _ => false,
        })
    }
}

/// A transit gateway.
pub struct TransitGateway {
    /// Fabric and time of day.
    pub judge: Judge,
    id: TransitGatewayId,
    attached: Vec<Attached>,
    ports: BTreeMap<Attached, u16>,
}

impl TransitGateway {
    /// A gateway by its id.
    pub fn new(fabric: Arc<fabric::Fabric>, id: TransitGatewayId) -> Self {
        Self { judge: Judge::new(fabric), id, attached: Vec::new(), ports: BTreeMap::new() }
    }

    /// Says what its next port leads to.
    pub fn plug(&mut self, attached: Attached, port: u16) {
        assert_eq!(usize::from(port), self.attached.len(), "ports are plugged in order");
        self.attached.push(attached.clone());
        self.ports.insert(attached, port);
    }

    /// The port that leads somewhere.
    pub fn port(&self, attached: &Attached) -> Option<u16> {
        self.ports.get(attached).copied()
    }
}

/// On to a port, cut to what the gateway takes; segments of TCP are told to fit (L2-8, L2-9).
fn send(context: &mut Context<'_>, travel: &Travel, port: u16) {
    let copy = context.copy(travel.frame);
    bytes::clamp_segment_size(context.bytes_mut(copy), transit_gateway::MTU as u16 - 40);
    fragment::send(context, port, copy, transit_gateway::MTU);
}

impl Node for TransitGateway {
    fn kind(&self) -> &'static str {
        "transit-gateway"
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        let Some(travel) = self.judge.read(context, port, frame) else { return };
        let fabric = Arc::clone(&self.judge.fabric);
        let gateway = fabric.transit_gateways.find(&self.id, |gateway| &gateway.id);
        let came = self.attached.get(usize::from(port));
        let found = gateway.zip(came).and_then(|(gateway, came)| {
            let attachments = &fabric.transit_gateways[gateway].attachments;
            let position = came.position(&fabric, attachments)?;
            let zone = match came {
                Attached::Vpc(subnet) => {
                    let subnet = fabric.subnets.find(subnet, |subnet| &subnet.id)?;
                    fabric.subnets[subnet].availability_zone.clone()
                }
                Attached::Peering(_, zone) => zone.clone(),
            };
            Some((gateway, position, zone))
        });
        let Some((gateway, came_by, zone)) = found else {
            return context.trace(port, Verb::Drop, Reason::NotConnected, frame);
        };
        if travel.packet.length > transit_gateway::MTU && travel.packet.dont_fragment {
            let text = format!("{} bytes are more than {}, and nobody is told", travel.packet.length, transit_gateway::MTU);
            let at = Component::TransitGateway(gateway);
            return self.judge.refuse(context, &travel, StageReason::new(Stage::TransitGateway, at, text));
        }
        let (decision, next) = transit_gateway::route(&fabric, gateway, came_by, travel.packet.header.destination);
        let reason = decision.reason().clone();
        if !self.judge.pass(context, &travel, decision) {
            return;
        }
        let attachment = next.and_then(|next| fabric.transit_gateways[gateway].attachments.get(next));
        let to = attachment.and_then(|attachment| match &attachment.to {
            TransitEnd::Peering { .. } => Some(Attached::Peering(attachment.id.clone(), zone.clone())),
            TransitEnd::Vpc { subnets, .. } => {
                let subnet = transit_gateway::leave(&fabric, subnets, &zone)?;
                Some(Attached::Vpc(fabric.subnets[subnet].id.clone()))
            }
        });
        let is_peer = |attached: Option<&Attached>| matches!(attached, Some(Attached::Peering(..)));
        let goes_round = is_peer(self.attached.get(usize::from(port))) && is_peer(to.as_ref());
        match to.and_then(|to| self.port(&to)) {
            Some(out) if goes_round => {
                let Some(again) = self.judge.go_round(context, &travel) else { return };
                send(context, &again, out);
                context.release(again.frame);
            }
            Some(out) => send(context, &travel, out),
            None => self.judge.refuse(context, &travel, reason),
        }
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        super::tables::transit_gateway(&self.judge.fabric, &self.id)
    }
}
