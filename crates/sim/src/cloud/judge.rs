//! What every device of a cloud has: the fabric, the time of day, and a way to record what a stage decided.

use std::sync::Arc;

use fabric::{Component, Decision, Fabric, Header, Reason as StageReason, Stage};
use model::Timestamp;

use super::bytes::{self, Read};
use super::fragments::Fragments;
use crate::frame::FrameId;
use crate::node::Context;
use crate::time::Time;
use crate::trace::{Detail, Reason, Verb};

/// The time of day of the cloud: `base` at the simulated moment `since`, and on from there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    /// Time of day.
    pub base: Timestamp,
    /// The moment at which it was that.
    pub since: Time,
}

impl Clock {
    /// The time of day at a moment.
    pub fn at(self, now: Time) -> Timestamp {
        self.base.plus(now.since(self.since).0 / 1_000_000_000)
    }
}

/// A packet that a device looks at.
#[derive(Debug, Clone)]
pub struct Travel {
    /// The frame that it came in.
    pub frame: FrameId,
    /// By this port.
    pub port: u16,
    /// As the stages see it.
    pub packet: fabric::Packet,
}

/// What asks the stages.
#[derive(Debug, Clone)]
pub struct Judge {
    /// What the model means.
    pub fabric: Arc<Fabric>,
    /// The time of day.
    pub clock: Clock,
    fragments: Fragments,
}

impl Judge {
    /// A judge by this fabric.
    pub fn new(fabric: Arc<Fabric>) -> Self {
        Self { fabric, clock: Clock::default(), fragments: Fragments::default() }
    }

    /// The time of day.
    pub fn now(&self, context: &Context<'_>) -> Timestamp {
        self.clock.at(context.now())
    }

    /// The IP packet of a frame; what is none, or malformed, is dropped here.
    pub fn read(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) -> Option<Travel> {
        let Some(Read { mut packet, fragment }) = bytes::read(context.bytes(frame)) else {
            context.trace(port, Verb::Drop, Reason::MalformedPacket, frame);
            return None;
        };
        if let Some(fragment) = fragment {
            self.fragments.complete(&mut packet.header, fragment);
        }
        Some(Travel { frame, port, packet })
    }

    /// Records a decision; whether the packet goes on.
    #[must_use]
    pub fn pass(&self, context: &mut Context<'_>, travel: &Travel, decision: Decision) -> bool {
        let (passes, reason) = match decision {
            Decision::Pass(reason) => (true, reason),
            Decision::Drop(reason) => (false, reason),
        };
        let verb = if passes { Verb::Pass } else { Verb::Drop };
        context.trace_with(travel.port, verb, Reason::Stage, travel.frame, || Detail::Stage(Box::new(reason)));
        passes
    }

    /// Records that a packet ends here.
    pub fn refuse(&self, context: &mut Context<'_>, travel: &Travel, reason: StageReason) {
        let _ = self.pass(context, travel, Decision::Drop(reason));
    }
}

impl Judge {
    /// Takes one off the TTL where routers pass a packet on that are no hop otherwise: their routes may lead in a circle. `None`: it
    /// goes on no more. The frame is a copy, and the caller's.
    pub fn go_round(&self, context: &mut Context<'_>, travel: &Travel) -> Option<Travel> {
        if travel.packet.ttl <= 1 {
            self.refuse(context, travel, StageReason::new(Stage::RouteTable, Component::Fabric, "routes lead in a circle"));
            return None;
        }
        let mut again = Travel { frame: context.copy(travel.frame), ..travel.clone() };
        again.packet.ttl -= 1;
        bytes::count_hop(context.bytes_mut(again.frame));
        Some(again)
    }
}

/// A copy of a frame with a translated header; the copy is the caller's.
pub fn translated(context: &mut Context<'_>, travel: &Travel, to: &Header) -> FrameId {
    let copy = context.copy(travel.frame);
    if travel.packet.header != *to {
        context.trace_text(travel.port, Verb::Translate, Reason::Nat, travel.frame, || format!("{} becomes {to}", travel.packet.header));
        bytes::translate(context.bytes_mut(copy), &travel.packet.header, to);
    }
    copy
}
