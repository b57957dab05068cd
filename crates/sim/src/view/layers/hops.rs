//! From events to hops.

use std::collections::BTreeMap;

use super::super::unit::{Unit, units};
use super::super::why::{decided, sentence};
use super::super::{Filter, View};
use super::session::{States, states};
use super::{Decision, Header, Hop, Level, Shown, Side, changes, deciding, physical, repeating};
use crate::frame::FrameId;
use crate::node::NodeId;
use crate::trace::{Detail, Layer, Reason, TraceEvent, Verb};

/// Ancestors of a frame that are looked for at a node: a packet translated, cut and framed anew has three.
const MOST_ANCESTORS: usize = 8;

/// Events of a node about a frame.
struct Group {
    node: NodeId,
    events: Vec<usize>,
}

pub(super) fn hops(view: &View<'_>, filter: &Filter) -> Vec<Hop> {
    let states = states(view);
    let is_wanted =
        |group: &Group| filter.is_all() || group.events.iter().any(|event| filter.matches(view, &view.events().at(*event)));
    groups(view).iter().filter(|group| is_wanted(group)).map(|group| hop(view, &states, group)).collect()
}

fn groups(view: &View<'_>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut last: BTreeMap<(NodeId, FrameId), usize> = BTreeMap::new();
    for (index, event) in view.events().iter().enumerate() {
        if event.frame == FrameId::NONE {
            continue;
        }
        let arrives = event.verb == Verb::Receive && event.reason == Reason::Wire;
        let ancestors = std::iter::successors(Some(event.frame), |frame| view.parent(*frame)).take(MOST_ANCESTORS);
        let known =
            if arrives { None } else { ancestors.map(|frame| (event.node, frame)).find_map(|key| last.get(&key).copied()) };
        let group = known.unwrap_or_else(|| {
            groups.push(Group { node: event.node, events: Vec::new() });
            groups.len() - 1
        });
        groups[group].events.push(index);
        last.insert((event.node, event.frame), group);
    }
    groups
}

fn hop(view: &View<'_>, states: &States, group: &Group) -> Hop {
    let events: Vec<TraceEvent> = group.events.iter().map(|event| view.events().at(*event)).collect();
    let is_wire = |event: &TraceEvent, verb| event.verb == verb && event.reason == Reason::Wire;
    let kind = view.sim().kind(group.node);
    let height = height(view, kind, &events);
    let incoming = events.iter().find(|event| is_wire(event, Verb::Receive)).map(|event| side(view, states, event, height));
    let mut outgoing: Vec<Side> = Vec::new();
    for event in events.iter().filter(|event| is_wire(event, Verb::Send)) {
        let port = view.sim().port_name(event.node, event.port).to_owned();
        match outgoing.iter_mut().find(|side| side.frame == event.frame.0) {
            Some(side) => side.ports.push(port),
            None => {
                let mut side = side(view, states, event, height);
                if let Some(came) = &incoming {
                    changes::mark(came, &mut side);
                }
                outgoing.push(side);
            }
        }
    }
    let decisions = events.iter().filter(|event| event.reason != Reason::Wire).map(|event| decision(view, event)).collect();
    let mut incoming = incoming;
    if let Some(repeat) = events.iter().find(|event| event.verb == Verb::Repeat)
        && let Some((from, to)) = repeating::stations(view, repeat)
    {
        let sent = TraceEvent { node: from.0, port: from.1, ..*repeat };
        let bits = |ports| Side { ports, ..side(view, states, &sent, height) };
        incoming = Some(bits(vec![repeating::port_of(view, from)]));
        outgoing = vec![bits(to.into_iter().map(|station| repeating::port_of(view, station)).collect())];
    }
    let time_nanoseconds = events.first().map_or(0, |event| event.time.0);
    Hop {
        time_nanoseconds,
        node: view.sim().name(group.node).to_owned(),
        kind,
        height: height.number(),
        incoming,
        decisions,
        outgoing,
    }
}

