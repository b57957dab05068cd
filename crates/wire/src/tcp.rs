//! TCP headers and options (RFC 9293; window scale and timestamps: RFC 7323; SACK: RFC 2018).

use std::fmt;
use std::net::IpAddr;

use crate::checksum::Sum;
use crate::protocol;
use crate::read::{Malformed, split, u16_at, u32_at};

/// The flags of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u8);

#[expect(missing_docs, reason = "RFC 9293 and RFC 3168 name them")]
impl Flags {
    pub const FIN: Flags = Flags(0x01);
    pub const SYN: Flags = Flags(0x02);
    pub const RST: Flags = Flags(0x04);
    pub const PSH: Flags = Flags(0x08);
    pub const ACK: Flags = Flags(0x10);
    pub const URG: Flags = Flags(0x20);
    pub const ECE: Flags = Flags(0x40);
    pub const CWR: Flags = Flags(0x80);

    /// True when all of `flags` are set.
    pub const fn has(self, flags: Flags) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, flags: Flags) -> Flags {
        Flags(self.0 | flags.0)
    }
}

impl fmt::Display for Flags {
    /// As tcpdump: `S`, `S.`, `P.`, `F.`, `R`; `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("none");
        }
        for (flag, letter) in [
            (Flags::FIN, "F"),
            (Flags::SYN, "S"),
            (Flags::RST, "R"),
            (Flags::PSH, "P"),
            (Flags::ACK, "."),
            (Flags::URG, "U"),
            (Flags::ECE, "E"),
            (Flags::CWR, "W"),
        ] {
            if self.has(flag) {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

/// An option.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TcpOption {
    /// Kind 2: largest segment the sender takes, bytes; in a SYN.
    MaximumSegmentSize(u16),
    /// Kind 3: the window counts in units of two to this power; in a SYN.
    WindowScale(u8),
    /// Kind 4: the sender understands SACK; in a SYN.
    SackPermitted,
    /// Kind 5: received beyond the acknowledged, from (included) to (excluded).
    Sack(Vec<(u32, u32)>),
    /// Kind 8: the sender's clock, and the last of the receiver's that it saw.
    Timestamps(u32, u32),
    /// Any other, with its kind (2 and more).
    Other(u8, Vec<u8>),
}

/// A TCP header. The checksum is the segment's and computed by [`Tcp::emit`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tcp {
    /// Of the sender.
    pub source_port: u16,
    /// Of the receiver.
    pub destination_port: u16,
    /// Number of the first byte.
    pub sequence: u32,
    /// Number of the next byte that is expected.
    pub acknowledgement: u32,
    /// Flags.
    pub flags: Flags,
    /// Bytes that the sender takes, before scaling.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Options, at most 40 bytes of them.
    pub options: Vec<TcpOption>,
}

impl Tcp {
    /// Bytes of a header without options.
    pub const LENGTH: usize = 20;

    /// The maximum segment size option.
    pub fn maximum_segment_size(&self) -> Option<u16> {
        self.options.iter().find_map(|option| match option {
            TcpOption::MaximumSegmentSize(size) => Some(*size),
            _ => None,
        })
    }

    /// Reads a segment: the header and the payload. Options that do not fit end the list.
    pub fn parse(bytes: &[u8]) -> Result<(Tcp, &[u8]), Malformed> {
        let (fixed, _) = split("TCP", bytes, Tcp::LENGTH)?;
        let length = usize::from(fixed[12] >> 4) * 4;
        if length < Tcp::LENGTH {
            return Err(Malformed::Field { header: "TCP", field: "header length", value: length as u32 });
        }
        let (header, payload) = split("TCP", bytes, length)?;
        let tcp = Tcp {
            source_port: u16_at(header, 0),
            destination_port: u16_at(header, 2),
            sequence: u32_at(header, 4),
            acknowledgement: u32_at(header, 8),
            flags: Flags(header[13]),
            window: u16_at(header, 14),
            urgent: u16_at(header, 18),
            options: options(&header[Tcp::LENGTH..]),
        };
        Ok((tcp, payload))
    }

    /// Appends the segment. Options over the format's 40 bytes are left out.
    pub fn emit(&self, source: IpAddr, destination: IpAddr, payload: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let mut header = [0; Tcp::LENGTH];
        header[..2].copy_from_slice(&self.source_port.to_be_bytes());
        header[2..4].copy_from_slice(&self.destination_port.to_be_bytes());
        header[4..8].copy_from_slice(&self.sequence.to_be_bytes());
        header[8..12].copy_from_slice(&self.acknowledgement.to_be_bytes());
        header[13] = self.flags.0;
        header[14..16].copy_from_slice(&self.window.to_be_bytes());
        header[18..].copy_from_slice(&self.urgent.to_be_bytes());
        out.extend_from_slice(&header);
        for option in &self.options {
            let before = out.len();
            emit_option(option, out);
            if out.len() - start > 60 {
                out.truncate(before);
                break;
            }
        }
        // Kind 0 ends the list and pads.
        out.resize(start + (out.len() - start).next_multiple_of(4), 0);
        out[start + 12] = ((out.len() - start) / 4) as u8 * 16;
        out.extend_from_slice(payload);
        let sum = Sum::new().pseudo_header(source, destination, protocol::TCP, out.len() - start);
        let checksum = sum.with(&out[start..]).finish();
        out[start + 16..start + 18].copy_from_slice(&checksum.to_be_bytes());
    }

