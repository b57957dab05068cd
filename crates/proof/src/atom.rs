//! The finest distinctions that a cloud makes between packets: every rule of every security group and network ACL, and
//! every stage, treats all packets of one atom alike.

use std::collections::BTreeSet;

use fabric::{Fabric, Family};
use model::traffic::protocol;
use model::{IcmpMatch, PortRange, ProbePacket, TrafficMatch};

use crate::traffic::TrafficSet;

/// A class of packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Atom {
    /// All of them.
    pub traffic: TrafficSet,
    /// One that stands for them.
    pub packet: ProbePacket,
}

/// All atoms of a cloud; together they are every packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Atoms {
    /// Of IPv4.
    atoms: Vec<Atom>,
    /// Of IPv6, where it is spoken: messages are other ones (RFC 4443).
    ipv6: Vec<Atom>,
    reply_ports: Vec<u16>,
}

impl Atoms {
    /// The atoms of a cloud whose clients send from the ports of `ephemeral`.
    pub fn of(fabric: &Fabric, ephemeral: PortRange) -> Self {
        let groups = fabric
            .groups
            .values()
            .flat_map(|group| group.ingress.iter().chain(&group.egress))
            .map(|rule| rule.traffic);
        let acls = || {
            fabric
                .acls
                .values()
                .flat_map(|acl| acl.ingress.iter().chain(&acl.egress))
                .map(|entry| entry.traffic)
        };
        let named: BTreeSet<TrafficMatch> = groups.chain(acls()).collect();
        let atoms = named_apart(&named);
        // Nobody asks where nobody inside has an IPv6 address.
        let ipv6 = if fabric.ipv6_representative().is_some() { ipv6_apart(&named) } else { Vec::new() };
        // Answers go to the client's port, which only lists tell apart: groups know the flow.
        let listed: BTreeSet<TrafficMatch> = acls().collect();
        let mut reply_ports = BTreeSet::from([ephemeral.from]);
        for number in [protocol::TCP, protocol::UDP] {
            reply_ports.extend(
                ports(&listed, number)
                    .into_iter()
                    .map(|range| range.from)
                    .filter(|port| ephemeral.contains(*port)),
            );
        }
        Self {
            atoms,
            ipv6,
            reply_ports: reply_ports.into_iter().collect(),
        }
    }

    /// Whether all packets of each atom are in a rule's traffic, or none.
    pub(crate) fn know(&self, traffic: TrafficMatch) -> bool {
        let set = TrafficSet::of(traffic);
        self.atoms.iter().all(|atom| atom.traffic.is_subset(&set) || atom.traffic.intersection(&set).is_empty())
    }

    /// Whether a list's entry tells no two ports that answers go to apart which are taken for one.
    pub(crate) fn know_answers(&self, traffic: TrafficMatch, ephemeral: PortRange) -> bool {
        let (TrafficMatch::Tcp(range) | TrafficMatch::Udp(range)) = traffic else { return true };
        let cuts = [Some(range.from), range.to.checked_add(1)];
        cuts.into_iter().flatten().filter(|port| ephemeral.contains(*port)).all(|port| self.reply_ports.contains(&port))
    }

    /// Those of a family.
    pub fn of_family(&self, family: Family) -> std::slice::Iter<'_, Atom> {
        match family {
            Family::V4 => self.iter(),
            Family::V6 => self.ipv6.iter(),
        }
    }

    /// All of IPv4: TCP and UDP by port, ICMP by type and code, other protocols by number.
    pub fn iter(&self) -> std::slice::Iter<'_, Atom> {
        self.atoms.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.atoms.len()
    }

    /// Never: some packet there always is.
    pub fn is_empty(&self) -> bool {
        self.atoms.is_empty()
    }

    /// Source ports that stand for every one that a client may send from, ascending.
    pub fn reply_ports(&self) -> &[u16] {
        &self.reply_ports
    }
}

/// Every IPv4 packet, told apart as the protocol parts of some rules tell it.
pub(crate) fn named_apart(named: &BTreeSet<TrafficMatch>) -> Vec<Atom> {
    let mut atoms = by_port(named);
    atoms.extend(messages(named, &ICMP));
    atoms.extend(others(named, &ICMPV6));
    atoms
}

