//! What lies over the panes for a moment: the list of keys, longer words, and a word about a terminal that is too small.

use ratatui_core::layout::Rect;

use super::canvas::{Canvas, Look};
use super::layout::LEAST;
use crate::keys::LIST;
use crate::screen::Screen;
use crate::state::Notice;
use crate::text::{fit, width, wrap};

/// Whether a notice fits into the last line.
pub fn is_short(notice: &Notice, columns: u16) -> bool {
    !notice.is_error && !notice.text.contains('\n') && width(&notice.text) <= usize::from(columns)
}

/// A longer notice, or one about what is typed, above the last line.
pub fn notice(screen: &mut Screen<'_>, canvas: &mut Canvas<'_>, area: Rect) {
    let Some(notice) = &screen.state.notice else { return };
    if is_short(notice, area.width) && screen.state.prompt.is_none() {
        return;
    }
    let lines = wrap(&notice.text, usize::from(area.width).saturating_sub(2));
    let most = usize::from(area.height).saturating_sub(4).max(1);
    let height = lines.len().clamp(1, most);
    let place = Rect::new(0, area.height - 2 - height as u16, area.width, height as u16 + 1);
    canvas.clear(place);
    let (title, look) = if notice.is_error { ("error", Look::Loss) } else { ("note", Look::Plain) };
    let more = if lines.len() > height { "  (↑ ↓)" } else { "" };
    screen.state.overlay_top = screen.state.overlay_top.min(lines.len() - height.min(lines.len()));
    let below = canvas.title(place, &format!("{title}{more}"), true);
    for (at, line) in lines.iter().skip(screen.state.overlay_top).take(height).enumerate() {
        canvas.line(below, at as u16, &format!(" {line}"), look);
    }
}

/// All keys.
pub fn keys(screen: &mut Screen<'_>, canvas: &mut Canvas<'_>, area: Rect) {
    canvas.clear(area);
    let height = usize::from(area.height).saturating_sub(2).max(1);
    let count = LIST.len();
    screen.state.overlay_top = screen.state.overlay_top.min(count.saturating_sub(height));
    let more = if count > height { "  (↑ ↓ for the rest)" } else { "" };
    let below = canvas.title(area, &format!("Keys: any other key goes back{more}"), true);
    for (at, (key, what)) in LIST.iter().skip(screen.state.overlay_top).take(height).enumerate() {
        canvas.pieces(below, at as u16, &[(format!(" {} ", fit(key, 16)), Look::Strong), ((*what).to_owned(), Look::Plain)]);
    }
}

/// Too few columns or lines for anything else.
pub fn too_small(canvas: &mut Canvas<'_>, area: Rect) {
    let text = format!("{}x{} is too small: {}x{} at least (q: quit)", area.width, area.height, LEAST.0, LEAST.1);
    for (at, line) in wrap(&text, usize::from(area.width)).iter().take(usize::from(area.height)).enumerate() {
        canvas.line(area, at as u16, line, Look::Plain);
    }
}
