//! Sets of packets by protocol, destination port, and ICMP type and code: what a pair of places can say to each other.

use std::fmt;

use fabric::Family;
use fabric::packet::icmp;
use model::traffic::protocol;
use model::{IcmpMatch, ProbePacket, TrafficMatch};
use serde::{Serialize, Serializer};

use crate::intervals::Intervals;

/// A set of requests. Canonical: equal sets are equal values. Serialised as its text, such as
/// `["tcp/22,80-90", "icmp/echo"]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrafficSet {
    tcp: Intervals,
    udp: Intervals,
    /// Type in the upper, code in the lower byte.
    icmp: Intervals,
    icmpv6: Intervals,
    /// Protocol numbers other than these four.
    others: Intervals,
}

const NAMED: [u8; 4] = [
    protocol::ICMP,
    protocol::TCP,
    protocol::UDP,
    protocol::ICMPV6,
];

impl TrafficSet {
    /// No packet.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Every packet.
    pub fn all() -> Self {
        Self::of(TrafficMatch::All)
    }

    /// What the protocol part of a rule admits.
    pub fn of(traffic: TrafficMatch) -> Self {
        let mut set = Self::default();
        let everything = Intervals::range(0, u16::MAX);
        match traffic {
            TrafficMatch::All => {
                let numbers = NAMED.iter().fold(Intervals::range(0, 255), |all, n| {
                    all.difference(&one(u16::from(*n)))
                });
                set = Self {
                    tcp: everything.clone(),
                    udp: everything.clone(),
                    icmp: everything.clone(),
                    icmpv6: everything,
                    others: numbers,
                };
            }
            TrafficMatch::Tcp(ports) => set.tcp = Intervals::range(ports.from, ports.to),
            TrafficMatch::Udp(ports) => set.udp = Intervals::range(ports.from, ports.to),
            TrafficMatch::Icmp(wanted) => set.icmp = messages(wanted),
            TrafficMatch::Icmpv6(wanted) => set.icmpv6 = messages(wanted),
            TrafficMatch::Other(number) => match number {
                protocol::TCP => set.tcp = everything,
                protocol::UDP => set.udp = everything,
                protocol::ICMP => set.icmp = everything,
                protocol::ICMPV6 => set.icmpv6 = everything,
                number => set.others = one(u16::from(number)),
            },
        }
        set
    }

