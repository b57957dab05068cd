//! TCP: one connection without I/O, every number of which can be looked at (RFC 9293, 7323, 6298, 5681, 6582, 6675, 5961).
//!
//! A [`Connection`] takes segments, timers and the user's calls, and gives segments when polled: after each call that
//! changes it, poll until there is none, and read when its next timer is due. Addresses, ports in use, listeners and their
//! backlogs belong to the host. Same calls at the same times, same segments.
//!
//! Start at [`Connection`]; [`View`] is what can be seen of it, [`Events`] what happened.

mod buffer;
mod congestion;
mod connection;
mod event;
mod input;
mod output;
mod ranges;
mod reassembly;
mod receive;
mod ring;
mod rto;
mod scoreboard;
mod segment;
mod sequence;
mod state;
mod terms;
mod timer;
mod view;

pub use buffer::{pattern, pattern_byte};
pub use congestion::Phase;
pub use connection::Connection;
pub use event::{Event, Events};
pub use segment::{Again, Outgoing, Purpose, Segment, reset_for};
pub use sequence::Sequence;
pub use state::{Error, State};
pub use terms::{KeepAlive, LEAST_SEGMENT, Terms};
pub use timer::Unreachable;
pub use view::View;

/// The largest factor of a window is two to this power (RFC 7323 2.3).
const MAXIMUM_SHIFT: u8 = 14;
