//! The first line of the screen, and the last.

use ratatui_core::layout::Rect;

use super::canvas::{Canvas, Look};
use crate::screen::Screen;
use crate::state::SPEEDS;
use crate::text::{fit, width};

/// Keys that the last line names, the most wanted first.
const HINTS: &[&str] =
    &["? keys", "q quit", "← → step", "t time", "d drop", "c collision", "/ find", ": do", "r run", "Tab pane", "z zoom", "b break", "f filter", "u undo", "a all", "o domains"];

/// Lab, time, what is on.
pub fn header(screen: &Screen<'_>, canvas: &mut Canvas<'_>, area: Rect) {
    let state = &screen.state;
    let mut left = format!(" {}  at {} of {}", screen.about.name, state.clock, screen.about.end);
    if screen.view.sim().trace().is_cut() {
        left += "  the trace is full: what came later is not shown";
    }
    let mut right = Vec::new();
    if state.is_running {
        right.push(format!("runs, {} events/s", SPEEDS[state.speed]));
    }
    if !state.find.is_empty() {
        right.push(format!("/{}", state.find));
    }
    if !state.breakpoints.is_empty() {
        right.push(format!("break: {}", state.breakpoints));
    }
    let right = right.join("  ");
    let columns = usize::from(area.width);
    let room = columns.saturating_sub(width(&left) + 2);
    let right = if right.is_empty() { right } else { format!("{} ", crate::text::cut(&right, room.saturating_sub(1))) };
    let left = fit(&left, columns.saturating_sub(width(&right)));
    canvas.line(area, 0, &(left + &right), Look::Chosen);
}

/// What is typed, what is said, or keys. Returns where the cursor is.
pub fn line(screen: &Screen<'_>, canvas: &mut Canvas<'_>, area: Rect) -> Option<(u16, u16)> {
    let state = &screen.state;
    if let Some(prompt) = &state.prompt {
        let (sign, before) = (prompt.purpose.sign(), prompt.before());
        // A line longer than the screen is seen around its cursor.
        let room = usize::from(area.width).saturating_sub(width(sign) + 1);
        let mut skipped = 0;
        while width(&before.chars().skip(skipped).collect::<String>()) > room {
            skipped += 1;
        }
        let seen: String = prompt.text().chars().skip(skipped).collect();
        canvas.line(area, 0, &format!("{sign}{seen}"), Look::Strong);
        let column = width(sign) + width(&before.chars().skip(skipped).collect::<String>());
        return Some((area.x + (column as u16).min(area.width.saturating_sub(1)), area.y));
    }
    if let Some(notice) = state.notice.as_ref().filter(|notice| super::overlay::is_short(notice, area.width)) {
        canvas.line(area, 0, &notice.text, Look::Strong);
        return None;
    }
    if state.is_running {
        canvas.line(area, 0, "running: r pauses, + faster, - slower", Look::Strong);
        return None;
    }
    let mut hints = String::new();
    for hint in HINTS {
        if width(&hints) + 2 + width(hint) > usize::from(area.width) {
            break;
        }
        hints += if hints.is_empty() { "" } else { "  " };
        hints += hint;
    }
    canvas.line(area, 0, &hints, Look::Faint);
    None
}
