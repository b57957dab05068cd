//! The tree of nodes and links, with the way that the frame of the current event takes.

use ratatui_core::layout::Rect;

use super::canvas::{Canvas, Look, top};
use crate::map::{self, Way};
use crate::screen::Screen;
use crate::state::{Pane, Tags};

/// The lines around the node of the event, or around the chosen one.
pub fn tree(screen: &Screen<'_>, canvas: &mut Canvas<'_>, area: Rect) {
    let (map, state) = (&screen.map, &screen.state);
    let has_focus = state.focus == Pane::Topology;
    let title = match state.tags {
        Tags::Off => "Topology",
        Tags::Collision => "Collision domains (o)",
        Tags::Broadcast => "Broadcast domains (o)",
    };
    let area = canvas.title(area, title, has_focus);
    let event = (!screen.rows.is_empty()).then(|| screen.rows.event(state.cursor));
    let traffic = match event {
        Some(_) => map::traffic(screen.view, &screen.rows.get(state.cursor)),
        None => Vec::new(),
    };
    let node = event.map(|event| event.node);
    let line = if has_focus { state.map_line } else { node.and_then(|node| map.line(node)).unwrap_or(0) };
    let height = usize::from(area.height);
    let first = top(line, map.branches.len(), height);
    for (at, branch) in map.branches.iter().enumerate().skip(first).take(height) {
        let sim = screen.view.sim();
        let is_chosen = has_focus && at == state.map_line;
        let mut pieces = vec![(branch.lead.clone(), Look::Faint)];
        let edge = branch.edge.map(|edge| &map.edges[edge]);
        if let Some(edge) = edge {
            let is_down = !map.is_up(screen.view, edge, state.clock);
            // The way towards the node of this line is down the tree.
            let is_towards = |way: Way| (way == Way::There) == (edge.ends[1].0 == branch.node);
            let sign = match map::way(edge, &traffic) {
                Some(way) if is_towards(way) => ("▶ ", Look::Marked),
                Some(_) => ("◀ ", Look::Marked),
                None if is_down => ("x ", Look::Loss),
                None => ("─ ", Look::Faint),
            };
            pieces.push((sign.0.trim_end().to_owned(), sign.1));
            pieces.push((" ".to_owned(), Look::Plain));
        }
        let name = sim.name(branch.node);
        let is_here = node == Some(branch.node);
        match () {
            () if is_here => pieces.push((format!("[{name}]"), Look::Marked)),
            () if is_chosen => pieces.push((name.to_owned(), Look::Chosen)),
            () => pieces.push((name.to_owned(), Look::Name)),
        }
        let kind = if branch.is_again { "(above)" } else { sim.kind(branch.node) };
        if is_chosen {
            pieces.push((" ◂".to_owned(), Look::Strong));
        }
        if state.pinned == Some(branch.node) && !branch.is_again {
            pieces.push((" *tables".to_owned(), Look::Strong));
        }
        if kind != name {
            pieces.push((format!(" {kind}"), Look::Faint));
        }
        if let Some(edge) = edge {
            let (letter, number) = match state.tags {
                Tags::Off => ("", None),
                Tags::Collision => ("c", edge.collision),
                Tags::Broadcast => ("b", edge.broadcast),
            };
            if let Some(number) = number {
                pieces.push((format!(" {letter}{number}"), Look::Group(number)));
            }
            if !map.is_up(screen.view, edge, state.clock) {
                pieces.push((" link down".to_owned(), Look::Loss));
            }
        }
        canvas.pieces(area, (at - first) as u16, &pieces);
    }
}