/// Every IPv6 packet likewise.
fn ipv6_apart(named: &BTreeSet<TrafficMatch>) -> Vec<Atom> {
    let mut atoms = by_port(named);
    atoms.extend(messages(named, &ICMPV6));
    atoms.extend(others(named, &ICMP));
    atoms
}

fn by_port(named: &BTreeSet<TrafficMatch>) -> Vec<Atom> {
    let (tcp, udp) = (ports(named, protocol::TCP), ports(named, protocol::UDP));
    let tcp = tcp.iter().map(|range| atom(TrafficMatch::Tcp(*range), ProbePacket::Tcp(range.from)));
    let udp = udp.iter().map(|range| atom(TrafficMatch::Udp(*range), ProbePacket::Udp(range.from)));
    tcp.chain(udp).collect()
}

/// The messages of a family.
struct Messages {
    number: u8,
    /// Types that somebody answers.
    answered: &'static [u8],
    /// The one that people send.
    echo: u8,
    of: fn(IcmpMatch) -> TrafficMatch,
    named: fn(&TrafficMatch) -> Option<IcmpMatch>,
    packet: fn(u8, u8) -> ProbePacket,
}

/// RFC 792: echo and timestamp are answered.
const ICMP: Messages = Messages {
    number: protocol::ICMP,
    answered: &[8, 13],
    echo: 8,
    of: TrafficMatch::Icmp,
    named: |traffic| match traffic {
        TrafficMatch::Icmp(wanted) => Some(*wanted),
        _ => None,
    },
    packet: |icmp_type, code| ProbePacket::Icmp { icmp_type, code },
};

/// RFC 4443: echo is answered.
const ICMPV6: Messages = Messages {
    number: protocol::ICMPV6,
    answered: &[128],
    echo: 128,
    of: TrafficMatch::Icmpv6,
    named: |traffic| match traffic {
        TrafficMatch::Icmpv6(wanted) => Some(*wanted),
        _ => None,
    },
    packet: |icmp_type, code| ProbePacket::Icmpv6 { icmp_type, code },
};

fn atom(traffic: TrafficMatch, packet: ProbePacket) -> Atom {
    Atom {
        traffic: TrafficSet::of(traffic),
        packet,
    }
}

/// Every port, cut where the range of a rule begins and behind where it ends.
fn ports(named: &BTreeSet<TrafficMatch>, number: u8) -> Vec<PortRange> {
    let mut starts = BTreeSet::from([0]);
    for traffic in named {
        let range = match (number, traffic) {
            (protocol::TCP, TrafficMatch::Tcp(range))
            | (protocol::UDP, TrafficMatch::Udp(range)) => range,
            _ => continue,
        };
        starts.insert(range.from);
        starts.extend(range.to.checked_add(1));
    }
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([u16::MAX]);
    starts
        .iter()
        .zip(ends)
        .map(|(from, to)| PortRange { from: *from, to })
        .collect()
}

/// Every message of a family: a named type and code alone, the rest of its type, and all types that nobody names.
fn messages(named: &BTreeSet<TrafficMatch>, family: &Messages) -> Vec<Atom> {
    let wanted = || named.iter().filter_map(family.named);
    let codes = wanted().filter_map(|wanted| Some((wanted.icmp_type?, wanted.code?)));
    let codes: BTreeSet<(u8, u8)> = codes.chain([(family.echo, 0)]).collect();
    let types = wanted().filter_map(|wanted| wanted.icmp_type).chain(codes.iter().map(|(icmp_type, _)| *icmp_type));
    let types: BTreeSet<u8> = types.chain(family.answered.iter().copied()).collect();
    let mut rest = TrafficSet::of((family.of)(IcmpMatch::default()));
    let mut atoms = Vec::new();
    let mut take = |traffic: TrafficSet, rest: &mut TrafficSet| {
        let traffic = traffic.intersection(rest);
        *rest = rest.difference(&traffic);
        if let Some(packet) = traffic.lowest() {
            atoms.push(Atom { traffic, packet });
        }
    };
    for (icmp_type, code) in &codes {
        take(TrafficSet::packet((family.packet)(*icmp_type, *code)), &mut rest);
    }
    for icmp_type in &types {
        take(
            TrafficSet::of((family.of)(IcmpMatch {
                icmp_type: Some(*icmp_type),
                code: None,
            })),
            &mut rest,
        );
    }
    let all = rest.clone();
    take(all, &mut rest);
    atoms
}

