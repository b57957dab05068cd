//! The header that a packet gets on a link: Ethernet's, that of PPP (RFC 1661) or that of Cisco's HDLC.

use std::net::IpAddr;

use wire::{EtherType, Mac};

use crate::link::Framing;
use crate::trace::Reason;

use super::packet::word;

/// Bytes of the header.
pub(crate) const fn length(framing: Framing) -> usize {
    match framing {
        Framing::Ethernet => 14,
        Framing::Ppp | Framing::Hdlc => 4,
    }
}

/// Appends a header from one address to another, which may be filled in later.
#[inline]
pub(crate) fn emit(framing: Framing, (source, destination): (Mac, Mac), is_v4: bool, out: &mut Vec<u8>) {
    match framing {
        Framing::Ethernet => {
            let mut header = [0; 14];
            header[..6].copy_from_slice(&destination.0);
            header[6..12].copy_from_slice(&source.0);
            header[12..].copy_from_slice(if is_v4 { &[0x08, 0x00] } else { &[0x86, 0xdd] });
            out.extend_from_slice(&header);
        }
        Framing::Ppp | Framing::Hdlc => {
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            readdress(framing, source, is_v4, &mut out[start..]);
        }
    }
}

/// Writes a header over another one of the same length.
pub(crate) fn readdress(framing: Framing, source: Mac, is_v4: bool, bytes: &mut [u8]) {
    let header = match (framing, is_v4) {
        (Framing::Ethernet, _) => return bytes[6..12].copy_from_slice(&source.0),
        (Framing::Ppp, true) => [0xff, 0x03, 0x00, 0x21],
        (Framing::Ppp, false) => [0xff, 0x03, 0x00, 0x57],
        (Framing::Hdlc, true) => [0x0f, 0x00, 0x08, 0x00],
        (Framing::Hdlc, false) => [0x0f, 0x00, 0x86, 0xdd],
    };
    bytes[..4].copy_from_slice(&header);
}

/// What a frame carries, and whether it was for many. Errors: it is for somebody else, or cannot be read.
pub(crate) fn read(framing: Framing, own: Mac, bytes: &[u8]) -> Result<(EtherType, bool), Reason> {
    match framing {
        Framing::Ethernet => {
            if bytes.len() < 14 {
                return Err(Reason::MalformedFrame);
            }
            let is_group = bytes[0] & 1 != 0;
            if !is_group && bytes[..6] != own.0 {
                return Err(Reason::OtherMac);
            }
            Ok((EtherType(word(bytes, 12)), is_group))
        }
        Framing::Ppp => match bytes {
            [0xff, 0x03, 0x00, 0x21, ..] => Ok((EtherType::IPV4, false)),
            [0xff, 0x03, 0x00, 0x57, ..] => Ok((EtherType::IPV6, false)),
            [0xff, 0x03, ..] => Err(Reason::ProtocolUnreachable),
            _ => Err(Reason::WrongFraming),
        },
        Framing::Hdlc => match bytes {
            [0x0f | 0x8f, 0x00, high, low, ..] => Ok((EtherType(u16::from_be_bytes([*high, *low])), false)),
            _ => Err(Reason::WrongFraming),
        },
    }
}

/// The Ethernet address of a multicast group (RFC 1112, RFC 2464) or of everybody.
pub(crate) fn group_mac(address: IpAddr) -> Mac {
    match address {
        IpAddr::V4(address) if address.is_multicast() => {
            let [_, b, c, d] = address.octets();
            Mac([0x01, 0x00, 0x5e, b & 0x7f, c, d])
        }
        IpAddr::V4(_) => Mac::BROADCAST,
        IpAddr::V6(address) => {
            let [.., a, b, c, d] = address.octets();
            Mac([0x33, 0x33, a, b, c, d])
        }
    }
}