    /// What any of some rules' protocol parts admits.
    pub fn of_any<'t>(traffic: impl IntoIterator<Item = &'t TrafficMatch>) -> Self {
        let sets: Vec<Self> = traffic.into_iter().map(|one| Self::of(*one)).collect();
        Self::union_of(&sets)
    }

    /// What these words mean over a family: `icmp`, all of it or its echo requests, is ICMPv6's over IPv6 (RFC 4443), where
    /// no ICMP is sent.
    pub fn over(&self, family: Family) -> Self {
        let mut set = self.clone();
        if family == Family::V4 {
            return set;
        }
        let said = |wanted: IcmpMatch| {
            let wanted = messages(wanted);
            self.icmp.intersection(&wanted) == wanted
        };
        let echo = |code| IcmpMatch { icmp_type: Some(icmp::ECHO_REQUEST), code };
        let echo_v6 = |code| IcmpMatch { icmp_type: Some(icmp::V6_ECHO_REQUEST), code };
        let of_ipv6 = match () {
            () if said(IcmpMatch::default()) => messages(IcmpMatch::default()),
            () if said(echo(None)) => messages(echo_v6(None)),
            () if said(echo(Some(0))) => messages(echo_v6(Some(0))),
            () => return set,
        };
        set.icmpv6 = set.icmpv6.union(&of_ipv6);
        set.icmp = Intervals::default();
        set
    }

    /// A single packet.
    pub fn packet(packet: ProbePacket) -> Self {
        match packet {
            ProbePacket::Tcp(port) => Self {
                tcp: one(port),
                ..Self::default()
            },
            ProbePacket::Udp(port) => Self {
                udp: one(port),
                ..Self::default()
            },
            ProbePacket::Icmp { icmp_type, code } => Self {
                icmp: one(message(icmp_type, code)),
                ..Self::default()
            },
            ProbePacket::Icmpv6 { icmp_type, code } => Self {
                icmpv6: one(message(icmp_type, code)),
                ..Self::default()
            },
            ProbePacket::Other(number) => Self::of(TrafficMatch::Other(number)),
        }
    }

    /// Whether no packet is in it.
    pub fn is_empty(&self) -> bool {
        self.parts().iter().all(|part| part.is_empty())
    }

    /// Whether a packet is in it.
    pub fn contains(&self, packet: ProbePacket) -> bool {
        match packet {
            ProbePacket::Tcp(port) => self.tcp.contains(port),
            ProbePacket::Udp(port) => self.udp.contains(port),
            ProbePacket::Icmp { icmp_type, code } => self.icmp.contains(message(icmp_type, code)),
            ProbePacket::Icmpv6 { icmp_type, code } => {
                self.icmpv6.contains(message(icmp_type, code))
            }
            ProbePacket::Other(number) => !Self::of(TrafficMatch::Other(number))
                .intersection(self)
                .is_empty(),
        }
    }

    /// What is in either.
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, Intervals::union)
    }

    /// What is in any of some sets: about as much work as they are long together, where one [`Self::union`] after the
    /// other takes its square.
    pub fn union_of<'s>(sets: impl IntoIterator<Item = &'s Self>) -> Self {
        let mut parts: [Vec<(u16, u16)>; 5] = Default::default();
        for set in sets {
            parts.iter_mut().zip(set.parts()).for_each(|(all, part)| all.extend(part.iter()));
        }
        let [tcp, udp, icmp, icmpv6, others] = parts.map(Intervals::of);
        Self { tcp, udp, icmp, icmpv6, others }
    }

    /// What is in both.
    pub fn intersection(&self, other: &Self) -> Self {
        self.zip(other, Intervals::intersection)
    }

    /// What is in this one alone.
    pub fn difference(&self, other: &Self) -> Self {
        self.zip(other, Intervals::difference)
    }

    /// Whether everything in it is in the other one too.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.difference(other).is_empty()
    }

    /// The packet that stands for the set in a report: TCP before UDP before ICMP before others, the lowest port, an echo
    /// request before other messages.
    pub fn lowest(&self) -> Option<ProbePacket> {
        let first = |part: &Intervals| part.iter().next().map(|(first, _)| first);
        // Nobody sends to port 0 if another port will do.
        let port = |part: &Intervals| {
            first(&part.intersection(&Intervals::range(1, u16::MAX))).or_else(|| first(part))
        };
        let tcp = port(&self.tcp).map(ProbePacket::Tcp);
        let udp = || port(&self.udp).map(ProbePacket::Udp);
        let icmp = || {
            let [echo, other] = [message(8, 0), first(&self.icmp)?];
            let [icmp_type, code] = if self.icmp.contains(echo) {
                echo
            } else {
                other
            }
            .to_be_bytes();
            Some(ProbePacket::Icmp { icmp_type, code })
        };
        let icmpv6 = || {
            let [echo, other] = [message(128, 0), first(&self.icmpv6)?];
            let [icmp_type, code] = if self.icmpv6.contains(echo) {
                echo
            } else {
                other
            }
            .to_be_bytes();
            Some(ProbePacket::Icmpv6 { icmp_type, code })
        };
        // Protocol numbers are below 256 by construction.
        let other = || first(&self.others).map(|number| ProbePacket::Other(number as u8));
        tcp.or_else(udp)
            .or_else(icmp)
            .or_else(icmpv6)
            .or_else(other)
    }

    /// One text a protocol, as rules write it: `tcp/22,80-90`, `udp`, `icmp/echo`; `all` for everything.
    pub fn texts(&self) -> Vec<String> {
        let full = Self::all();
        if *self == full {
            return vec!["all".to_owned()];
        }
        let mut texts = Vec::new();
        for (name, part) in [("tcp", &self.tcp), ("udp", &self.udp)] {
            if part.is_empty() {
                continue;
            }
            let ports = part
                .iter()
                .map(|(first, last)| range_text(first, last))
                .collect::<Vec<_>>()
                .join(",");
            texts.push(if part.iter().eq([(0, u16::MAX)]) {
                name.to_owned()
            } else {
                format!("{name}/{ports}")
            });
        }
        for (name, part, echo) in [("icmp", &self.icmp, 8), ("icmpv6", &self.icmpv6, 128)] {
            if part.is_empty() {
                continue;
            }
            texts.push(match part.iter().eq([(0, u16::MAX)]) {
                true => name.to_owned(),
                false => format!(
                    "{name}/{}",
                    part.iter()
                        .map(|(f, l)| messages_text(f, l, echo))
                        .collect::<Vec<_>>()
                        .join(",")
                ),
            });
        }
        if self.others == full.others {
            texts.push("other protocols".to_owned());
        } else if !self.others.is_empty() {
            let numbers = self
                .others
                .iter()
                .map(|(f, l)| range_text(f, l))
                .collect::<Vec<_>>()
                .join(",");
            texts.push(format!("proto-{numbers}"));
        }
        texts
    }

    /// Its numbers by protocol: TCP, UDP, ICMP, ICMPv6, others.
    pub(crate) fn parts(&self) -> [&Intervals; 5] {
        [&self.tcp, &self.udp, &self.icmp, &self.icmpv6, &self.others]
    }

    fn zip(&self, other: &Self, with: impl Fn(&Intervals, &Intervals) -> Intervals) -> Self {
        Self {
            tcp: with(&self.tcp, &other.tcp),
            udp: with(&self.udp, &other.udp),
            icmp: with(&self.icmp, &other.icmp),
            icmpv6: with(&self.icmpv6, &other.icmpv6),
            others: with(&self.others, &other.others),
        }
    }
}

