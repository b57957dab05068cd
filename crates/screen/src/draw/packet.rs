//! The frame of the current event by layer, and its bytes with those of the chosen line marked.

use ratatui_core::layout::Rect;

use super::canvas::{Canvas, Look, top};
use crate::packet::{self, Bytes, Kind, Part, hex};
use crate::screen::Screen;
use crate::state::Pane;
use crate::text::wrap;

/// Columns that a line of so many bytes takes: its place, two digits and a space each, the characters.
const fn columns(bytes: usize) -> usize {
    5 + 3 * bytes + 1 + bytes
}

/// Lines and bytes, side by side where there is room.
pub fn frame(screen: &Screen<'_>, canvas: &mut Canvas<'_>, area: Rect, is_wide: bool) {
    let state = &screen.state;
    let title = if is_wide || state.is_zoomed { "Packet" } else { "Packet (Tab: Tables)" };
    let area = canvas.title(area, title, state.focus == Pane::Packet);
    if screen.rows.is_empty() {
        return canvas.line(area, 0, "no event, no packet", Look::Faint);
    }
    let row = screen.rows.get(state.cursor);
    let parts = packet::parts(screen.view, &row);
    let bytes = screen.view.bytes(packet::frame(screen.view, &row));
    let width = usize::from(area.width);
    let (tree, dump) = if bytes.is_empty() {
        (area, None)
    } else if width >= columns(16) + 40 {
        let own = columns(16) as u16;
        let tree = Rect::new(area.x, area.y, area.width - own - 1, area.height);
        (tree, Some((Rect::new(tree.right() + 1, area.y, own, area.height), 16)))
    } else if area.height >= 5 {
        let per_line = [16, 8, 4].into_iter().find(|bytes| columns(*bytes) <= width).unwrap_or(2);
        let lines = bytes.len().div_ceil(per_line) as u16;
        let height = lines.min(if area.height >= 20 { area.height / 3 } else { (area.height / 2).min(4) });
        let tree = Rect::new(area.x, area.y, area.width, area.height - height);
        (tree, Some((Rect::new(area.x, tree.bottom(), area.width, height), per_line)))
    } else {
        (area, None)
    };
    let chosen = state.packet_line.min(parts.len().saturating_sub(1));
    lines(canvas, tree, &parts, chosen);
    if let (Some((area, per_line)), Some(part)) = (dump, parts.get(chosen)) {
        dump_bytes(canvas, area, bytes, part, per_line);
    }
}

fn lines(canvas: &mut Canvas<'_>, area: Rect, parts: &[Part], chosen: usize) {
    // A decision may take several lines of the screen; the others take one and are cut.
    let width = usize::from(area.width).max(8);
    let mut shown: Vec<(usize, String, Look)> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let look = match part.kind {
            _ if at == chosen => Look::Chosen,
            Kind::Heading | Kind::Decides => Look::Strong,
            Kind::Decision => Look::Good,
            Kind::Field => Look::Plain,
        };
        match part.kind {
            Kind::Decision => {
                for (index, line) in wrap(&part.text, width - 5).into_iter().enumerate() {
                    let lead = if index == 0 { format!("»{} ", part.layer) } else { "   ".to_owned() };
                    shown.push((at, lead + &line, look));
                }
            }
            Kind::Heading => shown.push((at, format!("{} {}", part.layer, part.text), look)),
            Kind::Field => shown.push((at, format!("    {}", part.text), look)),
            Kind::Decides => shown.push((at, format!("  » {}", part.text), look)),
        }
    }
    let line = shown.iter().position(|(at, ..)| *at == chosen).unwrap_or(0);
    let height = usize::from(area.height);
    let first = top(line, shown.len(), height);
    for (row, (_, text, look)) in shown.iter().skip(first).take(height).enumerate() {
        let sign = if first + row == line { '▶' } else { ' ' };
        canvas.line(area, row as u16, &format!("{sign}{text}"), *look);
    }
}

fn dump_bytes(canvas: &mut Canvas<'_>, area: Rect, bytes: &[u8], part: &Part, per_line: usize) {
    let count = bytes.len().div_ceil(per_line);
    let height = usize::from(area.height);
    // The first marked byte is seen, and as many behind it as there is room for.
    let line = part.bytes.start / per_line;
    let first = line.saturating_sub(1).min(count.saturating_sub(height));
    let is_marked = |at: usize| part.bytes.contains(&at) && part.bytes.len() < bytes.len();
    for (row, line) in (first..count.min(first + height)).enumerate() {
        let Bytes { begin, digits, characters } = hex(bytes, line, per_line);
        let mut pieces = vec![(begin, Look::Faint)];
        for (at, pair) in &digits {
            // Brackets where looks are lost: `00[0a 00 01 0b]00`.
            let sign = match (at.checked_sub(1).is_some_and(is_marked), is_marked(*at)) {
                (false, true) => ("[", Look::Marked),
                (true, false) if at % per_line > 0 => ("]", Look::Marked),
                (true, true) if at % per_line > 0 => (" ", Look::Marked),
                _ => (" ", Look::Plain),
            };
            pieces.push((sign.0.to_owned(), sign.1));
            pieces.push((pair.clone(), if is_marked(*at) { Look::Marked } else { Look::Plain }));
        }
        let closes = digits.last().is_some_and(|(at, _)| is_marked(*at) && !is_marked(at + 1));
        pieces.push((if closes { "]" } else { " " }.to_owned(), if closes { Look::Marked } else { Look::Plain }));
        pieces.push((" ".repeat(3 * (per_line - digits.len()) + 1), Look::Plain));
        for (at, character) in characters {
            pieces.push((character.to_string(), if is_marked(at) { Look::Marked } else { Look::Faint }));
        }
        canvas.pieces(area, row as u16, &pieces);
    }
}
