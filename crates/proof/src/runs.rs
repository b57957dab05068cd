//! Which atoms the protocol part of a rule covers, as runs of their numbers: found by the packets that stand for the atoms,
//! so that neither time nor memory grows with rules times atoms. Start at [`ByPacket::covered`].

use std::ops::Range;

use model::{ProbePacket, TrafficMatch};

use crate::atom::Atom;
use crate::traffic::TrafficSet;

/// Numbers of atoms, ascending, in runs that neither touch nor overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runs(pub(crate) Vec<Range<usize>>);

impl Runs {
    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().cloned().flatten()
    }
}

/// Atoms by protocol and by the number of the packet that stands for them, as [`TrafficSet::parts`] has them.
#[derive(Debug)]
pub(crate) struct ByPacket([Part; 5]);

/// Which part is that of ICMPv6.
const ICMPV6: usize = 3;

/// Atoms of one protocol.
#[derive(Debug)]
struct Part {
    /// Number of the packet, and of the atom; ascending.
    atoms: Vec<(u16, usize)>,
    /// Whether the atoms' own numbers ascend by one, as those of ports do: then a range of packets is one run.
    is_run: bool,
}

impl ByPacket {
    /// Of all atoms.
    pub(crate) fn of<'a>(atoms: impl IntoIterator<Item = &'a Atom>) -> Self {
        let mut parts: [Vec<(u16, usize)>; 5] = Default::default();
        for (number, atom) in atoms.into_iter().enumerate() {
            let (part, packet) = place(atom.packet);
            parts[part].push((packet, number));
        }
        Self(parts.map(|mut atoms| {
            atoms.sort_unstable();
            let is_run = atoms.windows(2).all(|two| two[1].1 == two[0].1 + 1);
            Part { atoms, is_run }
        }))
    }

    /// The atoms that the protocol part of a rule covers.
    pub(crate) fn covered(&self, traffic: TrafficMatch) -> Runs {
        let set = TrafficSet::of(traffic);
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (index, (part, wanted)) in self.0.iter().zip(set.parts()).enumerate() {
            if index == ICMPV6 && !wanted.is_empty() {
                // Between IPv4 addresses its messages are one atom, as those of a protocol without any.
                runs.extend(part.atoms.iter().map(|(_, number)| *number..number + 1));
                continue;
            }
            for (first, last) in wanted.iter() {
                let from = part.atoms.partition_point(|(packet, _)| *packet < first);
                let to = part.atoms.partition_point(|(packet, _)| *packet <= last);
                match &part.atoms[from..to] {
                    [] => {}
                    [(_, only)] => runs.push(*only..only + 1),
                    [(_, low), .., (_, high)] if part.is_run => runs.push(*low..high + 1),
                    several => runs.extend(several.iter().map(|(_, number)| *number..number + 1)),
                }
            }
        }
        runs.sort_unstable_by_key(|run| run.start);
        runs.dedup_by(|next, run| {
            let touches = next.start <= run.end;
            if touches {
                run.end = run.end.max(next.end);
            }
            touches
        });
        Runs(runs)
    }
}

/// Where a [`TrafficSet`] has a packet: which part, and the number there.
fn place(packet: ProbePacket) -> (usize, u16) {
    let parts = TrafficSet::packet(packet);
    let found = parts.parts().into_iter().enumerate().find_map(|(part, numbers)| Some((part, numbers.iter().next()?.0)));
    // A packet is of some protocol; of one that spans several numbers its first stands for it.
    found.unwrap_or((4, 0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::{IcmpMatch, PortRange};

    use super::*;
    use crate::atom::named_apart;

    #[test]
    fn a_rule_covers_the_atoms_whose_packets_it_admits() {
        let icmp = |icmp_type, code| TrafficMatch::Icmp(IcmpMatch { icmp_type, code });
        let mut named: BTreeSet<TrafficMatch> = [(22, 22), (0, 80), (80, 90), (1_024, u16::MAX), (0, u16::MAX)]
            .into_iter()
            .flat_map(|(from, to)| [TrafficMatch::Tcp(PortRange { from, to }), TrafficMatch::Udp(PortRange { from, to })])
            .collect();
        named.extend([TrafficMatch::All, icmp(None, None), icmp(Some(3), None), icmp(Some(3), Some(4)), icmp(Some(11), None)]);
        named.extend([icmp(None, Some(4)), icmp(Some(8), Some(0)), icmp(Some(13), Some(1))]);
        named.extend([Some(128), None].map(|icmp_type| TrafficMatch::Icmpv6(IcmpMatch { icmp_type, code: None })));
        named.extend([0, 1, 6, 17, 47, 58, 255].map(TrafficMatch::Other));
        let atoms = named_apart(&named);
        let by_packet = ByPacket::of(&atoms);
        for traffic in named {
            let set = TrafficSet::of(traffic);
            let wanted: Vec<usize> = (0..atoms.len()).filter(|number| set.contains(atoms[*number].packet)).collect();
            let runs = by_packet.covered(traffic);
            assert_eq!(runs.iter().collect::<Vec<_>>(), wanted, "{traffic}");
            assert!(runs.0.windows(2).all(|two| two[0].end < two[1].start), "{traffic}: {runs:?}");
        }
    }

    #[test]
    fn ranges_of_many_ports_are_one_run_each() {
        let ports = |(from, to)| TrafficMatch::Tcp(PortRange { from, to });
        let rules: Vec<TrafficMatch> = (1..=20_000).flat_map(|port| [(port, port), (port, 60_000)]).map(ports).collect();
        let atoms = named_apart(&rules.iter().copied().collect());
        let by_packet = ByPacket::of(&atoms);
        let kept: usize = rules.iter().map(|traffic| by_packet.covered(*traffic).0.len()).sum();
        assert!(atoms.len() > 20_000, "{}", atoms.len());
        assert_eq!(kept, rules.len(), "numbers kept one by one are 200 million");
    }
}
