//! Flow logs: what engines saw at interfaces, and the records that come of it (FL-1 … FL-14). Pure.
//!
//! An engine hands over a [`Harvest`] from time to time; a [`Logger`] counts it in the windows of each flow log and makes
//! [`Record`]s of windows that are over. Where records are kept is `control`'s.

mod logger;
mod place;
mod record;

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::NetworkInterfaceId;
use serde::{Deserialize, Serialize};

use crate::reason::Direction;

pub use logger::{Batch, Logger};
pub(crate) use logger::watched;
pub use place::Place;
pub use record::{Flow, Line, MalformedRecord, Record, Status};

/// What groups and lists made of packets (FL-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    /// Both let them pass.
    Accept,
    /// One of them stopped them.
    Reject,
}

impl Action {
    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "ACCEPT",
            Self::Reject => "REJECT",
        }
    }
}

/// Packets that are counted together (FL-3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlowKey {
    /// Seen from the interface.
    pub direction: Direction,
    /// What became of them.
    pub action: Action,
    /// Source as the packet had it there.
    pub source: IpAddr,
    /// Destination as the packet had it there.
    pub destination: IpAddr,
    /// Protocol number.
    pub protocol: u8,
    /// Source port; 0 where the protocol has none (FL-8).
    pub source_port: u16,
    /// Destination port, likewise.
    pub destination_port: u16,
}

/// What passed or was stopped at an interface, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The interface.
    pub interface: NetworkInterfaceId,
    /// Which packets.
    pub flow: FlowKey,
    /// How many.
    pub packets: u64,
    /// Their bytes, IP headers included.
    pub bytes: u64,
    /// Their TCP flags as [`recorded_flags`] makes them, all together.
    pub tcp_flags: u8,
}

/// What an engine saw since it was asked before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harvest {
    /// Everything that was counted.
    pub sightings: Vec<Sighting>,
    /// Interfaces at which packets passed that could not be counted.
    pub lost: BTreeSet<NetworkInterfaceId>,
}

/// The flag byte of a TCP header as records have it (FL-11): FIN 1, SYN 2, RST 4; ACK counts with SYN only.
pub fn recorded_flags(flags: u8) -> u8 {
    const ENDS: u8 = 0x01 | 0x02 | 0x04;
    const SYN_ACK: u8 = 0x12;
    let acknowledges = if flags & SYN_ACK == SYN_ACK { 0x10 } else { 0 };
    flags & ENDS | acknowledges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_recorded_as_fl_11_says() {
        let (fin, syn, rst, psh, ack) = (1, 2, 4, 8, 16);
        for (flags, recorded) in [(syn, 2), (syn | ack, 18), (ack, 0), (psh | ack, 0), (fin | ack, 1), (rst | ack, 4), (rst, 4)] {
            assert_eq!(recorded_flags(flags), recorded, "{flags:#x}");
        }
        assert_eq!(recorded_flags(syn) | recorded_flags(fin | ack), 3);
        assert_eq!(recorded_flags(syn | ack) | recorded_flags(fin | ack), 19);
    }
}