    /// The segment alone.
    pub fn segment(&self, source: IpAddr, destination: IpAddr, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(Tcp::LENGTH + payload.len());
        self.emit(source, destination, payload, &mut out);
        out
    }
}

fn options(mut bytes: &[u8]) -> Vec<TcpOption> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    let mut found = Vec::new();
    loop {
        match bytes {
            [] | [END, ..] => return found,
            [NO_OPERATION, rest @ ..] => bytes = rest,
            [kind, length, ..] => {
                let Some((option, rest)) = bytes.split_at_checked(usize::from(*length)).filter(|_| *length >= 2) else {
                    return found;
                };
                let value = &option[2..];
                found.push(match (*kind, value.len()) {
                    (2, 2) => TcpOption::MaximumSegmentSize(u16_at(value, 0)),
                    (3, 1) => TcpOption::WindowScale(value[0]),
                    (4, 0) => TcpOption::SackPermitted,
                    (5, length) if length > 0 && length % 8 == 0 => {
                        TcpOption::Sack(value.chunks_exact(8).map(|block| (u32_at(block, 0), u32_at(block, 4))).collect())
                    }
                    (8, 8) => TcpOption::Timestamps(u32_at(value, 0), u32_at(value, 4)),
                    _ => TcpOption::Other(*kind, value.to_vec()),
                });
                bytes = rest;
            }
            [_] => return found,
        }
    }
}

fn emit_option(option: &TcpOption, out: &mut Vec<u8>) {
    let mut put = |kind: u8, value: &[u8]| {
        // A longer option would not fit into the header, and is left out by the caller.
        let length = u8::try_from(value.len() + 2).unwrap_or(u8::MAX);
        out.extend_from_slice(&[kind, length]);
        out.extend_from_slice(value);
    };
    match option {
        TcpOption::MaximumSegmentSize(size) => put(2, &size.to_be_bytes()),
        TcpOption::WindowScale(shift) => put(3, &[*shift]),
        TcpOption::SackPermitted => put(4, &[]),
        TcpOption::Sack(blocks) => {
            let bytes: Vec<u8> = blocks.iter().flat_map(|(from, to)| [from.to_be_bytes(), to.to_be_bytes()].concat()).collect();
            put(5, &bytes);
        }
        TcpOption::Timestamps(value, echo) => put(8, &[value.to_be_bytes(), echo.to_be_bytes()].concat()),
        TcpOption::Other(kind, value) => put(*kind, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::segment_is_valid;
    use proptest::prelude::*;

    #[test]
    fn a_syn_has_the_layout_of_rfc_9293() {
        let syn = Tcp {
            source_port: 40000,
            destination_port: 443,
            sequence: 1,
            acknowledgement: 0,
            flags: Flags::SYN,
            window: 64240,
            urgent: 0,
            options: vec![TcpOption::MaximumSegmentSize(8961), TcpOption::SackPermitted, TcpOption::WindowScale(7)],
        };
        let segment = syn.segment([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), &[]);
        let mut expected = vec![0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x80, 2, 0xfa, 0xf0, 0, 0, 0, 0];
        expected.extend_from_slice(&[2, 4, 0x23, 0x01, 4, 2, 3, 3, 7, 0, 0, 0]);
        expected[16..18].copy_from_slice(&segment[16..18]);
        assert_eq!(segment, expected);
        assert!(segment_is_valid([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), protocol::TCP, &segment));
    }

    #[test]
    fn flags_read_like_tcpdump() {
        let text = |flags: Flags| flags.to_string();
        assert_eq!(
            [text(Flags::SYN), text(Flags::SYN.with(Flags::ACK)), text(Flags::PSH.with(Flags::ACK)), text(Flags(0))],
            ["S", "S.", "P.", "none"]
        );
    }

    #[test]
    fn a_broken_option_ends_the_list() {
        assert_eq!(options(&[1, 3, 3, 7, 2, 0, 5, 180]), [TcpOption::WindowScale(7)]);
        assert_eq!(options(&[2, 40, 5, 180]), []);
        assert_eq!(options(&[4]), []);
    }

    fn option() -> impl Strategy<Value = TcpOption> {
        prop_oneof![
            any::<u16>().prop_map(TcpOption::MaximumSegmentSize),
            any::<u8>().prop_map(TcpOption::WindowScale),
            Just(TcpOption::SackPermitted),
            any::<[(u32, u32); 1]>().prop_map(|blocks| TcpOption::Sack(blocks.to_vec())),
            any::<(u32, u32)>().prop_map(|(value, echo)| TcpOption::Timestamps(value, echo)),
            (30u8.., any::<[u8; 3]>()).prop_map(|(kind, value)| TcpOption::Other(kind, value.to_vec())),
        ]
    }

    proptest! {
        #[test]
        fn a_segment_comes_back_with_a_good_checksum(
            ports: (u16, u16), numbers: (u32, u32), flags: u8, window: u16, urgent: u16,
            options in prop::collection::vec(option(), 0..4), payload: Vec<u8>,
        ) {
            let (source, destination): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
            let header = Tcp {
                source_port: ports.0, destination_port: ports.1, sequence: numbers.0, acknowledgement: numbers.1,
                flags: Flags(flags), window, urgent, options,
            };
            let segment = header.segment(source, destination, &payload);
            prop_assert!(segment_is_valid(source, destination, protocol::TCP, &segment));
            prop_assert_eq!(Tcp::parse(&segment), Ok((header, &payload[..])));
        }

        #[test]
        fn reading_never_panics(bytes: Vec<u8>) {
            let _ = Tcp::parse(&bytes);
        }
    }
}
