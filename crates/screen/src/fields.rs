//! Which bytes of a header a field is in.

use std::ops::Range;

use sim::view::unit::Unit;

/// Fields of headers: protocol, field, first byte and the one behind the last, within the header.
const PLACES: &[(&str, &str, usize, usize)] = &[
    // IEEE 802.3
    ("ethernet", "destination", 0, 6),
    ("ethernet", "source", 6, 12),
    ("ethernet", "VLAN", 14, 16),
    // RFC 826
    ("arp", "operation", 6, 8),
    ("arp", "sender MAC", 8, 14),
    ("arp", "sender", 14, 18),
    ("arp", "target MAC", 18, 24),
    ("arp", "target", 24, 28),
    // RFC 791
    ("ipv4", "header length", 0, 1),
    ("ipv4", "total length", 2, 4),
    ("ipv4", "identification", 4, 6),
    ("ipv4", "flags", 6, 7),
    ("ipv4", "fragment offset", 6, 8),
    ("ipv4", "TTL", 8, 9),
    ("ipv4", "protocol", 9, 10),
    ("ipv4", "header checksum", 10, 12),
    ("ipv4", "source", 12, 16),
    ("ipv4", "destination", 16, 20),
    ("ipv4", "options", 20, 60),
    // RFC 8200
    ("ipv6", "flow label", 1, 4),
    ("ipv6", "payload length", 4, 6),
    ("ipv6", "next header", 6, 7),
    ("ipv6", "hop limit", 7, 8),
    ("ipv6", "source", 8, 24),
    ("ipv6", "destination", 24, 40),
    // RFC 792
    ("icmp", "type", 0, 1),
    ("icmp", "code", 1, 2),
    ("icmp", "checksum", 2, 4),
    ("icmp", "identifier", 4, 6),
    ("icmp", "sequence number", 6, 8),
    ("icmp", "next-hop MTU", 6, 8),
    ("icmp", "gateway", 4, 8),
    // RFC 4443
    ("icmpv6", "type", 0, 1),
    ("icmpv6", "code", 1, 2),
    ("icmpv6", "checksum", 2, 4),
    ("icmpv6", "identifier", 4, 6),
    ("icmpv6", "sequence number", 6, 8),
    ("icmpv6", "MTU", 4, 8),
    // RFC 9293
    ("tcp", "source port", 0, 2),
    ("tcp", "destination port", 2, 4),
    ("tcp", "sequence", 4, 8),
    ("tcp", "acknowledgement", 8, 12),
    ("tcp", "flags", 13, 14),
    ("tcp", "window", 14, 16),
    ("tcp", "checksum", 16, 18),
    ("tcp", "options", 20, 60),
    // RFC 768
    ("udp", "source port", 0, 2),
    ("udp", "destination port", 2, 4),
    ("udp", "length", 4, 6),
    ("udp", "checksum", 6, 8),
    // RFC 1662
    ("ppp", "address", 0, 1),
    ("ppp", "control", 1, 2),
    ("ppp", "protocol", 2, 4),
    ("hdlc", "address", 0, 1),
    ("hdlc", "type", 2, 4),
];

/// Bytes of the frame that a field is in; the whole of its unit where nobody knows better.
pub fn place(unit: &Unit, field: &str) -> Range<usize> {
    let end = unit.start + unit.length;
    // The type, or the length, closes a frame's header, whether a tag is in it or not.
    if unit.protocol == "ethernet" && (field == "type" || field == "length") {
        return end - 2..end;
    }
    match PLACES.iter().find(|(protocol, name, _, _)| (*protocol, *name) == (unit.protocol, field)) {
        Some((_, _, first, behind)) if unit.start + first < end => unit.start + first..(unit.start + behind).min(end),
        _ => unit.start..end,
    }
}
