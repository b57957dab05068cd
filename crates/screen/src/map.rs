//! Nodes and links as a tree of lines: each link is a branch once, and one that leads to a node already there says so.

use std::collections::{BTreeMap, BTreeSet};

use model::lan::End;
use sim::lan::domains::count;
use sim::network::Plug;
use sim::view::fold::Row;
use sim::view::View;
use sim::{LinkId, NodeId, Reason, Time, Verb, World};

/// A port of a node.
pub type Place = (NodeId, u16);

/// A link between two ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Its ends.
    pub ends: [Place; 2],
    /// The link of the simulation; cables of hubs are one medium and have none.
    pub link: Option<LinkId>,
    /// Number of its collision domain, from 1, in a lan.
    pub collision: Option<usize>,
    /// Number of its broadcast domain.
    pub broadcast: Option<usize>,
}

/// A line of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The node.
    pub node: NodeId,
    /// The link that leads to it from the line above that it hangs at.
    pub edge: Option<usize>,
    /// What is drawn before it.
    pub lead: String,
    /// The node has a line of its own elsewhere.
    pub is_again: bool,
}

/// The topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// Links.
    pub edges: Vec<Edge>,
    /// Lines.
    pub branches: Vec<Branch>,
    /// When links failed or worked again.
    changes: BTreeMap<LinkId, Vec<(Time, bool)>>,
}

/// Which way the frame of a row takes over a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the first end to the second.
    There,
    /// From the second end to the first.
    Back,
}

impl Map {
    /// The nodes and links of a recording.
    pub fn new(view: &View<'_>, world: &World) -> Self {
        let edges = edges(view, world);
        let branches = branches(view, &edges);
        Self { edges, branches, changes: changes(view) }
    }

    /// Whether a link worked at a time.
    pub fn is_up(&self, view: &View<'_>, edge: &Edge, time: Time) -> bool {
        let Some(link) = edge.link else { return true };
        let now = || view.link(edge.ends[0].0, edge.ends[0].1).is_none_or(sim::link::Link::is_up);
        match self.changes.get(&link) {
            None => now(),
            Some(changes) => match changes.partition_point(|(at, _)| *at <= time) {
                // Before the first change it was the other way round.
                0 => !changes[0].1,
                at => changes[at - 1].1,
            },
        }
    }

    /// The line of a node.
    pub fn line(&self, node: NodeId) -> Option<usize> {
        self.branches.iter().position(|branch| branch.node == node && !branch.is_again)
    }
}

/// Ports at which a row's frame was sent (`false`) or arrived (`true`).
pub fn traffic(view: &View<'_>, row: &Row) -> Vec<(Place, bool)> {
    let events = view.events();
    let sends = row.sends.iter().map(|event| (event, false));
    let mut found: Vec<(Place, bool)> = sends.chain(row.receives.iter().map(|event| (event, true))).map(|(event, came)| ((events.at(*event).node, events.at(*event).port), came)).collect();
    let event = &events.at(row.event);
    if found.is_empty() && event.reason == Reason::Wire && matches!(event.verb, Verb::Send | Verb::Receive) {
        found.push(((event.node, event.port), event.verb == Verb::Receive));
    }
    found
}

/// The way over a link that such traffic takes.
pub fn way(edge: &Edge, traffic: &[(Place, bool)]) -> Option<Way> {
    traffic.iter().find_map(|(place, came)| match (edge.ends.iter().position(|end| end == place)?, came) {
        (0, false) | (1, true) => Some(Way::There),
        _ => Some(Way::Back),
    })
}

