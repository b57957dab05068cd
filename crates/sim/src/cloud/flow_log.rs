//! What a VPC's router counts for flow logs: each packet once at either end, where its way through the groups and lists ends.

use std::collections::BTreeMap;

use fabric::flow_log::{Action, FlowKey, Sighting, recorded_flags};
use fabric::{Direction, Fabric, InterfaceIndex, Transport};
use model::NetworkInterfaceId;
use wire::protocol;

use super::bytes::ETHERNET;
use super::judge::Travel;

/// Counts of the interfaces that some flow log watches.
#[derive(Debug, Clone, Default)]
pub struct Counts(BTreeMap<(NetworkInterfaceId, FlowKey), Tally>);

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    packets: u64,
    bytes: u64,
    tcp_flags: u8,
}

impl Counts {
    /// Counts a packet at one end of its way; `frame` is what it came in.
    pub fn note(&mut self, fabric: &Fabric, at: InterfaceIndex, (direction, action): (Direction, Action), travel: &Travel, frame: &[u8]) {
        if !fabric.logged.contains(&at) {
            return;
        }
        let header = &travel.packet.header;
        let (source_port, destination_port) = match header.transport {
            Transport::Tcp { source_port, destination_port, .. } | Transport::Udp { source_port, destination_port } => {
                (source_port, destination_port)
            }
            _ => (0, 0),
        };
        let flow = FlowKey {
            direction,
            action,
            source: header.source,
            destination: header.destination,
            protocol: protocol_of(frame),
            source_port,
            destination_port,
        };
        let tally = self.0.entry((fabric.interfaces[at].id.clone(), flow)).or_default();
        tally.packets += 1;
        tally.bytes += u64::from(travel.packet.length);
        if let Transport::Tcp { .. } = header.transport {
            tally.tcp_flags |= tcp_flags(frame);
        }
    }

    /// All of them; from now on it counts anew.
    pub fn take(&mut self) -> Vec<Sighting> {
        let counted = std::mem::take(&mut self.0).into_iter();
        counted
            .map(|((interface, flow), Tally { packets, bytes, tcp_flags })| Sighting { interface, flow, packets, bytes, tcp_flags })
            .collect()
    }
}

/// Where the payload of a frame's packet begins, and its protocol.
fn payload(frame: &[u8]) -> Option<(usize, u8)> {
    let first = *frame.get(ETHERNET)?;
    match first >> 4 {
        4 => Some((ETHERNET + usize::from(first & 0xf) * 4, *frame.get(ETHERNET + 9)?)),
        _ => Some((ETHERNET + 40, *frame.get(ETHERNET + 6)?)),
    }
}

fn protocol_of(frame: &[u8]) -> u8 {
    payload(frame).map_or(0, |(_, number)| number)
}

fn tcp_flags(frame: &[u8]) -> u8 {
    let flags = payload(frame).filter(|(_, number)| *number == protocol::TCP).and_then(|(at, _)| frame.get(at + 13));
    flags.map_or(0, |flags| recorded_flags(*flags))
}
