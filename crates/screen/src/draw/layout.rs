//! What is where, by the size of the terminal.

use ratatui_core::layout::Rect;

use crate::state::{Pane, State};

/// Fewest columns and lines that show anything.
pub const LEAST: (u16, u16) = (40, 12);
/// From so many columns packet and tables stand side by side.
const WIDE: u16 = 110;

/// Where the parts of the screen are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Lab, time, place in the list.
    pub header: Rect,
    /// Panes that are seen.
    pub panes: Vec<(Pane, Rect)>,
    /// The current event in full.
    pub detail: Option<Rect>,
    /// Lines between panes: column, first line, lines.
    pub walls: Vec<(u16, u16, u16)>,
    /// Keys, or what is typed.
    pub status: Rect,
    /// Packet and tables are both seen.
    pub is_wide: bool,
}

impl Layout {
    /// For columns and lines; nothing where they are too few.
    pub fn new((width, height): (u16, u16), state: &State) -> Option<Self> {
        if width < LEAST.0 || height < LEAST.1 {
            return None;
        }
        let header = Rect::new(0, 0, width, 1);
        let status = Rect::new(0, height - 1, width, 1);
        let detail_height = if height >= 20 { 4 } else { 2 };
        let middle = height - 2;
        let is_wide = width >= WIDE;
        if state.is_zoomed {
            let is_list = state.focus == Pane::Events;
            let pane = Rect::new(0, 1, width, if is_list { middle - detail_height } else { middle });
            let detail = is_list.then(|| Rect::new(0, 1 + pane.height, width, detail_height));
            return Some(Self { header, panes: vec![(state.focus, pane)], detail, walls: Vec::new(), status, is_wide });
        }
        let rest = middle - detail_height;
        let events_height = (rest * 2).div_ceil(5);
        let events = Rect::new(0, 1, width, events_height);
        let detail = Rect::new(0, 1 + events_height, width, detail_height);
        let (top, lower) = (detail.y + detail_height, rest - events_height);
        let map = if is_wide { (width / 4).min(44) } else { (width * 3 / 8).min(40) };
        let right = width - map - 1;
        let mut panes = vec![(Pane::Events, events), (Pane::Topology, Rect::new(0, top, map, lower))];
        let mut walls = vec![(map, top, lower)];
        if is_wide {
            let packet = (right - 1) / 2;
            panes.push((Pane::Packet, Rect::new(map + 1, top, packet, lower)));
            panes.push((Pane::Tables, Rect::new(map + 2 + packet, top, right - 1 - packet, lower)));
            walls.push((map + 1 + packet, top, lower));
        } else {
            panes.push((state.lower, Rect::new(map + 1, top, right, lower)));
        }
        Some(Self { header, panes, detail: Some(detail), walls, status, is_wide })
    }
}