impl fmt::Display for TrafficSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.texts();
        f.pad(&if texts.is_empty() {
            "nothing".to_owned()
        } else {
            texts.join(" ")
        })
    }
}

impl Serialize for TrafficSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.texts().serialize(serializer)
    }
}

fn one(number: u16) -> Intervals {
    Intervals::range(number, number)
}

fn message(icmp_type: u8, code: u8) -> u16 {
    u16::from_be_bytes([icmp_type, code])
}

fn messages(wanted: IcmpMatch) -> Intervals {
    match (wanted.icmp_type, wanted.code) {
        (Some(icmp_type), Some(code)) => one(message(icmp_type, code)),
        (Some(icmp_type), None) => {
            Intervals::range(message(icmp_type, 0), message(icmp_type, u8::MAX))
        }
        (None, None) => Intervals::range(0, u16::MAX),
        // SG-9: no type means no code either; taken as what `IcmpMatch::matches` does.
        (None, Some(code)) => (0..=u8::MAX).fold(Intervals::default(), |all, t| {
            all.union(&one(message(t, code)))
        }),
    }
}

fn range_text(first: u16, last: u16) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

/// Messages by type, `8` for all its codes; a part of a type with its codes, `3/4`; the echo request by name.
fn messages_text(first: u16, last: u16, echo: u8) -> String {
    let ([type_from, code_from], [type_to, code_to]) = (first.to_be_bytes(), last.to_be_bytes());
    match (code_from, code_to) {
        (0, 0) if type_from == type_to && type_from == echo => "echo".to_owned(),
        (0, u8::MAX) => range_text(u16::from(type_from), u16::from(type_to)),
        _ if first == last => format!("{type_from}/{code_from}"),
        _ => format!("{type_from}/{code_from}-{type_to}/{code_to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::PortRange;

    fn tcp(from: u16, to: u16) -> TrafficSet {
        TrafficSet::of(TrafficMatch::Tcp(PortRange { from, to }))
    }

    #[test]
    fn an_echo_request_is_one_of_icmpv6_over_ipv6() {
        let over = |traffic: TrafficMatch| {
            let set = TrafficSet::of(traffic);
            assert_eq!(set.over(Family::V4), set);
            set.over(Family::V6).to_string()
        };
        let icmp = |icmp_type, code| TrafficMatch::Icmp(IcmpMatch { icmp_type, code });
        assert_eq!(over(icmp(None, None)), "icmpv6");
        assert_eq!(over(icmp(Some(8), None)), "icmpv6/128");
        assert_eq!(over(icmp(Some(8), Some(0))), "icmpv6/echo");
        assert_eq!(over(icmp(Some(13), None)), "icmp/13", "nothing of ICMPv6 is it");
        assert_eq!(over(TrafficMatch::Tcp(PortRange::one(22))), "tcp/22");
        let rest = TrafficSet::all().difference(&TrafficSet::of(icmp(None, None)));
        assert_eq!(TrafficSet::all().over(Family::V6), rest);
    }

    #[test]
    fn sets_print_as_rules_write_them() {
        let echo = TrafficSet::packet(ProbePacket::ECHO);
        for (set, text) in [
            (TrafficSet::empty(), "nothing"),
            (TrafficSet::all(), "all"),
            (tcp(0, u16::MAX), "tcp"),
            (tcp(22, 22).union(&tcp(80, 90)), "tcp/22,80-90"),
            (
                tcp(22, 22).union(&tcp(23, 25)).union(&echo),
                "tcp/22-25 icmp/echo",
            ),
            (
                TrafficSet::of(TrafficMatch::Icmp(IcmpMatch {
                    icmp_type: Some(3),
                    code: None,
                })),
                "icmp/3",
            ),
            (
                TrafficSet::of(TrafficMatch::Icmp(IcmpMatch {
                    icmp_type: Some(3),
                    code: Some(4),
                })),
                "icmp/3/4",
            ),
            (TrafficSet::of(TrafficMatch::Other(47)), "proto-47"),
        ] {
            assert_eq!(set.to_string(), text);
        }
    }

    #[test]
    fn a_rule_for_everything_holds_what_each_protocol_holds() {
        for packet in [
            ProbePacket::Tcp(0),
            ProbePacket::Udp(65_535),
            ProbePacket::ECHO,
            ProbePacket::Other(47),
            ProbePacket::Other(6),
        ] {
            assert!(TrafficSet::all().contains(packet), "{packet}");
            assert!(TrafficSet::packet(packet).is_subset(&TrafficSet::all()));
        }
        assert_eq!(TrafficSet::of(TrafficMatch::Other(6)), tcp(0, u16::MAX));
    }

    #[test]
    fn the_lowest_packet_is_one_that_people_send() {
        assert_eq!(TrafficSet::all().lowest(), Some(ProbePacket::Tcp(1)));
        assert_eq!(
            TrafficSet::of(TrafficMatch::Icmp(IcmpMatch::default())).lowest(),
            Some(ProbePacket::ECHO)
        );
        assert_eq!(TrafficSet::empty().lowest(), None);
    }
}
