//! TCP's numbers counted from the beginning of each direction, as people read them: the first byte of data is 1.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use wire::packet::{Network, Transport};
use wire::tcp::{Flags, TcpOption};
use wire::{Packet, Tcp};

use super::View;
use super::summary::packet;
use crate::trace::{Reason, Verb};

/// Initial sequence numbers of each direction, with the place in the trace from which they hold: ports serve again.
#[derive(Debug, Default)]
pub(super) struct Starts(BTreeMap<(SocketAddr, SocketAddr), Vec<(usize, u32)>>);

impl Starts {
    /// Those that the SYNs of a trace say.
    pub fn of(view: &View<'_>) -> Self {
        let mut starts = Self::default();
        for (index, event) in view.events().iter().enumerate() {
            if event.verb != Verb::Send || event.reason != Reason::Wire {
                continue;
            }
            let packet = packet(view.bytes(event.frame), view.framing(event.frame));
            let Some((from, to, tcp)) = segment(&packet).filter(|(_, _, tcp)| tcp.flags.has(Flags::SYN)) else { continue };
            let known = starts.0.entry((from, to)).or_default();
            if known.last().is_none_or(|(_, number)| *number != tcp.sequence) {
                known.push((index, tcp.sequence));
            }
        }
        starts
    }

    fn at(&self, from: SocketAddr, to: SocketAddr, index: usize) -> Option<u32> {
        let known = self.0.get(&(from, to))?;
        let begun = known.iter().rev().find(|(begins, _)| *begins <= index).or(known.first());
        begun.map(|(_, number)| *number)
    }

    /// Counts a segment's numbers from the beginning, as far as the trace has it. A SYN keeps its own.
    pub fn apply(&self, packet: &mut Packet, index: usize) {
        let Some((from, to, tcp)) = segment(packet).filter(|(_, _, tcp)| !tcp.flags.has(Flags::SYN)) else { return };
        let (mine, yours) = (self.at(from, to, index), self.at(to, from, index));
        let is_about_nothing = !tcp.flags.has(Flags::ACK);
        let Network::Ip(ip) = &mut packet.network else { return };
        let Transport::Tcp(tcp, _) = &mut ip.transport else { return };
        tcp.sequence = mine.map_or(tcp.sequence, |mine| tcp.sequence.wrapping_sub(mine));
        let Some(yours) = yours.filter(|_| !is_about_nothing) else { return };
        tcp.acknowledgement = tcp.acknowledgement.wrapping_sub(yours);
        for option in &mut tcp.options {
            if let TcpOption::Sack(blocks) = option {
                blocks
                    .iter_mut()
                    .for_each(|(left, right)| (*left, *right) = (left.wrapping_sub(yours), right.wrapping_sub(yours)));
            }
        }
    }
}

fn segment(packet: &Packet) -> Option<(SocketAddr, SocketAddr, &Tcp)> {
    let ip = packet.ip()?;
    let Transport::Tcp(tcp, _) = &ip.transport else { return None };
    Some((SocketAddr::new(ip.source, tcp.source_port), SocketAddr::new(ip.destination, tcp.destination_port), tcp))
}