/// Every other protocol: those that a rule names, and all that none does. The messages of the other family are one of
/// them, such as ICMPv6 between IPv4 addresses: no rule for messages means it.
fn others(named: &BTreeSet<TrafficMatch>, foreign: &Messages) -> Vec<Atom> {
    let numbers: BTreeSet<u8> = named
        .iter()
        .filter_map(|traffic| match traffic {
            TrafficMatch::Other(number) => Some(*number),
            _ => None,
        })
        .filter(|number| {
            ![
                protocol::TCP,
                protocol::UDP,
                protocol::ICMP,
                protocol::ICMPV6,
            ]
            .contains(number)
        })
        .collect();
    let ports = [
        TrafficMatch::Tcp(PortRange::ALL),
        TrafficMatch::Udp(PortRange::ALL),
    ];
    let messages = [
        TrafficMatch::Icmp(IcmpMatch::default()),
        TrafficMatch::Icmpv6(IcmpMatch::default()),
    ];
    let mut rest = TrafficSet::all().difference(&TrafficSet::of_any(ports.iter().chain(&messages)));
    let mut atoms = vec![Atom {
        traffic: TrafficSet::of(TrafficMatch::Other(foreign.number)),
        packet: ProbePacket::Other(foreign.number),
    }];
    for number in numbers {
        let traffic = TrafficSet::of(TrafficMatch::Other(number));
        rest = rest.difference(&traffic);
        atoms.push(Atom {
            traffic,
            packet: ProbePacket::Other(number),
        });
    }
    atoms.extend(rest.lowest().map(|packet| Atom {
        traffic: rest,
        packet,
    }));
    atoms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_cut_where_a_range_begins_and_behind_its_end() {
        let named = BTreeSet::from([
            TrafficMatch::Tcp(PortRange { from: 80, to: 90 }),
            TrafficMatch::Udp(PortRange::one(53)),
        ]);
        let ranges: Vec<(u16, u16)> = ports(&named, protocol::TCP)
            .iter()
            .map(|range| (range.from, range.to))
            .collect();
        assert_eq!(ranges, [(0, 79), (80, 90), (91, u16::MAX)]);
        assert_eq!(
            ports(
                &BTreeSet::from([TrafficMatch::Tcp(PortRange::ALL)]),
                protocol::TCP
            ),
            [PortRange::ALL]
        );
    }

    #[test]
    fn messages_and_protocols_are_each_in_one_atom() {
        let named = BTreeSet::from([
            TrafficMatch::Icmp(IcmpMatch {
                icmp_type: Some(3),
                code: Some(4),
            }),
            TrafficMatch::Icmp(IcmpMatch {
                icmp_type: Some(11),
                code: None,
            }),
            TrafficMatch::Other(47),
        ]);
        for (atoms, whole) in [
            (
                messages(&named, &ICMP),
                TrafficSet::of(TrafficMatch::Icmp(IcmpMatch::default())),
            ),
            (
                others(&named, &ICMPV6),
                TrafficSet::all().difference(&TrafficSet::of_any(&[
                    TrafficMatch::Tcp(PortRange::ALL),
                    TrafficMatch::Udp(PortRange::ALL),
                    TrafficMatch::Icmp(IcmpMatch::default()),
                ])),
            ),
        ] {
            let mut all = TrafficSet::empty();
            for atom in &atoms {
                assert!(atom.traffic.contains(atom.packet), "{atom:?}");
                assert!(all.intersection(&atom.traffic).is_empty(), "{atom:?}");
                all = all.union(&atom.traffic);
            }
            assert_eq!(all, whole);
        }
    }
}
