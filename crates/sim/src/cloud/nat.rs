//! A NAT gateway: many private addresses behind its own, out and back (NAT-5 … NAT-17). Its one port is its network interface.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use fabric::packet::icmp;
use fabric::stage::nat_gateway;
use fabric::state::{NatTable, Terms, with_destination, with_source};
use fabric::{Component, Fabric, NatGatewayIndex, Reason as StageReason, Segment, Stage, Transport};
use model::NatGatewayId;

use super::bytes;
use super::errors;
use super::judge::{Clock, Judge, Travel, translated};
use super::router::BY_TRANSIT_GATEWAY;
use crate::fragment;
use crate::frame::FrameId;
use crate::node::{Context, Node};
use crate::table::Table;
use crate::time::Time;
use crate::trace::{Reason, Verb};

/// The port.
const PORT: u16 = 0;

/// A NAT gateway.
pub struct NatGateway {
    /// Fabric and time of day.
    pub judge: Judge,
    id: NatGatewayId,
    translations: NatTable,
}

impl NatGateway {
    /// A gateway by its id.
    pub fn new(fabric: Arc<Fabric>, id: NatGatewayId) -> Self {
        Self { judge: Judge::new(fabric), id, translations: NatTable::default() }
    }

    /// Sets the time of day.
    pub fn set_clock(&mut self, clock: Clock) {
        self.judge.clock = clock;
    }

    /// An exchange begins: what it begins is over with [`NatGateway::close`].
    pub fn begin(&mut self) {
        self.translations.begin();
    }

    /// The exchange ended and closed its TCP connections.
    pub fn close(&mut self) {
        self.translations.close();
    }

    /// Forgets all translations (NAT-18).
    pub fn reset(&mut self) {
        self.translations = NatTable::default();
    }

    fn refuse(&self, context: &mut Context<'_>, travel: &Travel, nat: NatGatewayIndex, text: &str) {
        let reason = StageReason::new(Stage::NatGateway, Component::NatGateway(nat), text);
        self.judge.refuse(context, travel, reason);
    }

    /// Address and port outside of what goes out; `None` if it goes no further, which is recorded.
    fn outside_of(
        &mut self,
        context: &mut Context<'_>,
        travel: &Travel,
        (nat, own): (NatGatewayIndex, &[Ipv4Addr]),
        terms: Terms,
    ) -> Option<(Ipv4Addr, u16)> {
        let header = &travel.packet.header;
        if let Some(outside) = self.translations.known(own, header, terms) {
            return Some(outside);
        }
        let unknown = "it belongs to no translation";
        match &header.transport {
            Transport::IcmpError { .. } => match self.translations.outside_of_error(own, header, terms) {
                Some(outside) => return Some(outside),
                None => self.refuse(context, travel, nat, unknown),
            },
            // NAT-12: what continues a forgotten connection is told so; an answer to nobody's packet vanishes.
            Transport::Tcp { segment: Segment::Ack, .. } => {
                context.trace(PORT, Verb::Drop, Reason::NatNoState, travel.frame);
                errors::reset(context, travel);
            }
            Transport::Tcp { segment: Segment::SynAck | Segment::Rst, .. } => self.refuse(context, travel, nat, unknown),
            Transport::Icmp { icmp_type, .. } if icmp::request_of(*icmp_type, false).is_some() => {
                self.refuse(context, travel, nat, unknown);
            }
            _ => {
                let (decision, chosen) = nat_gateway::choose(nat, own, |address| self.translations.in_use(address, header, terms));
                // Where the stage is turned round, what has no room gets it.
                let address = chosen.or(own.first().copied())?;
                if self.judge.pass(context, travel, decision) {
                    return Some((address, self.translations.add(address, header, terms)?));
                }
            }
        }
        None
    }
}

impl Node for NatGateway {
    fn kind(&self) -> &'static str {
        "nat-gateway"
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        let by_transit_gateway = context.bytes(frame).get(6..12) == Some(&BY_TRANSIT_GATEWAY);
        let Some(travel) = self.judge.read(context, port, frame) else { return };
        let fabric = Arc::clone(&self.judge.fabric);
        let Some(nat) = fabric.nat_gateways.find(&self.id, |nat| &nat.id) else {
            return context.trace(port, Verb::Drop, Reason::NotConnected, frame);
        };
        let addresses = nat_gateway::addresses(&fabric, nat);
        let Some(own) = addresses.first().copied().map(IpAddr::V4) else {
            return self.refuse(context, &travel, nat, "the gateway has no address");
        };
        let (idle_seconds, lowest_port) = (nat_gateway::IDLE_SECONDS, nat_gateway::LOWEST_PORT);
        let terms = Terms { idle_seconds, lowest_port, now: self.judge.now(context) };
        let header = &travel.packet.header;
        let is_inbound = addresses.iter().any(|own| header.destination == *own);
        let mut inside = None;
        let decision = match is_inbound {
            true => {
                inside = self.translations.inside_of(header, terms);
                nat_gateway::inbound(nat, inside.is_some(), header.source)
            }
            false => nat_gateway::decide(&fabric, nat, &travel.packet, by_transit_gateway),
        };
        if !self.judge.pass(context, &travel, decision) {
            return;
        }
        if travel.packet.ttl <= 1 {
            context.trace(port, Verb::Drop, Reason::TimeExceeded, frame);
            return errors::send(context, &travel, own, (icmp::TIME_EXCEEDED, 0), 0);
        }
        if travel.packet.length > nat_gateway::MTU && travel.packet.dont_fragment {
            context.trace_value(port, Verb::Drop, Reason::FragmentationNeeded, frame, travel.packet.length);
            let mtu = nat_gateway::MTU as u16;
            return errors::send(context, &travel, own, (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED), mtu);
        }
        let header = match inside {
            Some((address, port)) => with_destination(header, address, port),
            None => match self.outside_of(context, &travel, (nat, &addresses), terms) {
                Some((address, port)) => with_source(&travel.packet.header, IpAddr::V4(address), port),
                None => return,
            },
        };
        let out = translated(context, &travel, &header);
        bytes::count_hop(context.bytes_mut(out));
        // NAT-15, L2-9.
        bytes::clamp_segment_size(context.bytes_mut(out), nat_gateway::MTU as u16 - 40);
        fragment::send(context, PORT, out, nat_gateway::MTU);
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        super::tables::nat_gateway(&self.translations)
    }
}
