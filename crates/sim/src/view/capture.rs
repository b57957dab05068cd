//! A trace as a pcapng file: an interface for each port, each frame where it was sent and where it came in, with the
//! reason as its comment.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::Duration;

use wire::pcapng::{Captured, Direction, Interface, LinkType, Writer};

use super::fold;
use super::why::sentence;
use super::{Filter, View};
use crate::frame::FrameId;
use crate::link::Framing;
use crate::node::NodeId;
use crate::trace::{Reason, TraceEvent, Verb};

/// PPP in HDLC-like framing, and Cisco's HDLC (IANA "PCAP Link Types").
const PPP: LinkType = LinkType(9);
const CISCO_HDLC: LinkType = LinkType(104);

/// A packet to write.
struct Wanted {
    event: TraceEvent,
    direction: Direction,
    about: Vec<TraceEvent>,
}

/// Writes what a filter wants of a trace. Returns the number of packets.
///
/// A frame is captured where it was given to a cable and where its last bit came in; what was decided about it there is the
/// comment, and makes it wanted, too. libpcap refuses a file with interfaces of different link types, so ports of a kind of
/// link that no packet passed are left out. Errors are the sink's.
pub fn write<W: Write>(view: &View<'_>, filter: &Filter, out: W) -> io::Result<usize> {
    let mut writer = Writer::new(out, "vpclab sim")?;
    let wanted = wanted(view, filter);
    let mut kinds: BTreeSet<u16> = wanted.iter().map(|wanted| link_type(view, wanted.event.node, wanted.event.port).0).collect();
    if kinds.is_empty() {
        kinds.insert(LinkType::ETHERNET.0);
    }
    let mut interfaces: BTreeMap<(NodeId, u16), Interface> = BTreeMap::new();
    for node in view.sim().nodes() {
        for (index, port) in view.sim().ports(node).iter().enumerate() {
            let index = index as u16;
            let link_type = link_type(view, node, index);
            if kinds.contains(&link_type.0) {
                let name = format!("{}:{}", view.sim().name(node), port.name);
                interfaces.insert((node, index), writer.interface(&name, view.sim().kind(node), link_type, 0)?);
            }
        }
    }
    for Wanted { event, direction, about } in &wanted {
        let Some(interface) = interfaces.get(&(event.node, event.port)) else { continue };
        let comment: Vec<String> =
            about.iter().map(|event| format!("{} ({}): {}", event.verb, event.reason, sentence(view, event))).collect();
        let comment = comment.join("\n");
        let captured = Captured {
            direction: *direction,
            comment: &comment,
            ..Captured::new(Duration::from_nanos(event.time.0), view.bytes(event.frame))
        };
        writer.packet(*interface, &captured)?;
    }
    writer.flush()?;
    Ok(wanted.len())
}

fn link_type(view: &View<'_>, node: NodeId, port: u16) -> LinkType {
    match view.link(node, port).map(|link| link.spec().framing) {
        Some(Framing::Ppp) => PPP,
        Some(Framing::Hdlc) => CISCO_HDLC,
        Some(Framing::Ethernet) | None => LinkType::ETHERNET,
    }
}

fn wanted(view: &View<'_>, filter: &Filter) -> Vec<Wanted> {
    let said = said(view);
    let mut wanted = Vec::new();
    for (index, event) in view.events().iter().enumerate() {
        let direction = match (event.verb, event.reason) {
            (Verb::Send, Reason::Wire) => Direction::Outbound,
            (Verb::Receive, Reason::Wire) => Direction::Inbound,
            _ => continue,
        };
        let about: Vec<TraceEvent> = said.get(&index).into_iter().flatten().map(|index| view.events().at(*index)).collect();
        let is_wanted = filter.matches(view, &event) || about.iter().any(|event| filter.matches(view, event));
        if event.frame != FrameId::NONE && is_wanted && usize::from(event.port) < view.sim().ports(event.node).len() {
            wanted.push(Wanted { event, direction, about });
        }
    }
    wanted
}

/// Events that say more about a frame, by the place in the trace of its sending or arrival: the decision to send it, and
/// what became of it where it came in.
fn said(view: &View<'_>) -> BTreeMap<usize, Vec<usize>> {
    let mut said: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for row in fold::folded(view) {
        for send in row.sends.iter().filter(|send| **send != row.event) {
            said.entry(*send).or_default().push(row.event);
        }
    }
    let mut came: BTreeMap<(NodeId, FrameId), usize> = BTreeMap::new();
    for (index, event) in view.events().iter().enumerate() {
        match (event.verb, event.reason) {
            (Verb::Send, Reason::Wire) => {}
            (Verb::Receive, Reason::Wire) => {
                came.insert((event.node, event.frame), index);
            }
            _ => {
                if let Some(at) = came.get(&(event.node, event.frame)) {
                    said.entry(*at).or_default().push(index);
                }
            }
        }
    }
    said
}
