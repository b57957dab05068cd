//! Segments at the connection's border: what comes in, what goes out and why, and the RST for what nobody owns.

use serde::Serialize;
use wire::Tcp;
use wire::tcp::{Flags, TcpOption};

/// A segment that arrived, its checksum verified.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// Its header.
    pub header: &'a Tcp,
    /// Its data.
    pub payload: &'a [u8],
}

impl Segment<'_> {
    /// What it takes of the sequence space: its data, and one each for SYN and FIN.
    pub fn length(&self) -> u32 {
        let controls = u32::from(self.has(Flags::SYN)) + u32::from(self.has(Flags::FIN));
        self.payload.len() as u32 + controls
    }

    /// True if all these flags are set.
    pub fn has(&self, flags: Flags) -> bool {
        self.header.flags.has(flags)
    }
}

/// Why something is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Again {
    /// The retransmission timer ran out (RFC 6298 5.4).
    Timeout,
    /// Duplicate acknowledgements told a loss (RFC 5681 3.2).
    FastRetransmit,
    /// During recovery an acknowledgement of a part told the next loss (RFC 6582 3.2).
    PartialAcknowledgement,
    /// Blocks that arrived left a hole (RFC 6675 5).
    SelectiveAcknowledgement,
    /// The way takes shorter segments than what was sent (RFC 1191 6.4, RFC 8201 5.4).
    PathMtu,
    /// The peer's SYN came again, or crossed this one (RFC 9293 3.5): it has no answer yet.
    Synchronize,
}

/// Why a segment goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A SYN or SYN-ACK.
    Synchronize,
    /// New data, a FIN, or both.
    New,
    /// Something that was sent before.
    Retransmission(Again),
    /// A byte into a window that is closed.
    WindowProbe,
    /// A question whether the peer is there.
    KeepAlive,
    /// An acknowledgement, and nothing else.
    Acknowledgement,
    /// An RST.
    Reset,
}

/// A segment that goes out: its header here, its data with [`super::Connection::payload`] before anything else is asked
/// of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its header.
    pub header: Tcp,
    /// Why it goes out.
    pub purpose: Purpose,
    /// Bytes of data.
    pub length: u32,
    /// Where the data begins, from the first unacknowledged byte on.
    pub(super) offset: u64,
}

/// The RST for a segment that no connection and no listener owns (RFC 9293 3.10.7.1); an RST gets none.
pub fn reset_for(segment: &Segment<'_>) -> Option<Tcp> {
    let header = segment.header;
    if segment.has(Flags::RST) {
        return None;
    }
    let (sequence, acknowledgement, flags) = if segment.has(Flags::ACK) {
        (header.acknowledgement, 0, Flags::RST)
    } else {
        (0, header.sequence.wrapping_add(segment.length()), Flags::RST.with(Flags::ACK))
    };
    Some(Tcp {
        source_port: header.destination_port,
        destination_port: header.source_port,
        sequence,
        acknowledgement,
        flags,
        window: 0,
        urgent: 0,
        options: Vec::new(),
    })
}

/// What a SYN offers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Offer {
    pub mss: Option<u16>,
    pub window_scale: Option<u8>,
    pub sack: bool,
    pub timestamps: bool,
}

impl Offer {
    pub fn of(header: &Tcp) -> Self {
        let mut offer = Self::default();
        for option in &header.options {
            match *option {
                TcpOption::MaximumSegmentSize(size) => offer.mss = Some(size),
                TcpOption::WindowScale(shift) => offer.window_scale = Some(shift.min(super::MAXIMUM_SHIFT)),
                TcpOption::SackPermitted => offer.sack = true,
                TcpOption::Timestamps(..) => offer.timestamps = true,
                TcpOption::Sack(_) | TcpOption::Other(..) => {}
            }
        }
        offer
    }
}

/// The clock and the echo of a timestamps option.
pub(super) fn timestamps(header: &Tcp) -> Option<(u32, u32)> {
    header.options.iter().find_map(|option| match option {
        TcpOption::Timestamps(value, echo) => Some((*value, *echo)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(sequence: u32, acknowledgement: u32, flags: Flags) -> Tcp {
        Tcp {
            source_port: 40_000,
            destination_port: 80,
            sequence,
            acknowledgement,
            flags,
            window: 100,
            urgent: 0,
            options: vec![],
        }
    }

    #[test]
    fn the_rst_for_an_unowned_segment_is_one_that_its_sender_accepts() {
        let ack = Flags::ACK;
        let table = [
            (header(100, 0, Flags::SYN), &b""[..], Some((0, 101, Flags::RST.with(ack)))),
            (header(100, 0, Flags::FIN), b"abc", Some((0, 104, Flags::RST.with(ack)))),
            (header(100, 7, Flags::SYN.with(ack)), b"", Some((7, 0, Flags::RST))),
            (header(100, 7, ack), b"abc", Some((7, 0, Flags::RST))),
            (header(100, 0, Flags::RST), b"", None),
            (header(100, 7, Flags::RST.with(ack)), b"", None),
        ];
        for (header, payload, expected) in table {
            let reset = reset_for(&Segment { header: &header, payload });
            assert_eq!(reset.as_ref().map(|reset| (reset.sequence, reset.acknowledgement, reset.flags)), expected);
            assert!(reset.is_none_or(|reset| (reset.source_port, reset.destination_port) == (80, 40_000)));
        }
    }
}
