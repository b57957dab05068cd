//! IGMP and MLD snooping (RFC 4541): a switch reads who joins which group, and sends a group's packets only to them and to
//! routers. Groups of the link itself (224.0.0.0/24, ff02::/16) go everywhere, as does what no router asks for.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::table::Table;
use crate::time::{Span, Time};

/// How long a member stays that is silent (RFC 2236 8.4), and a router (8.5).
const MEMBER: Span = Span::seconds(260);
const ROUTER: Span = Span::seconds(255);
/// How long others have to object when one leaves: two queries of a second (8.8, 8.9).
const LEAVE: Span = Span::seconds(2);

/// What a frame is to snooping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A router asks who is there.
    Query,
    /// A host is in a group.
    Report(IpAddr),
    /// A host leaves a group.
    Leave(IpAddr),
    /// A packet to a group.
    Packet(IpAddr),
    /// Nothing that is steered.
    Nothing,
}

/// Where a frame goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Steering {
    /// Everywhere.
    Flood,
    /// To these ports, besides the one that it came from: members and routers.
    Members(Vec<u16>),
    /// To these ports, besides the one that it came from: routers alone, for hosts do not hear each other's reports, or all but
    /// one would keep silent (RFC 4541 2.1.1 (1)).
    Routers(Vec<u16>),
}

/// Who is in which group.
#[derive(Debug, Default)]
pub struct Snooping {
    groups: BTreeMap<IpAddr, BTreeMap<u16, Time>>,
    routers: BTreeMap<u16, Time>,
}

fn is_steered(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(group) => group.is_multicast() && group.octets()[..3] != [224, 0, 0],
        // The scope is the lowest four bits of the second byte: 2 and below do not leave the link (RFC 4291 2.7).
        IpAddr::V6(group) => group.is_multicast() && group.octets()[1] & 0xf > 2,
    }
}

/// Reads an Ethernet frame.
pub fn read(frame: &[u8]) -> Heard {
    match frame.get(12..14) {
        Some([0x08, 0x00]) => read_ipv4(&frame[14..]),
        Some([0x86, 0xdd]) => read_ipv6(&frame[14..]),
        _ => Heard::Nothing,
    }
}

fn read_ipv4(packet: &[u8]) -> Heard {
    if packet.len() < 20 || packet[0] >> 4 != 4 {
        return Heard::Nothing;
    }
    let header = 4 * usize::from(packet[0] & 0xf);
    let address = |bytes: &[u8]| IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]));
    let Some(message) = packet.get(header..).filter(|message| packet[9] == 2 && message.len() >= 8) else {
        return Heard::Packet(address(&packet[16..20]));
    };
    let group = address(&message[4..8]);
    match message[0] {
        0x11 => Heard::Query,
        0x12 | 0x16 => Heard::Report(group),
        0x17 => Heard::Leave(group),
        // RFC 3376 4.2: version 3; one group record tells enough: leaving is "include nothing" or "to include nothing".
        0x22 if message.len() >= 16 => {
            let sources = u16::from_be_bytes([message[10], message[11]]);
            let group = address(&message[12..16]);
            if matches!(message[8], 1 | 3) && sources == 0 { Heard::Leave(group) } else { Heard::Report(group) }
        }
        _ => Heard::Nothing,
    }
}

fn read_ipv6(packet: &[u8]) -> Heard {
    let address = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)));
    let Some(Ok(destination)) = packet.get(24..40).map(address) else { return Heard::Nothing };
    // MLD comes behind a hop-by-hop header with the router alert option (RFC 2710 3).
    let message = packet.get(40..).filter(|rest| packet[6] == 0 && rest.len() >= 8 && rest[0] == 58);
    let message = message.and_then(|rest| rest.get(8 * (1 + usize::from(rest[1]))..));
    let group = message.and_then(|message| message.get(8..24)).and_then(|bytes| address(bytes).ok());
    match (message.and_then(|message| message.first()), group) {
        (Some(130), _) => Heard::Query,
        (Some(131), Some(group)) => Heard::Report(group),
        (Some(132), Some(group)) => Heard::Leave(group),
        _ => Heard::Packet(destination),
    }
}

impl Snooping {
    /// Where a frame to a group goes, and whether a port joined or left by it.
    pub fn steer(&mut self, heard: Heard, port: u16, now: Time) -> (Steering, bool) {
        match heard {
            Heard::Nothing => (Steering::Flood, false),
            Heard::Query => {
                let is_new = self.routers.insert(port, now + ROUTER).is_none_or(|until| until <= now);
                (Steering::Flood, is_new)
            }
            Heard::Report(group) => {
                let is_new = is_steered(group) && {
                    let members = self.groups.entry(group).or_default();
                    members.insert(port, now + MEMBER).is_none_or(|until| until <= now)
                };
                (Steering::Routers(self.routers(now)), is_new)
            }
            Heard::Leave(group) => {
                let until = self.groups.get_mut(&group).and_then(|members| members.get_mut(&port));
                let is_member = until.as_ref().is_some_and(|until| **until > now);
                if let Some(until) = until {
                    *until = (*until).min(now + LEAVE);
                }
                (Steering::Routers(self.routers(now)), is_member)
            }
            Heard::Packet(group) => (self.of_group(group, now), false),
        }
    }

    /// Ports with routers.
    fn routers(&self, now: Time) -> Vec<u16> {
        self.routers.iter().filter(|(_, until)| **until > now).map(|(port, _)| *port).collect()
    }

    fn of_group(&mut self, group: IpAddr, now: Time) -> Steering {
        if !is_steered(group) {
            return Steering::Flood;
        }
        let mut ports = self.routers(now);
        let has_router = !ports.is_empty();
        if let Some(members) = self.groups.get_mut(&group) {
            members.retain(|_, until| *until > now);
            ports.extend(members.keys());
            if members.is_empty() {
                self.groups.remove(&group);
            } else {
                ports.sort_unstable();
                ports.dedup();
                return Steering::Members(ports);
            }
        }
        // Without a router nobody asks again, and the switch does not know whom it would keep in the dark.
        if has_router { Steering::Members(ports) } else { Steering::Flood }
    }

    /// The link of a port went down: nobody is there.
    pub fn forget_port(&mut self, port: u16) {
        self.routers.remove(&port);
        self.groups.values_mut().for_each(|members| _ = members.remove(&port));
        self.groups.retain(|_, members| !members.is_empty());
    }

    /// Groups with their ports, and routers.
    pub fn inspect(&self, now: Time) -> Table {
        let mut table = Table::new("multicast", &["group", "ports"]);
        let ports = |of: &BTreeMap<u16, Time>| {
            let live: Vec<_> = of.iter().filter(|(_, until)| **until > now).map(|(port, _)| port.to_string()).collect();
            live.join(" ")
        };
        for (group, members) in &self.groups {
            let ports = ports(members);
            if !ports.is_empty() {
                table.row([group.to_string(), ports]);
            }
        }
        let routers = ports(&self.routers);
        if !routers.is_empty() {
            table.row(["routers".to_owned(), routers]);
        }
        table
    }
}
