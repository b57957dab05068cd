//! Probes as bytes, and which probe a received packet answers. Pure.

use std::net::Ipv4Addr;

use wire::tcp::Flags;
use wire::{Icmpv4, Ipv4, Tcp, Udp, protocol};

use super::options::Method;
use super::trace::Answer;
use crate::icmp;

/// Where the ports and numbers of probes start. Ports of ours never meet the kernel's own sockets: replies are
/// read beside it, and it has no connection of that name.
pub(crate) struct Probes {
    pub(crate) method: Method,
    pub(crate) source: Ipv4Addr,
    pub(crate) target: Ipv4Addr,
    /// What was asked with `-p`, or the method's.
    pub(crate) port: u16,
    /// First port of ours.
    pub(crate) own_port: u16,
    /// Identifier of echo requests.
    pub(crate) identifier: u16,
    /// Bytes of data.
    pub(crate) payload: usize,
}

impl Probes {
    fn protocol(&self) -> u8 {
        match self.method {
            Method::Udp | Method::UdpTo => protocol::UDP,
            Method::Icmp => protocol::ICMP,
            Method::Tcp => protocol::TCP,
        }
    }

    /// Source and destination port of a probe: one of both tells it from the others.
    fn ports(&self, probe: usize) -> (u16, u16) {
        let number = probe as u16;
        match self.method {
            Method::Udp => (self.own_port, self.port.wrapping_add(number)),
            _ => (self.own_port.wrapping_add(number), self.port),
        }
    }

    fn probe_of(&self, ports: (u16, u16)) -> Option<usize> {
        let number = match self.method {
            Method::Udp => ports.1.wrapping_sub(self.port),
            _ => ports.0.wrapping_sub(self.own_port),
        };
        (self.ports(number.into()) == ports).then_some(number.into())
    }

    /// What to send, behind the IP header.
    pub(crate) fn message(&self, probe: usize) -> Vec<u8> {
        let data: Vec<u8> = (0..self.payload).map(|at| 0x40 + (at % 64) as u8).collect();
        let (source_port, destination_port) = self.ports(probe);
        let (source, target) = (self.source.into(), self.target.into());
        match self.method {
            Method::Udp | Method::UdpTo => Udp { source_port, destination_port }.datagram(source, target, &data),
            Method::Icmp => {
                let sequence = self.port.wrapping_add(probe as u16);
                Icmpv4::Echo { reply: false, id: self.identifier, sequence, data }.message()
            }
            Method::Tcp => {
                let syn = Tcp {
                    source_port,
                    destination_port,
                    // Any number will do; it must only differ from that of a connection just closed.
                    sequence: u32::from(self.identifier) << 16 | probe as u32,
                    acknowledgement: 0,
                    flags: Flags::SYN,
                    window: 5_840,
                    urgent: 0,
                    options: Vec::new(),
                };
                syn.segment(source, target, &[])
            }
        }
    }

    /// Which probe a packet answers, and how; the packet starts with its IP header.
    pub(crate) fn answer(&self, packet: &[u8]) -> Option<Answer> {
        let (header, payload) = Ipv4::parse(packet).ok()?;
        if header.is_later_fragment() {
            return None;
        }
        let arrived = |probe| Answer { probe, from: header.source, mark: None, is_last: true };
        match header.protocol {
            protocol::ICMP => self.icmp(&header, Icmpv4::parse(payload).ok()?),
            _ if header.protocol != self.protocol() || header.source != self.target => None,
            protocol::TCP => {
                let (tcp, _) = Tcp::parse(payload).ok()?;
                let answers = tcp.flags.has(Flags::RST) || tcp.flags.has(Flags::SYN.with(Flags::ACK));
                self.probe_of((tcp.destination_port, tcp.source_port)).filter(|_| answers).map(arrived)
            }
            protocol::UDP => {
                let (udp, _) = Udp::parse(payload).ok()?;
                self.probe_of((udp.destination_port, udp.source_port)).map(arrived)
            }
            _ => None,
        }
    }

