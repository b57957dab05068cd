//! Packets that stand for all others of a claim. Rules tell ports apart only at the ends of their ranges, so one port
//! between two neighbouring ends speaks for all of them, and a handful of packets decides "every port".

use std::collections::BTreeSet;

use model::{Model, PortRange, ProbePacket, TrafficMatch};

use super::probing::MAX_PORTS;

/// A protocol that no rule is likely to name: for experiments (RFC 3692).
const UNNAMED_PROTOCOL: u8 = 253;
/// An ICMP type that no rule is likely to name: a request for information (RFC 792).
const UNNAMED_TYPE: u8 = 15;

/// Where the rules of a cloud tell packets apart.
pub struct Witnesses {
    tcp: BTreeSet<u16>,
    udp: BTreeSet<u16>,
    icmp: BTreeSet<(u8, u8)>,
    others: BTreeSet<u8>,
}

impl Witnesses {
    /// Reads every rule of security groups and network ACLs.
    pub fn of(model: &Model) -> Witnesses {
        let groups = model.security_groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress));
        let lists = model.network_acls.values().flat_map(|acl| acl.ingress.iter().chain(&acl.egress));
        let traffic = groups.map(|rule| rule.traffic).chain(lists.map(|entry| entry.traffic));
        let mut witnesses = Witnesses {
            tcp: BTreeSet::new(),
            udp: BTreeSet::new(),
            icmp: BTreeSet::from([(8, 0), (UNNAMED_TYPE, 0)]),
            others: BTreeSet::from([UNNAMED_PROTOCOL]),
        };
        for traffic in traffic {
            let ports = match traffic {
                TrafficMatch::Tcp(range) => (&mut witnesses.tcp, range),
                TrafficMatch::Udp(range) => (&mut witnesses.udp, range),
                TrafficMatch::Icmp(icmp) => {
                    witnesses.icmp.extend(icmp.icmp_type.map(|icmp_type| (icmp_type, icmp.code.unwrap_or(0))));
                    continue;
                }
                TrafficMatch::Other(number) => {
                    witnesses.others.insert(number);
                    continue;
                }
                TrafficMatch::All | TrafficMatch::Icmpv6(_) => continue,
            };
            let (starts, range) = ports;
            starts.insert(range.from);
            starts.extend(range.to.checked_add(1));
        }
        witnesses
    }

    /// Packets that decide whether any of some traffic passes.
    pub fn packets(&self, traffic: &[TrafficMatch]) -> Vec<ProbePacket> {
        let mut all = BTreeSet::new();
        for traffic in traffic {
            match *traffic {
                TrafficMatch::Tcp(range) => all.extend(ports(&self.tcp, range).into_iter().map(ProbePacket::Tcp)),
                TrafficMatch::Udp(range) => all.extend(ports(&self.udp, range).into_iter().map(ProbePacket::Udp)),
                TrafficMatch::Icmp(icmp) => {
                    let wanted = (icmp.icmp_type.unwrap_or(8), icmp.code.unwrap_or(0));
                    let fitting = self.icmp.iter().copied().filter(|(icmp_type, code)| icmp.matches(*icmp_type, *code));
                    all.extend(fitting.chain([wanted]).map(|(icmp_type, code)| ProbePacket::Icmp { icmp_type, code }));
                }
                TrafficMatch::Other(number) => {
                    all.insert(ProbePacket::Other(number));
                }
                TrafficMatch::All => {
                    let any = [TrafficMatch::Tcp(PortRange::ALL), TrafficMatch::Udp(PortRange::ALL), TrafficMatch::Icmp(Default::default())];
                    all.extend(self.packets(&any));
                    all.extend(self.others.iter().map(|number| ProbePacket::Other(*number)));
                }
                TrafficMatch::Icmpv6(_) => {}
            }
        }
        all.into_iter().collect()
    }
}

/// The ports of a narrow range; of a wide one its first and all at which a rule begins or has just ended. No packet goes
/// to port 0.
fn ports(starts: &BTreeSet<u16>, range: PortRange) -> Vec<u16> {
    let first = range.from.max(1);
    if u32::from(range.to) - u32::from(range.from) < MAX_PORTS {
        return (first..=range.to).collect();
    }
    let within = starts.range(first..=range.to).copied();
    BTreeSet::from([first]).into_iter().chain(within).collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Context, Timestamp};

    fn witnesses() -> Witnesses {
        let model = Model::new("000000000000", model::Region::default(), Context::seeded(1, Timestamp::default()));
        Witnesses { tcp: BTreeSet::from([22, 23, 1024, 8080, 8090]), ..Witnesses::of(&model) }
    }

    #[test]
    fn a_wide_range_is_tried_wherever_a_rule_may_change_the_answer() {
        let tried = witnesses().packets(&[TrafficMatch::Tcp(PortRange { from: 1, to: 8_085 })]);
        assert_eq!(tried, [1, 22, 23, 1024, 8080].map(ProbePacket::Tcp));
        let all = witnesses().packets(&[TrafficMatch::Tcp(PortRange::ALL)]);
        assert_eq!(all, [1, 22, 23, 1024, 8080, 8090].map(ProbePacket::Tcp));
    }

    #[test]
    fn a_narrow_range_is_tried_port_by_port() {
        let tried = witnesses().packets(&[TrafficMatch::Udp(PortRange { from: 50, to: 53 })]);
        assert_eq!(tried, [50, 51, 52, 53].map(ProbePacket::Udp));
    }

    #[test]
    fn everything_is_every_protocol() {
        let tried = witnesses().packets(&[TrafficMatch::All]);
        for wanted in [ProbePacket::Tcp(22), ProbePacket::Udp(1), ProbePacket::ECHO, ProbePacket::Other(UNNAMED_PROTOCOL)] {
            assert!(tried.contains(&wanted), "{wanted}: {tried:?}");
        }
    }
}
