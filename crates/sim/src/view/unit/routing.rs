//! What routers and hosts tell each other of networks and groups: IGMP (RFC 2236, 3376), OSPF (RFC 2328), RIP (RFC 2453).

use std::net::Ipv4Addr;

use super::network::judged;
use super::{Unit, long, unread, word};
use crate::trace::Layer;

pub(super) fn igmp(bytes: &[u8], at: usize, found: &mut Vec<Unit>) {
    let (Some(kind), Some(group)) = (bytes.first(), address(bytes, 4)) else {
        return unread(Layer::Network, bytes, at, found);
    };
    let what = match kind {
        0x11 => "membership query",
        0x12 => "membership report v1",
        0x16 => "membership report v2",
        0x17 => "leave group",
        0x22 => "membership report v3",
        _ => "other",
    };
    // Version 3 lists groups behind eight bytes of header; the first stands for them in the line.
    let shown = if *kind == 0x22 { address(bytes, 12).unwrap_or(Ipv4Addr::UNSPECIFIED) } else { group };
    let unit = Unit::new(Layer::Network, "igmp", "IGMP", "message", (at, bytes.len()))
        .with("type", format!("{kind:#04x} ({what})"))
        .with("checksum", judged(word(bytes, 2).unwrap_or(0), wire::checksum::of(bytes) == 0))
        .with("group", shown);
    found.push(unit.brief(format!("igmp {what} {shown}")));
}

pub(super) fn ospf(bytes: &[u8], at: usize, found: &mut Vec<Unit>) {
    let (Some([version, kind]), Some(router), Some(area)) = (bytes.get(..2), address(bytes, 4), address(bytes, 8)) else {
        return unread(Layer::Network, bytes, at, found);
    };
    let names =
        ["", "Hello", "Database Description", "Link State Request", "Link State Update", "Link State Acknowledgment"];
    let what = names.get(usize::from(*kind)).copied().unwrap_or("");
    let mut unit = Unit::new(Layer::Network, "ospf", "OSPF", "message", (at, bytes.len()))
        .with("version", version)
        .with("type", format!("{kind} {what}").trim_end())
        .with("length", word(bytes, 2).unwrap_or(0))
        .with("router", router)
        .with("area", area);
    // The body of a Hello (RFC 2328 A.3.2) begins behind 24 bytes of header.
    if *kind == 1
        && let (Some(interval), Some(dead), Some(neighbors)) = (word(bytes, 28), long(bytes, 32), bytes.get(44..))
    {
        unit = unit.with("hello interval", interval).with("dead interval", dead).with("neighbors", neighbors.len() / 4);
    }
    if *kind == 4
        && let Some(count) = long(bytes, 24)
    {
        unit = unit.with("advertisements", count);
    }
    found.push(unit.brief(format!("OSPFv{version}, {what}, router {router}, area {area}, length {}", bytes.len())));
}

/// A message of RIP version 2 with the networks it names.
pub(super) fn rip(bytes: &[u8], at: usize) -> Option<Unit> {
    let [command @ (1 | 2), version @ (1 | 2), 0, 0] = bytes.get(..4)? else { return None };
    let what = if *command == 1 { "request" } else { "response" };
    let mut unit = Unit::new(Layer::Application, "rip", "RIP", "message", (at, bytes.len()))
        .with("command", format!("{command} ({what})"))
        .with("version", version);
    let entries = bytes[4..].chunks_exact(20);
    let count = entries.len();
    for entry in entries.take(25) {
        let (Some(network), Some(mask), Some(metric)) = (address(entry, 4), address(entry, 8), long(entry, 16)) else {
            continue;
        };
        unit = unit.with("route", format!("{network}/{} metric {metric}", u32::from(mask).leading_ones()));
    }
    Some(unit.brief(format!("RIPv{version}, {what}, routes: {count}")))
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    long(bytes, at).map(Ipv4Addr::from)
}
