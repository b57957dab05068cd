//! What of an IP header counts, whichever the family.

use std::net::IpAddr;

use wire::{Ipv4, Ipv6, Malformed};

/// A header of IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// What follows, behind IPv6's extension headers.
    pub protocol: u8,
    /// Hops that are left.
    pub ttl: u8,
    /// Of IPv4.
    pub dont_fragment: bool,
    /// DSCP and ECN.
    pub class: u8,
    /// Where the payload belongs in the packet, and whether more follows; none of a packet that is whole.
    pub fragment: Option<(u16, bool)>,
    /// What all pieces of a packet have in common.
    pub identification: u32,
}

impl Header {
    /// Reads a header, and what follows it. Errors: it is neither family's.
    pub fn read(packet: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        match packet.first().map(|first| first >> 4) {
            Some(6) => Self::read_v6(packet),
            _ => Self::read_v4(packet),
        }
    }

    fn read_v4(packet: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (header, payload) = Ipv4::parse(packet)?;
        let read = Self {
            source: header.source.into(),
            destination: header.destination.into(),
            protocol: header.protocol,
            ttl: header.ttl,
            dont_fragment: header.dont_fragment,
            class: header.traffic_class,
            fragment: header.is_fragment().then_some((header.fragment_offset, header.more_fragments)),
            identification: header.identification.into(),
        };
        Ok((read, payload))
    }

    fn read_v6(packet: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (header, payload) = Ipv6::parse(packet)?;
        let upper = header.upper(payload)?;
        let read = Self {
            source: header.source.into(),
            destination: header.destination.into(),
            protocol: upper.protocol,
            ttl: header.hop_limit,
            dont_fragment: false,
            class: header.traffic_class,
            // One that is all of its packet is no fragment (RFC 6946).
            fragment: upper.fragment.filter(|piece| *piece != (0, false)),
            identification: upper.identification,
        };
        Ok((read, upper.payload))
    }

    /// Whether it is a piece of a packet.
    pub fn is_fragment(&self) -> bool {
        self.fragment.is_some()
    }

    /// Whether it is a piece without the beginning.
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|(offset, _)| offset > 0)
    }
}
