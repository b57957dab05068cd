//! A hub, or a repeater: a box that reads nothing and repeats bits to every other port.
//!
//! Half duplex, as hubs are, its ports are one collision domain: stations are attached to a segment of [`crate::media`], which
//! names the hub as the place where bits are repeated. A cable that is plugged into the box itself is full duplex and never
//! collides: frames are repeated whole (a buffered repeater).

use crate::frame::FrameId;
use crate::node::{Context, Node};
use crate::table::Table;
use crate::time::Time;
use crate::trace::{Reason, Verb};

/// A hub, or a repeater.
#[derive(Debug)]
pub struct Hub {
    kind: &'static str,
}

impl Hub {
    /// A hub.
    pub fn new() -> Self {
        Self { kind: "hub" }
    }

    /// A repeater: the same, with two ports.
    pub fn repeater() -> Self {
        Self { kind: "repeater" }
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Node for Hub {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        context.trace(port, Verb::Repeat, Reason::Repeated, frame);
        for out in 0..context.ports() {
            if out != port && context.is_up(out) {
                context.forward(out, frame);
            }
        }
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        Vec::new()
    }
}