/// Links of lans as their file has them, so that cables of hubs are there; then whatever else joins two ports.
fn edges(view: &View<'_>, world: &World) -> Vec<Edge> {
    let sim = view.sim();
    let nodes: BTreeMap<&str, NodeId> = sim.nodes().map(|node| (sim.name(node), node)).collect();
    let place = |device: &str, interface: &str| -> Option<Place> {
        let node = *nodes.get(device)?;
        let port = sim.ports(node).iter().position(|port| &*port.name == interface)?;
        Some((node, port as u16))
    };
    let (mut edges, mut taken) = (Vec::new(), BTreeSet::new());
    let (mut collisions, mut broadcasts) = (0, 0);
    for lan in world.model.lans.values() {
        let domains = count(lan);
        let number = |of: &[sim::lan::domains::Domain], index: usize, base: usize| {
            of.iter().position(|domain| domain.links.contains(&index)).map(|at| base + at + 1)
        };
        for (index, link) in lan.links.iter().enumerate() {
            let (End::Device { device: a, interface: at_a }, End::Device { device: b, interface: at_b }) = (&link.a, &link.b) else { continue };
            let (Some(one), Some(other)) = (place(a, at_a), place(b, at_b)) else { continue };
            let link = match view.plug(one.0, one.1) {
                Plug::Link(link, _) => Some(LinkId(link)),
                Plug::Open | Plug::Station(..) => None,
            };
            taken.extend(link);
            let (collision, broadcast) = (number(&domains.collision, index, collisions), number(&domains.broadcast, index, broadcasts));
            edges.push(Edge { ends: [one, other], link, collision, broadcast });
        }
        collisions += domains.collision.len();
        broadcasts += domains.broadcast.len();
    }
    for (link, joined) in sim.links().filter(|(link, _)| !taken.contains(link)) {
        edges.push(Edge { ends: joined.ends(), link: Some(link), collision: None, broadcast: None });
    }
    edges
}

/// The tree: from the node with most links down, then from the next that is not there yet.
fn branches(view: &View<'_>, edges: &[Edge]) -> Vec<Branch> {
    // The internet of a lab without a cloud is nowhere.
    let is_somewhere = |node: &NodeId| !view.sim().ports(*node).is_empty();
    let mut at: BTreeMap<NodeId, Vec<usize>> = view.sim().nodes().filter(is_somewhere).map(|node| (node, Vec::new())).collect();
    for (index, edge) in edges.iter().enumerate() {
        edge.ends.iter().for_each(|(node, _)| at.entry(*node).or_default().push(index));
    }
    let mut roots: Vec<(NodeId, usize)> = at.iter().map(|(node, edges)| (*node, edges.len())).collect();
    roots.sort_by_key(|(node, degree)| (std::cmp::Reverse(*degree), *node));
    let (mut seen, mut used, mut branches) = (BTreeSet::new(), vec![false; edges.len()], Vec::new());
    for (root, _) in roots {
        if seen.contains(&root) {
            continue;
        }
        // What is still to be drawn, the next one last: node, link, what the lines above draw before it, whether it ends a fork.
        let mut todo = vec![(root, None, String::new(), true)];
        while let Some((node, edge, above, is_last)) = todo.pop() {
            let is_again = !seen.insert(node);
            let lead = match edge {
                None => String::new(),
                Some(_) => format!("{above}{}", if is_last { "└─" } else { "├─" }),
            };
            branches.push(Branch { node, edge, lead, is_again });
            if is_again {
                continue;
            }
            let below = match edge {
                None => String::new(),
                Some(_) => format!("{above}{}", if is_last { "  " } else { "│ " }),
            };
            let mut next = Vec::new();
            for index in at[&node].iter().copied() {
                if std::mem::replace(&mut used[index], true) {
                    continue;
                }
                let [(a, _), (b, _)] = edges[index].ends;
                next.push((if a == node { b } else { a }, Some(index), below.clone(), false));
            }
            if let Some(last) = next.last_mut() {
                last.3 = true;
            }
            todo.extend(next.into_iter().rev());
        }
    }
    branches
}

fn changes(view: &View<'_>) -> BTreeMap<LinkId, Vec<(Time, bool)>> {
    let mut changes: BTreeMap<LinkId, Vec<(Time, bool)>> = BTreeMap::new();
    let is_change = |event: &sim::TraceEvent| event.verb == Verb::State && matches!(event.reason, Reason::LinkUp | Reason::LinkDown);
    for event in view.events().iter().filter(is_change) {
        if let Plug::Link(link, _) = view.plug(event.node, event.port) {
            changes.entry(LinkId(link)).or_default().push((event.time, event.reason == Reason::LinkUp));
        }
    }
    changes
}
