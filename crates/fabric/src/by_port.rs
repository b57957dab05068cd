//! Rules of a long list by the destination ports, or the ICMP types and codes, that they speak of: of a list of thousands
//! only those are looked at that may fit a packet. Start at [`ByPort::candidates`].

use std::collections::BTreeMap;

use model::TrafficMatch;
use model::traffic::protocol;

use crate::packet::Header;

/// Shorter lists are read from end to end: that is faster.
const LONG: usize = 64;
/// Numbers of one protocol: 0 to 65,535.
const NUMBERS: u32 = 1 << 16;

/// Positions in a list of rules. A range of numbers is in at most 32 nodes of a binary tree over all numbers (node 1 holds
/// all, node `n` the halves `2n` and `2n + 1`), and a number under 17.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ByPort {
    /// By protocol and node, ascending.
    nodes: BTreeMap<(u8, u32), Vec<u32>>,
    /// Rules that no range of numbers says, ascending; all rules of a short list are read instead.
    rest: Vec<u32>,
    is_long: bool,
}

impl ByPort {
    /// Of a list's rules, in order.
    pub(crate) fn of(rules: impl ExactSizeIterator<Item = TrafficMatch>) -> Self {
        let mut index = Self { is_long: rules.len() > LONG, ..Self::default() };
        if index.is_long {
            // No more rules fit in memory than in 32 bits.
            rules.enumerate().for_each(|(position, traffic)| index.insert(position as u32, traffic));
        }
        index
    }

    fn insert(&mut self, position: u32, traffic: TrafficMatch) {
        let Some((number, from, to)) = range(traffic) else { return self.rest.push(position) };
        let (mut low, mut high) = (NUMBERS + u32::from(from), NUMBERS + u32::from(to) + 1);
        while low < high {
            if low % 2 == 1 {
                self.nodes.entry((number, low)).or_default().push(position);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                self.nodes.entry((number, high)).or_default().push(position);
            }
            (low, high) = (low / 2, high / 2);
        }
    }

    /// Positions of all rules whose protocol part may fit a packet, ascending; `None` where the whole list is to be read.
    pub(crate) fn candidates(&self, header: &Header) -> Option<impl Iterator<Item = u32> + '_> {
        if !self.is_long {
            return None;
        }
        let of_message = || header.icmp().map(|(icmp_type, code)| u16::from_be_bytes([icmp_type, code]));
        let number = header.destination_port().or_else(of_message);
        let mut node = number.map_or(0, |number| NUMBERS + u32::from(number));
        let mut lists = vec![self.rest.as_slice()];
        while node > 0 {
            lists.extend(self.nodes.get(&(header.protocol(), node)).map(Vec::as_slice));
            node /= 2;
        }
        Some(std::iter::from_fn(move || {
            let next = lists.iter().filter_map(|list| list.first()).min().copied()?;
            // A rule is in one node above a number at most.
            let list = lists.iter_mut().find(|list| list.first() == Some(&next))?;
            *list = &list[1..];
            Some(next)
        }))
    }
}

/// A protocol and the first and last of its numbers that a rule speaks of; `None` for what no range says.
fn range(traffic: TrafficMatch) -> Option<(u8, u16, u16)> {
    match traffic {
        TrafficMatch::Tcp(ports) => Some((protocol::TCP, ports.from, ports.to)),
        TrafficMatch::Udp(ports) => Some((protocol::UDP, ports.from, ports.to)),
        TrafficMatch::Icmp(wanted) | TrafficMatch::Icmpv6(wanted) => {
            let (first, last) = match (wanted.icmp_type, wanted.code) {
                (Some(icmp_type), Some(code)) => ([icmp_type, code], [icmp_type, code]),
                (Some(icmp_type), None) => ([icmp_type, 0], [icmp_type, u8::MAX]),
                (None, None) => ([0, 0], [u8::MAX, u8::MAX]),
                (None, Some(_)) => return None,
            };
            Some((traffic.protocol()?, u16::from_be_bytes(first), u16::from_be_bytes(last)))
        }
        TrafficMatch::All | TrafficMatch::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use model::{IcmpMatch, PortRange};

    use super::*;
    use crate::packet::{Segment, Transport};

    fn header(transport: Transport) -> Header {
        let any = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        Header { source: any, destination: any, transport }
    }

    fn tcp(destination_port: u16) -> Header {
        header(Transport::Tcp { source_port: 1_024, destination_port, segment: Segment::Syn })
    }

    #[test]
    fn no_rule_that_fits_is_left_out_and_the_order_is_that_of_the_list() {
        let mut random = 11_u64;
        let mut below = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        let rules: Vec<TrafficMatch> = (0..600)
            .map(|_| {
                let (a, b) = ((below(70) * 997) as u16, (below(70) * 997) as u16);
                let ports = PortRange { from: a.min(b), to: a.max(b) };
                let icmp_type = (below(3) > 0).then_some(below(6) as u8);
                let wanted = IcmpMatch { icmp_type, code: (below(2) > 0).then_some(below(4) as u8) };
                match below(9) {
                    0 => TrafficMatch::All,
                    1 => TrafficMatch::Other([6, 17, 47, 58][below(4) as usize]),
                    2 | 3 => TrafficMatch::Icmp(wanted),
                    4 => TrafficMatch::Icmpv6(wanted),
                    5 => TrafficMatch::Udp(ports),
                    6 => TrafficMatch::Tcp(PortRange::one(a)),
                    _ => TrafficMatch::Tcp(ports),
                }
            })
            .collect();
        let index = ByPort::of(rules.iter().copied());
        let mut packets: Vec<Header> = (0..=u16::MAX).step_by(331).chain([u16::MAX]).map(tcp).collect();
        packets.extend((0..40).map(|n| header(Transport::Udp { source_port: 1, destination_port: n * 997 })));
        packets.extend((0..24).map(|n| header(Transport::Icmp { icmp_type: n / 4, code: n % 4, identifier: 0 })));
        packets.extend([6, 17, 1, 47, 58].map(|protocol| header(Transport::Other { protocol })));
        for packet in packets {
            let found: Vec<u32> = index.candidates(&packet).expect("a long list").collect();
            assert!(found.is_sorted_by(|a, b| a < b), "{packet:?}");
            let fit = |position: &u32| packet.fits(rules[*position as usize]);
            let wanted: Vec<u32> = (0..600).filter(fit).collect();
            assert_eq!(found.iter().copied().filter(fit).collect::<Vec<_>>(), wanted, "{packet:?}");
        }
    }

    #[test]
    fn of_a_long_list_one_packet_sees_the_few_rules_that_speak_of_its_port() {
        let rules: Vec<TrafficMatch> = (1..=40_000).map(|port| TrafficMatch::Tcp(PortRange::one(port))).collect();
        let index = ByPort::of(rules.iter().copied());
        let looked_at: usize = (0..=u16::MAX).map(|port| index.candidates(&tcp(port)).expect("a long list").count()).sum();
        assert_eq!(looked_at, 40_000, "a reading of the whole list for each port looks at 2.6 thousand million");
        assert!(ByPort::of(rules[..LONG].iter().copied()).candidates(&tcp(1)).is_none());
    }
}
