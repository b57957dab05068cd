//! What a hub repeats on a shared medium. Its ports are not ends of the medium: the stations are, and a port is known by whom
//! it leads to.

use super::super::View;
use crate::network::Plug;
use crate::node::NodeId;
use crate::trace::{Reason, TraceEvent, Verb};

/// A station of a medium: a node and its port.
pub(super) type Station = (NodeId, u16);

/// Whose bits a hub repeats, and to whom; nothing where it repeats whole frames by cables of its own.
pub(super) fn stations(view: &View<'_>, repeat: &TraceEvent) -> Option<(Station, Vec<Station>)> {
    let is_sending =
        |event: &TraceEvent| event.frame == repeat.frame && event.verb == Verb::Send && event.reason == Reason::Wire;
    // The last one before: a frame that collided is sent again.
    let sent = view.events().until(repeat.time).iter().rev().find(is_sending)?;
    let from = (sent.node, sent.port);
    let Plug::Station(medium, _) = view.plug(from.0, from.1) else { return None };
    Some((from, on(view, medium).filter(|station| *station != from).collect()))
}

/// Everybody on a medium, in order of making.
pub(super) fn on<'v>(view: &'v View<'_>, medium: u32) -> impl Iterator<Item = Station> + 'v {
    let sim = view.sim();
    let of = move |node: NodeId| {
        let is_on = move |plug: Plug| matches!(plug, Plug::Station(of, _) if of == medium);
        let ports = sim.ports(node).iter().zip(0_u16..);
        ports.filter(move |(port, _)| is_on(port.plug)).map(move |(_, port)| (node, port))
    };
    sim.nodes().flat_map(of)
}

/// A port of a hub, by the station that it leads to.
pub(super) fn port_of(view: &View<'_>, (node, port): Station) -> String {
    format!("port of {}", view.place(node, port))
}
