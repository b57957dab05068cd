//! What a shared medium is: stations on it hear each other and must take turns.

use std::any::Any;
use std::sync::Arc;

use crate::frame::FrameId;
use crate::node::NodeId;
use crate::wires::Wires;

/// A medium that several ports share.
pub trait Medium: Any {
    /// A port is connected at a position, in nanoseconds of propagation from one end (a bus) or from the hub (a star).
    /// Returns its number.
    fn attach(&mut self, node: NodeId, port: u16, position: u64) -> u32;

    /// A station wants to send a frame; the reference goes over.
    fn transmit(&mut self, wires: &mut Wires, station: u32, frame: FrameId);

    /// Something that it scheduled with [`Wires::call_medium`] is due.
    fn on_event(&mut self, wires: &mut Wires, first: u32, second: u32);

    /// The ports of a group that it delivered to by [`Wires::deliver_to_group`].
    fn hearers(&self, group: u32) -> Arc<[(NodeId, u16)]>;

    /// Bits per second.
    fn rate(&self) -> u64;

    /// Frames that wait at a station, the one being sent included.
    fn queued(&self, station: u32) -> usize;
}