    fn icmp(&self, header: &Ipv4, message: Icmpv4) -> Option<Answer> {
        let is_icmp = self.method == Method::Icmp;
        let by_sequence = |id, sequence: u16| (is_icmp && id == self.identifier).then(|| usize::from(sequence.wrapping_sub(self.port)));
        let (probe, mark, is_last) = match &message {
            Icmpv4::Echo { reply: true, id, sequence, .. } if header.source == self.target => {
                (by_sequence(*id, *sequence)?, None, true)
            }
            Icmpv4::TimeExceeded { code: 0, .. } => (self.quoted(&message)?, None, false),
            Icmpv4::Unreachable { code, mtu, .. } => (self.quoted(&message)?, icmp::mark(*code, *mtu), true),
            _ => return None,
        };
        Some(Answer { probe, from: header.source, mark, is_last })
    }

    fn quoted(&self, message: &Icmpv4) -> Option<usize> {
        match self.method {
            Method::Icmp => {
                let (id, sequence) = icmp::quoted_echo(message, self.target)?;
                (id == self.identifier).then(|| usize::from(sequence.wrapping_sub(self.port)))
            }
            _ => self.probe_of(icmp::quoted_ports(message, self.protocol(), self.target)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const TARGET: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
    const HOP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

    fn probes(method: Method, port: u16) -> Probes {
        Probes { method, source: ME, target: TARGET, port, own_port: 40_000, identifier: 7, payload: 32 }
    }

    fn sent(probes: &Probes, probe: usize) -> Vec<u8> {
        Ipv4::new(ME, TARGET, probes.protocol()).packet(&probes.message(probe))
    }

    fn error(about: &[u8], make: impl Fn(Vec<u8>) -> Icmpv4) -> Vec<u8> {
        // Routers quote 8 bytes behind the header at least (RFC 792).
        Ipv4::new(HOP, ME, protocol::ICMP).packet(&make(about[..28].to_vec()).message())
    }

    #[test]
    fn errors_lead_to_their_probe_with_every_method() {
        for (method, port) in [(Method::Udp, 33_434), (Method::UdpTo, 53), (Method::Icmp, 1), (Method::Tcp, 80)] {
            let probes = probes(method, port);
            for probe in [0, 5, 764] {
                let packet = sent(&probes, probe);
                let exceeded = error(&packet, |quoted| Icmpv4::TimeExceeded { code: 0, quoted });
                let expected = Answer { probe, from: HOP, mark: None, is_last: false };
                assert_eq!(probes.answer(&exceeded), Some(expected), "{method:?}");
                let unreachable = error(&packet, |quoted| Icmpv4::Unreachable { code: 3, mtu: 0, quoted });
                let expected = Answer { probe, from: HOP, mark: None, is_last: true };
                assert_eq!(probes.answer(&unreachable), Some(expected), "{method:?}");
                let prohibited = error(&packet, |quoted| Icmpv4::Unreachable { code: 13, mtu: 0, quoted });
                assert_eq!(probes.answer(&prohibited).and_then(|answer| answer.mark).as_deref(), Some("!X"));
                assert_eq!(probes.answer(&packet), None, "{method:?}: our own packet, seen on loopback");
            }
        }
    }

    #[test]
    fn the_target_itself_ends_the_path() {
        let icmp = probes(Method::Icmp, 1);
        let reply = Icmpv4::parse(&icmp.message(4)).unwrap().echo_reply().unwrap().message();
        let from_target = Ipv4::new(TARGET, ME, protocol::ICMP).packet(&reply);
        assert_eq!(icmp.answer(&from_target).map(|a| (a.probe, a.is_last)), Some((4, true)));
        let tcp = probes(Method::Tcp, 80);
        for (flags, counts) in [(Flags::SYN.with(Flags::ACK), true), (Flags::RST.with(Flags::ACK), true), (Flags::ACK, false)] {
            let (syn, _) = Tcp::parse(&tcp.message(4)).unwrap();
            let answer = Tcp { source_port: 80, destination_port: syn.source_port, flags, ..syn };
            let segment = answer.segment(TARGET.into(), ME.into(), &[]);
            let packet = Ipv4::new(TARGET, ME, protocol::TCP).packet(&segment);
            assert_eq!(tcp.answer(&packet).is_some(), counts, "{flags}");
            let elsewhere = Ipv4::new(HOP, ME, protocol::TCP).packet(&segment);
            assert_eq!(tcp.answer(&elsewhere), None);
        }
        let udp = probes(Method::UdpTo, 53);
        let datagram = Udp { source_port: 53, destination_port: 40_004 }.datagram(TARGET.into(), ME.into(), b"x");
        assert_eq!(udp.answer(&Ipv4::new(TARGET, ME, protocol::UDP).packet(&datagram)).map(|a| a.probe), Some(4));
    }
}
