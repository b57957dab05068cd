//! What a node is: something with ports, that frames reach and timers wake. Its only door to the world is its [`Context`].

use std::any::Any;

use crate::frame::{FrameId, Frames};
use crate::link::Framing;
use crate::network::Network;
use crate::random::Random;
use crate::table::Table;
use crate::time::{Span, Time};
use crate::trace::{Detail, Reason, Trace, TraceEvent, Verb};

/// A node of a simulation, numbered in order of making.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// A hub, switch, router, host, or part of a cloud.
pub trait Node: Any {
    /// One word for what it is: `hub`, `switch`, `router`, `host`.
    fn kind(&self) -> &'static str;

    /// The simulation begins; called once, in order of making.
    fn start(&mut self, context: &mut Context<'_>) {
        let _ = context;
    }

    /// The last bit of a frame came in. The frame is the node's to read during the call; to keep it longer it holds it.
    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId);

    /// A time that it asked for has come. Nodes that change their minds put an epoch into the token; see [`Timer`].
    fn on_timer(&mut self, context: &mut Context<'_>, token: u64) {
        let _ = (context, token);
    }

    /// The link of a port came up or went down.
    fn on_link(&mut self, context: &mut Context<'_>, port: u16, is_up: bool) {
        let _ = (context, port, is_up);
    }

    /// Its tables, as they are now.
    fn inspect(&self, now: Time) -> Vec<Table>;
}

/// A time at which a node wants to be woken, which it can move and take back: what was scheduled before is told apart by
/// its epoch and means nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timer {
    epoch: u32,
    at: Option<Time>,
}

impl Timer {
    /// When it is due.
    pub const fn at(&self) -> Option<Time> {
        self.at
    }

    /// Sets or moves it. `key` is the node's own name for it.
    pub fn set(&mut self, context: &mut Context<'_>, at: Time, key: u32) {
        if self.at == Some(at) {
            return;
        }
        self.epoch = self.epoch.wrapping_add(1);
        self.at = Some(at);
        context.wake(at, u64::from(key) << 32 | u64::from(self.epoch));
    }

    /// Takes it back.
    pub fn cancel(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.at = None;
    }

    /// The key in a token.
    pub const fn key(token: u64) -> u32 {
        (token >> 32) as u32
    }

    /// Whether this token is what was set last; then it is over.
    pub fn fires(&mut self, token: u64) -> bool {
        let fires = self.at.is_some() && token as u32 == self.epoch;
        if fires {
            self.at = None;
        }
        fires
    }
}

/// What a node sees of the world and can do to it.
pub struct Context<'a> {
    pub(crate) network: &'a mut Network,
    pub(crate) node: NodeId,
}

