//! ICMP errors: which packet of ours one is about, and how ping and traceroute put it.

use std::net::{Ipv4Addr, Ipv6Addr};

use wire::{Icmpv4, Icmpv6, Ipv4, Ipv6, protocol};

/// What an ICMP error quotes: the header of the packet it is about and the start of its payload.
pub(crate) fn quoted(message: &Icmpv4) -> Option<(Ipv4, Vec<u8>)> {
    // RFC 792 asks for 8 bytes behind the header only, so the quoted packet is shorter than its header says.
    let (header, rest) = Ipv4::parse(message.quoted()?).ok()?;
    Some((header, rest.to_vec()))
}

/// The identifier and sequence number of a quoted echo request to `target`.
pub(crate) fn quoted_echo(message: &Icmpv4, target: Ipv4Addr) -> Option<(u16, u16)> {
    let (header, rest) = quoted(message)?;
    if header.protocol != protocol::ICMP || header.destination != target || rest.first() != Some(&8) {
        return None;
    }
    let half = |at: usize| rest.get(at..at + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    Some((half(4)?, half(6)?))
}

/// The same of ICMPv6.
pub(crate) fn quoted_echo_v6(message: &Icmpv6, target: Ipv6Addr) -> Option<(u16, u16)> {
    let (header, rest) = Ipv6::parse(message.quoted()?).ok()?;
    if header.next_header != protocol::ICMPV6 || header.destination != target || rest.first() != Some(&128) {
        return None;
    }
    let half = |at: usize| rest.get(at..at + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    Some((half(4)?, half(6)?))
}

/// The sentence that ping prints of an error of ICMPv6.
pub(crate) fn sentence_v6(message: &Icmpv6) -> String {
    match message {
        Icmpv6::Unreachable { code, .. } => {
            let known = match code {
                0 => "No route",
                1 => "Administratively prohibited",
                2 => "Beyond scope of source address",
                3 => "Address unreachable",
                4 => "Port unreachable",
                _ => return format!("Destination unreachable: Unknown code {code}"),
            };
            format!("Destination unreachable: {known}")
        }
        Icmpv6::PacketTooBig { mtu, .. } => format!("Packet too big: mtu={mtu}"),
        Icmpv6::TimeExceeded { code: 0, .. } => "Time exceeded: Hop limit".to_owned(),
        Icmpv6::TimeExceeded { .. } => "Time exceeded: Defragmentation failure".to_owned(),
        Icmpv6::Echo { .. } => "Echo".to_owned(),
        Icmpv6::Other { kind, code, .. } => format!("unknown icmp type: {kind} code: {code}"),
    }
}

/// The ports of a quoted TCP or UDP packet to `target`.
pub(crate) fn quoted_ports(message: &Icmpv4, protocol: u8, target: Ipv4Addr) -> Option<(u16, u16)> {
    let (header, rest) = quoted(message)?;
    if header.protocol != protocol || header.destination != target {
        return None;
    }
    let half = |at: usize| rest.get(at..at + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    Some((half(0)?, half(2)?))
}

/// The sentence that ping prints.
pub(crate) fn sentence(message: &Icmpv4) -> String {
    match message {
        Icmpv4::Unreachable { code: 4, mtu, .. } => format!("Frag needed and DF set (mtu = {mtu})"),
        Icmpv4::Unreachable { code, .. } => {
            let known = match code {
                0 => "Destination Net Unreachable",
                1 => "Destination Host Unreachable",
                2 => "Destination Protocol Unreachable",
                3 => "Destination Port Unreachable",
                5 => "Source Route Failed",
                6 => "Destination Net Unknown",
                7 => "Destination Host Unknown",
                8 => "Source Host Isolated",
                9 => "Destination Net Prohibited",
                10 => "Destination Host Prohibited",
                11 => "Destination Net Unreachable for Type of Service",
                12 => "Destination Host Unreachable for Type of Service",
                13 => "Packet filtered",
                14 => "Precedence Violation",
                15 => "Precedence Cutoff",
                _ => return format!("Dest Unreachable, Bad Code: {code}"),
            };
            known.to_owned()
        }
        Icmpv4::TimeExceeded { code: 0, .. } => "Time to live exceeded".to_owned(),
        Icmpv4::TimeExceeded { code: 1, .. } => "Frag reassembly time exceeded".to_owned(),
        Icmpv4::Redirect { gateway, .. } => format!("Redirect Host(New nexthop: {gateway})"),
        other => {
            let (kind, code) = other.kind();
            format!("Bad ICMP type: {kind} code: {code}")
        }
    }
}

/// The mark that traceroute puts behind a time, for an unreachable destination; none for a port's.
pub(crate) fn mark(code: u8, mtu: u16) -> Option<String> {
    Some(match code {
        0 | 6 | 11 => "!N".to_owned(),
        1 | 7 | 8 | 12 => "!H".to_owned(),
        2 => "!P".to_owned(),
        3 => return None,
        4 => format!("!F-{mtu}"),
        5 => "!S".to_owned(),
        9 | 10 | 13 => "!X".to_owned(),
        14 => "!V".to_owned(),
        15 => "!C".to_owned(),
        other => format!("!<{other}>"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);

    /// An error that quotes the header and 8 bytes of a packet, as RFC 792 asks.
    fn quoting(protocol: u8, start: [u8; 8]) -> Icmpv4 {
        let mut packet = Ipv4::new([10, 0, 0, 1].into(), TARGET, protocol).packet(&[start.to_vec(), vec![0; 40]].concat());
        packet.truncate(28);
        Icmpv4::TimeExceeded { code: 0, quoted: packet }
    }

    #[test]
    fn an_error_belongs_to_the_probe_it_quotes() {
        let echo = quoting(protocol::ICMP, [8, 0, 0, 0, 0x12, 0x34, 0, 7]);
        assert_eq!(quoted_echo(&echo, TARGET), Some((0x1234, 7)));
        assert_eq!(quoted_echo(&echo, Ipv4Addr::LOCALHOST), None, "another target");
        assert_eq!(quoted_echo(&quoting(protocol::ICMP, [0, 0, 0, 0, 0x12, 0x34, 0, 7]), TARGET), None, "a reply");
        let udp = quoting(protocol::UDP, [0x9c, 0x40, 0x82, 0x9a, 0, 8, 0, 0]);
        assert_eq!(quoted_ports(&udp, protocol::UDP, TARGET), Some((40_000, 33_434)));
        assert_eq!(quoted_ports(&udp, protocol::TCP, TARGET), None);
        assert_eq!(quoted_echo(&udp, TARGET), None);
    }

    #[test]
    fn errors_are_put_as_iputils_puts_them() {
        let unreachable = |code, mtu| Icmpv4::Unreachable { code, mtu, quoted: Vec::new() };
        for (message, expected) in [
            (unreachable(1, 0), "Destination Host Unreachable"),
            (unreachable(4, 1500), "Frag needed and DF set (mtu = 1500)"),
            (unreachable(13, 0), "Packet filtered"),
            (unreachable(99, 0), "Dest Unreachable, Bad Code: 99"),
            (Icmpv4::TimeExceeded { code: 0, quoted: Vec::new() }, "Time to live exceeded"),
        ] {
            assert_eq!(sentence(&message), expected);
        }
        assert_eq!((mark(3, 0), mark(1, 0), mark(4, 1400)), (None, Some("!H".to_owned()), Some("!F-1400".to_owned())));
    }
}