/// The highest layer that a node looks at: what its kind is made for, or more if it decided higher; where a frame ends, the
/// layer that ended it.
fn height(view: &View<'_>, kind: &str, events: &[TraceEvent]) -> Layer {
    let decided = |event: &&TraceEvent| event.reason != Reason::Wire;
    let highest = events.iter().filter(decided).map(|event| layer(view, event)).max();
    let came_to_an_end = events.iter().any(|event| event.verb == Verb::Drop);
    let made_for = match kind {
        "hub" | "repeater" => Layer::Physical,
        "switch" | "bridge" => Layer::DataLink,
        "router" | "internet" => Layer::Network,
        // The parts of a VPC: `vpc-router`, `internet-gateway`.
        _ if kind.ends_with("-router") || kind.ends_with("-gateway") => Layer::Network,
        "balancer" => Layer::Transport,
        _ => Layer::Application,
    };
    match highest {
        Some(highest) if came_to_an_end => highest,
        Some(highest) => highest.max(made_for),
        None => made_for,
    }
}

/// The layer of a decision; the filters of a VPC look at ports.
fn layer(view: &View<'_>, event: &TraceEvent) -> Layer {
    match view.detail(event) {
        Some(Detail::Stage(reason)) if matches!(reason.stage, fabric::Stage::SecurityGroup | fabric::Stage::NetworkAcl) => {
            Layer::Transport
        }
        _ => event.reason.layer(),
    }
}

fn decision(view: &View<'_>, event: &TraceEvent) -> Decision {
    let units = units(view.bytes(event.frame), view.framing(event.frame));
    Decision {
        layer: event.reason.layer().number(),
        verb: event.verb,
        reason: event.reason,
        fields: deciding::fields(event.reason, view.detail(event), &units),
        why: sentence(view, event),
        decided: decided(view, event),
    }
}

/// A frame at the port where it was sent or received, up to a layer.
fn side(view: &View<'_>, states: &States, event: &TraceEvent, height: Layer) -> Side {
    let (bytes, framing) = (view.bytes(event.frame), view.framing(event.frame));
    let mut layers = vec![Level {
        layer: 1,
        unit: "bits",
        headers: vec![Header { protocol: "medium", fields: physical::fields(view, event.node, event.port, bytes) }],
    }];
    let mut carried = Vec::new();
    let mut is_framed = false;
    for unit in units(bytes, framing) {
        if unit.layer > height {
            if unit.protocol != "encoding" && unit.protocol != "socket" {
                carried.push(unit.name);
            }
            continue;
        }
        let mut header = header(&unit);
        if unit.layer == Layer::DataLink && !is_framed {
            is_framed = true;
            header.fields.extend(physical::trailer(bytes, framing));
        }
        if unit.protocol == "socket" {
            let state = states.get(&event.frame).map_or_else(
                || "none: each datagram stands alone".to_owned(),
                |[mine, yours]| format!("{} at {}, {} at {}", mine.1, mine.0, yours.1, yours.0),
            );
            header.fields.push(Shown { name: "state", value: state, was: None });
        }
        match layers.iter_mut().find(|level| level.layer == unit.layer.number()) {
            Some(level) => level.headers.push(header),
            None => {
                // From layer 5 up all is data, whatever a protocol calls its own.
                let name = if unit.layer >= Layer::Session { "data" } else { unit.unit };
                layers.push(Level { layer: unit.layer.number(), unit: name, headers: vec![header] });
            }
        }
    }
    layers.sort_by_key(|level| level.layer);
    Side { ports: vec![view.sim().port_name(event.node, event.port).to_owned()], frame: event.frame.0, layers, carried }
}

fn header(unit: &Unit) -> Header {
    let fields = unit.fields.iter().map(|field| Shown { name: field.name, value: field.value.clone(), was: None });
    Header { protocol: unit.name, fields: fields.collect() }
}