impl Context<'_> {
    /// The present.
    pub fn now(&self) -> Time {
        self.network.wires.now
    }

    /// The node itself.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Its stream of chance for a purpose; the same one each time it is asked for, so ask once.
    pub fn random(&self, purpose: &str) -> Random {
        Random::new(self.network.wires.seed, self.node, purpose)
    }

    /// Number of its ports.
    pub fn ports(&self) -> u16 {
        self.network.ports_of(self.node)
    }

    /// Whether something is plugged into the port, and up.
    pub fn is_up(&self, port: u16) -> bool {
        self.network.is_up(self.node, port)
    }

    /// How the port's link frames.
    pub fn framing(&self, port: u16) -> Framing {
        self.link(port).0
    }

    /// The longest payload of a frame on the port's link, bytes.
    pub fn mtu(&self, port: u16) -> u32 {
        self.link(port).1
    }

    /// How the port's link frames, and the longest payload of a frame on it, bytes.
    #[inline]
    pub fn link(&self, port: u16) -> (Framing, u32) {
        self.network.link(self.node, port)
    }

    /// Bits per second of the port's link; 0 if nothing is plugged in.
    pub fn rate(&self, port: u16) -> u64 {
        self.network.rate(self.node, port)
    }

    /// Frames that wait at the port, the one being sent included.
    pub fn queued(&self, port: u16) -> usize {
        self.network.queued(self.node, port)
    }

    /// Frames, to be read.
    pub fn frames(&self) -> &Frames {
        &self.network.wires.frames
    }

    /// The bytes of a frame.
    #[inline]
    pub fn bytes(&self, frame: FrameId) -> &[u8] {
        self.network.wires.frames.bytes(frame)
    }

    /// A new frame, the node's own until it is sent or released. `parent` is what it is made of or answers, if anything.
    pub fn make(&mut self, parent: FrameId, write: impl FnOnce(&mut Vec<u8>)) -> FrameId {
        self.network.wires.frames.make(parent, write)
    }

    /// A copy of a frame, the node's own, to be changed with [`Context::bytes_mut`].
    pub fn copy(&mut self, frame: FrameId) -> FrameId {
        self.network.wires.frames.copy(frame)
    }

    /// The bytes of a frame that the node made and has not sent.
    pub fn bytes_mut(&mut self, frame: FrameId) -> &mut Vec<u8> {
        self.network.wires.frames.bytes_mut(frame)
    }

    /// A frame like one of its own or one that came in, changed, and its own: in place if nobody else holds the bytes, as a
    /// copy otherwise. The reference that came with the call is not used up; one of its own is.
    pub fn change(&mut self, frame: FrameId, is_own: bool, change: impl FnOnce(&mut Vec<u8>)) -> FrameId {
        let frames = &mut self.network.wires.frames;
        if !frames.is_shared(frame) {
            change(frames.bytes_mut(frame));
            if !is_own {
                frames.hold(frame);
            }
            return frame;
        }
        let copy = frames.copy(frame);
        change(frames.bytes_mut(copy));
        if is_own {
            // It stands in the place of the other one.
            frames.adopt(copy, frames.parent(frame));
            frames.release(frame);
        }
        copy
    }

    /// Keeps a frame beyond the call that it came with; it is to be sent or released later.
    pub fn hold(&mut self, frame: FrameId) {
        self.network.wires.frames.hold(frame);
    }

    /// Gives up a frame of its own.
    pub fn release(&mut self, frame: FrameId) {
        self.network.wires.frames.release(frame);
    }

    /// Gives a frame of its own to the wire. What the wire does not take is traced and gone.
    pub fn send(&mut self, port: u16, frame: FrameId) {
        self.network.transmit(self.node, port, frame);
    }

    /// Sends a frame that came in, as it is; the reference that came with the call is not used up.
    #[inline]
    pub fn forward(&mut self, port: u16, frame: FrameId) {
        self.hold(frame);
        self.send(port, frame);
    }

    /// Asks to be woken; cannot be taken back, see [`Timer`].
    pub fn wake(&mut self, at: Time, token: u64) {
        self.network.wires.wake(self.node, at, token);
    }

    /// Asks to be woken after a while.
    pub fn wake_after(&mut self, span: Span, token: u64) {
        self.wake(self.now() + span, token);
    }

    /// Whether what happens is recorded. What is costly to say need not be said otherwise.
    pub fn is_traced(&self) -> bool {
        self.network.wires.trace.is_on()
    }

    /// Records that something happened here; [`TraceEvent::NO_PORT`] and [`FrameId::NONE`] where there is none.
    #[inline]
    pub fn trace(&mut self, port: u16, verb: Verb, reason: Reason, frame: FrameId) {
        self.trace_value(port, verb, reason, frame, 0);
    }

    /// With a number.
    #[inline]
    pub fn trace_value(&mut self, port: u16, verb: Verb, reason: Reason, frame: FrameId, value: u32) {
        self.network.wires.record(self.node, port, verb, reason, frame, value);
    }

    /// With more to say, which is asked for only if it is recorded.
    pub fn trace_with(&mut self, port: u16, verb: Verb, reason: Reason, frame: FrameId, detail: impl FnOnce() -> Detail) {
        if self.is_traced() {
            let event = self.network.wires.event(self.node, port, verb, reason, frame, 0);
            let wires = &mut self.network.wires;
            wires.trace.record_with(event, detail(), &mut wires.frames);
        }
    }

    /// With a sentence.
    pub fn trace_text(&mut self, port: u16, verb: Verb, reason: Reason, frame: FrameId, text: impl FnOnce() -> String) {
        self.trace_with(port, verb, reason, frame, || Detail::Text(text().into_boxed_str()));
    }

    /// Records something about the node as a whole.
    pub fn note(&mut self, verb: Verb, reason: Reason, text: impl FnOnce() -> String) {
        self.trace_text(TraceEvent::NO_PORT, verb, reason, FrameId::NONE, text);
    }

    /// What was recorded so far.
    pub fn recorded(&self) -> &Trace {
        &self.network.wires.trace
    }
}
